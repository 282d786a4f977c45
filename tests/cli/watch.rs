//! Promise: `runledger watch` sends one alert for each window and subject. It tries again if the receiver does not
//! accept the alert, remembers this across restarts, and keeps no writer waiting. If it is killed, an alert may arrive
//! twice.

#[path = "watch_stub.rs"]
mod stub;
// The server of the test uses the library that the feature postgres-tls brings.
#[cfg(all(feature = "alerts-tls", feature = "postgres-tls"))]
#[path = "watch_tls.rs"]
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use runledger::journal::{Journal, JournalOptions};
use runledger::metrics::Status;
use runledger::{Answer, Options, Timestamp};
use serde_json::{Value, json};
use stub::{Reply, Stub};

use crate::children::strace::can_trace;
use crate::commands::{Output, Place, Running, command, record};
use crate::tree::Tree;

/// The limits of the tests. Their windows never end.
const LIMITS: &str = r#"[
  {"api": "calls", "limit": 100, "unit": "calls", "period": "total", "source": "us", "as_of": "2026-03-01"},
  {"api": "more", "limit": 100, "unit": "calls", "period": "total", "source": "us", "as_of": "2026-03-01"},
  {"api": "spend", "limit": 2, "unit": "usd", "period": "total", "source": "us", "as_of": "2026-03-01",
   "enforce": true, "warn": 75}
]"#;

fn place() -> Place {
    let place = Place::with(&[]);
    std::fs::write(place.path("logs/limits.json"), LIMITS).unwrap();
    place
}

fn consume(place: &Place, api: &str, amount: &str) {
    place.run(["quota", "consume", api, amount]).answer(0);
}

fn policy(place: &Place, alerts: &Value) {
    std::fs::write(place.path("policy.json"), json!({ "alerts": alerts }).to_string()).unwrap();
}

/// Sets the receiver to a program that appends each alert as a line to the file `got`.
fn into_file(place: &Place) {
    policy(place, &json!({"command": ["sh", "-c", "text=$(cat) && printf '%s\\n' \"$text\" >> got"]}));
}

