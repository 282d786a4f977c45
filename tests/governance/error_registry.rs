//! Promise: each error that occurred in runs is registered once, with its own number, severity, status and logs. A
//! second registration does not give it another number, and does not count it again.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use runledger::journal::{Journal, Warn};
use runledger::metrics::{Status, TracedError};
use runledger::runlog::{
    ErrorId, ErrorRegistry, ErrorStatus, Exported, RegisteredError, Run, RunLog, Severity, signature,
};
use runledger::{Error, ErrorKind, ExecutionMetrics, PriceTable, Timestamp, Uuid};

use crate::children::clock::{FakeClock, MINUTE_MS};
use crate::children::place::PATIENCE;

/// A directory of run logs at noon.
struct Fixture {
    directory: tempfile::TempDir,
    clock: FakeClock,
    warned: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: FakeClock::at_noon(), warned: Arc::default() }
    }

    fn logs(&self) -> PathBuf {
        self.directory.path().join("run-logs")
    }

    /// Opens the registry like another process.
    fn open(&self) -> ErrorRegistry {
        let warned = Arc::clone(&self.warned);
        let warn = move |error: &Error| warned.lock().unwrap().push(error.to_string());
        let options = self.clock.journal_options().on_warning(warn);
        ErrorRegistry::open(self.logs(), options).unwrap()
    }

    fn export(&self, id: &str, records: &[ExecutionMetrics]) -> Exported {
        self.open().export(&Run::new(id, records.to_vec()).unwrap(), PriceTable::bundled().unwrap()).unwrap()
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(self.logs().join("error-registry.jsonl")).unwrap()
    }

    fn rendered(&self) -> String {
        std::fs::read_to_string(self.logs().join("error-registry.md")).unwrap()
    }

    /// Returns the number, the count and the status of each error.
    fn listed(&self) -> Vec<String> {
        let text = |error: &RegisteredError| format!("{} {} {}", error.id, error.count, error.status);
        self.open().errors().unwrap().iter().map(text).collect()
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(text: &str) -> ErrorId {
    text.parse().unwrap()
}

fn failed(number: u128, reason: &str) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(number), "publish", "1.0.0", time("2026-02-14T11:00:00Z"));
    record.timestamp_end = Some(time("2026-02-14T11:01:00Z"));
    record.set_status(Status::Failed);
    record.set_error_reason(reason);
    record
}

