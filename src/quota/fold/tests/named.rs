//! Tests of windows that are counted only after a line or a query has named them. These are the windows of zones other
//! than UTC, of long periods, and of periods such as `5h`.

use std::num::NonZeroU16;

use chrono::FixedOffset;
use proptest::prelude::*;

use super::*;
use crate::quota::{Limits, Period, Zone};

fn limit(period: &str, zone: &str) -> Limit {
    let table = format!(
        r#"[{{"api":"a","limit":100,"unit":"calls","period":"{period}","zone":"{zone}","source":"us","as_of":"2026-02-14"}}]"#
    );
    Limits::from_json(&table).unwrap().get("a").unwrap().clone()
}

impl Lines {
    fn of(limit: Limit) -> Self {
        Self { limit, ..Self::of_limit(100, "day") }
    }

    /// Returns the end of the window at `at`, or `None` if no window has begun.
    fn end(&mut self, at: Timestamp) -> Option<String> {
        let window = self.counted(at).window?;
        Some(Timestamp::from_unix_ms(window.end_ms).unwrap().to_string())
    }
}

#[test]
fn a_hold_is_counted_in_the_window_that_its_line_states() {
    // The two processes have different rules for the same zone name.
    let zone = |hours: i32| Zone::with_rules("Somewhere", FixedOffset::east_opt(hours * 3600).unwrap());
    let mut lines = Lines::of(limit("day", "UTC"));
    let at = time("2026-02-14T10:30:00Z");
    lines.limit.zone = zone(13);
    assert_eq!(lines.hold(at, 60), Some(1));
    lines.settle_watched(1, at, at, 60);
    lines.limit.zone = zone(14);
    assert_eq!(lines.hold(at, 60), None, "both windows contain the first use");
    assert_eq!(lines.hold(at.plus_ms(30 * 60_000), 40), Some(4));
    // A reader without time zone rules finds the same reservations open.
    lines.limit.zone = Zone::UTC;
    lines.limit.period = Period::Total;
    assert_eq!(lines.sums(at), (60, 40, 0));
}

#[test]
fn what_was_used_before_a_change_of_the_zone_counts() {
    let mut lines = Lines::of(limit("day", "UTC"));
    lines.consume("2026-02-14T18:14:59.999Z", 10);
    lines.consume("2026-02-14T18:15:00Z", 20);
    lines.consume("2026-02-15T01:00:00Z", 30);
    lines.limit = limit("day", "+05:45");
    let at = time("2026-02-15T02:00:00Z");
    assert_eq!((lines.sums(at).0, lines.end(at).unwrap().as_str()), (50, "2026-02-15T18:15:00.000Z"));
    assert_eq!(lines.watch(at, 0, &[50, 51]), [50]);
    lines.limit = limit("day", "UTC");
    assert_eq!(lines.sums(at).0, 30);
}

#[test]
fn a_new_window_needs_no_second_reading() {
    let mut lines = Lines::of(limit("day", "+05:45"));
    for day in 1..=28 {
        let at = time(&format!("2026-02-{day:02}T18:15:00Z"));
        assert_eq!(lines.watch(at, 60, &[50]), [50]);
        assert!(lines.hold(at, 41).is_none());
        assert!(lines.hold(at, 40).is_some());
    }
    assert_eq!(lines.asked, []);
    assert_eq!(lines.fold.account(&lines.limit).unwrap().windows(), WINDOWS_MAX);
}

#[test]
fn a_forgotten_window_is_counted_again() {
    let mut lines = Lines::of(limit("day", "+05:45"));
    let first = time("2026-01-01T00:00:00Z");
    for day in 0..100 {
        assert_eq!(lines.watch(first.plus_ms(day * 86_400_000), 30 + day % 3, &[]), [0; 0]);
    }
    for day in [0, 50, 99] {
        assert_eq!(lines.sums(first.plus_ms(day * 86_400_000)).0, 30 + day % 3, "day {day}");
    }
}

#[test]
fn a_session_is_open_while_something_is_used_or_reserved() {
    let mut lines = Lines::of(limit("5h", "UTC"));
    let at = time("2026-02-14T09:10:00Z");
    assert_eq!((lines.sums(at), lines.end(at)), ((0, 0, 100), None));
    assert_eq!(lines.hold(at, 100), Some(1));
    assert_eq!(lines.end(at).unwrap(), "2026-02-14T14:10:00.000Z");
    lines.release(1, at.plus_ms(1_000));
    assert_eq!((lines.sums(at), lines.end(at)), ((0, 0, 100), None), "nothing was used");
    let second = at.plus_ms(60_000);
    let hold = lines.hold(second, 100).unwrap();
    assert_eq!(lines.end(second.plus_ms(599_999)).unwrap(), "2026-02-14T14:11:00.000Z");
    assert_eq!(lines.end(second.plus_ms(600_000)), None, "the reservation has expired");
    lines.settle_watched(hold, second, second.plus_ms(700_000), 70);
    assert_eq!(lines.sums(second.plus_ms(4 * 3_600_000)), (70, 0, 30));
    assert_eq!(lines.hold(second.plus_ms(5 * 3_600_000 - 1), 31), None);
    assert_eq!(lines.sums(second.plus_ms(5 * 3_600_000)), (0, 0, 100));
}

