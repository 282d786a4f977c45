use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use runledger::ExecutionMetrics;
use runledger::metrics::{ErrorCategory, Progress, Status};

use super::super::action::Action;
use super::super::samples::{record, time};
use super::super::state::Surroundings;
use super::*;

const NOW: &str = "2026-11-30T12:00:00Z";
const LOOK: Look = Look { is_colored: true, is_live: true };

fn begun(id: u128, skill: &str, start: &str, progress: Option<(&str, f64)>, owner_alive: Option<bool>) -> Begun {
    let mut record = ExecutionMetrics::new(runledger::Uuid::from_u128(id << 80 | id), skill, "1.0.0", time(start));
    record.progress = progress.map(|(stage, percent)| {
        let mut progress = Progress::new(stage, time(start));
        progress.percent = Some(percent);
        progress
    });
    Begun { record, owner_alive }
}

/// Returns a state with every part.
fn state() -> State {
    let mut state = State::new("logs/execution_metrics.jsonl".to_owned(), time(NOW));
    let failed = |id, skill, start, category: ErrorCategory| {
        let mut record = record(id, skill, start, 45_000, Status::Failed, Some("0.0345"));
        record.error_category = Some(category);
        record
    };
    let at = |minute: u32| format!("2026-11-30T11:{minute:02}:00Z");
    for record in [
        record(0x19c_0001, "git-push-autonomous", "2026-11-29T09:00:00Z", 3_200, Status::Success, Some("12")),
        failed(0x19c_0002, "blog-publish", &at(5), ErrorCategory::Network),
        failed(0x19c_0003, "blog-publish", &at(15), ErrorCategory::Timeout),
        failed(0x19c_0004, "nightly-index", &at(25), ErrorCategory::Network),
        record(0x19c_0005, "übersetzen-日本語", &at(40), 7, Status::Success, None),
        record(0x19c_0006, "a\u{1b}[2Jname\nof\u{202e}two lines", &at(50), 12_345, Status::Cancelled, Some("1.5")),
        record(0x19c_0007, "nightly-index", &at(59), 900, Status::Success, Some("0.25")),
    ] {
        state.learn(&record);
    }
    let observed = |name: &str, percent: Option<f64>, resets_at: &str| UsageBar {
        used: "reported".to_owned(),
        percent,
        budget: None,
        reported_at: Some(time("2026-11-30T11:57:00Z")),
        resets_at: Some(time(resets_at)),
        ..UsageBar::sample(name, "1", "25")
    };
    state.surround(Surroundings {
        in_flight: Some(vec![
            begun(0x19c_0008, "nightly-index", "2026-11-30T10:00:00Z", Some(("merge", 80.0)), Some(true)),
            begun(0x19c_0009, "blog-publish", "2026-11-30T11:59:30Z", None, Some(false)),
            begun(0x19c_000a, "review", "2026-11-29T11:59:30Z", Some(("waits for a person", 50.0)), None),
        ]),
        bars: vec![
            observed("claude-code 7d", Some(81.0), "2026-12-03T15:00:00Z"),
            UsageBar {
                resets_at: Some(time("2026-12-01T00:00:00Z")),
                unknown: 2,
                ..UsageBar::sample("team", "13", "25")
            },
            observed("claude-code 5h", None, "2026-11-30T11:00:00Z"),
        ],
        problems: vec!["1 spilled record is not in the ledger yet".to_owned()],
    });
    state
}

fn screen(state: &mut State, columns: u16, rows: u16, look: Look) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, state, look)).unwrap();
    terminal
}