#[test]
fn messages_that_differ_in_values_alone_have_one_signature() {
    for (signature_of_all, messages) in [
        (
            "attributeerror: <text> object has no attribute <text>",
            vec![
                "AttributeError: 'str' object has no attribute 'get'",
                "AttributeError: 'NoneType' object has no attribute 'items'",
            ],
        ),
        (
            "file <path>, line <n>, in main",
            vec!["File /srv/app/run.py, line 12, in main", "File ./run.py, line 9041, in  main\n"],
        ),
        (
            "enoent: no such file or directory, open <text>",
            vec![
                "ENOENT: no such file or directory, open '/tmp/x-1/conv.json'",
                "ENOENT: no such file or directory, open \"notes of Maria.md\"",
            ],
        ),
        (
            "connection refused (os error 111): <n>",
            vec![
                "Connection refused (os error 111): 10.0.0.7:5432",
                "connection refused (os error 111): 192.168.1.12:6543",
            ],
        ),
        (
            "request req_<id> timed out after <n>s",
            vec!["Request req_011CSHoEeqs5C35K2UUqR7Fy timed out after 30s", "Request req_7Zk2 timed out after 12.5s"],
        ),
        (
            "conversation conv-<id> not found",
            vec![
                "Conversation conv-abc123 not found",
                "Conversation conv-550e8400-e29b-41d4-a716-446655440000 not found",
            ],
        ),
        (
            "<time> worker<n> lost its lease",
            vec![
                "2026-01-03T14:35:02.123Z worker3 lost its lease",
                "2026-11-20 04:05:59 worker12 lost its lease",
                "2026-11-20 04:05:59,217 worker12 lost its lease",
            ],
        ),
        (
            "thread <text> panicked at <path>: index out of bounds: the len is <n> but the index is <n>",
            vec![
                "thread 'main' panicked at src/main.rs:10:5: index out of bounds: the len is 3 but the index is 7",
                "thread 'w-2' panicked at crates/x/src/lib.rs:1044:17: index out of bounds: the len is 0 but the index is 0",
            ],
        ),
        (
            "commit <id> is not an ancestor of <id>",
            vec![
                "commit 3f2a9c1 is not an ancestor of 0xDEADBEEF",
                "commit 9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d0a1b2c3d is not an ancestor of e3b0c442",
            ],
        ),
        (
            "get <url> gave status 503",
            vec!["GET https://api.example.com/v1/x?id=7 gave status 503", "GET http://localhost:8080/ gave status 503"],
        ),
        (
            "run_<id> failed: no session <id>",
            vec![
                "run_43456ef4-1141-46a2-8e59-ed364b3f5d96 failed: no session 43456EF4-1141-46A2-8E59-ED364B3F5D96",
                "run_4abc0e5f-facd-4bad-9abc-0123456789ab failed: no session abcdefab-cdef-4abc-8def-abcdefabcdef",
                "run_00000000-0000-0000-0000-000000000000 failed: no session 12345678-1234-4123-8123-123456789012",
            ],
        ),
        ("<id> is not allowed", vec!["maria@example.com is not allowed", "jo.doe@mail.example.org is not allowed"]),
        (
            "memory limit of <n>mb exceeded: <n> used",
            vec!["memory limit of 512MB exceeded: 101.5% used", "memory limit of 1,024MB exceeded: 100% used"],
        ),
        ("can't reach the model <text>", vec!["Can't reach the model `o3`", "can't reach the model `gpt-4.1`"]),
        ("expected one of <text>", vec!["expected one of 'a', 'b'", "expected one of 'a', 'b', 'c'"]),
    ] {
        for message in messages {
            assert_eq!(signature(message), signature_of_all, "{message}");
        }
    }
}

#[test]
fn messages_of_different_errors_have_different_signatures() {
    let messages = [
        "HTTP 429",
        "HTTP 503",
        "HTTP/1.1 500 Internal Server Error",
        "status code: 404",
        "status code: 500",
        "exit code 1",
        "exit code 137",
        "broken pipe (os error 32)",
        "no space left (os error 28)",
        "error[E0308]: mismatched",
        "error[E0277]: mismatched",
        "Error code: 529 - {'type': 'error', 'error': {'type': 'overloaded_error', 'message': 'Overloaded'}}",
        "Error code: 400 - {'type': 'error', 'error': {'type': 'invalid_request_error', 'message': 'max_tokens'}}",
        "TypeError: 'str' object is not callable",
        "KeyError: 'id'",
        "content type application/json is not accepted",
        "content type text/html is not accepted",
        "rate limit",
        "",
    ];
    let mut signatures: Vec<_> = messages.iter().map(|message| signature(message)).collect();
    signatures.sort();
    signatures.dedup();
    assert_eq!(signatures.len(), messages.len(), "{signatures:#?}");
    // The body alone makes a difference too.
    let body = |kind: &str| signature(&format!("{{\"type\": \"{kind}\", \"message\": \"no\"}}"));
    assert_ne!(body("overloaded_error"), body("rate_limit_error"));
}

#[test]
fn a_long_message_counts_to_its_end_and_its_signature_is_short() {
    let long = |end: &str| signature(&format!("{} {end}", "word ".repeat(10_000)));
    assert_eq!(long("a").chars().count(), 500);
    assert_ne!(long("a"), long("b"));
    assert_eq!(long("7"), long("8"));
    // The time is linear in the length, however many quotes stay open.
    let begun = Instant::now();
    assert_eq!(signature(&" \"a\"a".repeat(20_000)).chars().count(), 500);
    assert!(begun.elapsed() < PATIENCE);
}