#[test]
fn a_total_counts_everything() {
    let mut lines = Lines::of(limit("total", "UTC"));
    lines.consume("1969-12-31T00:00:00Z", 10);
    lines.consume("2099-12-31T00:00:00Z", 20);
    let at = time("2026-02-14T12:00:00Z");
    assert_eq!(lines.sums(at), (30, 0, 70));
    assert_eq!(lines.watch(at, 20, &[50]), [50]);
    assert_eq!(lines.counted(at).window.unwrap().left_ms(at), None);
}

#[derive(Debug, Clone)]
enum Step {
    Consume { amount: u64, is_named: bool },
    Hold { amount: u64 },
    Settle { which: prop::sample::Index, part: u64 },
    Release { which: prop::sample::Index },
    Change { limit: usize },
}

const LIMITS: [(&str, &str); 8] = [
    ("hour", "UTC"),
    ("day", "UTC"),
    ("day", "+05:45"),
    ("day", "-11:00"),
    ("week", "+05:45"),
    ("quarter", "UTC"),
    ("year", "+14:00"),
    ("total", "UTC"),
];

fn steps(span_ms: u64) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        (0_u64..20, any::<bool>()).prop_map(|(amount, is_named)| Step::Consume { amount, is_named }),
        (0_u64..40).prop_map(|amount| Step::Hold { amount }),
        (any::<prop::sample::Index>(), 0_u64..=100).prop_map(|(which, part)| Step::Settle { which, part }),
        any::<prop::sample::Index>().prop_map(|which| Step::Release { which }),
        (0..LIMITS.len()).prop_map(|limit| Step::Change { limit }),
    ];
    prop::collection::vec((0..span_ms, step), 0..60)
}

proptest! {
    /// Compares the sums with sums over the whole history. Lines name all limits, and their times are in any order.
    #[test]
    fn named_windows_have_the_sums_of_the_whole_history(steps in steps(60 * 86_400_000), first in 0..LIMITS.len()) {
        let named = |index: usize| limit(LIMITS[index].0, LIMITS[index].1);
        let mut lines = Lines::of(named(first));
        let mut model = Model::default();
        for (after_ms, step) in steps {
            let at = time("2026-02-14T22:30:00Z").plus_ms(after_ms);
            let window = Window::containing(at, lines.limit.period, &lines.limit.zone);
            // The fold, which has the sums of all lines, forgets old windows of the periods that are always counted, so
            // the test does not compare these periods.
            if Scope::of(&lines.limit, at).is_always_counted() && !matches!(step, Step::Change { .. }) {
                continue;
            }
            match step {
                Step::Consume { amount, is_named } => {
                    if is_named { _ = lines.watch(at, amount, &[50]) } else { lines.add(at, consume(amount)) }
                    model.consumed.push((at, amount));
                }
                Step::Hold { amount } => {
                    let (consumed, held) = model.sums(window, at);
                    let granted = lines.hold(at, amount);
                    prop_assert_eq!(granted.is_some(), consumed + held + amount <= 100);
                    // A hold is forgotten a day after it has expired.
                    model.open.retain(|(_, held_at, _)| at < held_at.plus_ms(600_000 + 86_400_000));
                    model.open.extend(granted.map(|hold| (hold, at, amount)));
                }
                Step::Settle { which, part } if !model.open.is_empty() => {
                    let (hold, held_at, amount) = model.open.remove(which.index(model.open.len()));
                    lines.settle(hold, held_at, at, amount * part / 100);
                    model.consumed.push((held_at, amount * part / 100));
                }
                Step::Release { which } if !model.open.is_empty() => {
                    let (hold, ..) = model.open.remove(which.index(model.open.len()));
                    lines.release(hold, at);
                }
                Step::Change { limit } => lines.limit = named(limit),
                Step::Settle { .. } | Step::Release { .. } => {}
            }
            if !Scope::of(&lines.limit, at).is_always_counted() {
                let window = Window::containing(at, lines.limit.period, &lines.limit.zone);
                let (consumed, held) = model.sums(window, at);
                prop_assert_eq!(lines.sums(at), (consumed, held, 100_u64.saturating_sub(consumed + held)));
            }
        }
    }

    /// The test computes the windows again from the uses, in the order of their times.
    #[test]
    fn reservations_alone_never_exceed_the_limit_of_a_session(steps in steps(300_000)) {
        let mut lines = Lines::of(Limit { period: Period::Hours(NonZeroU16::MIN), ..limit("day", "UTC") });
        let (mut open, mut used) = (Vec::new(), Vec::new());
        let noon = time("2026-02-14T12:00:00Z");
        // Time advances from line to line, and every hold ends before it expires.
        for (number, (after_ms, step)) in steps.into_iter().enumerate() {
            let at = noon.plus_ms(number as u64 * 300_000 + after_ms);
            let late: Vec<_> = open.extract_if(.., |(_, held_at, _): &mut (u64, Timestamp, u64)| at >= held_at.plus_ms(300_000)).collect();
            for (hold, held_at, amount) in late {
                if hold % 4 == 0 {
                    lines.release(hold, at);
                } else {
                    lines.settle_watched(hold, held_at, at, amount);
                    used.push((held_at, amount));
                }
            }
            if let Step::Hold { amount } = step {
                open.extend(lines.hold(at, amount).map(|hold| (hold, at, amount)));
            }
        }
        used.sort_unstable();
        let mut window: Option<(Timestamp, u64)> = None;
        for (at, amount) in used {
            let (begin, sum) = window.filter(|(begin, _)| at < begin.plus_ms(3_600_000)).unwrap_or((at, 0));
            window = Some((begin, sum + amount));
            prop_assert!(sum + amount <= 100, "{} from {begin}", sum + amount);
        }
    }
}
