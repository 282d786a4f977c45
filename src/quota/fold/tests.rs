//! Tests of the sums of a quota, which depend only on the lines of the quota's journal and on their order.

mod metered;
mod named;

use std::num::{NonZeroU16, NonZeroU64};

use proptest::prelude::*;

use super::*;
use crate::quota::event::{Certainty, Watch};
use crate::quota::sums::Sums;
use crate::quota::window::Window;
use crate::quota::windows::WINDOWS_MAX;
use crate::quota::{Limits, Period, Zone};

/// A journal in memory, whose lines are added in order.
struct Lines {
    all: Vec<Line<'static>>,
    asked: Vec<Asked>,
    fold: Fold,
    seq: u64,
    limit: Limit,
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn consume(amount: u64) -> Event {
    Event::Consume { amount, certainty: Certainty::Known, watch: None }
}

impl Lines {
    fn of_limit(limit: u64, period: &str) -> Self {
        let table = format!(
            r#"[{{"api":"a","limit":{limit},"unit":"calls","period":"{period}","source":"us","as_of":"2026-02-14"}}]"#
        );
        let limit = Limits::from_json(&table).unwrap().get("a").unwrap().clone();
        Self { all: Vec::new(), asked: Vec::new(), fold: Fold::default(), seq: 0, limit }
    }

    fn add(&mut self, at: Timestamp, event: Event) {
        self.add_to("a", "calls", at, event);
    }

    fn add_to(&mut self, api: &str, unit: &str, at: Timestamp, event: Event) {
        self.seq += 1;
        let line = Line { api: api.to_owned().into(), unit: unit.to_owned().into(), at, event };
        self.fold.apply(self.seq, &line);
        self.all.push(line);
        self.reread();
    }

    /// Adds all lines to a new fold if the old one did not count some frame from the first line on. A frame is one
    /// window, or all windows of a period such as `5h`. The new fold counts this frame.
    fn reread(&mut self) {
        while !self.fold.missed().is_empty() {
            self.asked.extend_from_slice(self.fold.missed());
            self.fold = Fold::counting(&self.asked);
            for (seq, line) in (1..).zip(&self.all) {
                self.fold.apply(seq, line);
            }
        }
    }

    fn counted(&mut self, at: Timestamp) -> Counted {
        self.fold.sums(&self.limit, at);
        self.reread();
        self.fold.sums(&self.limit, at)
    }

    fn consume(&mut self, at: &str, amount: u64) {
        self.add(time(at), consume(amount));
    }

    /// Asks for a reservation of ten minutes, and returns the line's number if it was granted.
    fn hold(&mut self, at: Timestamp, amount: u64) -> Option<u64> {
        self.hold_of(at, amount, Certainty::Known)
    }

    fn hold_of(&mut self, at: Timestamp, amount: u64, certainty: Certainty) -> Option<u64> {
        let (limit, period) = (self.limit.most, Scope::of(&self.limit, at));
        self.add(at, Event::Hold { amount, certainty, expires_at: at.plus_ms(600_000), limit, period, holder: None });
        self.fold.is_open(&self.limit, self.seq).then_some(self.seq)
    }

    fn settle(&mut self, hold: u64, held_at: Timestamp, at: Timestamp, amount: u64) {
        self.settle_as(hold, held_at, at, amount, Certainty::Known);
    }

    fn settle_as(&mut self, hold: u64, held_at: Timestamp, at: Timestamp, amount: u64, certainty: Certainty) {
        self.add(at, Event::Settle { hold, amount, certainty, held_at, watch: None });
    }

    /// Like [`settle`](Self::settle), but the line has the same watch as a line that the tracker writes. The watch
    /// names the window in which the line counts.
    fn settle_watched(&mut self, hold: u64, held_at: Timestamp, at: Timestamp, amount: u64) {
        let watch = Watch::of(&self.limit, held_at);
        self.add(at, Event::Settle { hold, amount, certainty: Certainty::Known, held_at, watch });
    }

    fn release(&mut self, hold: u64, at: Timestamp) {
        self.add(at, Event::Release { hold });
    }

    /// Returns the consumed, the held and the remaining amount.
    fn sums(&mut self, at: Timestamp) -> (u64, u64, u64) {
        let Sums { consumed, held, .. } = self.counted(at).sums;
        (consumed, held, self.limit.most.get().saturating_sub(consumed).saturating_sub(held))
    }

    /// Returns the number of calls whose amount is unknown, and the number of calls whose amount is assumed. Both
    /// numbers include finished and held calls.
    fn counts(&mut self, at: Timestamp) -> (u64, u64) {
        let Sums { unknown, assumed, unknown_held, assumed_held, .. } = self.counted(at).sums;
        (unknown + unknown_held, assumed + assumed_held)
    }