proptest::proptest! {
    #[test]
    fn any_message_has_a_signature_that_is_its_own(message in "([a-z0-9 .:/'\"`{}<>@_-]|\\PC|\n){0,60}") {
        let once = signature(&message);
        proptest::prop_assert!(!once.contains(char::is_control));
        proptest::prop_assert_eq!(signature(&format!("  {message}\n")), once);
    }
}

/// "Assign next ERR-XXX number", "Set status = OPEN"; "Reference existing ERR-XXX in run log", "Don't create duplicate".
#[test]
fn a_new_error_gets_the_next_number_and_a_known_one_is_counted() {
    let fixture = Fixture::new();
    let first = fixture.export("r-1", &[failed(1, "timed out after 30 s"), failed(2, "no such file: /a/b")]);
    assert_eq!(
        first.log.errors.iter().map(|e| e.registry_id.as_deref().unwrap()).collect::<Vec<_>>(),
        ["ERR-001", "ERR-002"]
    );
    let second =
        fixture.export("r-2", &[failed(3, "no such file: /c"), failed(4, "refused"), failed(5, "timed out after 9 s")]);
    let numbers: Vec<_> = second.log.errors.iter().map(|e| e.registry_id.as_deref().unwrap()).collect();
    assert_eq!(numbers, ["ERR-002", "ERR-003", "ERR-001"]);
    assert_eq!(fixture.listed(), ["ERR-001 2 OPEN", "ERR-002 2 OPEN", "ERR-003 1 OPEN"]);
}

#[test]
fn the_second_of_two_errors_with_one_number_gets_the_next() {
    let fixture = Fixture::new();
    fixture.export("r-1", &[failed(1, "refused")]);
    // A process that read the journal before the first line was in it writes such a line.
    let line = fixture.journal().lines().next().unwrap().to_owned();
    let payload = line[..line.find(",\"seq\"").unwrap()].replace("refused", "no route") + "}";
    let journal = Journal::open(fixture.logs().join("error-registry.jsonl"), fixture.clock.journal_options()).unwrap();
    journal.append(payload.as_bytes()).unwrap();
    let listed =
        || fixture.open().errors().unwrap().iter().map(|e| format!("{} {}", e.id, e.message)).collect::<Vec<_>>();
    assert_eq!(listed(), ["ERR-001 refused", "ERR-002 no route"]);
    fixture.export("r-2", &[failed(2, "no such host"), failed(3, "no route")]);
    assert_eq!(listed(), ["ERR-001 refused", "ERR-002 no route", "ERR-003 no such host"]);
}

/// Earlier versions did not find every UUID. An error from such a version keeps its number.
#[test]
fn an_error_with_a_signature_of_an_earlier_version_keeps_its_number() {
    let fixture = Fixture::new();
    let message = "no session 43456ef4-1141-46a2-8e59-ed364b3f5d96";
    fixture.export("r-1", &[failed(1, message)]);
    let earlier = fixture.journal().replace("no session <id>\"", "no session <id>-<id>\"");
    let path = fixture.logs().join("error-registry.jsonl");
    std::fs::remove_file(&path).unwrap();
    let journal = Journal::open(&path, fixture.clock.journal_options()).unwrap();
    for line in earlier.lines() {
        let payload = line[..line.find(",\"seq\"").unwrap()].to_owned() + "}";
        journal.append(payload.as_bytes()).unwrap();
    }
    drop(journal);
    assert_eq!(fixture.open().errors().unwrap()[0].signature, "no session <id>-<id>");
    fixture.export("r-1", &[failed(1, message)]);
    assert_eq!(fixture.listed(), ["ERR-001 1 OPEN"], "the same occurrence is not counted again");
    // These two UUIDs had other signatures, so they belong to one new error.
    let others = ["4abc0e5f-facd-4bad-9abc-0123456789ab", "abcdefab-cdef-4abc-8def-abcdefabcdef"];
    let others = others.map(|id| format!("no session {id}"));
    fixture.export("r-2", &[failed(2, &others[0]), failed(3, &others[1]), failed(4, message)]);
    assert_eq!(fixture.listed(), ["ERR-001 2 OPEN", "ERR-002 2 OPEN"]);
}

