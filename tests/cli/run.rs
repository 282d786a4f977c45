//! `runledger run` records any command as an execution. It does not change the command's input, output, errors,
//! terminal, signals or exit code, even if the ledger fails. With `--hash-output`, the command's stdout is a pipe.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::children::has_tool;
use crate::children::place::until;
use crate::children::strace::can_trace;
use crate::commands::{Output, Place, command, output};
use runledger::metrics::{CostSource, CostTier, ErrorCategory, Status};
use runledger::{ExecutionMetrics, Ledger, LedgerReader, hash_bytes};

const RUNLEDGER: &str = env!("CARGO_BIN_EXE_runledger");

/// Returns the result of a shell script that is run as the skill `job`.
fn run(place: &Place, options: &[&str], script: &str) -> Output {
    place.run([&["run", "--skill", "job"], options, &["--", "sh", "-c", script]].concat())
}

fn records(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

fn the_record(place: &Place) -> ExecutionMetrics {
    let [record] = <[_; 1]>::try_from(records(place)).unwrap();
    record
}

fn told(code: i32, stdout: &str, stderr: &str) -> Output {
    Output { code: Some(code), stdout: stdout.to_owned(), stderr: stderr.to_owned() }
}

#[test]
fn a_command_that_succeeds_is_recorded_and_not_changed() {
    let place = Place::empty();
    let output = run(&place, &["--skill-version", "1.4.0"], "echo out; echo err >&2; sleep 0.02");
    assert_eq!(output, told(0, "out\n", "err\n"));
    let record = the_record(&place);
    assert_eq!((record.skill_name.as_str(), record.skill_version.as_str()), ("job", "1.4.0"));
    assert_eq!((record.status, record.execution_succeeded), (Some(Status::Success), Some(true)));
    assert_eq!((record.error_code, record.error_reason, record.error_category), (None, None, None));
    assert_eq!((record.output_hash, record.cost_tier, record.cost_usd), (None, None, None));
    assert!(record.wall_clock_time_ms >= Some(20), "{:?}", record.wall_clock_time_ms);
    assert!(record.run.run_id.is_some() && record.run.parent_execution_id.is_none());
}

#[test]
fn the_exit_code_is_the_commands() {
    let place = Place::empty();
    for code in [1, 2, 3, 126, 127, 128, 255] {
        assert_eq!(run(&place, &[], &format!("exit {code}")), told(code, "", ""));
        let record = records(&place).pop().unwrap();
        assert_eq!((record.status, record.error_code), (Some(Status::Failed), Some(code.into())));
        assert_eq!(record.error_reason, Some(format!("exit code {code}")));
        assert_eq!(record.error_category, Some(ErrorCategory::Unknown));
    }
    assert_eq!(records(&place)[0].skill_version, "unknown");
}

#[test]
fn death_by_a_signal_is_128_and_its_number() {
    let place = Place::empty();
    for signal in [6, 9, 11, 15] {
        assert_eq!(run(&place, &[], &format!("kill -{signal} $$")), told(128 + signal, "", ""));
        let record = records(&place).pop().unwrap();
        assert_eq!((record.status, record.error_code), (Some(Status::Failed), Some((128 + signal).into())));
        assert_eq!(record.error_reason, Some(format!("ended by signal {signal}")));
    }
}

#[test]
fn a_command_that_cannot_be_run_is_127_or_126_and_failed() {
    let place = Place::empty();
    std::fs::write(place.path("plain"), "no program\n").unwrap();
    for (program, code, why) in [
        ("no-such-command", 127, "no-such-command: No such file or directory (os error 2)"),
        ("./plain", 126, "./plain: Permission denied (os error 13)"),
        ("/", 126, "/: Permission denied (os error 13)"),
    ] {
        let output = place.run(["run", "--skill", "job", "--", program, "argument"]);
        let reason = format!("cannot run the command: {why}");
        assert_eq!(output, told(code, "", &format!("runledger: {reason}\n")));
        let record = records(&place).pop().unwrap();
        assert_eq!((record.status, record.error_code), (Some(Status::Failed), Some(code.into())));
        assert_eq!(record.error_reason, Some(reason));
    }
}

#[test]
fn the_last_line_of_stderr_is_the_reason() {
    let place = Place::empty();
    let script =
        "echo first >&2; printf '10%%\\r20%%\\r' >&2; printf 'no caf\\303\\251 \\033[31mred\\n\\n  \\n' >&2; exit 1";
    let stderr = "first\n10%\r20%\rno café \u{1b}[31mred\n\n  \n";
    assert_eq!(run(&place, &[], script), told(1, "", stderr));
    assert_eq!(the_record(&place).error_reason.as_deref(), Some("no café \u{1b}[31mred"));
    // A long line is cut. The last line counts, even without a line feed.
    run(&place, &[], "head -c 3000 /dev/zero | tr '\\0' x >&2; exit 1");
    let reason = records(&place).pop().unwrap().error_reason.unwrap();
    assert_eq!((reason.chars().count(), reason.ends_with("x…")), (500, true));
}

/// All bytes pass, in both directions and in any amount.
#[test]
fn input_and_output_pass_through_untouched() {
    let place = Place::empty();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (options, script) in [(&[][..], "cat"), (&["--hash-output"][..], "cat"), (&[][..], "cat >&2")] {
        let mut child = command();
        child
            .current_dir(place.path(""))
            .args(["run", "--skill", "job"])
            .args(options)
            .args(["--", "sh", "-c", script]);
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let given = bytes.clone();
        let giving = std::thread::spawn(move || stdin.write_all(&given).unwrap());
        let output = child.wait_with_output().unwrap();
        giving.join().unwrap();
        let (full, empty) =
            if script == "cat" { (output.stdout, output.stderr) } else { (output.stderr, output.stdout) };
        assert!(full == bytes && empty.is_empty(), "{options:?} {script}: {} bytes of {}", full.len(), bytes.len());
        let expected = (!options.is_empty()).then(|| hash_bytes(&bytes));
        assert_eq!(records(&place).pop().unwrap().output_hash, expected);
    }
}

/// Output is passed on when it is written, not at the end.
#[test]
fn output_is_passed_on_at_once() {
    let place = Place::empty();
    let mut child = command();
    child.current_dir(place.path("")).args(["run", "--skill", "job", "--hash-output", "--"]);
    child.args(["sh", "-c", "printf asked; printf asked >&2; read answer; echo \" $answer\""]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut asked = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"asked");
    child.stderr.as_mut().unwrap().read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"asked");
    child.stdin.take().unwrap().write_all(b"yes\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b" yes\n");
    assert_eq!(the_record(&place).output_hash, Some(hash_bytes("asked yes\n")));
}

/// If the output is closed, the command gets SIGPIPE, as without `runledger run`.
#[test]
fn a_reader_that_closes_the_pipe_ends_the_command() {
    let place = Place::empty();
    for options in ["", "--hash-output"] {
        let script = format!("{RUNLEDGER} run --skill job {options} -- yes | head -1");
        let output = output(
            command()
                .current_dir(place.path(""))
                .env_remove("RUST_BACKTRACE")
                .args(["run", "--skill", "outer", "--", "sh", "-c", &script]),
        );
        assert_eq!(output, told(0, "y\n", ""));
        let records = records(&place);
        let job = records.iter().rev().find(|record| record.skill_name == "job").unwrap();
        assert_eq!((job.error_code, job.output_hash.as_ref()), (Some(141), None), "{options}");
    }
}

/// If these tests themselves ignore a signal, as under nohup, the command does not.
const WITH_SIGNALS: [&str; 2] = ["env", "--default-signal"];

/// Returns a command that runs `line` in a terminal, which script(1) provides.
fn script(place: &Place, line: &str) -> Command {
    let mut script = Command::new("script");
    // script(1) runs the line in the user's shell. Some shells stay beside the command, and a key of the terminal would
    // end them too.
    let line = format!("exec {} {line}", WITH_SIGNALS.join(" "));
    script.current_dir(place.path("")).env_remove("RUNLEDGER_PATH").env("SHELL", "/bin/sh").args([
        "-qec",
        &line,
        "/dev/null",
    ]);
    script
}

fn in_a_terminal(place: &Place, options: &str) -> Option<(Option<i32>, String)> {
    if !has_tool("script", "what a command finds in a terminal") {
        return None;
    }
    let each = "for fd in 0 1 2; do if [ -t $fd ]; then printf tty; else printf no; fi; done; echo oops >&2; exit 3";
    let line = format!("{RUNLEDGER} run --skill job {options} -- sh -c '{each}'");
    let output = script(place, &line).stdin(Stdio::null()).output().unwrap();
    Some((output.status.code(), String::from_utf8(output.stdout).unwrap()))
}

#[test]
fn a_terminal_remains_a_terminal() {
    let place = Place::empty();
    let Some((code, output)) = in_a_terminal(&place, "") else { return };
    assert_eq!((code, output.as_str()), (Some(3), "ttyttyttyoops\r\n"));
    // Output to a terminal is not examined.
    assert_eq!(the_record(&place).error_reason.as_deref(), Some("exit code 3"));
}

#[test]
fn hashed_output_goes_through_a_pipe_even_on_a_terminal() {
    let place = Place::empty();
    let Some((code, output)) = in_a_terminal(&place, "--hash-output") else { return };
    assert_eq!((code, output.len()), (Some(3), "ttynottyoops\r\n".len()), "{output}");
    assert_eq!(the_record(&place).output_hash, Some(hash_bytes("ttynotty")));
}

/// The keys of a terminal send their signal to the command as well. A second signal must not arrive, because many
/// programs then end at once. Two signals that arrive together count as one, so strace shows whether a second one was
/// sent.
#[test]
fn a_key_of_the_terminal_reaches_the_command_once() {
    if !has_tool("script", "what the keys of a terminal do") || !can_trace() {
        return;
    }
    let place = Place::empty();
    let each = "n=0; trap 'n=$((n+1))' INT; echo ready; until [ $n -gt 0 ]; do sleep 0.01; done; echo $n; exit 4";
    std::fs::write(place.path("job"), each).unwrap();
    let traced = format!("strace -f -qq -o calls -e trace=kill {RUNLEDGER} run --skill job -- sh job");
    let mut script = script(&place, &traced).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(script.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\r\n");
    script.stdin.take().unwrap().write_all(b"\x03").unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.replace("^C", "").as_str(), script.wait().unwrap().code()), ("1\r\n", Some(4)));
    assert_eq!((the_record(&place).status, the_record(&place).error_code), (Some(Status::Cancelled), Some(4)));
    let calls = std::fs::read_to_string(place.path("calls")).unwrap();
    assert!(calls.contains("SIGINT") && !calls.contains("kill("), "{calls}");
}

