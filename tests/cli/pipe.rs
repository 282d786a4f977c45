//! `runledger pipe` answers the lines in their order. The answer `durable` comes only once the record is durable. A
//! line that is not a record is refused with its reasons and changes nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, ChildStdout, Command};

use crate::commands::{Output, Place, Running, command, lines, record, records};
use runledger::journal::PAYLOAD_BYTES_MAX;
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Ledger, LedgerReader, Uuid};
use serde_json::{Value, json};

/// The required fields of a record.
const SHORTEST: &str = r#""skill_name":"s","skill_version":"1","timestamp_start":"2026-02-14T14:23:00Z","timestamp_end":"2026-02-14T14:23:05Z""#;

fn spawn(place: &Place, command: &mut Command) -> Running {
    Running::spawn(command.current_dir(place.directory.path()))
}

/// Takes the command's stdin and stdout.
fn ends(pipe: &mut Running) -> (ChildStdin, BufReader<ChildStdout>) {
    (pipe.child.stdin.take().unwrap(), BufReader::new(pipe.child.stdout.take().unwrap()))
}

/// Returns the answer of the command to all of `input`.
fn pipe(place: &Place, input: impl AsRef<[u8]> + Send) -> Output {
    fed(spawn(place, command().arg("pipe")), input)
}

fn fed(mut pipe: Running, input: impl AsRef<[u8]> + Send) -> Output {
    let (mut stdin, mut output) = ends(&mut pipe);
    let mut stdout = String::new();
    std::thread::scope(|scope| {
        // This write fails if the command ends early. The assertion about the output then shows the cause.
        scope.spawn(move || _ = stdin.write_all(input.as_ref()));
        output.read_to_string(&mut stdout).unwrap();
    });
    let (code, stderr) = pipe.end();
    Output { code, stdout, stderr }
}

fn answers(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn in_ledger(place: &Place) -> Vec<ExecutionMetrics> {
    LedgerReader::open(place.ledger()).unwrap().records().map(Result::unwrap).collect()
}

/// Returns `count` records with the ids 1, 2 and so on.
fn many(count: u128) -> Vec<ExecutionMetrics> {
    (1..=count).map(|id| record(id, "s", "2026-02-14T14:23:00Z", Some(1), Status::Success)).collect()
}

fn durable(id: Uuid, seq: u64) -> String {
    format!("{{\"execution_id\":\"{id}\",\"seq\":{seq},\"answer\":\"durable\"}}\n")
}

#[test]
fn each_record_is_answered_in_the_order_of_the_lines_and_is_in_the_ledger_as_it_was() {
    let (place, records) = (Place::empty(), records());
    let with_cost = |seq, record: &ExecutionMetrics| {
        let answer = durable(record.execution_id, seq);
        match record.cost_usd {
            Some(cost) => answer.replace("}\n", &format!(",\"cost_usd\":\"{cost}\"}}\n")),
            None => answer,
        }
    };
    let answer: String = (1..).zip(&records).map(|(seq, record)| with_cost(seq, record)).collect();
    let unpriced = r#","price":{"unknown":"cannot price the unknown model \"llama-9\""}}"#;
    let answer = format!("{}{unpriced}\n", answer.strip_suffix("}\n").unwrap());
    assert_eq!(pipe(&place, lines(&records)).answer(0), answer);
    assert_eq!(in_ledger(&place), records);
    assert!(LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap().is_clean());
    // The next pipe continues after the last line of this one, even if the input has no line feed at its end.
    let mut next = records[2].clone();
    next.execution_id = Uuid::from_u128(6);
    let text = lines(&[next.clone()]);
    assert_eq!(pipe(&place, text.trim_end()).answer(0), durable(next.execution_id, 6));
}

#[test]
fn the_output_of_list_can_be_piped_into_another_ledger() {
    let (place, other) = (Place::new(), Place::empty());
    let listed = place.run(["list", "--json", "--all"]).answer(0);
    assert_eq!(pipe(&other, &listed).code, Some(0));
    assert_eq!(other.run(["list", "--json", "--all"]).answer(0), listed);
}

#[test]
fn many_lines_in_flight_are_answered_one_for_one() {
    let (place, records) = (Place::empty(), many(3000));
    let answer: String = (1..).zip(&records).map(|(seq, record)| durable(record.execution_id, seq)).collect();
    assert_eq!(pipe(&place, lines(&records)).answer(0), answer);
    assert_eq!(in_ledger(&place), records);
}

/// A line is answered at once, even if the batch is not full and the next line has arrived only in part.
#[test]
fn a_line_is_answered_before_the_next_one_comes() {
    let (place, records) = (Place::empty(), many(3));
    let mut pipe = spawn(&place, command().arg("pipe"));
    let (mut input, mut output) = ends(&mut pipe);
    let mut begun = String::new();
    for (seq, record) in (1..).zip(&records) {
        let line = record.to_json().unwrap();
        let (now, later) = (&line[begun.len()..], "{\"execution_id\":");
        write!(input, "{now}\n{later}").unwrap();
        begun = later.to_owned();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(answer, durable(record.execution_id, seq));
    }
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\"answer\":\"refused\",\"line\":4,"), "{rest}");
    assert_eq!(pipe.end(), (Some(1), String::new()));
}