#[test]
fn exporting_a_run_again_neither_numbers_nor_counts_nor_writes() {
    let fixture = Fixture::new();
    let run = [failed(1, "timed out after 30 s"), failed(2, "refused")];
    let first = fixture.export("r-1", &run);
    assert!(first.written);
    let before = (fixture.journal(), fixture.rendered(), std::fs::read_dir(fixture.logs()).unwrap().count());
    fixture.clock.forward(MINUTE_MS);
    // A person may add to the log.
    std::fs::write(&first.path, first.log.to_markdown() + "\nSeen. M.\n").unwrap();
    let again = fixture.export("r-1", &run);
    assert_eq!((again.written, &again.name, &again.log), (false, &first.name, &first.log));
    assert_eq!((fixture.journal(), fixture.rendered(), std::fs::read_dir(fixture.logs()).unwrap().count()), before);
}

#[test]
fn an_execution_that_is_exported_alone_and_with_its_run_is_counted_once() {
    let fixture = Fixture::new();
    fixture.export("r-1", &[failed(1, "refused"), failed(2, "refused")]);
    let alone = fixture.export("00000000-0000-0000-0000-000000000002", &[failed(2, "refused")]);
    assert_eq!(alone.name.to_string(), "2026-02-14_11-00_publish-2.md");
    let [error] = &fixture.open().errors().unwrap()[..] else { panic!() };
    assert_eq!(error.count, 2);
    assert_eq!(error.run_logs, ["2026-02-14_11-00_publish-1.md", "2026-02-14_11-00_publish-2.md"]);
}

#[test]
fn an_execution_that_continues_is_counted_for_its_new_errors() {
    let fixture = Fixture::new();
    let mut record = failed(1, "refused");
    record.trace.errors = vec![TracedError::new(record.timestamp_start, "again")];
    fixture.export("r-1", std::slice::from_ref(&record));
    record.trace.errors.push(TracedError::new(record.timestamp_start, "again"));
    let log = fixture.export("r-1", &[record]);
    assert!(log.written, "it says more than the one before");
    assert_eq!(fixture.listed(), ["ERR-001 2 OPEN", "ERR-002 1 OPEN"]);
    let errors = fixture.open().errors().unwrap();
    assert_eq!(errors[0].run_logs.len(), 2);
}

#[test]
fn an_error_that_very_many_executions_met_is_registered() {
    let fixture = Fixture::new();
    let records: Vec<_> = (0..4_500)
        .map(|number| {
            let mut record = failed(number, "refused");
            record.skill_name = "\u{1}".repeat(600);
            record
        })
        .collect();
    let run = Run::new("r-1", records).unwrap();
    assert_eq!(fixture.open().register(&run).unwrap().len(), 4_500);
    assert_eq!(fixture.open().register(&run).unwrap().len(), 4_500);
    assert_eq!(fixture.listed(), ["ERR-001 4500 OPEN"]);
    assert_eq!(fixture.journal().lines().count(), 2);
}