/// Starts a script as a command under `wrapper`, and waits until it reports that it runs.
fn ready(place: &Place, wrapper: &[&str], script: &str) -> Child {
    let words: Vec<&str> = [wrapper, &[RUNLEDGER, "run", "--skill", "job", "--", "sh", "-c", script]].concat();
    let mut child = Command::new(words[0]);
    child.current_dir(place.path("")).env_remove("RUNLEDGER_PATH").args(&words[1..]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn signals_reach_the_command_and_cancel_the_execution() {
    let place = Place::empty();
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        // A command that handles the signal decides how it ends.
        let mut child =
            ready(&place, &WITH_SIGNALS, &format!("trap 'exit 7' {signal}; echo ready; while :; do sleep 0.01; done"));
        send(&format!("-{signal}"), &child);
        assert_eq!(child.wait().unwrap().code(), Some(7), "{signal}");
        let record = records(&place).pop().unwrap();
        assert_eq!((record.status, record.error_code), (Some(Status::Cancelled), Some(7)), "{signal}");

        let mut child = ready(&place, &WITH_SIGNALS, "echo ready; exec sleep 60");
        send(&format!("-{signal}"), &child);
        assert_eq!(child.wait().unwrap().code(), Some(128 + number), "{signal}");
        let record = records(&place).pop().unwrap();
        assert_eq!(record.error_reason, Some(format!("ended by signal {number}")));
        assert_eq!((record.status, record.error_code), (Some(Status::Cancelled), Some((128 + number).into())));
    }
}

/// A command that succeeds after it was asked to end has succeeded.
#[test]
fn a_signal_that_the_command_survives_is_not_a_failure() {
    let place = Place::empty();
    let mut child = ready(
        &place,
        &WITH_SIGNALS,
        "trap 'done=1' TERM; echo ready; until [ \"$done\" ]; do sleep 0.01; done; exit 0",
    );
    send("-TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(the_record(&place).status, Some(Status::Success));
}

/// `nohup` requires this.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let place = Place::empty();
    let wrapper = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"];
    let script = "echo ready; until [ -e go ]; do sleep 0.01; done; grep SigIgn /proc/self/status > ignored";
    let mut child = ready(&place, &wrapper, script);
    send("-HUP", &child);
    std::thread::sleep(Duration::from_millis(100));
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let ignored = std::fs::read_to_string(place.path("ignored")).unwrap();
    assert!(u64::from_str_radix(ignored.split_whitespace().nth(1).unwrap(), 16).unwrap() & 1 == 1, "{ignored}");
    assert_eq!(the_record(&place).status, Some(Status::Success));
}

#[test]
fn an_execution_is_interrupted_if_run_is_killed() {
    let place = Place::empty();
    let mut child = ready(&place, &[], "echo ready; exec sleep 30");
    let begun = LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions;
    assert_eq!((begun.len(), begun[0].owner_alive), (1, Some(true)));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(LedgerReader::open(place.ledger()).unwrap().in_flight().unwrap().executions[0].owner_alive, Some(false));
    drop(Ledger::open(place.ledger()).unwrap());
    let record = the_record(&place);
    assert_eq!((record.execution_id, record.status), (begun[0].record.execution_id, Some(Status::Interrupted)));
    assert_eq!(record.execution_succeeded, None);
}

#[test]
fn a_failing_ledger_does_not_stop_the_command() {
    let place = Place::empty();
    std::fs::create_dir_all(place.ledger()).unwrap();
    let reason = format!(
        " until a later command can open the ledger: cannot open the ledger: {}: found a directory; expected a regular file. \
         Choose another path",
        place.ledger().display()
    );
    let is_kept = |warning: &str| warning.starts_with("the record is stored in ") && warning.ends_with(&reason);
    let output = run(&place, &[], "echo out; exit 5");
    assert_eq!((output.code, output.stdout.as_str()), (Some(5), "out\n"));
    let warning = output.stderr.strip_prefix("runledger: warning: ").unwrap();
    assert!(is_kept(warning.trim_end()) && warning.lines().count() == 1, "{warning}");
    // The same holds if the warning cannot be read.
    let mut command = command();
    command.current_dir(place.path("")).args(["run", "--skill", "job", "--", "sh", "-c", "exit 5"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let json = run(&place, &["--json"], "exit 5").stderr;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(is_kept(json["warning"].as_str().unwrap()), "{json}");
}

/// The record can be stored nowhere. The command still runs, and `run` returns the command's exit code.
#[test]
fn a_ledger_that_refuses_records_changes_no_exit_code() {
    let place = Place::empty();
    drop(Ledger::open(place.ledger()).unwrap());
    let machinery = place.ledger().with_extension("ledger");
    // A plain file replaces the directory of the in-flight files, so no file can be created there.
    std::fs::remove_dir(machinery.join("inflight")).unwrap();
    std::fs::write(machinery.join("inflight"), "").unwrap();
    // No other directory can be used either.
    let mut command = command();
    command.env("XDG_STATE_HOME", "/dev/null").env("TMPDIR", "/dev/null").current_dir(place.directory.path());
    let output = output(command.args(["run", "--skill", "job", "--", "sh", "-c", "exit 9"]));
    assert_eq!((output.code, output.stdout.as_str()), (Some(9), ""));
    let warnings: Vec<_> = output.stderr.lines().map(|line| line.split(": ").nth(2).unwrap()).collect();
    assert_eq!(
        warnings,
        ["a record cannot be stored in another directory", "the command is not recorded"],
        "{}",
        output.stderr
    );
}

#[test]
fn executions_within_a_run_belong_to_it() {
    let place = Place::empty();
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    let inner = format!("cd elsewhere; {RUNLEDGER} run --skill inner -- sh -c 'echo $TRACEPARENT $RUNLEDGER_PATH'");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let outer = output(
        command()
            .current_dir(place.path(""))
            .env("TRACEPARENT", trace)
            .args(["run", "--skill", "outer", "--", "sh", "-c", &inner]),
    );
    assert_eq!(outer, told(0, &format!("{trace} {}\n", place.ledger().display()), ""));
    let records = records(&place);
    let [inner, outer] = &records[..] else { panic!("{records:?}") };
    assert_eq!((inner.skill_name.as_str(), outer.skill_name.as_str()), ("inner", "outer"));
    assert_eq!((outer.run.parent_execution_id, inner.run.parent_execution_id), (None, Some(outer.execution_id)));
    assert!(outer.run.run_id.is_some() && inner.run.run_id == outer.run.run_id);
    for record in [inner, outer] {
        assert_eq!(record.run.trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(record.run.span_id.as_deref(), Some("00f067aa0ba902b7"));
    }
}

#[test]
fn an_invalid_environment_is_a_warning() {
    let place = Place::empty();
    let mut command = command();
    command.current_dir(place.path("")).env("TRACEPARENT", "x\u{1b}").env("RUNLEDGER_PARENT_EXECUTION_ID", "y");
    let output = output(command.env("RUNLEDGER_RUN_ID", "r-1").args(["run", "--skill", "job", "--", "true"]));
    let warnings = "\
runledger: warning: RUNLEDGER_PARENT_EXECUTION_ID is ignored: invalid character: found `y` at 0
runledger: warning: TRACEPARENT is ignored: cannot read a traceparent: expected 00-<32 hex digits>-<16 hex digits>-<2 hex digits> in lower case, found \"x\\u{1b}\"
";
    assert_eq!(output, told(0, "", warnings));
    let run = the_record(&place).run;
    assert_eq!((run.run_id.as_deref(), run.trace_id, run.parent_execution_id), (Some("r-1"), None, None));
}

#[test]
fn a_run_id_that_is_not_text_is_a_warning() {
    use std::os::unix::ffi::OsStringExt;

    let place = Place::empty();
    let mut command = command();
    command.current_dir(place.path("")).env("RUNLEDGER_RUN_ID", std::ffi::OsString::from_vec(vec![0xff]));
    let output = output(command.args(["run", "--skill", "job", "--", "true"]));
    assert!(output.stderr.starts_with("runledger: warning: RUNLEDGER_RUN_ID is ignored: "), "{output:?}");
    assert_ne!(the_record(&place).run.run_id, None); // a new one
}

/// A model with unknown tokens has an unknown cost.
#[test]
fn the_cost_of_a_model_stays_unknown() {
    let place = Place::empty();
    assert_eq!(run(&place, &["--model", "gpt-4"], "true"), told(0, "", ""));
    let record = the_record(&place);
    assert_eq!((record.model.name.as_deref(), record.tokens_used, record.cost_usd), (Some("gpt-4"), None, None));
    assert_eq!((record.cost_tier, record.cost.source), (Some(CostTier::Unknown), Some(CostSource::Unknown)));
    let costs = place.run(["cost", "--json"]).answer(0);
    assert!(costs.contains("gpt-4"), "{costs}");
}

/// A shell passes an empty `--model "$model"` if the variable is not set.
#[test]
fn an_empty_name_counts_as_none() {
    let place = Place::empty();
    assert_eq!(run(&place, &["--model", "", "--skill-version", ""], "true"), told(0, "", ""));
    let record = the_record(&place);
    assert_eq!((record.model.name, record.cost_tier, record.skill_version.as_str()), (None, None, "unknown"));
}

/// Processes that the command leaves running keep its stderr, and the record does not wait for them.
#[test]
fn the_record_is_there_when_the_command_ends() {
    let place = Place::empty();
    let begun = Instant::now();
    let script = "(until [ -e go ]; do sleep 0.01; done; echo late >&2) & echo last >&2; date +%s%3N > ended; exit 3";
    let mut child = command();
    child.current_dir(place.path("")).args(["run", "--skill", "job", "--", "sh", "-c", script]);
    let child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until("the record", || LedgerReader::open(place.ledger()).is_ok_and(|reader| reader.records().count() == 1));
    let record = the_record(&place);
    assert_eq!((record.error_code, record.error_reason.as_deref()), (Some(3), Some("last")));
    assert!(record.wall_clock_time_ms.map(Duration::from_millis) <= Some(begun.elapsed()));
    // `run` waits for the last line of stderr for up to half a second. This time is not part of the execution.
    let ended: i64 = std::fs::read_to_string(place.path("ended")).unwrap().trim().parse().unwrap();
    let end = record.timestamp_end.unwrap().unix_ms();
    assert!(end < ended + 500, "{} ms", end - ended);
    std::fs::write(place.path("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(3), &b"last\nlate\n"[..]));
}

#[test]
fn without_a_skill_the_skill_is_the_file_name_of_the_command() {
    let place = Place::empty();
    for (command, skill) in [("true", "true"), ("/bin/true", "true"), ("./missing dir/../no such", "no such")] {
        place.run(["run", "--", command]);
        let last = place.run(["list", "--json", "--limit", "1"]).answer(0);
        assert!(last.contains(&format!(r#""skill_name":"{skill}""#)), "{command}: {last}");
    }
}

#[test]
fn without_a_command_nothing_is_recorded() {
    let place = Place::empty();
    for args in [&["run"][..], &["run", "--skill", "job"], &["run", "--skill", "job", "--"]] {
        let complaint = place.run(args).complaint(2);
        assert!(complaint.starts_with("error: the following required arguments were not provided:"), "{complaint}");
    }
    assert_eq!(place.files(), Vec::<PathBuf>::new());
}