#[test]
fn invalid_input_is_refused_with_its_reasons_and_its_line() {
    let place = Place::empty();
    let id = Uuid::from_u128(7);
    let input = [
        b"noise\n\n \t\n[]\n{}\n\"s\"\n".to_vec(),
        b"{\"skill_name\":\"a\xff\"}\n".to_vec(),
        format!("{{{SHORTEST},\"skill_name\":\"again\"}}\n").into_bytes(),
        format!("{{\"execution_id\":null,{SHORTEST}}}\n").into_bytes(),
        format!("{{\"execution_id\":\"{id}\",{},\"confidence_score\":2}}\n", SHORTEST.replace("\"s\"", "\"\"")).into(),
        format!("{{\"execution_id\":\"{id}\",{SHORTEST},\"status\":\"success\",\"execution_failed\":true}}").into(),
    ];
    let all = |line: u64, reasons: &[&str]| json!({"execution_id": null, "seq": null, "answer": "refused", "line": line, "kind": "malformed", "reasons": reasons});
    let malformed = |line: u64, reason: &str| all(line, &[reason]);
    let invalid = |line: u64, reasons: &[&str]| json!({"execution_id": id, "seq": null, "answer": "refused", "line": line, "kind": "invalid", "reasons": reasons});
    assert_eq!(
        answers(&pipe(&place, input.concat()).answer(1)),
        [
            malformed(1, "cannot read a record from JSON: expected a value in JSON, found `noise` at column 2"),
            malformed(4, "cannot read a record from JSON: expected a JSON object, found a list"),
            all(
                5,
                &["skill_name", "skill_version", "timestamp_start", "timestamp_end"]
                    .map(|key| format!("{key}: expected a value, found none"))
                    .each_ref()
                    .map(String::as_str)
            ),
            malformed(6, "cannot read a record from JSON: expected a JSON object, found \"s\" at column 3"),
            malformed(7, "expected UTF-8, found an invalid byte at column 17"),
            malformed(
                8,
                "cannot read a record from JSON: skill_name: expected this key once, found it again at column 130"
            ),
            malformed(9, "cannot read a record from JSON: execution_id: expected a UUID, found null at column 20"),
            invalid(10, &["skill_name: expected a name, found \"\"", "confidence_score: expected 0 to 1, found 2"]),
            invalid(11, &["execution_succeeded: expected true, as the status is success, found false"]),
        ]
    );
    assert_eq!(std::fs::read(place.ledger()).unwrap(), b"");
}

#[test]
fn a_refused_line_does_not_affect_the_others() {
    let (place, records) = (Place::empty(), many(2));
    let input = format!("{}noise\n{}", lines(&records[..1]), lines(&records[1..]));
    let found = answers(&pipe(&place, input).answer(1));
    let told: Vec<_> =
        found.iter().map(|answer| (answer["answer"].as_str().unwrap(), answer["seq"].as_u64())).collect();
    assert_eq!(told, [("durable", Some(1)), ("refused", None), ("durable", Some(2))]);
    assert_eq!(in_ledger(&place), records);
}