/// "Error Severity Guide": CRITICAL, HIGH, MEDIUM, LOW.
#[test]
fn the_severity_is_by_the_rule_until_a_person_says_otherwise() {
    let fixture = Fixture::new();
    let traced = |text: &str, resolution: Option<&str>| {
        let mut error = TracedError::new(time("2026-02-14T11:00:00Z"), text);
        error.resolution = resolution.map(str::to_owned);
        error
    };
    let mut went_on = failed(1, "");
    went_on.set_status(Status::Success);
    went_on.error_reason = None;
    went_on.trace.errors = vec![traced("mended", Some("retried")), traced("not mended", None)];
    let mut panicked = failed(3, "out of bounds");
    panicked.set_status(Status::Panicked);
    let mut killed = failed(4, "its process died");
    killed.set_status(Status::Interrupted);
    fixture.export("r-1", &[went_on, failed(2, "ended it"), panicked, killed]);
    let severities = || -> Vec<_> {
        fixture.open().errors().unwrap().iter().map(|e| format!("{} {}", e.message, e.severity)).collect()
    };
    let by_rule =
        ["mended LOW", "not mended MEDIUM", "ended it HIGH", "out of bounds CRITICAL", "its process died CRITICAL"];
    assert_eq!(severities(), by_rule);
    // The worst severity counts.
    fixture.export("r-2", &[failed(5, "mended")]);
    assert_eq!(severities()[0], "mended HIGH");
    let rated = fixture.open().set_severity(id("ERR-001"), Severity::Low).unwrap();
    assert_eq!((rated.severity, rated.severity_by_rule, rated.severity_is_set), (Severity::Low, Severity::High, true));
    fixture.export("r-3", &[failed(6, "mended")]);
    assert_eq!(severities()[0], "mended LOW");
    assert!(fixture.rendered().contains("| **Severity** | LOW (HIGH by the rule) |"));
}

#[test]
fn a_resolved_error_that_is_met_again_is_open_again() {
    let fixture = Fixture::new();
    let late = |number, minutes: i64| {
        let mut record = failed(number, "refused");
        record.timestamp_end = Timestamp::from_unix_ms(fixture.clock.unix_ms() + minutes * MINUTE_MS);
        record
    };
    fixture.export("r-1", &[late(1, -60)]);
    let resolved = fixture.open().resolve(id("err-1"), "restarted the gateway").unwrap();
    assert_eq!(
        (resolved.status, resolved.resolved_at.unwrap().unix_ms()),
        (ErrorStatus::Resolved, fixture.clock.unix_ms())
    );
    assert_eq!(resolved.resolution.as_deref(), Some("restarted the gateway"));
    // It occurred before it was resolved, and is only registered now.
    fixture.export("r-2", &[late(2, -1)]);
    fixture.export("r-1", &[late(1, -60)]);
    assert_eq!(fixture.listed(), ["ERR-001 2 RESOLVED"]);
    fixture.export("r-3", &[late(3, 1)]);
    assert_eq!(fixture.listed(), ["ERR-001 3 REOPENED"]);
    assert!(fixture.open().errors().unwrap()[0].status.is_open());
    assert!(fixture.rendered().contains("| **Resolution** | restarted the gateway |"));
    fixture.clock.forward(10 * MINUTE_MS);
    assert_eq!(fixture.open().resolve(id("ERR-001"), "a new gateway").unwrap().status, ErrorStatus::Resolved);
    assert_eq!(fixture.open().reopen(id("ERR-001")).unwrap().status, ErrorStatus::Reopened);
}

#[test]
fn impossible_changes_are_refused_with_nothing_written() {
    let fixture = Fixture::new();
    fixture.export("r-1", &[failed(1, "refused")]);
    let (registry, before) = (fixture.open(), fixture.journal());
    let journal = fixture.logs().join("error-registry.jsonl");
    let unknown = registry.set_severity(id("ERR-002"), Severity::Low).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        format!("cannot set the severity of ERR-002: {}: found no error with that number", journal.display())
    );
    let open = registry.reopen(id("ERR-001")).unwrap_err();
    assert_eq!(open.to_string(), "cannot reopen ERR-001: found an error that is OPEN; expected a resolved one");
    let empty = registry.resolve(id("ERR-001"), " \n").unwrap_err();
    assert_eq!(
        empty.to_string(),
        "cannot resolve ERR-001: found an empty resolution; expected a text that says how the error was resolved"
    );
    assert!([unknown, open, empty].iter().all(|error| error.kind() == ErrorKind::Invalid));
    assert_eq!(fixture.journal(), before);
    for wrong in ["ERR-000", "ERR-", "ERR-1x", "ERR-+1", "1", "ERR-99999999999999999999", "é€"] {
        assert_eq!(wrong.parse::<ErrorId>().unwrap_err().kind(), ErrorKind::Malformed, "{wrong}");
    }
    assert_eq!((id("ERR-0007").to_string(), id("err-12345").to_string()), ("ERR-007".into(), "ERR-12345".into()));
}