    /// Consumes an amount with a watch for these percentages, and returns the percentages that this line was the first
    /// to reach.
    fn watch(&mut self, at: Timestamp, amount: u64, percent: &[u16]) -> Vec<u16> {
        let percent = percent.iter().map(|&percent| NonZeroU16::new(percent).unwrap()).collect();
        let watch = Watch { limit: self.limit.most, period: Scope::of(&self.limit, at), percent };
        self.add(at, Event::Consume { amount, certainty: Certainty::Known, watch: Some(watch) });
        self.fold.reached_by(&self.limit, self.seq, at)
    }
}

#[test]
fn the_order_of_the_lines_decides_and_not_their_times() {
    let mut lines = Lines::of_limit(10, "day");
    let (noon, later) = (time("2026-02-14T12:00:00Z"), time("2026-02-14T12:00:01Z"));
    assert_eq!(lines.hold(later, 7), Some(1));
    assert_eq!(lines.hold(noon, 4), None, "its clock is earlier, but it was written later");
    assert_eq!(lines.hold(noon, 3), Some(3));
    assert_eq!(lines.sums(later), (0, 10, 0));
}

#[test]
fn a_denied_hold_reserves_nothing() {
    let mut lines = Lines::of_limit(10, "day");
    let at = time("2026-02-14T12:00:00Z");
    assert_eq!(lines.hold(at, 11), None);
    assert_eq!(lines.sums(at), (0, 0, 10));
    assert_eq!(lines.hold(at, 10), Some(2));
    assert_eq!(lines.hold(at, 0), Some(3));
    assert_eq!(lines.hold(at, 1), None);
}

#[test]
fn settling_and_releasing_free_the_unused_amount() {
    let mut lines = Lines::of_limit(10, "day");
    let at = time("2026-02-14T12:00:00Z");
    assert_eq!((lines.hold(at, 6), lines.hold(at, 4)), (Some(1), Some(2)));
    lines.settle(1, at, at, 5);
    lines.release(2, at);
    assert_eq!(lines.sums(at), (5, 0, 5));
    assert_eq!(lines.hold(at, 5), Some(5));
    lines.settle(5, at, at, 8);
    assert_eq!(lines.sums(at), (13, 0, 0), "more was used than was held, and all of it counts");
}

#[test]
fn a_hold_counts_up_to_its_expiry_and_a_late_settlement_counts_in_full() {
    let mut lines = Lines::of_limit(10, "day");
    let at = time("2026-02-14T12:00:00Z");
    assert_eq!(lines.hold(at, 10), Some(1));
    assert_eq!(lines.sums(at.plus_ms(599_999)), (0, 10, 0));
    assert_eq!(lines.sums(at.plus_ms(600_000)), (0, 0, 10));
    assert_eq!(lines.hold(at.plus_ms(599_999), 1), None);
    assert_eq!(lines.hold(at.plus_ms(600_000), 10), Some(3));
    lines.settle(1, at, at.plus_ms(700_000), 10);
    assert_eq!(lines.sums(at.plus_ms(700_000)), (10, 10, 0));
}

#[test]
fn a_settlement_counts_in_the_window_of_its_reservation() {
    let mut lines = Lines::of_limit(10, "day");
    let (before, after) = (time("2026-02-14T23:59:59.999Z"), time("2026-02-15T00:00:00Z"));
    assert_eq!(lines.hold(before, 10), Some(1));
    assert_eq!((lines.sums(before), lines.sums(after)), ((0, 10, 0), (0, 0, 10)));
    lines.settle(1, before, after, 9);
    assert_eq!((lines.sums(before), lines.sums(after)), ((9, 0, 1), (0, 0, 10)));
}

#[test]
fn the_limit_in_the_line_decides_and_not_the_limit_of_the_reader() {
    let mut lines = Lines::of_limit(10, "day");
    let at = time("2026-02-14T12:00:00Z");
    assert_eq!(lines.hold(at, 8), Some(1));
    lines.limit.most = NonZeroU64::new(5).unwrap();
    assert_eq!(lines.hold(at, 1), None);
    assert_eq!(lines.sums(at), (0, 8, 0));
    lines.limit.most = NonZeroU64::new(20).unwrap();
    assert_eq!(lines.hold(at, 12), Some(3));
}

#[test]
fn units_and_apis_are_counted_separately_and_periods_are_not() {
    let mut lines = Lines::of_limit(10, "day");
    lines.consume("2026-02-14T12:00:00Z", 4);
    lines.add_to("b", "calls", time("2026-02-14T12:00:00Z"), consume(1));
    lines.add_to("a", "parsecs", time("2026-02-14T12:00:00Z"), consume(1));
    for (period, at, consumed) in [
        (Period::Minute, "2026-02-14T12:01:00Z", 0),
        (Period::Hour, "2026-02-14T12:01:00Z", 4),
        (Period::Day, "2026-02-14T13:00:00Z", 4),
        (Period::Week, "2026-02-15T00:00:00Z", 4),
        (Period::Month, "2026-02-28T00:00:00Z", 4),
        (Period::Month, "2026-03-01T00:00:00Z", 0),
        (Period::Quarter, "2026-03-01T00:00:00Z", 4),
        (Period::Quarter, "2026-04-01T00:00:00Z", 0),
        (Period::Year, "2026-04-01T00:00:00Z", 4),
        (Period::Year, "2027-01-01T00:00:00Z", 0),
        (Period::Total, "2027-01-01T00:00:00Z", 4),
        (Period::Hours(NonZeroU16::MIN), "2026-02-14T12:59:59.999Z", 4),
        (Period::Hours(NonZeroU16::MIN), "2026-02-14T13:00:00Z", 0),
    ] {
        lines.limit.period = period;
        assert_eq!(lines.sums(time(at)).0, consumed, "{period} at {at}");
    }
}

#[test]
fn a_line_far_in_the_future_does_not_remove_the_present_window() {
    let mut lines = Lines::of_limit(10, "minute");
    let at = time("2026-02-14T12:00:00Z");
    lines.consume("2099-01-01T00:00:00Z", 10);
    assert_eq!(lines.hold(at, 10), Some(2));
    assert_eq!(lines.hold(at, 1), None);
    lines.consume("2099-01-01T00:01:00Z", 10);
    lines.settle(2, at, at, 10);
    assert_eq!(lines.sums(at), (10, 0, 0));
}

#[test]
fn old_windows_and_holds_are_forgotten() {
    let mut lines = Lines::of_limit(10, "minute");
    let start = time("2026-02-14T12:00:00Z");
    for minute in 0..3_000_u64 {
        let at = start.plus_ms(minute * 60_000);
        assert!(lines.hold(at, 1).is_some(), "each holder dies");
        lines.add(at, consume(9));
        assert_eq!(lines.sums(at), (9, 1, 0));
    }
    let account = lines.fold.account(&lines.limit).unwrap();
    assert!(account.holds.len() <= 1 + 10 + 24 * 60, "{} holds", account.holds.len());
    assert_eq!(account.windows(), WINDOWS_MAX);
}

#[test]
fn sums_do_not_exceed_their_range() {
    let mut lines = Lines::of_limit(u64::MAX, "month");
    let at = time("2026-02-14T12:00:00Z");
    lines.add(at, consume(u64::MAX));
    lines.add(at, consume(2));
    assert_eq!(lines.sums(at), (u64::MAX, 0, 0));
    assert_eq!(lines.hold(at, 1), None);
}

#[test]
fn a_threshold_is_reached_by_one_line_of_a_window() {
    let mut lines = Lines::of_limit(10, "day");
    let (today, tomorrow) = (time("2026-02-14T12:00:00Z"), time("2026-02-15T12:00:00Z"));
    assert_eq!(lines.watch(today, 4, &[50, 80]), [0; 0]);
    assert_eq!(lines.watch(today, 1, &[50, 80]), [50], "exactly half is half");
    let first = lines.seq;
    assert_eq!(lines.watch(today, 1, &[50, 80, 95]), [0; 0]);
    assert_eq!(lines.watch(today, 30, &[50, 80, 95, 360]), [80, 95, 360]);
    assert_eq!(lines.watch(tomorrow, 9, &[50, 80, 95]), [50, 80]);
    assert_eq!(lines.fold.reached_by(&lines.limit, first, today), [50], "a later query returns the same");
}

#[test]
fn a_threshold_is_reached_once_even_if_the_limit_changes() {
    let mut lines = Lines::of_limit(10, "day");
    let at = time("2026-02-14T12:00:00Z");
    lines.consume("2026-02-14T12:00:00Z", 5);
    assert_eq!(lines.watch(at, 0, &[50]), [50], "usage from before the watch counts");
    lines.limit.most = NonZeroU64::new(100).unwrap();
    assert_eq!(lines.watch(at, 50, &[50, 55]), [55]);
    lines.limit.most = NonZeroU64::new(10).unwrap();
    assert_eq!(lines.watch(at, 0, &[50, 55, 90]), [90]);
    // Each window reports its own thresholds, so the window of an hourly limit reports 50 % again.
    lines.limit.period = Period::Hour;
    assert_eq!(lines.watch(at, 0, &[50]), [50]);
}

#[test]
fn an_unknown_amount_adds_nothing_but_needs_some_remaining_quota() {
    let mut lines = Lines::of_limit(10, "day");
    let at = time("2026-02-14T12:00:00Z");
    assert_eq!(lines.hold_of(at, 0, Certainty::Unknown), Some(1));
    assert_eq!((lines.sums(at), lines.counts(at)), ((0, 0, 10), (1, 0)));
    assert_eq!(lines.counts(at.plus_ms(600_000)), (0, 0), "a hold expires, whatever it holds");
    lines.settle_as(1, at, at, 0, Certainty::Unknown);
    assert_eq!((lines.sums(at), lines.counts(at)), ((0, 0, 10), (1, 0)));
    assert_eq!(lines.hold_of(at, 10, Certainty::Assumed), Some(3));
    assert_eq!((lines.sums(at), lines.counts(at)), ((0, 10, 0), (1, 1)));
    assert_eq!(lines.hold_of(at, 0, Certainty::Unknown), None);
    assert_eq!(lines.hold(at, 0), Some(5), "a known amount of 0 needs nothing");
    lines.settle_as(3, at, at, 10, Certainty::Assumed);
    assert_eq!((lines.sums(at), lines.counts(at)), ((10, 0, 0), (1, 1)));
}

#[derive(Debug, Clone)]
enum Step {
    Consume { amount: u64 },
    Hold { amount: u64 },
    Settle { which: prop::sample::Index, part: u64 },
    Release { which: prop::sample::Index },
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        (0_u64..20).prop_map(|amount| Step::Consume { amount }),
        (0_u64..40).prop_map(|amount| Step::Hold { amount }),
        (any::<prop::sample::Index>(), 0_u64..=100).prop_map(|(which, part)| Step::Settle { which, part }),
        any::<prop::sample::Index>().prop_map(|which| Step::Release { which }),
    ];
    // Each step has a time, in milliseconds after the start. The times are in any order. Within two hours, windows
    // change and holds expire.
    prop::collection::vec((0_u64..7_200_000, step), 0..120)
}

