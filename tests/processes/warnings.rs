//! Promise: warnings do not flood stderr. Of several similar warnings, about one per second is printed, with the number
//! of the others. A hook of the caller receives every warning.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::children::{self, ledger_path, task};
use runledger::journal::Warnings;
use runledger::metrics::{Call, Status};
use runledger::{Error, Ledger, LedgerReader, Options, Skill, Usage, Usd};

/// Errors of one kind and operation, each with a path of its own.
fn error(path: &str) -> Error {
    LedgerReader::open(Path::new("/nowhere").join(path)).unwrap_err()
}

/// For each of these times in milliseconds, returns the number of earlier warnings that were not printed; `None` if the
/// warning is not printed.
fn admitted(warnings: &mut Warnings, error: &Error, since: Instant, at_ms: &[u64]) -> Vec<Option<u64>> {
    let admit = |ms: &u64| warnings.admit("", error, since + Duration::from_millis(*ms)).map(|warning| warning.more);
    at_ms.iter().map(admit).collect()
}

#[test]
fn one_a_second_is_printed_and_counts_the_others() {
    let (mut warnings, now, a) = (Warnings::default(), Instant::now(), error("a"));
    let at_ms = [0, 0, 10, 999, 1000, 1001, 1999, 2000, 5000, 5999];
    let expected = [Some(0), None, None, None, Some(3), None, None, Some(2), Some(0), None];
    assert_eq!(admitted(&mut warnings, &a, now, &at_ms), expected);
    let left = warnings.finish();
    assert_eq!(
        left.iter().map(|warning| (warning.error.to_string(), warning.more)).collect::<Vec<_>>(),
        [(a.to_string(), 0)]
    );
    assert!(warnings.finish().is_empty());
    assert_eq!(admitted(&mut warnings, &a, now, &[5999]), [Some(0)]);
}

/// Warnings differ by their text, kind, operation and path.
#[test]
fn other_warnings_have_a_second_of_their_own() {
    let (mut warnings, now) = (Warnings::default(), Instant::now());
    let invalid = |usd: &str| {
        let call = Call::new("gpt-4", Usage::new(1, 1)).reported_usd(usd.parse::<Usd>().unwrap());
        call.validate().unwrap_err()
    };
    for (what, error) in [("", error("a")), ("", error("b")), ("lost", error("a")), ("", invalid("-1"))] {
        assert_eq!(warnings.admit(what, &error, now).map(|warning| warning.more), Some(0), "{what} {error}");
        assert!(warnings.admit(what, &error, now).is_none(), "{what} {error}");
    }
    // These have the same kind of fault, of any size.
    assert!(warnings.admit("", &invalid("-2"), now).is_none());
    let left: Vec<_> = warnings.finish().iter().map(ToString::to_string).collect();
    let expected = [
        error("a").to_string(),
        error("b").to_string(),
        format!("lost: {}", error("a")),
        format!("{} (and 1 more like it)", invalid("-2")),
    ];
    assert_eq!(left, expected);
}

/// The memory is limited for any number of paths, and warnings that cannot be counted are printed.
#[test]
fn no_warning_of_too_many_paths_is_lost() {
    let (mut warnings, now) = (Warnings::default(), Instant::now());
    let mut let_through = 0;
    for _ in 0..2 {
        for place in 0..100 {
            let_through += u64::from(warnings.admit("", &error(&place.to_string()), now).is_some());
        }
    }
    let left: u64 = warnings.finish().iter().map(|warning| warning.more + 1).sum();
    assert_eq!((let_through, left), (100 + 36, 64));
    // A path whose second is over makes room.
    for place in 0..64 {
        assert!(warnings.admit("", &error(&place.to_string()), now).is_some());
    }
    let later = now + Duration::from_secs(1);
    assert_eq!(admitted(&mut warnings, &error("new"), later, &[0, 1]), [Some(0), None]);
}

const COUNT: usize = 180;

/// Returns the number of warnings that the lines of a stderr report, each of which begins with `text`.
fn counted(stderr: &str, text: &str) -> usize {
    let count = |line: &str| {
        let rest = line.strip_prefix(text).unwrap_or_else(|| panic!("{line:?} is not {text:?}"));
        let more = rest.split_once(" (and ").map(|(_, more)| more.strip_suffix(" more like it)").unwrap());
        1 + more.map_or(0, |more| more.parse::<usize>().unwrap())
    };
    stderr.lines().map(count).sum()
}

/// Returns the stderr of a child that has `task`, and the largest number of lines that it may have.
fn stderr_of(task: &str) -> (String, usize) {
    let directory = tempfile::tempdir().unwrap();
    let [program, arguments @ ..] = &children::arguments()[..] else { unreachable!() };
    let mut child = Command::new(program);
    let begun = Instant::now();
    let child = children::prepare(child.args(arguments), task, directory.path()).stderr(Stdio::piped());
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The first one, one a second, and the rest at the end.
    (String::from_utf8(output.stderr).unwrap(), begun.elapsed().as_secs() as usize + 2)
}