fn text(state: &mut State, columns: u16, rows: u16) -> String {
    let terminal = screen(state, columns, rows, LOOK);
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..rows {
        let mut line = String::new();
        let mut x = 0;
        while x < columns {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(width(symbol).max(1)).unwrap();
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Compares a screen with its golden file. With UPDATE_GOLDEN=1, writes the file instead.
fn is_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, kept, "{name}; UPDATE_GOLDEN=1 writes it");
}

#[test]
fn the_screens_look_like_their_golden_files() {
    for (columns, rows) in [(80, 24), (120, 40)] {
        is_golden(&format!("top-{columns}x{rows}.txt"), &text(&mut state(), columns, rows));
    }
}

#[test]
fn every_line_fits_and_no_control_character_is_drawn() {
    for (columns, rows) in [(60, 16), (80, 24), (120, 40), (200, 60)] {
        let lines = lines(&mut state(), columns, rows, LOOK);
        assert_eq!(lines.len(), rows, "{columns}x{rows}");
        for line in lines {
            let line = line.to_string();
            assert!(width(&line) <= columns, "{columns}: {line}");
            assert_eq!(printable(&line), line);
        }
    }
}

#[test]
fn a_small_screen_says_what_it_needs() {
    assert_eq!(
        text(&mut state(), 30, 5),
        "30x5 is too small: the lists\nneed 60 columns and 16 lines.\nCtrl-C quits.\n\n\n"
    );
    assert!(text(&mut state(), 60, 16).starts_with("runledger top  logs/"));
}

#[test]
fn an_empty_ledger_says_what_to_do_next() {
    let mut empty = State::new("logs/a.jsonl".to_owned(), time(NOW));
    let found = text(&mut empty, 80, 24);
    for line in [
        "Last hour  0 executions, 0 failed\n",
        "Burn       0 usd per hour: no execution used a model\n",
        "Quotas: not read yet\n",
        "In flight: not read yet\n",
        "The ledger has no executions yet. `runledger run --skill NAME -- COMMAND`",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
    empty.surround(Surroundings { in_flight: Some(Vec::new()), ..Surroundings::default() });
    let found = text(&mut empty, 80, 24);
    assert!(found.contains("Quotas: none is in use\n") && found.contains("In flight: none\n"), "{found}");
    empty.surround(Surroundings::default());
    assert!(text(&mut empty, 80, 24).contains("In flight: unknown\n"));
}

#[test]
fn a_filter_is_named_and_can_select_nothing() {
    let mut state = state();
    state.act(Action::Search);
    "none\u{7}".chars().for_each(|c| _ = state.act(Action::Type(c)));
    let found = text(&mut state, 80, 24);
    assert!(found.contains("Executions: 0, newest first; skill contains \"none\\u{7}\"\n"), "{found}");
    assert!(found.contains("No execution matches the filter. Esc clears it.\n"), "{found}");
    assert!(found.contains("In flight: none matches the filter\n"), "{found}");
    assert!(found.ends_with("Skill: none\\u{7}▏  Enter: keep the filter  Esc: undo\n"), "{found}");
}

#[test]
fn the_cursor_is_always_on_the_screen() {
    let mut state = state();
    for moves in 1..=10 {
        state.act(Action::Down);
        let terminal = screen(&mut state, 80, 24, LOOK);
        let reversed = |y: u16| terminal.backend().buffer()[(0, y)].modifier.contains(Modifier::REVERSED);
        assert_eq!((0..24).filter(|y| reversed(*y)).count(), 1, "{moves}");
    }
}

#[test]
fn colours_are_on_the_words_that_matter_and_only_if_asked() {
    let colors = |look: Look| {
        let terminal = screen(&mut state(), 80, 24, look);
        let cells = terminal.backend().buffer().content().to_vec();
        let of =
            |color: Color| cells.iter().filter(|cell| cell.fg == color).map(|cell| cell.symbol()).collect::<String>();
        [Color::Red, Color::Yellow, Color::Green].map(of)
    };
    let [red, yellow, green] = colors(LOOK);
    assert!(red.contains("3 failed (Network 2, Timeout 1)") && red.contains("dead"), "{red}");
    assert!(yellow.contains("cancelled") && yellow.contains("warning: 1 spilled"), "{yellow}");
    assert!(green.contains("success") && green.contains("alive"), "{green}");
    assert_eq!(colors(Look { is_colored: false, ..LOOK }), [""; 3]);
}

#[test]
fn a_record_scrolls_to_its_end_and_long_lines_continue() {
    let mut state = state();
    let mut long = record(0x19c_0010, &"語".repeat(100), "2026-11-30T11:59:00Z", 1, Status::Success, None);
    long.error_reason = Some("x".repeat(300));
    state.open(&long);
    let first = text(&mut state, 80, 24);
    assert!(first.starts_with(&format!("{}  lines 1–22 of ", long.execution_id)), "{first}");
    state.act(Action::Last);
    let last = text(&mut state, 80, 24);
    assert!(last.contains("\n}\nEsc: back"), "{last}");
    let Mode::Record(opened) = &state.mode else { panic!("{:?}", state.mode) };
    let all: String = opened.lines.iter().flat_map(|line| pieces(line, 80)).collect();
    assert_eq!(all, opened.lines.concat());
    state.act(Action::Up);
    assert_ne!(text(&mut state, 80, 24), last, "the next key moves at once");
}

#[test]
fn the_help_has_every_key() {
    let mut state = state();
    state.act(Action::Help);
    let found = text(&mut state, 80, 24);
    for (keys, what) in KEYS {
        assert!(found.contains(keys) && found.contains(what), "{keys}: {found}");
    }
}

#[test]
fn one_frame_for_a_script_has_no_keys_and_no_cursor() {
    let mut state = state();
    state.act(Action::Down);
    let look = Look { is_colored: false, is_live: false };
    let lines = lines(&mut state, 80, 24, look);
    assert!(lines.iter().all(|line| !line.to_string().contains("q: quit")));
    assert!(
        lines.iter().flat_map(|line| &line.spans).all(|span| !span.style.add_modifier.contains(Modifier::REVERSED))
    );
}

#[test]
fn unknown_costs_are_counted_beside_the_burn() {
    let figures = |records: &[ExecutionMetrics]| {
        let mut state = State::new(String::new(), time(NOW));
        records.iter().for_each(|record| state.learn(record));
        figures(&state.hour(), state.now, 80, LOOK).map(|line| line.to_string())[1].clone()
    };
    let [known, unknown] = [Some("0.5"), None]
        .map(|usd| record(1 + u128::from(usd.is_none()), "s", "2026-11-30T11:30:00Z", 5, Status::Success, usd));
    assert_eq!(figures(std::slice::from_ref(&unknown)), "Burn       unknown; the cost of 1 of 1 execution is unknown");
    assert_eq!(
        figures(&[known.clone(), unknown]),
        "Burn       ≥0.5000 usd per hour; the cost of 1 of 2 executions is unknown"
    );
    assert_eq!(figures(&[known]), "Burn       0.5000 usd per hour; the cost of 1 execution is known");
}

/// The categories that are shown and the other ones add up to the failures, on each screen.
#[test]
fn categories_that_do_not_fit_are_summed_and_never_cut() {
    let mut state = State::new(String::new(), time(NOW));
    let categories = ["Security", "Auth", "Network", "Timeout", "Logic", "a rather long category", "Unknown"];
    for (at, category) in categories.iter().enumerate() {
        for number in 0..=at {
            let id = (at * 10 + number + 1) as u128;
            let mut failed = record(id, "s", "2026-11-30T11:30:00Z", 5, Status::Failed, None);
            failed.error_category = Some((*category).into());
            state.learn(&failed);
        }
    }
    let line = |columns| figures(&state.hour(), state.now, columns, LOOK)[0].to_string();
    assert_eq!(line(80), "Last hour  28 executions, 28 failed (Unknown 7, other 21)");
    assert_eq!(line(60), "Last hour  28 executions, 28 failed (Unknown 7, other 21)");
    for columns in 60..200 {
        let line = line(columns);
        assert!(width(&line) <= columns && !line.contains('…'), "{columns}: {line}");
        let (_, shown) = line.split_once('(').unwrap();
        let numbers = shown.trim_end_matches(')').split(", ").map(|part| part.rsplit_once(' ').unwrap().1);
        assert_eq!(numbers.map(|number| number.parse::<u64>().unwrap()).sum::<u64>(), 28, "{columns}: {line}");
    }
    assert!(line(200).ends_with(", Auth 2, Security 1)"), "{}", line(200));
}
