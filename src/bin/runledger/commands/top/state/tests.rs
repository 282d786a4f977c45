use runledger::metrics::Progress;

use super::super::samples::{record, time};
use super::*;

const NOW: &str = "2026-11-30T12:00:00Z";

fn ended(id: u128, skill: &str, status: Status, usd: Option<&str>, ms: u64) -> ExecutionMetrics {
    record(id, skill, "2026-11-30T11:30:00Z", ms, status, usd)
}

fn begun(id: u128, skill: &str, stage: &str) -> Begun {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id << 80 | id), skill, "1.0.0", time(NOW));
    record.progress = Some(Progress::new(stage, time(NOW)));
    Begun { record, owner_alive: Some(true) }
}

fn id(id: u128) -> Uuid {
    Uuid::from_u128(id << 80 | id)
}

fn around(in_flight: Vec<Begun>) -> Surroundings {
    Surroundings { in_flight: Some(in_flight), ..Surroundings::default() }
}

/// Returns a state with the executions 1 to 4.
fn state() -> State {
    let mut state = State::new("logs/a.jsonl".to_owned(), time(NOW));
    for record in [
        ended(1, "draw", Status::Success, Some("0.5"), 900),
        ended(2, "Publish", Status::Failed, None, 70_000),
        ended(3, "draw", Status::Failed, Some("2"), 50),
        ended(4, "publish-all", Status::Success, Some("1"), 1_000),
    ] {
        state.learn(&record);
    }
    state
}

fn shown(state: &State) -> Vec<u128> {
    state.rows().iter().map(|row| row.id.as_u128() & 0xffff).collect()
}

fn typed(state: &mut State, text: &str) {
    text.chars().for_each(|c| assert_eq!(state.act(Action::Type(c)), Effect::Nothing));
}

#[test]
fn the_newest_is_first_and_an_unknown_value_is_last() {
    let mut state = state();
    assert_eq!(shown(&state), [4, 3, 2, 1]);
    for (words, order) in [
        ("most expensive first", [3, 4, 1, 2]),
        ("longest first", [2, 4, 1, 3]),
        ("by skill", [2, 3, 1, 4]),
        ("newest first", [4, 3, 2, 1]),
    ] {
        state.act(Action::Sort);
        assert_eq!((state.sort.words(), shown(&state)), (words, order.to_vec()));
    }
}

#[test]
fn the_filters_select_executions_and_leave_the_figures() {
    let mut state = state();
    let hour = state.hour();
    state.act(Action::Search);
    typed(&mut state, "PUBX");
    assert_eq!(shown(&state), [0; 0]);
    state.act(Action::Erase);
    assert_eq!(shown(&state), [4, 2], "in upper and lower case");
    state.act(Action::Keep);
    assert_eq!((&state.mode, state.skill.as_str()), (&Mode::Lists, "PUB"));
    state.act(Action::Status);
    assert_eq!((state.status, shown(&state)), (Some("success"), vec![4]));
    state.act(Action::Status);
    assert_eq!((state.status, shown(&state)), (Some("failed"), vec![2]));
    assert_eq!(state.hour(), hour);
    state.act(Action::Close);
    assert_eq!((shown(&state).len(), state.has_filter()), (4, false));
}

#[test]
fn all_statuses_come_in_turn_and_then_none() {
    let mut state = state();
    let mut found = Vec::new();
    for _ in Status::KNOWN {
        state.act(Action::Status);
        found.extend(state.status);
    }
    assert_eq!(found, Status::KNOWN);
    state.act(Action::Status);
    assert_eq!(state.status, None);
}

#[test]
fn escape_restores_the_earlier_filter() {
    let mut state = state();
    state.act(Action::Search);
    typed(&mut state, "draw");
    state.act(Action::Keep);
    state.act(Action::Search);
    typed(&mut state, "ing");
    assert_eq!(shown(&state), [0; 0]);
    state.act(Action::Close);
    assert_eq!((state.skill.as_str(), shown(&state)), ("draw", vec![3, 1]));
}

#[test]
fn the_cursor_stays_on_its_execution() {
    let mut state = state();
    state.surround(around(vec![begun(8, "draw", "one"), begun(9, "publish", "two")]));
    assert_eq!(state.selected, None);
    let mut at = |action| {
        state.act(action);
        state.selected.map(|selected| selected.as_u128() & 0xffff)
    };
    assert_eq!(at(Action::Down), Some(8), "the first move selects the first line");
    assert_eq!(at(Action::Down), Some(9));
    assert_eq!(at(Action::Down), Some(4), "the executions follow those in flight");
    assert_eq!(at(Action::Up), Some(9));
    assert_eq!(at(Action::Last), Some(1));
    assert_eq!(at(Action::Down), Some(1));
    assert_eq!(at(Action::First), Some(8));
    assert_eq!(at(Action::Up), Some(8));
    assert_eq!(at(Action::PageDown), Some(1), "a page is longer than the list");
    assert_eq!(at(Action::PageUp), Some(8));
    state.learn(&ended(5, "new", Status::Success, None, 1));
    assert_eq!(state.selected, Some(id(8)));
    state.act(Action::Close);
    assert_eq!(state.selected, None);
    let mut empty = State::new(String::new(), time(NOW));
    for action in [Action::Down, Action::Last, Action::PageUp] {
        assert_eq!((empty.act(action), empty.selected), (Effect::Nothing, None));
    }
    assert_eq!(empty.act(Action::Open), Effect::Nothing);
}

