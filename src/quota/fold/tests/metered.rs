//! Tests of sources, each byte of which counts once.

use super::*;
use crate::quota::event::Use;
use crate::quota::fold::sources::{IDLE_MS, SOURCES_MAX};

fn used(at: Timestamp, amount: u64) -> Use {
    Use { at, amount, unknown: 0, assumed: 0 }
}

impl Lines {
    fn meter(&mut self, at: Timestamp, source: &str, from: u64, to: u64, uses: Vec<Use>) {
        let watch = Watch::of(&self.limit, at);
        let (source, state) = (source.to_owned(), format!("state {to}"));
        self.add(at, Event::Meter { source, from, to, uses, state, watch });
    }

    /// Returns how far a source was counted, and its state.
    fn source(&self, source: &str) -> Option<(u64, &str)> {
        self.fold.source(&self.limit, source).map(|source| (source.counted, source.state.as_str()))
    }
}

const NOON: &str = "2026-02-14T12:00:00Z";

#[test]
fn each_byte_of_a_source_counts_once() {
    let mut lines = Lines::of_limit(100, "day");
    let at = time(NOON);
    assert_eq!(lines.source("s"), None);
    lines.meter(at, "s", 0, 10, vec![used(at, 3)]);
    lines.meter(at, "s", 0, 10, vec![used(at, 3)]);
    lines.meter(at, "s", 0, 20, vec![used(at, 7)]);
    assert_eq!((lines.sums(at).0, lines.source("s")), (3, Some((10, "state 10"))));
    lines.meter(at, "s", 20, 30, vec![used(at, 5)]);
    assert_eq!(lines.sums(at).0, 3, "bytes 10 to 19 were not counted yet");
    lines.meter(at, "s", 10, 20, vec![used(at, 4)]);
    lines.meter(at, "s", 20, 20, vec![used(at, 4)]);
    lines.meter(at, "t", 0, 5, vec![used(at, 1), Use { at, amount: 2, unknown: 2, assumed: 1 }]);
    assert_eq!((lines.sums(at).0, lines.counts(at)), (10, (2, 1)));
    assert_eq!((lines.source("s"), lines.source("t")), (Some((20, "state 20")), Some((5, "state 5"))));
}

#[test]
fn a_use_counts_in_the_window_of_its_own_time() {
    let (yesterday, today) = (time("2026-02-13T23:59:59Z"), time(NOON));
    for (period, consumed, before) in [("day", 2, 0), ("month", 3, 3), ("total", 3, 3), ("13h", 3, 3), ("12h", 2, 0)] {
        let mut lines = Lines::of_limit(100, period);
        lines.meter(today, "s", 0, 10, vec![used(yesterday, 1), used(today, 2)]);
        assert_eq!(lines.sums(today).0, consumed, "{period}");
        assert_eq!(lines.sums(yesterday).0, before, "{period}: a window that is over is not begun again");
    }
    let mut lines = Lines::of_limit(100, "day");
    lines.consume("2026-02-13T12:00:00Z", 5);
    lines.meter(today, "s", 0, 10, vec![used(yesterday, 1), used(today, 2)]);
    assert_eq!((lines.sums(today).0, lines.sums(yesterday).0), (2, 6), "a known window counts it");
}

#[test]
fn a_use_in_the_future_counts_when_it_was_reported() {
    let mut lines = Lines::of_limit(100, "minute");
    let (now, next) = (time(NOON), time("2026-02-14T12:01:00Z"));
    lines.meter(now, "s", 0, 10, vec![used(next, 1)]);
    assert_eq!((lines.sums(now).0, lines.sums(next).0), (1, 0));
}

/// The windows of an old session must not replace the window in which new lines count.
#[test]
fn the_report_of_an_old_session_does_not_remove_the_present_window() {
    for period in ["minute", "1h", "day"] {
        let mut lines = Lines::of_limit(100, period);
        let now = time(NOON);
        lines.consume(NOON, 5);
        let uses = (1..100).map(|day| used(Timestamp::from_unix_ms(now.unix_ms() - day * 86_400_000).unwrap(), 1));
        lines.meter(now, "s", 0, 10, uses.chain([used(now, 1)]).collect());
        assert_eq!(lines.sums(now).0, 6, "{period}");
    }
}

#[test]
fn a_threshold_is_reached_by_the_line_that_counts() {
    let mut lines = Lines::of_limit(10, "quarter");
    lines.limit.thresholds = [NonZeroU16::new(50).unwrap()].into();
    let at = time(NOON);
    lines.meter(at, "s", 5, 10, vec![used(at, 9)]);
    assert_eq!(lines.fold.reached_by(&lines.limit, 1, at), [0; 0]);
    lines.meter(at, "s", 0, 10, vec![used(at, 5)]);
    assert_eq!(lines.fold.reached_by(&lines.limit, 2, at), [50]);
}