/// A simple model, which computes the sums from the whole history each time.
#[derive(Default)]
struct Model {
    consumed: Vec<(Timestamp, u64)>,
    open: Vec<(u64, Timestamp, u64)>,
}

impl Model {
    fn sums(&self, window: Window, at: Timestamp) -> (u64, u64) {
        let consumed = self.consumed.iter().filter(|(then, _)| window.contains(*then)).map(|(_, amount)| amount);
        let live = |then: Timestamp| window.contains(then) && at < then.plus_ms(600_000);
        let held = self.open.iter().filter(|(_, then, _)| live(*then)).map(|(_, _, amount)| amount);
        (consumed.sum(), held.sum())
    }
}

proptest! {
    #[test]
    fn the_fold_has_the_sums_of_the_whole_history(steps in steps(), hour in any::<bool>()) {
        let mut lines = Lines::of_limit(100, if hour { "hour" } else { "day" });
        let mut model = Model::default();
        let noon = time("2026-02-14T22:30:00Z");
        for (after_ms, step) in steps {
            let at = noon.plus_ms(after_ms);
            let window = Window::containing(at, lines.limit.period, &Zone::UTC);
            match step {
                Step::Consume { amount } => {
                    lines.add(at, consume(amount));
                    model.consumed.push((at, amount));
                }
                Step::Hold { amount } => {
                    let (consumed, held) = model.sums(window, at);
                    let granted = lines.hold(at, amount);
                    prop_assert_eq!(granted.is_some(), consumed + held + amount <= 100);
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
                Step::Settle { .. } | Step::Release { .. } => {}
            }
            let (consumed, held) = model.sums(window, at);
            prop_assert_eq!(lines.sums(at), (consumed, held, 100_u64.saturating_sub(consumed + held)));
        }
    }

    #[test]
    fn reservations_alone_never_exceed_the_limit_of_a_window(steps in steps()) {
        let mut lines = Lines::of_limit(100, "hour");
        let mut open = Vec::new();
        let noon = time("2026-02-14T12:00:00Z");
        // Time advances from line to line, and every hold is settled before it expires.
        for (number, (after_ms, step)) in steps.into_iter().enumerate() {
            let at = noon.plus_ms(number as u64 * 300_000 + after_ms % 300_000);
            open.retain(|&(hold, held_at, amount): &(u64, Timestamp, u64)| {
                let stays = at < held_at.plus_ms(300_000);
                if !stays {
                    lines.settle(hold, held_at, at, amount);
                }
                stays
            });
            if let Step::Hold { amount } = step {
                open.extend(lines.hold(at, amount).map(|hold| (hold, at, amount)));
            }
            let (consumed, held, _) = lines.sums(at);
            prop_assert!(consumed + held <= 100);
        }
    }
}