#[test]
fn a_line_that_is_too_long_is_refused_and_the_next_one_is_read() {
    let (place, records) = (Place::empty(), many(2));
    let too_long = format!("{{\"skill_name\":\"{}\"}}\n", "x".repeat(3 * PAYLOAD_BYTES_MAX));
    // The line has the maximum length, but is not JSON.
    let longest = " ".repeat(PAYLOAD_BYTES_MAX - 1) + "x\n";
    let input = [lines(&records[..1]), too_long, longest, lines(&records[1..]), "y".repeat(PAYLOAD_BYTES_MAX + 1)];
    let found = answers(&pipe(&place, input.concat()).answer(1));
    let refused = |line: u64| {
        let reason = "expected at most 16777216 bytes in a line, found more";
        json!({"execution_id": null, "seq": null, "answer": "refused", "line": line, "kind": "invalid", "reasons": [reason]})
    };
    assert_eq!(found.len(), 5);
    assert_eq!((&found[1], &found[4]), (&refused(2), &refused(5)));
    assert_eq!(found[2]["kind"], "malformed");
    assert_eq!(in_ledger(&place), records);
}

#[test]
fn a_record_without_an_id_gets_one_that_its_answer_contains() {
    let place = Place::empty();
    // A tag named `execution_id` is not the id of the record, and a blank before the object does not matter.
    let input = format!("{{{SHORTEST}}}\n  {{ {SHORTEST},\"tags\":{{\"execution_id\":1}}}}\n");
    let found = answers(&pipe(&place, input).answer(0));
    let told: Vec<Uuid> =
        found.iter().map(|answer| answer["execution_id"].as_str().unwrap().parse().unwrap()).collect();
    let ids: Vec<_> = in_ledger(&place).iter().map(|record| record.execution_id).collect();
    assert_eq!(told, ids);
    assert!(ids.iter().all(|id| id.get_version_num() == 7) && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn the_outcome_follows_from_the_status() {
    let place = Place::empty();
    let statuses = ["success", "failed", "interrupted"];
    let input: String = statuses.map(|status| format!("{{{SHORTEST},\"status\":\"{status}\"}}\n")).concat();
    assert_eq!(pipe(&place, input + &format!("{{{SHORTEST}}}")).code, Some(0));
    let found: Vec<_> =
        in_ledger(&place).iter().map(|record| (record.execution_succeeded, record.execution_failed)).collect();
    let unknown = (None, None);
    assert_eq!(found, [(Some(true), Some(false)), (Some(false), Some(true)), unknown, unknown]);
}

/// The command is killed after some answers. The ledger has the record of each of these answers.
#[test]
fn answered_records_survive_kill_9() {
    for answers_read in [1, 100, 777, 2000] {
        let (place, input) = (Place::empty(), lines(&many(3000)));
        let mut pipe = spawn(&place, command().arg("pipe"));
        let (mut stdin, output) = ends(&mut pipe);
        let feeder = std::thread::spawn(move || _ = stdin.write_all(input.as_bytes()));
        let told: Vec<String> = output.lines().take(answers_read).map(Result::unwrap).collect();
        pipe.child.kill().unwrap();
        assert_eq!(pipe.child.wait().unwrap().signal(), Some(9));
        feeder.join().unwrap();
        assert_eq!(told.len(), answers_read);
        drop(Ledger::open(place.ledger()).unwrap());
        let found = in_ledger(&place);
        for (seq, told) in (1..).zip(told) {
            assert_eq!(told + "\n", durable(found[seq as usize - 1].execution_id, seq));
        }
        assert!(LedgerReader::open(place.ledger()).unwrap().verify(&[]).unwrap().is_clean());
    }
}

#[test]
fn a_closed_output_ends_the_command_silently() {
    let place = Place::empty();
    let mut pipe = spawn(&place, command().arg("pipe"));
    let (mut input, output) = ends(&mut pipe);
    drop(output);
    input.write_all(lines(&many(1)).as_bytes()).unwrap();
    // Its input stays open. The command ends because it cannot write its answer.
    assert_eq!(pipe.end(), (Some(0), String::new()));
    assert_eq!(in_ledger(&place).len(), 1);
}

/// Another process holds the ledger's lock for longer than the pipe waits.
#[test]
fn records_that_cannot_be_appended_in_time_are_spilled_and_appended_later() {
    let (place, records) = (Place::empty(), many(3));
    let mut pipe = spawn(&place, command().arg("pipe"));
    let (mut input, mut output) = ends(&mut pipe);
    let mut ask = |record: &ExecutionMetrics| {
        input.write_all(lines(std::slice::from_ref(record)).as_bytes()).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        answer
    };
    assert_eq!(ask(&records[0]), durable(records[0].execution_id, 1));
    let lock = std::fs::File::open(place.path("logs/execution_metrics.ledger/lock")).unwrap();
    lock.lock().unwrap();
    let spilled: Value = serde_json::from_str(&ask(&records[1])).unwrap();
    lock.unlock().unwrap();
    let reason = format!(
        "cannot acquire the lock: {}: other processes held it at every attempt for 1000 ms",
        std::fs::canonicalize(place.path("logs/execution_metrics.ledger/lock")).unwrap().display()
    );
    let id = records[1].execution_id;
    assert_eq!(
        spilled,
        json!({"execution_id": id, "seq": null, "answer": "spilled", "line": 2, "kind": "timeout", "reasons": [reason]})
    );
    assert_eq!(ask(&records[2]), durable(records[2].execution_id, 2));
    drop(input);
    assert_eq!(pipe.end(), (Some(1), String::new()));
    assert_eq!(in_ledger(&place), [0, 2, 1].map(|at: usize| records[at].clone()));
}

/// The records are appended together, to as many segments as they need.
#[cfg(target_os = "linux")]
#[test]
fn under_a_limit_of_file_sizes_every_record_that_fits_a_file_is_durable() {
    const LIMIT: u64 = 102_400;
    let (place, mut records) = (Place::empty(), many(500));
    records[250].tags.insert("large".to_owned(), "x".repeat(LIMIT as usize).into());
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--fsize={LIMIT}")).arg(env!("CARGO_BIN_EXE_runledger")).arg("pipe");
    let mut pipe = spawn(&place, &mut limited);
    let (mut input, mut output) = ends(&mut pipe);
    input.write_all(lines(&records).as_bytes()).unwrap();
    drop(input);
    let mut answers = String::new();
    output.read_to_string(&mut answers).unwrap();
    let (code, _) = pipe.end();
    let mut seq = 0;
    let expected: Vec<_> = (0..500)
        .map(|at| match at {
            250 => "lost".to_owned(),
            _ => {
                seq += 1;
                format!("durable {seq}")
            }
        })
        .collect();
    let found: Vec<_> = answers
        .lines()
        .map(|answer| serde_json::from_str::<Value>(answer).unwrap())
        .map(|answer| match answer["seq"].as_u64() {
            Some(seq) => format!("{} {seq}", answer["answer"].as_str().unwrap()),
            None => answer["answer"].as_str().unwrap().to_owned(),
        })
        .collect();
    assert_eq!((found, code), (expected, Some(1)));
    records.remove(250);
    assert_eq!(in_ledger(&place), records);
    let mut segments = std::fs::read_dir(place.path("logs/execution_metrics.ledger/sealed")).unwrap();
    assert!(segments.all(|segment| segment.unwrap().metadata().unwrap().len() <= LIMIT));
}

/// One record is larger than the file size limit of the process.
#[cfg(target_os = "linux")]
#[test]
fn records_that_can_be_stored_nowhere_are_answered_as_lost() {
    let (place, mut records) = (Place::empty(), many(3));
    records[1].tags.insert("large".to_owned(), "x".repeat(1_300_000).into());
    let mut limited = Command::new("prlimit");
    limited.arg("--fsize=1200000").arg(env!("CARGO_BIN_EXE_runledger")).arg("pipe");
    let mut pipe = spawn(&place, &mut limited);
    let (mut input, mut output) = ends(&mut pipe);
    // The records are sent one by one, so that each is a batch of its own.
    let told = records.iter().map(|record| {
        input.write_all(lines(std::slice::from_ref(record)).as_bytes()).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()["answer"].as_str().unwrap().to_owned()
    });
    let told: Vec<String> = told.collect();
    drop(input);
    assert_eq!((told, pipe.end().0), (["durable", "lost", "durable"].map(str::to_owned).to_vec(), Some(1)));
    assert_eq!(in_ledger(&place), [0, 2].map(|at: usize| records[at].clone()));
}

#[test]
fn without_a_usable_ledger_the_command_fails() {
    let place = Place::empty();
    std::fs::write(place.path("logs"), "").unwrap();
    let complaint = pipe(&place, "").complaint(2);
    assert!(complaint.starts_with("runledger: ") && complaint.contains("logs"), "{complaint}");
}