/// "Log in Run Log (Immediate)", "Add to Error Registry", "Link Run Log to Error".
#[test]
fn a_log_names_the_number_and_the_registry_names_the_log() {
    let fixture = Fixture::new();
    let exported = fixture.export("r-1", &[failed(1, "refused")]);
    let log = std::fs::read_to_string(&exported.path).unwrap();
    assert!(log.contains("| 11:01 | ERR-001: refused | publish | PENDING |"), "{log}");
    assert_eq!(RunLog::parse(&log).unwrap(), exported.log);
    assert!(fixture.rendered().contains("**Run Log** | `2026-02-14_11-00_publish-1.md`"), "{}", fixture.rendered());
}

#[test]
fn a_log_gets_the_next_free_number_and_none_is_overwritten() {
    let fixture = Fixture::new();
    let success = |id| {
        let mut record = failed(id, "");
        record.set_status(Status::Success);
        record.error_reason = None;
        record
    };
    let names = [1, 2, 3].map(|id| fixture.export(&format!("r-{id}"), &[success(id)]).name.to_string());
    assert_eq!(names, [1, 2, 3].map(|number| format!("2026-02-14_11-00_publish-{number}.md")));
    // No file is overwritten, whatever it contains.
    std::fs::remove_file(fixture.logs().join(&names[0])).unwrap();
    std::fs::write(fixture.logs().join(&names[1]), "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", fixture.logs().join("2026-02-14_11-00_publish-7.md")).unwrap();
    let name = fixture.export("r-4", &[success(4)]).name.to_string();
    assert_eq!(name, "2026-02-14_11-00_publish-8.md");
    assert_eq!(std::fs::read_to_string(fixture.logs().join(&names[1])).unwrap(), "mine");
    assert_eq!(fixture.listed(), [""; 0]);
}

#[test]
fn files_are_the_owners_alone() {
    let fixture = Fixture::new();
    let exported = fixture.export("r-1", &[failed(1, "refused")]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fixture.logs()), 0o700);
    for file in ["error-registry.jsonl", "error-registry.md", &exported.name.to_string()] {
        assert_eq!(mode(&fixture.logs().join(file)), 0o600, "{file}");
    }
    let mut names: Vec<_> =
        std::fs::read_dir(fixture.logs()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected = [&exported.name.to_string(), "error-registry.jsonl", "error-registry.ledger", "error-registry.md"];
    assert_eq!(names, expected, "nothing else is left");
}

#[test]
fn a_registry_that_a_person_wrote_is_not_overwritten() {
    let fixture = Fixture::new();
    fixture.open();
    let path = fixture.logs().join("error-registry.md");
    std::fs::write(&path, "# Error Registry\n\n## ERR-001: by hand\n").unwrap();
    let before = fixture.journal();
    let run = Run::new("r-1", [failed(1, "refused")]).unwrap();
    let error = fixture.open().export(&run, PriceTable::bundled().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuitable);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot write the error registry: {}: found a file that the registry did not write. Move the file away",
            path.display()
        )
    );
    assert_eq!(fixture.journal(), before, "nothing is registered");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# Error Registry\n\n## ERR-001: by hand\n");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(fixture.open().render().unwrap_err().kind(), ErrorKind::Unsuitable);
}