fn got(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path("got")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn once(place: &Place) -> Output {
    place.run(["watch", "--policy", "policy.json", "--once"])
}

fn watch(place: &Place) -> Command {
    let mut watch = command();
    watch.current_dir(place.directory.path()).args(["watch", "--policy", "policy.json"]);
    watch
}

/// Waits until `is_true` returns true, for at most half a minute.
fn wait(what: &str, mut is_true: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kinds(alerts: &[Value]) -> Vec<String> {
    let kind = |alert: &Value| format!("{} {}", alert["kind"].as_str().unwrap(), alert["subject"]);
    alerts.iter().map(kind).collect()
}

/// Returns how often the journal has each alert as due, sent and failed.
fn counts(place: &Place) -> BTreeMap<String, [u64; 3]> {
    let text = std::fs::read_to_string(place.path("logs/execution_metrics.ledger/alerts.jsonl")).unwrap();
    let mut counts: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for (at, step) in ["due", "sent", "failed"].into_iter().enumerate() {
            if let Some(id) = line["event"][step]["id"].as_str() {
                counts.entry(id.to_owned()).or_default()[at] += 1;
            }
        }
    }
    counts
}

#[test]
fn an_alert_is_sent_once() {
    let place = place();
    into_file(&place);
    assert_eq!(once(&place).answer(0), "");
    consume(&place, "calls", "60");
    let told = once(&place).answer(0);
    let text = "The quota \"calls\" has reached YELLOW: 60 of 100 calls are used (60.0 %) in total.";
    assert!(told.ends_with(&format!(" sent warning quota_yellow calls: {text}\n")), "{told}");
    assert_eq!(once(&place).answer(0), "");
    consume(&place, "calls", "1");
    assert_eq!(once(&place).answer(0), "");
    consume(&place, "calls", "30");
    consume(&place, "spend", "1.6");
    consume(&place, "spend", "0.5");
    let told = place.run(["watch", "--policy", "policy.json", "--once", "--json"]).answer(0);
    assert_eq!(told.lines().count(), 3, "{told}");
    let first: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!((&first["outcome"], &first["attempts"]), (&json!("sent"), &json!(1)));
    let got = got(&place);
    assert_eq!(first["alert"], got[1]);
    assert_eq!(
        kinds(&got),
        [r#"quota_yellow ["calls"]"#, r#"quota_red ["calls"]"#, r#"quota_red ["spend"]"#, r#"budget_end ["spend"]"#,]
    );
    assert_eq!(got[0]["window"], json!({"start": null, "end": null, "zone": "UTC"}));
    assert!(
        got[2]["text"].as_str().unwrap().contains(" has reached RED and has reached its warning at 75 %: "),
        "{got:?}"
    );
    assert_eq!(got[3]["figures"]["consumed"], json!(2.1));
    assert!(counts(&place).values().all(|count| *count == [1, 1, 0]));
}

#[test]
fn what_vendors_report_and_what_escalates_is_sent() {
    let place = place();
    into_file(&place);
    once(&place).answer(0);
    let now = Timestamp::now();
    let reset = now.unix_ms() / 1000 + 3_600;
    let status = json!({"session_id": "s", "model": {"id": "m"}, "rate_limits": {"five_hour": {"used_percentage": 91.5, "resets_at": reset}}});
    let mut line = command();
    line.current_dir(place.directory.path()).arg("statusline");
    let mut running = Running::spawn(&mut line);
    std::io::Write::write_all(&mut running.child.stdin.take().unwrap(), status.to_string().as_bytes()).unwrap();
    running.end();
    let ledger = Options::new().open(place.ledger()).unwrap();
    for id in 1..=3 {
        let mut lost = record(id, "draw", "2026-02-14T14:23:00Z", None, Status::Interrupted);
        lost.timestamp_start = now;
        ledger.append(&lost).unwrap();
    }
    let told = once(&place).answer(0);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert_eq!(kinds(&got(&place)), [r#"observed_red ["claude-code","five_hour"]"#, "repeated_missing_logs []"]);
    assert_eq!(once(&place).answer(0), "");
}

#[test]
fn a_webhook_that_does_not_accept_an_alert_gets_it_again() {
    let place = place();
    let asked = Reply::Status("429 Too Many Requests", "Retry-After: 3\r\n");
    let server = Stub::new([Reply::Status("500 Internal Server Error", ""), asked, Reply::Close, Reply::Accept]);
    let url = format!("http://agent:s3cr3t@127.0.0.1:{}/hook?token=t0ken", server.port);
    policy(&place, &json!({ "webhook": url }));
    consume(&place, "calls", "60");
    // A proxy of the environment is not used.
    let mut watching = watch(&place);
    let dead = "http://127.0.0.1:9";
    watching.env("http_proxy", dead).env("HTTP_PROXY", dead).env("ALL_PROXY", dead);
    let running = Running::spawn(&mut watching);
    wait("four requests", || server.requests().len() == 4);
    // The alert is stored as sent before the signal is handled.
    let (code, stdout, stderr) = terminate(running);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert!(stdout.contains(" sent warning quota_yellow calls: "), "{stdout}");
    let requests = server.requests();
    let ids: BTreeSet<_> = requests.iter().map(|request| request.json()["id"].to_string()).collect();
    assert_eq!(ids.len(), 1);
    let between = |at: usize| requests[at].at.duration_since(requests[at - 1].at);
    assert!(between(1) >= Duration::from_millis(500), "{:?}", between(1));
    assert!(between(2) >= Duration::from_secs(3), "{:?}", between(2));
    for request in &requests {
        let head = request.head.to_lowercase();
        assert!(head.starts_with("post /hook?token=t0ken http/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/json\r\n"), "{head}");
        assert!(request.head.contains("Basic YWdlbnQ6czNjcjN0"), "{head}");
        assert!(ids.contains(&format!("\"{}\"", header(&head, "idempotency-key"))), "{head}");
    }
    for why in ["500 Internal Server Error; trying again at ", "429 Too Many Requests; trying again", "cannot post to"]
    {
        assert!(stderr.contains(why), "{why}: {stderr}");
    }
    let journal = std::fs::read_to_string(place.path("logs/execution_metrics.ledger/alerts.jsonl")).unwrap();
    for text in [&stdout, &stderr, &journal, &place.run(["policy", "policy.json"]).answer(0)] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    assert!(counts(&place).values().all(|count| *count == [1, 1, 0]));
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_default().to_owned()
}

/// Ends the command with SIGTERM, and returns its exit code, stdout and stderr.
fn terminate(mut running: Running) -> (Option<i32>, String, String) {
    Command::new("kill").args(["-TERM", &running.child.id().to_string()]).status().unwrap();
    let mut stdout = String::new();
    std::io::Read::read_to_string(&mut running.child.stdout.take().unwrap(), &mut stdout).unwrap();
    let (code, stderr) = running.end();
    (code, stdout, stderr)
}

#[test]
fn an_alert_fails_after_its_last_attempt_and_the_others_are_delivered() {
    let place = place();
    // The receiver never answers for the first subject.
    let server = Stub::by(|body| if body.contains("\"more\"") { Reply::Accept } else { Reply::Hang });
    let webhook = format!("http://localhost:{}", server.port);
    policy(&place, &json!({"webhook": webhook, "timeout_s": 1, "attempts_max": 2}));
    consume(&place, "calls", "60");
    consume(&place, "more", "60");
    let first = once(&place);
    assert_eq!(first.code, Some(1), "an alert was not delivered");
    assert!(first.stdout.contains(" sent warning quota_yellow more: "), "{first:?}");
    assert!(first.stderr.contains("timeout") && first.stderr.contains("trying again at"), "{first:?}");
    std::thread::sleep(Duration::from_secs(1));
    let last = once(&place);
    assert_eq!(last.code, Some(1));
    assert!(last.stdout.contains(" failed warning quota_yellow calls: "), "{last:?}");
    assert!(
        last.stderr.contains("cannot deliver the alert quota_yellow calls (")
            && last.stderr.contains("attempt 2 was the last one"),
        "{last:?}"
    );
    assert_eq!(once(&place).answer(0), "", "it is not tried again");
    assert_eq!(counts(&place).into_values().collect::<BTreeSet<_>>(), BTreeSet::from([[1, 0, 1], [1, 1, 0]]));
    // When watching starts again, the alert is tried again, because its window has not ended.
    into_file(&place);
    let running = Running::spawn(&mut watch(&place));
    wait("the alert", || got(&place).len() == 1);
    wait("the line of the alert", || counts(&place).values().all(|count| count[1] == 1));
    let (code, stdout, _) = terminate(running);
    assert_eq!((code, stdout.lines().count()), (Some(0), 1), "{stdout}");
    assert_eq!(kinds(&got(&place)), [r#"quota_yellow ["calls"]"#]);
    let (code, stdout, _) = {
        let running = Running::spawn(&mut watch(&place));
        std::thread::sleep(Duration::from_millis(500));
        terminate(running)
    };
    assert_eq!((code, stdout.as_str()), (Some(0), ""), "it was delivered");
}

#[test]
fn a_redirect_is_not_followed() {
    let place = place();
    let other = Stub::by(|_| Reply::Accept);
    let location: &'static str = format!("Location: http://127.0.0.1:{}/\r\n", other.port).leak();
    let server = Stub::by(move |_| Reply::Status("307 Temporary Redirect", location));
    policy(&place, &json!({"webhook": format!("http://127.0.0.1:{}", server.port), "attempts_max": 1}));
    consume(&place, "calls", "60");
    let told = once(&place);
    assert!(told.stderr.contains("answered with status 307 Temporary Redirect"), "{told:?}");
    assert_eq!((server.requests().len(), other.requests().len()), (1, 0));
}

#[test]
fn a_program_that_fails_or_hangs_is_run_again() {
    let place = place();
    consume(&place, "calls", "60");
    for (script, why) in [
        ("exit 3", "\"sh\" ended with exit status: 3"),
        ("sleep 60 & sleep 60", "\"sh\" did not end within 1 s, and was killed"),
        ("kill -9 $$", "\"sh\" ended with signal: 9 (SIGKILL)"),
    ] {
        policy(&place, &json!({"command": ["sh", "-c", script], "timeout_s": 1}));
        std::thread::sleep(Duration::from_secs(2));
        let told = once(&place);
        assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{told:?}");
        assert!(told.stderr.contains(why), "{why}: {told:?}");
    }
    policy(&place, &json!({"command": ["./no-such-program"]}));
    std::thread::sleep(Duration::from_secs(4));
    assert!(once(&place).stderr.contains("cannot run \"./no-such-program\": "));
    into_file(&place);
    wait("the alert", || once(&place).code == Some(0));
    assert_eq!(kinds(&got(&place)), [r#"quota_yellow ["calls"]"#]);
}

#[test]
fn a_dry_run_sends_and_writes_nothing() {
    let place = place();
    let server = Stub::by(|_| Reply::Accept);
    policy(&place, &json!({ "webhook": format!("http://127.0.0.1:{}", server.port) }));
    let dry =
        |more: &[&str]| place.run([&["watch", "--policy", "policy.json", "--dry-run"][..], more].concat()).answer(0);
    assert_eq!(dry(&[]), "No alert would have been sent.\n");
    consume(&place, "calls", "60");
    consume(&place, "calls", "unknown");
    consume(&place, "calls", "30");
    let ledger = Options::new().open(place.ledger()).unwrap();
    let before = Timestamp::from_unix_ms(Timestamp::now().unix_ms() - 20 * 86_400_000).unwrap();
    for id in 1..=3 {
        let mut lost = record(id, "draw", "2026-02-14T14:23:00Z", None, Status::Interrupted);
        lost.timestamp_start = before;
        ledger.append(&lost).unwrap();
    }
    drop(ledger);
    let files = Tree::read(place.directory.path()).files;
    let table = dry(&[]);
    assert_eq!(Tree::read(place.directory.path()).files, files);
    let lines: Vec<Value> = dry(&["--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kinds(&lines), ["repeated_missing_logs []", r#"quota_yellow ["calls"]"#, r#"quota_red ["calls"]"#]);
    let day = before.to_string()[..10].parse::<chrono::NaiveDate>().unwrap().succ_opt().unwrap();
    assert_eq!(lines[0]["at"], format!("{day}T00:00:00.000Z"), "the end of the day");
    assert!(table.contains("repeated_missing_logs") && table.lines().count() > 3, "{table}");
    assert_eq!(dry(&["--since", "7d", "--json"]).lines().count(), 2);
    // A longer time than the longest possible one is shortened, which is reported.
    for (since, note) in [("366d", ""), ("367d", r#"{"kind":"shortened","note":"--since is more than 366 days ago: "#)]
    {
        let done = place.run(["watch", "--policy", "policy.json", "--dry-run", "--json", "--since", since]);
        assert_eq!((done.code, done.stdout.lines().count()), (Some(0), 3), "{done:?}");
        assert!(done.stderr.starts_with(note) && done.stderr.is_empty() == note.is_empty(), "{done:?}");
    }
    assert_eq!(server.requests().len(), 0);
    assert_eq!(Tree::read(place.directory.path()).files, files);
    // A real watcher sends the same alerts with the same ids, except the old alert.
    once(&place).answer(0);
    assert_eq!(server.requests().iter().map(stub::Request::json).collect::<Vec<_>>(), lines[1..]);
}

/// Each reader of the ledger looks for its `ledger.json`. The examination of escalations looks once more, and needs no
/// reader of its own.
#[test]
fn a_dry_run_opens_the_ledger_once() {
    if !can_trace() {
        return;
    }
    let place = place();
    let asked = |escalations: &[&str]| {
        policy(&place, &json!({"command": ["true"], "escalations": escalations}));
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", "trace=statx,?stat,?newfstatat", "-o", "trace"]);
        strace.arg(env!("CARGO_BIN_EXE_runledger")).args(["watch", "--policy", "policy.json", "--dry-run"]);
        assert!(strace.current_dir(place.path("")).output().unwrap().status.success());
        let trace = std::fs::read_to_string(place.path("trace")).unwrap();
        trace.lines().filter(|line| line.contains("execution_metrics.ledger/ledger.json\"")).count()
    };
    assert_eq!(asked(&["cost_discrepancy"]), asked(&[]) + 1);
}

#[test]
fn what_cannot_be_watched_is_said() {
    let place = place();
    std::fs::write(place.path("policy.json"), "{}").unwrap();
    assert_eq!(
        once(&place).complaint(2),
        "runledger: cannot find the receiver of alerts: policy.json: found neither a command nor a webhook; expected one \
         of them under the key alerts\n"
    );
    policy(&place, &json!({"webhoook": "http://localhost/"}));
    let told = once(&place).complaint(2);
    assert!(told.contains("the key nearest to \"webhoook\" is alerts.webhook"), "{told}");
    into_file(&place);
    let mut first = Running::spawn(&mut watch(&place));
    let lock = place.path("logs/execution_metrics.ledger/alerts.jsonl");
    wait("the first watcher", || lock.exists());
    let told = once(&place).complaint(2);
    assert!(
        told.contains("found another process that watches this ledger; expected none. End that process first"),
        "{told}"
    );
    assert!(first.child.try_wait().unwrap().is_none());
    let (code, _, stderr) = terminate(first);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let empty = Place::empty();
    into_file(&empty);
    assert!(once(&empty).complaint(2).contains("there is no such file"));
    assert!(!empty.path("logs").exists());
}

/// The receiver hangs, and the ledger gets a new segment with each record.
#[test]
fn no_writer_waits_and_rotation_is_followed() {
    let place = place();
    let server = Stub::by(|body| if body.contains("quota_") { Reply::Hang } else { Reply::Accept });
    policy(&place, &json!({"webhook": format!("http://127.0.0.1:{}", server.port), "timeout_s": 2}));
    let running = Running::spawn(&mut watch(&place));
    let journal = place.path("logs/execution_metrics.ledger/alerts.jsonl");
    wait("the watcher", || journal.exists());
    consume(&place, "calls", "60");
    wait("the hanging request", || !server.requests().is_empty());
    let ledger = Options::new().rotate_bytes(Some(1)).open(place.ledger()).unwrap();
    for id in 1..=5 {
        let mut lost = record(id, "draw", "2026-02-14T14:23:00Z", None, Status::Interrupted);
        lost.timestamp_start = Timestamp::now();
        assert!(matches!(ledger.append(&lost).unwrap(), Answer::Durable { .. }));
        consume(&place, "more", "1");
    }
    // The other alert is delivered although the first one is not.
    wait("the escalation", || {
        server.requests().iter().any(|request| request.json()["kind"] == "repeated_missing_logs")
    });
    let (code, stdout, _) = terminate(running);
    assert_eq!(code, Some(0));
    assert!(stdout.contains(" sent warning repeated_missing_logs -: "), "{stdout}");
    // After a restart, watching continues where it was. The receiver still does not accept the first alert.
    assert_eq!(once(&place).code, Some(1));
    assert_eq!(counts(&place).len(), 2);
}

#[test]
fn limits_that_cannot_be_read_are_named_once() {
    let place = place();
    into_file(&place);
    let mut running = Running::spawn(&mut watch(&place));
    let journal = place.path("logs/execution_metrics.ledger/alerts.jsonl");
    wait("the watcher", || journal.exists());
    std::fs::write(place.path("logs/limits.json"), &LIMITS[..50]).unwrap();
    // The reader takes no bytes after the line, which are read at the end.
    let mut first = String::new();
    BufReader::with_capacity(1, running.child.stderr.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("the earlier limits are used"), "{first}");
    // The watcher reads the limits again several times in this second.
    std::thread::sleep(Duration::from_secs(1));
    std::fs::write(place.path("logs/limits.json"), LIMITS).unwrap();
    consume(&place, "calls", "60");
    wait("the alert", || got(&place).len() == 1);
    let (code, _, stderr) = terminate(running);
    assert_eq!((code, stderr.matches("the earlier limits are used").count()), (Some(0), 0), "{stderr}");
}

#[test]
fn it_waits_for_a_ledger_that_does_not_exist_yet() {
    let place = Place::empty();
    into_file(&place);
    let mut running = Running::spawn(&mut watch(&place));
    std::thread::sleep(Duration::from_millis(300));
    assert!(running.child.try_wait().unwrap().is_none(), "it waits");
    assert!(!place.path("logs").exists(), "it creates nothing");
    place.run(["run", "--skill", "first", "--", "true"]).answer(0);
    std::fs::write(place.path("logs/limits.json"), LIMITS).unwrap();
    consume(&place, "calls", "60");
    wait("the alert", || got(&place).len() == 1);
    let (code, _, stderr) = terminate(running);
    let waiting = "runledger: waiting for the ledger logs/execution_metrics.jsonl, which does not exist yet\n";
    assert_eq!((code, stderr.as_str()), (Some(0), waiting));
    // A signal ends the wait.
    let place = Place::empty();
    into_file(&place);
    let running = Running::spawn(&mut watch(&place));
    std::thread::sleep(Duration::from_millis(300));
    let (code, stdout, stderr) = terminate(running);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", waiting));
}

/// Another program, or a later version, appended a line to the quota's journal that is not an event of a quota.
#[test]
fn a_line_of_the_quota_that_cannot_be_read_does_not_end_the_watcher() {
    let place = place();
    into_file(&place);
    consume(&place, "calls", "10");
    let options = JournalOptions::new(std::sync::Arc::new(|| 0));
    let journal = Journal::open(place.path("logs/quota.jsonl"), options).unwrap();
    journal.append(br#"{"neither":"an event"}"#).unwrap();
    // The line after it is an event again. `consume` itself refuses a journal with such a line.
    let watched = json!({"limit": 100, "period": "total", "percent": [50, 80]});
    let event = json!({"consume": {"amount": 50, "watch": watched}});
    let consumed = json!({"api": "calls", "unit": "calls", "at": Timestamp::now().to_string(), "event": event});
    journal.append(consumed.to_string().as_bytes()).unwrap();
    drop(journal);
    let running = Running::spawn(&mut watch(&place));
    wait("the damage and the limit", || got(&place).len() == 2);
    let (code, stdout, stderr) = terminate(running);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stderr.matches("warning: ").count(), 1, "{stderr}");
    assert!(stderr.contains("logs/quota.jsonl") && stderr.contains("line 2"), "{stderr}");
    assert!(stdout.contains(" sent warning damage quota.jsonl: 1 line of quota.jsonl cannot be read"), "{stdout}");
    let got = got(&place);
    assert_eq!(kinds(&got), [r#"quota_yellow ["calls"]"#, r#"damage ["quota.jsonl"]"#]);
    assert_eq!([&got[1]["figures"]["skipped"], &got[1]["figures"]["line"]], [1, 2]);
    // The watcher did not change the journal, which has three lines.
    let text = std::fs::read_to_string(place.path("logs/quota.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert_eq!(once(&place).stdout, "", "the damage was sent this week");
    let alerts = json!({"command": ["true"], "damage": false});
    let other = self::place();
    policy(&other, &alerts);
    std::fs::copy(place.path("logs/quota.jsonl"), other.path("logs/quota.jsonl")).unwrap();
    let told = once(&other);
    assert_eq!((told.code, told.stdout.lines().count()), (Some(0), 1), "{told:?}");
    assert!(told.stdout.contains(" sent warning quota_yellow calls: "), "{told:?}");
}

/// A ledger that another program rewrote has lines that do not continue its chain.
#[test]
fn a_ledger_that_was_rewritten_is_watched() {
    let records = |at: i64| {
        [1, 2, 3].map(|id| {
            let mut lost = record(id, "draw", "2026-02-14T14:23:00Z", None, Status::Interrupted);
            lost.timestamp_start = Timestamp::from_unix_ms(Timestamp::now().unix_ms() - at).unwrap();
            lost
        })
    };
    let (place, other) = (Place::with(&records(1)), Place::with(&records(2)));
    into_file(&place);
    let [text, later] = [&place, &other].map(|place| std::fs::read_to_string(place.ledger()).unwrap());
    let lines: Vec<_> = text.lines().take(1).chain(later.lines().skip(1)).collect();
    std::fs::write(place.ledger(), lines.join("\n") + "\n").unwrap();
    let mut watch = watch(&place);
    let mut running = Running::spawn(watch.arg("--once"));
    wait("the end of the watcher", || running.child.try_wait().unwrap().is_some());
    assert_eq!(running.end().0, Some(0));
    assert_eq!(kinds(&got(&place)), ["repeated_missing_logs []"]);
}

/// The quota's journal grows while the watcher is killed again and again.
#[test]
fn row_34_each_alert_reaches_the_receiver_whenever_the_watcher_is_killed() {
    const KILLS: u64 = 25;
    let place = place();
    into_file(&place);
    let apis = 12;
    let limits: Vec<_> = (0..apis)
        .map(|api| {
            json!({"api": format!("api-{api}"), "limit": 100, "unit": "calls", "period": "total", "source": "us",
                "as_of": "2026-03-01"})
        })
        .collect();
    std::fs::write(place.path("logs/limits.json"), serde_json::to_string(&limits).unwrap()).unwrap();
    for kill in 0..KILLS {
        let mut running = Running::spawn(&mut watch(&place));
        if kill % 2 == 0 && kill / 2 < apis {
            consume(&place, &format!("api-{}", kill / 2), "90");
        }
        // The pauses differ, and are not in step with the watcher.
        std::thread::sleep(Duration::from_millis((kill * 37) % 150));
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
    wait("all alerts", || once(&place).code == Some(0) && got(&place).len() >= apis as usize);
    let got = got(&place);
    let ids: BTreeSet<_> = got.iter().map(|alert| alert["id"].to_string()).collect();
    let subjects: BTreeSet<_> = got.iter().map(|alert| alert["subject"].to_string()).collect();
    println!("{KILLS} kills, {} alerts, {} deliveries", ids.len(), got.len());
    assert_eq!((ids.len(), subjects.len()), (apis as usize, apis as usize));
    let counts = counts(&place);
    assert_eq!(counts.len(), apis as usize);
    assert!(counts.values().all(|count| *count == [1, 1, 0]), "{counts:?}");
}

#[test]
fn an_alert_is_a_line_that_a_shell_can_read() {
    let place = place();
    consume(&place, "calls", "90");
    policy(&place, &json!({"command": ["sh", "-c", "read -r alert && printf '%s' \"$alert\" > read && wc -l > more"]}));
    once(&place).answer(0);
    let alert: Value = serde_json::from_str(&std::fs::read_to_string(place.path("read")).unwrap()).unwrap();
    assert!(alert["id"].is_string(), "{alert}");
}