#[test]
fn a_forgotten_source_counts_only_what_is_new() {
    let mut lines = Lines::of_limit(100, "total");
    let (at, later) = (time(NOON), time(NOON).plus_ms(IDLE_MS + 1));
    lines.meter(at, "s", 0, 10, vec![used(at, 3)]);
    lines.meter(at.plus_ms(IDLE_MS), "other", 0, 10, Vec::new());
    assert_eq!(lines.source("s"), Some((10, "state 10")), "it is not idle for long enough");
    lines.meter(later, "new", 0, 10, Vec::new());
    assert_eq!(lines.source("s"), None);
    lines.meter(later, "s", 10, 20, vec![used(later, 4)]);
    assert_eq!(lines.sums(later).0, 3, "it is read from its start again");
    lines.meter(later, "s", 0, 20, vec![used(at, 3), used(later, 4)]);
    assert_eq!((lines.sums(later).0, lines.source("s")), (7, Some((20, "state 20"))));
    // The same is true for a line in the past, from a clock that is behind.
    lines.meter(at, "t", 0, 10, vec![used(at, 3)]);
    assert_eq!(lines.sums(later).0, 7);
}

#[test]
fn a_limited_number_of_sources_is_remembered_and_the_oldest_is_forgotten() {
    let mut lines = Lines::of_limit(u64::MAX, "total");
    let start = time(NOON);
    let total = 2 * SOURCES_MAX as u64;
    for number in 0..total {
        let at = start.plus_ms(number * 60_000);
        lines.meter(at, &format!("s{number}"), 0, 10, vec![used(at, 1)]);
    }
    let end = start.plus_ms(total * 60_000);
    assert_eq!(lines.sums(end).0, total);
    assert_eq!(lines.fold.account(&lines.limit).unwrap().sources.len(), SOURCES_MAX);
    assert_eq!((lines.source("s0"), lines.source(&format!("s{}", total - 1)).is_some()), (None, true));
    for number in 0..total {
        lines.meter(end, &format!("s{number}"), 0, 10, vec![used(start.plus_ms(number * 60_000), 1)]);
    }
    assert_eq!(lines.sums(end).0, total, "nothing counts twice");
}

proptest! {
    /// Each process reads any range of bytes. The range may begin where the counted bytes end, or at a wrong byte.
    #[test]
    fn any_order_of_the_lines_of_many_processes_counts_each_byte_once(
        amounts in prop::collection::vec(0_u64..100, 1..40),
        reads in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u64..3), 0..80),
    ) {
        let mut lines = Lines::of_limit(u64::MAX, "day");
        let at = time(NOON);
        let uses = |from: usize, to: usize| amounts[from..to].iter().map(|amount| used(at, *amount)).collect();
        for (from, to, late) in reads {
            let (from, to) = (from.index(amounts.len() + 1), to.index(amounts.len() + 1));
            let (from, to) = (from.min(to), from.max(to));
            for _ in 0..=late {
                lines.meter(at, "s", from as u64, to as u64, uses(from, to));
            }
            let counted = lines.source("s").map_or(0, |(counted, _)| counted) as usize;
            prop_assert_eq!(lines.sums(at).0, amounts[..counted].iter().sum::<u64>());
        }
        let counted = lines.source("s").map_or(0, |(counted, _)| counted) as usize;
        lines.meter(at, "s", counted as u64, amounts.len() as u64, uses(counted, amounts.len()));
        prop_assert_eq!(lines.sums(at).0, amounts.iter().sum::<u64>());
    }

    #[test]
    fn stored_sums_continue_like_sums_in_memory(
        steps in prop::collection::vec((0_u64..200_000_000, 0_u64..20, 0_u8..5), 1..60),
        at in any::<prop::sample::Index>(),
        period in prop::sample::select(&["minute", "day", "quarter", "5h", "total"][..]),
    ) {
        let mut lines = Lines::of_limit(200, period);
        let store_at = at.index(steps.len());
        let mut last = None;
        for (number, (after_ms, amount, kind)) in steps.into_iter().enumerate() {
            let at = time(NOON).plus_ms(after_ms);
            match kind {
                0 => lines.add(at, consume(amount)),
                1 => last = lines.hold(at, amount).map(|hold| (hold, at)).or(last),
                2 => {
                    if let Some((hold, held_at)) = last.take() {
                        lines.settle_watched(hold, held_at, at, amount);
                    }
                }
                3 => {
                    lines.watch(at, amount, &[50, 80]);
                }
                _ => {
                    let from = lines.source("s").map_or(0, |(counted, _)| counted);
                    lines.meter(at, "s", from, from + 1, vec![Use { at: time(NOON), amount, unknown: 1, assumed: 0 }]);
                }
            }
            lines.sums(at);
            if number == store_at {
                let json = serde_json::to_vec(&lines.fold).unwrap();
                let stored: Fold = serde_json::from_slice(&json).unwrap();
                prop_assert_eq!(&stored, &lines.fold);
                lines.fold = stored;
            }
        }
        let mut all = Fold::counting(&lines.asked);
        lines.all.iter().zip(1..).for_each(|(line, seq)| all.apply(seq, line));
        prop_assert_eq!(all, lines.fold);
    }
}
