//! Calls of the `runledger` command in a directory of their own, and the ledger that they read. Shared by the tests of
//! the commands.

#![allow(dead_code, reason = "each test takes the parts that it needs")]

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use runledger::journal::{Journal, JournalOptions};
use runledger::metrics::{CostTier, ErrorCategory, LlmCall, Status};
use runledger::{Answer, ExecutionMetrics, Options, Timestamp, Usage, Usd, Uuid};
use serde_json::Value;

/// The result of a call of the command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Returns the output of a call that printed nothing on stderr.
    pub(crate) fn answer(self, code: i32) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(code), ""), "{}", self.stdout);
        self.stdout
    }

    /// Returns the message of a call that failed.
    pub(crate) fn complaint(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }

    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.answer(0)).unwrap()
    }
}

/// Returns a call whose tables have 80 columns, as if it wrote to a terminal of this width.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runledger"));
    command.env_remove("RUNLEDGER_PATH").env_remove("RUNLEDGER_PRICES").env_remove("NO_COLOR").env("COLUMNS", "80");
    // Records that cannot be stored go there, and never into the user's own directories.
    command.env("XDG_STATE_HOME", std::env::temp_dir().join(format!("runledger-tests-{}", std::process::id())));
    command.env_remove("RUNLEDGER_RUN_ID").env_remove("RUNLEDGER_PARENT_EXECUTION_ID").env_remove("TRACEPARENT");
    command
}

pub(crate) fn output(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    /// Creates a directory without a ledger.
    pub(crate) fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Creates a ledger of five executions.
    pub(crate) fn new() -> Self {
        Self::with(&records())
    }

    pub(crate) fn with(records: &[ExecutionMetrics]) -> Self {
        let place = Self::empty();
        let clock = || time("2026-02-14T15:00:00Z");
        let ledger = Options::new().clock(clock).open(place.ledger()).unwrap();
        for record in records {
            assert!(matches!(ledger.append(record).unwrap(), Answer::Durable { .. }));
        }
        place
    }

    /// Creates a ledger of records that an earlier version wrote, whose words and ids were not checked.
    pub(crate) fn of_earlier_version(records: &[ExecutionMetrics]) -> Self {
        let place = Self::with(&[]);
        records.iter().for_each(|record| place.append_again(record));
        place
    }

    /// Appends a record whose id the ledger may have already, as an earlier version did.
    pub(crate) fn append_again(&self, record: &ExecutionMetrics) {
        let options = JournalOptions::new(std::sync::Arc::new(|| 0));
        Journal::open(self.ledger(), options).unwrap().append(record.to_json().unwrap().as_bytes()).unwrap();
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.path("logs/execution_metrics.jsonl")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs the command in the directory, so that the ledger is the default one and paths are short.
    pub(crate) fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        output(command().current_dir(self.directory.path()).args(args))
    }

    /// Returns every file below the directory.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        walk(self.directory.path(), &mut files);
        files.sort();
        files
    }

    /// Inserts a line of another program after the second record.
    pub(crate) fn with_a_foreign_line(self) -> Self {
        let text = std::fs::read_to_string(self.ledger()).unwrap();
        let end: usize = text.split_inclusive('\n').take(2).map(str::len).sum();
        std::fs::write(self.ledger(), format!("{}no record\n{}", &text[..end], &text[end..])).unwrap();
        self
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn record(id: u128, skill: &str, start: &str, latency_ms: Option<u64>, status: Status) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id << 80 | id), skill, "1.0.0", time(start));
    record.timestamp_end = latency_ms.map(|ms| record.timestamp_start.plus_ms(ms));
    (record.total_latency_ms, record.wall_clock_time_ms) = (latency_ms, latency_ms);
    record.set_status(status);
    record
}

/// Returns five records: a success with a known price, a failure with two models, an interruption, and two more. Of
/// these, one has no model and a name that is not ASCII, and one has an unknown price.
pub(crate) fn records() -> [ExecutionMetrics; 5] {
    let mut push =
        record(0x019c_5d2a_5a40, "git-push-autonomous", "2026-02-14T14:23:00.250Z", Some(3200), Status::Success);
    push.set_usage("gpt-4", &Usage::new(1000, 500));
    push.cost_usd = Some(usd("0.06"));
    push.cost_tier = Some(CostTier::Premium);

    let mut publish = record(0x019c_5d2a_6b00, "blog-publish", "2026-02-14T14:24:00Z", Some(45_000), Status::Failed);
    publish.set_error_reason("remote rejected");
    publish.error_category = Some(ErrorCategory::Network);
    publish.set_usage("claude-haiku-4-5", &Usage::new(3300, 0));
    publish.trace.llm_calls = vec![call(1, "gpt-4", 1000, "0.03"), call(2, "claude-haiku-4-5", 2300, "0.00450025")];
    publish.cost_usd = Some(usd("0.03450025"));

    let interrupted = record(0x019c_5d2a_6b01, "blog-publish", "2026-02-14T14:25:00Z", None, Status::Interrupted);
    let unicode = record(0x019c_5d2b_0000, "übersetzen-日本語", "2026-02-14T14:26:00Z", Some(7), Status::Success);

    let mut unpriced = record(0x019c_5d2b_0001, "blog-publish", "2026-02-14T14:27:00Z", Some(900), Status::Success);
    unpriced.set_usage("llama-9", &Usage::new(10, 5));
    unpriced.cost_tier = Some(CostTier::Unknown);
    [push, publish, interrupted, unicode, unpriced]
}

pub(crate) fn call(sequence: u64, model: &str, tokens: u64, cost: &str) -> LlmCall {
    let mut call = LlmCall::new(sequence, model);
    (call.tokens_input, call.tokens_output) = (Some(tokens), Some(0));
    call.cost_usd = Some(usd(cost));
    call
}

pub(crate) fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

pub(crate) fn lines(records: &[ExecutionMetrics]) -> String {
    records.iter().map(|record| record.to_json().unwrap() + "\n").collect()
}

/// Returns the lines below a heading, up to a blank one.
pub(crate) fn section<'h>(help: &'h str, heading: &str) -> impl Iterator<Item = &'h str> {
    help.lines().skip_while(move |line| *line != heading).skip(1).take_while(|line| !line.is_empty())
}

/// Returns the indented text below each line that begins with `Example: `.
pub(crate) fn examples(help: &str) -> Vec<String> {
    let below = help.split("\nExample: ").skip(1).map(|text| {
        let script = text.lines().skip(1).map_while(|line| line.strip_prefix("  "));
        script.map(|line| format!("{line}\n")).collect::<String>()
    });
    below.collect()
}

/// A call that runs beside the test. It ends with the test, or after a minute, so that a failing test does not hang.
pub(crate) struct Running {
    pub(crate) child: Child,
    _test: mpsc::Sender<()>,
}

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (_test, ended) = mpsc::channel::<()>();
        let pid = child.id().to_string();
        std::thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
                Command::new("kill").args(["-KILL", &pid]).status().unwrap();
            }
        });
        Self { child, _test }
    }

    /// Waits for its end, and returns the exit code and the text on stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In most passing tests, it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