#[test]
fn the_default_hook_counts() {
    let (stderr, lines_max) = stderr_of("hook");
    let text = "runledger: warning: cannot accept a call: reported_usd: expected an amount from 0 to 18446744.073709551615, \
                found -1";
    assert_eq!(counted(&stderr, text), COUNT);
    assert!(stderr.lines().count() <= lines_max, "{stderr}");
}

/// Answers that nobody looks at warn in the same way.
#[test]
fn ignored_answers_count() {
    let (stderr, lines_max) = stderr_of("answers");
    assert_eq!(counted(&stderr, "runledger: warning: fields of a record were left out: "), COUNT);
    assert!(stderr.lines().count() <= lines_max, "{stderr}");
}

/// The call opens a ledger each time, so it cannot know which warning is the last.
#[test]
fn the_call_that_opens_and_closes_warns_once_a_second() {
    let (stderr, lines_max) = stderr_of("once");
    assert!(counted(&stderr, "runledger: warning: ") <= COUNT);
    assert!(stderr.lines().count() < lines_max, "{stderr}");
}

/// With `eprintln!`, the skill would panic.
#[cfg(target_os = "linux")]
#[test]
fn a_full_stderr_does_not_disturb_the_skill() {
    for task in ["hook", "answers", "once"] {
        let directory = tempfile::tempdir().unwrap();
        let [program, arguments @ ..] = &children::arguments()[..] else { unreachable!() };
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut child = Command::new(program);
        let child = children::prepare(child.args(arguments), task, directory.path()).stderr(full);
        assert_eq!(child.status().unwrap().code(), Some(0), "{task}");
    }
}

#[test]
#[ignore = "not a test: the process that others watch"]
fn child() {
    let Some((task, directory)) = task() else { return };
    let path = ledger_path(&directory);
    let warned = match task.as_str() {
        "hook" => hook(&Ledger::open(path).unwrap()),
        "answers" => answers(&Ledger::open(path).unwrap()),
        // The directory of this path is a file.
        _ => {
            std::fs::write(directory.join("logs"), "").unwrap();
            let mut record = runledger::ExecutionMetrics::new(
                runledger::Uuid::from_u128(1),
                "s",
                "1",
                runledger::Timestamp::UNIX_EPOCH,
            );
            record.timestamp_end = Some(record.timestamp_start);
            record.set_status(Status::Success);
            (0..COUNT).any(|_| runledger::log_execution_metrics(&record, &path, false).unwrap())
        }
    };
    assert!(!warned);
}

fn hook(ledger: &Ledger) -> bool {
    let mut run = ledger.begin(Skill::new("s", "1"));
    for _ in 0..COUNT {
        run.record_call(&Call::new("gpt-4", Usage::new(1, 1)).reported_usd("-1".parse().unwrap()));
    }
    !run.succeed().is_durable()
}

fn answers(ledger: &Ledger) -> bool {
    for _ in 0..COUNT {
        let mut run = ledger.begin(Skill::new("s", "1"));
        run.record_mut().free_tier_quota_pct_used = Some(f64::NAN);
        run.succeed();
    }
    ledger.reader().records().count() != COUNT
}

#[test]
fn a_hook_receives_every_warning() {
    let directory = tempfile::tempdir().unwrap();
    let heard = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&heard);
    let count = move |_: &Error| _ = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let ledger = Options::new().on_warning(count).open(ledger_path(directory.path())).unwrap();
    assert!(!hook(&ledger));
    assert_eq!(heard.load(std::sync::atomic::Ordering::Relaxed), COUNT);
}

/// The limit leaves no space for the commit area, which each append tries to create.
#[cfg(all(feature = "cli", target_os = "linux"))]
#[test]
fn the_command_counts() {
    use std::io::{BufRead, BufReader, Write};

    use crate::commands::{Place, Running, lines, record};

    if !children::has_tool("prlimit", "warnings below a file size limit") {
        return;
    }
    let place = Place::empty();
    let begun = Instant::now();
    let mut pipe = Command::new("prlimit");
    pipe.arg("--fsize=100000").arg(env!("CARGO_BIN_EXE_runledger")).arg("pipe");
    let mut pipe = Running::spawn(pipe.current_dir(place.path("")).env_remove("RUNLEDGER_PATH"));
    let (mut input, output) = (pipe.child.stdin.take().unwrap(), pipe.child.stdout.take().unwrap());
    let mut answers = BufReader::new(output).lines();
    for id in 1..=COUNT as u128 {
        let record = record(id, "s", "2026-02-14T14:23:00Z", Some(1), Status::Success);
        input.write_all(lines(&[record]).as_bytes()).unwrap();
        assert!(answers.next().unwrap().unwrap().contains("\"durable\""));
    }
    drop(input);
    let (code, stderr) = pipe.end();
    assert_eq!(code, Some(0), "{stderr}");
    let area = place.ledger().with_extension("ledger").join("commit");
    let text = format!("runledger: warning: cannot create the commit area: {}: file too large", area.display());
    assert!(counted(&stderr, &text) >= COUNT, "{stderr}");
    assert!(stderr.lines().count() <= begun.elapsed().as_secs() as usize + 2, "{stderr}");
}
