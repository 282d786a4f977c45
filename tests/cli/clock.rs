//! Promise: the command works whatever the clock says. It prints and stores the clock's times from the year 0 to the
//! year 9999, and nothing panics or wraps around.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::commands::{Output, Place};
use runledger::{ExecutionMetrics, LedgerReader, Uuid};
use serde_json::Value;

/// The command as a process whose clock starts at another time.
struct Clock {
    place: Place,
    start: &'static str,
}

impl Clock {
    /// Returns `None` if `faketime` is missing.
    fn at(start: &'static str) -> Option<Self> {
        let there = Command::new("faketime").arg("--version").output().is_ok();
        if !there {
            println!("NOT TESTED: faketime is missing, which gives the command another clock");
        }
        there.then(|| Self { place: Place::empty(), start })
    }

    fn run(&self, args: &str, input: &str) -> Output {
        let mut command = Command::new("faketime");
        command.args(["-f", self.start, env!("CARGO_BIN_EXE_runledger")]).args(args.split(' '));
        for unset in ["RUNLEDGER_PATH", "RUNLEDGER_PRICES", "RUNLEDGER_PARENT_EXECUTION_ID", "TRACEPARENT", "COLUMNS"] {
            command.env_remove(unset);
        }
        command.env("RUNLEDGER_RUN_ID", "r").env("TZ", "UTC").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.current_dir(self.place.directory.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads no input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn json(&self, args: &str) -> Value {
        self.run(args, "").json()
    }

    fn records(&self) -> Vec<ExecutionMetrics> {
        LedgerReader::open(self.place.ledger()).unwrap().records().map(Result::unwrap).collect()
    }
}

/// Returns the day and the hour of a timestamp.
fn hour(time: &Value) -> &str {
    &time.as_str().unwrap()[..13]
}

const BEFORE_1970: &str = "@1969-12-31 23:00:00";

#[test]
fn executions_are_recorded_before_1970() {
    let Some(clock) = Clock::at(BEFORE_1970) else { return };
    assert_eq!(clock.run("run --skill c -- echo RAN", "").answer(0), "RAN\n");
    let started = clock.json("start --agent a --json");
    let id = started["execution_id"].as_str().unwrap();
    assert!(clock.run("open --json", "").answer(0).contains(id));
    let marked = clock.json(&format!("progress --execution-id {id} --stage x --percent 50 --json"));
    assert_eq!(hour(&marked["progress"]["updated_at"]), "1969-12-31T23");
    let completed = clock.json(&format!("complete --execution-id {id} --status success --json"));
    assert_eq!(hour(&completed["started_at"]), "1969-12-31T23");
    let line = r#"{"skill_name":"p","skill_version":"1","timestamp_start":"1969-12-31T22:00:00Z","timestamp_end":"1969-12-31T22:00:01Z"}"#;
    let answer: Value = serde_json::from_str(&clock.run("pipe", line).answer(0)).unwrap();
    assert_eq!((&answer["answer"], &answer["seq"]), (&"durable".into(), &3.into()));

    let records = clock.records();
    assert_eq!(records.iter().map(|record| record.skill_name.as_str()).collect::<Vec<_>>(), ["c", "a", "p"]);
    for record in &records[..2] {
        assert_eq!(record.timestamp_start.to_string()[..13], *"1969-12-31T23");
        assert!(record.timestamp_end >= Some(record.timestamp_start) && record.validate().is_ok(), "{record:?}");
    }
    // An id cannot encode a time before 1970, so it encodes the beginning of 1970.
    assert!(records.iter().all(|record| record.execution_id.as_u128() >> 80 == 0));
    let list = clock.run("list --json", "").answer(0);
    assert_eq!(list.lines().count(), 3);
    assert!(clock.run("list", "").answer(0).contains("\n1969-12-31 23:00  c      success "));
    let tail: Vec<Value> =
        clock.run("tail --json", "").answer(0).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(tail.len(), 3);
}

#[test]
fn commands_that_read_work_before_1970() {
    let Some(clock) = Clock::at(BEFORE_1970) else { return };
    assert_eq!(clock.run("run --skill c -- true", "").answer(0), "");
    assert!(clock.run("verify", "").answer(0).ends_with("faults    0\n"));
    assert_eq!(clock.json("head --json")["seq"], 1);
    assert!(clock.run("cost --by day --since 1d", "").answer(0).ends_with("without model: 1\n"));
    assert!(clock.run("cost --by week --since yesterday --until today", "").answer(0).ends_with("without model: 1\n"));
    assert!(
        clock
            .run("cost --until yesterday", "")
            .answer(0)
            .ends_with("total      0      -       -        -        -       -    -         0\n")
    );
    let price = clock.run("price", r#"{"model":"gpt-4","usage":{"input_tokens":1}}"#).answer(0);
    assert_eq!(hour(&serde_json::from_str::<Value>(&price).unwrap()["at"]), "1969-12-31T23");
    assert_eq!(clock.json("quota openai-gpt4 --json")["resets_at"], "1970-01-01T00:00:00.000Z");
    assert!(clock.run("baseline", "").answer(0).contains("\nc         1   100.0% "));
    assert!(clock.run("baseline freeze", "").answer(3).contains("started before 1969-12-29T00:00:00.000Z."));
    assert!(clock.run("compare", "").complaint(2).contains("no baselines are frozen yet"));
    let gate = clock.run("gate --run r", "").answer(0);
    assert!(gate.starts_with("PASS r: executions 1, in flight 0, spilled 0, reasons 0\n"), "{gate}");
    assert_eq!(clock.run("escalate", "").answer(0), "1969-12-29T00:00:00.000Z to now: executions 1, escalations 0\n");
    assert!(clock.run("prices check", "").stdout.contains("in the future"));
    assert!(clock.run("doctor", "").stdout.contains("warning  clock        1969-12-31T23:00:0"));
    assert_eq!(
        clock.run("retention plan", "").answer(0),
        "to keep 0, to archive 0, to delete 0; nothing was changed\n"
    );
}

/// A time outside the years 0 to 9999 cannot be written. It is recorded as 1970-01-01.
#[test]
fn the_command_runs_at_any_time() {
    for (start, recorded) in [
        ("@0001-01-01 00:00:01", "0001-01-01"),
        ("@9999-12-31 23:00:00", "9999-12-31"),
        ("-3000y", "1970-01-01"),
        ("+300000y", "1970-01-01"),
    ] {
        let Some(clock) = Clock::at(start) else { return };
        assert_eq!(clock.run("run --skill c -- echo RAN", "").answer(0), "RAN\n", "{start}");
        let [record] = &clock.records()[..] else { panic!("{start}") };
        assert_eq!(record.timestamp_start.to_string()[..10], *recorded, "{start}");
        for question in
            ["list", "verify", "cost --by week", "quota", "baseline", "metrics", "escalate", "gate --run r", "open"]
        {
            let found = clock.run(question, "");
            assert_eq!((found.code, found.stderr.as_str()), (Some(0), ""), "{start} {question}");
        }
        assert_ne!(record.execution_id, Uuid::nil());
    }
}