#[test]
fn the_unfinished_work_of_a_dead_process_is_completed() {
    let fixture = Fixture::new();
    let run = Run::new("r-1", [failed(1, "refused")]).unwrap();
    // Registered, but not yet written.
    assert_eq!(fixture.open().register(&run).unwrap(), [id("ERR-001")]);
    // A log that was cut off, and the temporary file of the registry.
    std::fs::write(fixture.logs().join("2026-02-14_11-00_publish-1.md"), "# Run Log: pub").unwrap();
    std::fs::write(fixture.logs().join("error-registry.new"), "# Err").unwrap();
    let exported = fixture.open().export(&run, PriceTable::bundled().unwrap()).unwrap();
    assert_eq!(exported.name.to_string(), "2026-02-14_11-00_publish-2.md");
    let [error] = &fixture.open().errors().unwrap()[..] else { panic!() };
    assert_eq!((error.count, &error.run_logs[..]), (1, &["2026-02-14_11-00_publish-2.md".to_owned()][..]));
    assert!(!fixture.logs().join("error-registry.new").exists());
    // The last line links the log to its error.
    let journal = fixture.journal();
    assert!(journal.lines().last().unwrap().contains("\"logged\""), "{journal}");
}

#[test]
fn the_rendered_registry_is_whole_and_nothing_in_it_is_markup() {
    let fixture = Fixture::new();
    let mut nasty = failed(1, "a | b\n## ERR-009: `<script>` *x*\u{1b}[2J");
    nasty.skill_name = "pub|lish".into();
    let mut other = failed(2, "timed out after 30 s");
    other.trace.errors = vec![TracedError::new(time("2026-02-14T10:59:00Z"), "lock is held")];
    other.trace.errors[0].context = Some("Taking the lock".into());
    fixture.export("r-1", &[nasty]);
    fixture.export("r-2", &[other, failed(3, "timed out after 31 s")]);
    fixture.open().resolve(id("ERR-002"), "waits longer | `lock_deadline`").unwrap();
    fixture.open().set_severity(id("ERR-001"), Severity::Critical).unwrap();
    assert_eq!(fixture.rendered(), include_str!("../data/runlog/error-registry.md"));
    // Any process can restore it from the journal alone.
    std::fs::remove_file(fixture.logs().join("error-registry.md")).unwrap();
    let before = fixture.journal();
    fixture.open().render().unwrap();
    assert_eq!((fixture.rendered().lines().count() > 20, fixture.journal()), (true, before));
}

#[test]
fn a_damaged_line_is_warned_of_and_the_other_errors_keep_their_numbers() {
    let fixture = Fixture::new();
    for (number, reason) in [(1, "one"), (2, "two"), (3, "three")] {
        fixture.export(&format!("r-{number}"), &[failed(number, reason)]);
    }
    let damaged = fixture.journal().replacen("\"message\":\"one\"", "\"message\":\"won\"", 1);
    std::fs::write(fixture.logs().join("error-registry.jsonl"), damaged).unwrap();
    let warnings = Arc::clone(&fixture.warned);
    let warn: Warn = Arc::new(move |error| warnings.lock().unwrap().push(error.to_string()));
    let errors = ErrorRegistry::read(fixture.logs(), &warn).unwrap();
    let listed: Vec<_> = errors.iter().map(|error| format!("{} {}", error.id, error.message)).collect();
    assert_eq!(listed, ["ERR-002 two", "ERR-003 three"]);
    let [warning] = &fixture.warned.lock().unwrap()[..] else { panic!() };
    assert!(warning.starts_with("cannot read a line of the error registry: "), "{warning}");
    assert!(warning.ends_with(": line 1 (byte 0): found a damaged line, which was skipped"), "{warning}");
}

#[test]
fn reading_creates_nothing() {
    let fixture = Fixture::new();
    let warn: Warn = Arc::new(|_| {});
    let error = ErrorRegistry::read(fixture.logs(), &warn).unwrap_err();
    assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    assert!(!fixture.logs().exists());
}

#[test]
fn a_line_of_a_newer_version_is_named_and_not_skipped() {
    let fixture = Fixture::new();
    let journal = Journal::open(fixture.logs().join("error-registry.jsonl"), fixture.clock.journal_options()).unwrap();
    journal.append(br#"{"at":"2026-02-14T12:00:00.000Z","event":{"merged":{"into":1}}}"#).unwrap();
    let error = fixture.open().errors().unwrap_err();
    assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(1)));
    assert!(error.cause().unwrap().to_string().contains("found \"merged\""));
}
