//! `runledger pipe` stores the values of what it accepts, and the values that it derives from them. Each execution has
//! one record. A message that is refused leaves nothing in the ledger. The test sends 10,000 random messages, and
//! compares the answers and the ledger with a model of the protocol.

mod broken;
mod expected;
mod messages;
mod model;
mod random;
mod values;

use std::collections::HashMap;
use std::io::Write;

use crate::commands::{Place, Running, command};
use runledger::LedgerReader;
use serde_json::{Map, Value};

use expected::{canonical, check};
use messages::{Messages, Sent};
use model::Expected;

const MESSAGES: usize = 10_000;
/// The number of messages after which the command is started again.
const MESSAGES_OF_A_PROCESS: usize = 1_000;
const SEED: u64 = 18;

/// Checks the answer to a message. `seqs` has the number of the last line of each execution.
fn check_answer(sent: &Sent, answer: &Value, seqs: &mut HashMap<String, u64>) {
    let text = String::from_utf8_lossy(&sent.bytes);
    let id = answer["execution_id"].as_str().unwrap_or_default();
    let (word, seq) = match sent.expected.as_ref().unwrap() {
        Expected::Durable => {
            seqs.insert(id.to_owned(), answer["seq"].as_u64().unwrap());
            ("durable", answer["seq"].clone())
        }
        Expected::Duplicate => ("duplicate", seqs[id].into()),
        Expected::Begun => ("begun", Value::Null),
        Expected::Noted => ("noted", Value::Null),
        Expected::Refused(kind, about) => {
            let reasons = answer["reasons"].to_string();
            assert!(reasons.starts_with("[\"") && reasons.contains(about), "{text}: {answer}");
            assert!(kind.is_none_or(|kind| answer["kind"] == kind), "{text}: {answer}");
            ("refused", Value::Null)
        }
    };
    assert_eq!((&answer["answer"], &answer["seq"]), (&word.into(), &seq), "{text}: {answer}");
}

/// Returns the id in each line of the ledger.
fn ids_of_lines(place: &Place) -> Vec<String> {
    let text = std::fs::read_to_string(place.ledger()).unwrap();
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["execution_id"].as_str().unwrap().to_owned();
    text.lines().map(id).collect()
}

/// Pipes the messages, of which the last one ends without a line feed. Returns the answers, the exit code and stderr.
fn pipe(place: &Place, sent: &[Sent]) -> (Vec<Value>, Option<i32>, String) {
    let mut pipe = Running::spawn(command().args(["pipe", "--no-price"]).current_dir(place.directory.path()));
    let mut stdin = pipe.child.stdin.take().unwrap();
    let input = sent.iter().map(|sent| &*sent.bytes).collect::<Vec<_>>().join(&b'\n');
    let stdout = std::thread::scope(|scope| {
        // This write fails if the command ends early. The assertion about the output then shows the cause.
        scope.spawn(move || _ = stdin.write_all(&input));
        std::io::read_to_string(pipe.child.stdout.take().unwrap()).unwrap()
    });
    let (code, stderr) = pipe.end();
    (stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), code, stderr)
}

#[test]
fn what_is_accepted_is_stored_and_what_is_refused_leaves_nothing() {
    let seed = std::env::var("RUNLEDGER_CONFORMANCE_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    eprintln!("RUNLEDGER_CONFORMANCE_SEED={seed}");
    let place = Place::empty();
    let mut messages = Messages::new(seed, place.run(["schema", "record"]).json());
    let (mut anonymous, mut seqs) = (HashMap::new(), HashMap::new());
    let mut answers_of_each_word = HashMap::<String, usize>::new();
    for _ in 0..MESSAGES / MESSAGES_OF_A_PROCESS {
        let sent: Vec<_> = (0..MESSAGES_OF_A_PROCESS).map(|_| messages.next()).collect();
        let (answers, code, stderr) = pipe(&place, &sent);
        let interrupted = messages.input_ends();
        let answered: Vec<_> = sent.iter().filter(|sent| sent.expected.is_some()).collect();
        for (sent, answer) in answered.iter().zip(&answers) {
            check_answer(sent, answer, &mut seqs);
            *answers_of_each_word.entry(answer["answer"].as_str().unwrap().to_owned()).or_default() += 1;
            if let Some(record) = &sent.anonymous {
                anonymous.insert(answer["execution_id"].as_str().unwrap().to_owned(), record.clone());
            }
        }
        assert_eq!((answers.len(), code), (answered.len(), Some(1)), "{stderr}");
        let ids = ids_of_lines(&place);
        assert_eq!(ids.len(), messages.model.lines);
        assert!(seqs.iter().all(|(id, seq)| ids[*seq as usize - 1] == *id));
        seqs.extend(ids.into_iter().zip(1..));
        let note = format!("because the input ended before they did: {interrupted}");
        assert_eq!(stderr.contains(&note), interrupted > 0, "{stderr}: {note}");
    }
    // Each kind of answer was given often.
    for word in ["durable", "duplicate", "begun", "noted", "refused"] {
        let count = answers_of_each_word.get(word).copied().unwrap_or(0);
        assert!(count > MESSAGES / 50, "{word}: {count} of {MESSAGES}");
    }

    let reader = LedgerReader::open(place.ledger()).unwrap();
    assert_eq!(reader.in_flight().unwrap().executions.len(), 0);
    let verified = reader.verify(&[]).unwrap();
    assert!(verified.is_clean());
    assert_eq!(verified.lines, messages.model.lines as u64);
    let mut expected: HashMap<String, Map<String, Value>> = anonymous;
    expected.extend(messages.model.records);
    let ids = expected.len();
    let mut found = 0;
    for record in reader.records() {
        let json: Value = serde_json::from_str(&record.unwrap().to_json().unwrap()).unwrap();
        let id = json["execution_id"].as_str().unwrap();
        let mut expected = expected.remove(id).unwrap_or_else(|| panic!("an unexpected record, or one twice: {json}"));
        expected.insert("execution_id".to_owned(), id.into());
        check(&expected.into(), &canonical(json.as_object().unwrap()).into(), id);
        found += 1;
    }
    assert_eq!(found, ids);
}