#[test]
fn a_record_is_opened_and_updated() {
    let mut state = state();
    state.surround(around(vec![begun(8, "draw\u{202e}", "one")]));
    assert_eq!(state.act(Action::Open), Effect::Nothing, "its record is known");
    let text = |state: &State| match &state.mode {
        Mode::Record(opened) => opened.lines.join("\n"),
        other => format!("{other:?}"),
    };
    assert!(text(&state).contains("\"skill_name\": \"draw\\u{202e}\""), "{}", text(&state));
    state.act(Action::Down);
    state.surround(around(vec![begun(8, "draw", "two")]));
    assert!(text(&state).contains("\"stage\": \"two\""), "{}", text(&state));
    state.learn(&ended(8, "draw", Status::Failed, None, 5));
    assert!(text(&state).contains("\"status\": \"failed\""), "{}", text(&state));
    assert!(matches!(&state.mode, Mode::Record(opened) if opened.scroll == 1), "it stays scrolled");
    state.act(Action::Close);
    assert_eq!((&state.mode, state.selected), (&Mode::Lists, Some(id(8))));
    assert_eq!(state.act(Action::Open), Effect::Read(id(8)));
    state.cannot_open("gone".to_owned());
    assert_eq!(state.problems(), ["gone"]);
    state.act(Action::Close);
    assert_eq!(state.problems(), [""; 0]);
}

#[test]
fn an_execution_is_in_one_list() {
    let mut state = state();
    let flying = || around(vec![begun(8, "draw", "one"), begun(9, "draw", "one")]);
    state.surround(flying());
    state.learn(&ended(8, "draw", Status::Success, None, 5));
    assert_eq!(state.in_flight().len(), 1);
    state.surround(flying());
    assert_eq!(state.in_flight().len(), 1, "it had ended before the others were shown");
    assert_eq!(shown(&state)[0], 8);
}

#[test]
fn a_later_record_of_an_execution_replaces_the_earlier_one() {
    let mut state = state();
    state.learn(&ended(1, "draw", Status::Interrupted, None, 5));
    assert_eq!(shown(&state), [1, 4, 3, 2]);
    let hour = state.hour();
    assert_eq!((hour.executions, hour.unpriced, hour.outcome_unknown), (4, 2, 1));
}

#[test]
fn only_the_last_executions_are_kept_and_the_figures_say_since_when() {
    let mut state = State::new(String::new(), time(NOW));
    for n in 0..ROWS_MAX as u64 + 10 {
        let mut record = ended(u128::from(n) + 1, "s", Status::Success, Some("1"), 0);
        record.timestamp_end = Some(time("2026-11-30T11:30:00Z").plus_ms(n * 100));
        state.learn(&record);
    }
    assert_eq!(state.rows().len(), ROWS_MAX);
    let hour = state.hour();
    assert_eq!(hour.since, time("2026-11-30T11:30:00.900Z"), "the end of the last one that was left out");
    assert_eq!(hour.executions, ROWS_MAX as u64);
    let mut state = self::state();
    state.knows_since(time("2026-11-30T11:45:00Z"));
    assert_eq!(state.hour().since, time("2026-11-30T11:45:00Z"));
    state.knows_since(time("2026-11-30T11:15:00Z"));
    assert_eq!(state.hour().since, time("2026-11-30T11:45:00Z"));
}

/// An import appends executions that ended long ago.
#[test]
fn old_executions_do_not_replace_later_ones() {
    let mut state = state();
    let hour = state.hour();
    for n in 0..ROWS_MAX as u128 + 10 {
        state.learn(&record(100 + n, "old", "2026-01-30T11:30:00Z", 10, Status::Failed, Some("1")));
    }
    assert_eq!((state.rows().len(), state.hour()), (ROWS_MAX, hour));
    state.learn_earlier(&ended(5, "draw", Status::Success, Some("1"), 5));
    assert!(state.has_learned(id(5)) && !state.has_learned(id(6)));
    assert_eq!((state.rows().len(), state.hour().executions), (ROWS_MAX, 5));
}

#[test]
fn the_problems_say_what_is_missing() {
    let mut state = state();
    state.learn_malformed();
    assert_eq!(state.problems(), ["1 line is not a record; `runledger verify` lists it"]);
    state.learn_malformed();
    state.surround(Surroundings { problems: vec!["no quotas".to_owned()], ..Surroundings::default() });
    assert_eq!(state.problems(), ["no quotas", "2 lines are not records; `runledger verify` lists them"]);
    assert_eq!(state.in_flight().len(), 0);
}
