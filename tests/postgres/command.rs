//! `runledger pg` ships records, and reports how far the database is behind, in its output and by its exit code. It
//! never prints the password.
#![cfg(feature = "cli")]

use crate::commands::{Output, Place, command, examples, output, record, section};
use crate::postgres_server::{Database, PASSWORD_WRITTEN, SECRET};
use runledger::metrics::Status;
use runledger::sink::postgres::{Sink, SinkOptions};
use runledger::{Answer, ExecutionMetrics, Head, Ledger};
use serde_json::{Value, json};

fn run(place: &Place, url: &str, args: &str) -> Output {
    let mut command = command();
    command.current_dir(place.directory.path()).env("DATABASE_URL", url).arg("pg").args(args.split_whitespace());
    output(&mut command)
}

fn head(place: &Place) -> Head {
    Ledger::open(place.ledger()).unwrap().head().unwrap()
}

fn append(place: &Place, record: &ExecutionMetrics) {
    assert!(matches!(Ledger::open(place.ledger()).unwrap().append(record).unwrap(), Answer::Durable { .. }));
}

/// Returns the output of `status` in the database, without the time of the last shipment.
fn status(place: &Place, database: &Database, code: i32) -> String {
    let text = run(place, &database.url, "status").answer(code);
    assert!(!text.contains(SECRET), "{text}");
    let server = database.url.rsplit_once('@').unwrap().1;
    let user = database.ask("SELECT current_user::text").remove(0);
    let is_time = |word: &str| word.parse::<runledger::Timestamp>().is_ok();
    let without_time = |line: &str| {
        let words = line.split(' ').map(|word| if is_time(word) { "TIME" } else { word });
        words.collect::<Vec<_>>().join(" ").replace(&format!("{user}@{server}"), "DATABASE") + "\n"
    };
    text.lines().map(without_time).collect()
}

#[test]
fn ship_and_status_from_the_first_record_to_the_last() {
    let Some(database) = Database::new("cli") else { return };
    let (place, url) = (Place::new(), &database.url);
    let first = head(&place);
    let (id, hash) = (first.ledger, &first.hash);
    assert_eq!(
        run(&place, url, "migrate --json").answer(0),
        "{\"tables\":[\"agent_execution_logs\",\"runledger_shipments\"]}\n"
    );
    let found = |shipped: &str, at: &str, behind: u64| {
        format!(
            "database DATABASE\nschema   2\nledger   {id}\nhead     5 {hash}\nshipped  {shipped}\n\
             at       {at}\nbehind   {behind}\n"
        )
    };
    assert_eq!(status(&place, &database, 1), found("-", "-", 5));
    assert_eq!(run(&place, url, "ship").answer(0), "records      5\nin progress  0\nup to line   5\n");
    let shipped = found(&format!("5 {hash}"), "TIME", 0);
    assert_eq!(status(&place, &database, 0), shipped);

    // Another ledger in the same database.
    let other = Place::new();
    run(&other, url, "ship").answer(0);
    assert_eq!(status(&place, &database, 0), format!("{shipped}other    {} 5 TIME\n", head(&other).ledger));

    let late = record(99, "publish", "2026-02-14T14:28:00Z", Some(1), Status::Success);
    append(&place, &late);
    let second = head(&place).hash;
    let mut json: Value = serde_json::from_str(&run(&place, url, "status --json").answer(1)).unwrap();
    for at in 0..2 {
        let time = json["ledgers"][at].as_object_mut().unwrap().remove("shipped_at").unwrap();
        assert!(time.as_str().unwrap().parse::<runledger::Timestamp>().is_ok(), "{time}");
    }
    assert!(!json.to_string().contains(SECRET), "{json}");
    let shown = json["database"].take();
    assert!(shown.as_str().unwrap().ends_with("/runledger_test_cli"), "{shown}");
    let theirs = head(&other);
    assert_eq!(
        json,
        json!({
            "ledger": id, "shipped": {"seq": 5, "hash": hash}, "head": {"seq": 6, "hash": second}, "behind": 1,
            "database": null, "schema": 2, "ledgers": [
                {"ledger": id, "seq": 5, "hash": hash},
                {"ledger": theirs.ledger, "seq": 5, "hash": theirs.hash},
            ],
        })
    );
    assert_eq!(
        run(&place, url, "ship --json").answer(0),
        format!(
            "{{\"in_progress\":0,\"ledger\":\"{id}\",\"malformed_lines\":0,\"records\":1,\
             \"shipped\":{{\"hash\":\"{second}\",\"seq\":6}}}}\n"
        )
    );
}

#[test]
fn ship_creates_the_tables_only_if_it_is_asked_to() {
    let Some(database) = Database::new("asked") else { return };
    let (place, url) = (Place::new(), &database.url);
    let complaint = run(&place, url, "ship").complaint(2);
    assert_eq!(
        complaint,
        "runledger: cannot check the table agent_execution_logs: found no such table. Create it with `runledger pg \
         migrate`, or with `runledger pg ship --migrate`, which then ships the records\n"
    );
    let found = run(&place, url, "status");
    assert_eq!(found.code, Some(1));
    assert!(found.stdout.contains("schema   -\n") && found.stdout.contains("behind   5\n"), "{}", found.stdout);
    assert_eq!(
        found.stderr,
        "runledger: warning: the tables do not exist; use `runledger pg migrate` or `runledger pg ship --migrate`\n"
    );
    let tables = "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.ask(tables), ["0"]);
    assert_eq!(run(&place, url, "ship --migrate").answer(0), "records      5\nin progress  0\nup to line   5\n");
    assert_eq!(
        (database.ask(tables), database.ask("SELECT count(*)::text FROM agent_execution_logs")),
        (vec!["2".into()], vec!["5".into()])
    );

    // The tables of an earlier version.
    database.client().batch_execute("COMMENT ON TABLE runledger_shipments IS NULL").unwrap();
    let found = run(&place, url, "status");
    assert_eq!((found.code, found.stdout.contains("schema   1\n")), (Some(1), true), "{}", found.stdout);
    assert!(found.stderr.contains("the tables are of an earlier version"), "{}", found.stderr);
    assert!(run(&place, url, "ship").complaint(2).contains("`runledger pg ship --migrate`"));
    assert_eq!(run(&place, url, "ship --migrate").answer(0), "records      0\nin progress  0\nup to line   5\n");
    run(&place, url, "status").answer(0);
}

#[test]
fn started_executions_are_rows_in_progress_and_become_final() {
    let Some(database) = Database::new("begun") else { return };
    let (place, url) = (Place::empty(), &database.url);
    run(&place, url, "migrate").answer(0);
    let started = place.run(["start", "--agent", "agent-research", "--description", "Research", "--session-id", "s-1"]);
    let id = started.json()["execution_id"].as_str().unwrap().to_owned();
    let row = || {
        database.ask(
            "SELECT concat_ws('|', execution_id, agent_name, user_prompt, session_id, status,
             metadata->'progress'->>'stage', metadata->'progress'->>'percent', completed_at IS NULL, quality_score)
             FROM agent_execution_logs",
        )
    };
    run(&place, url, "ship").answer(0);
    assert_eq!(row(), [format!("{id}|agent-research|Research|s-1|in_progress|t")]);
    place.run(["progress", "--execution-id", &id, "--stage", "analyzing", "--percent", "50"]).answer(0);
    assert_eq!(run(&place, url, "ship").answer(0), "records      0\nin progress  1\nup to line   -\n");
    assert_eq!(row(), [format!("{id}|agent-research|Research|s-1|in_progress|analyzing|50.0|t")]);
    place.run(["complete", "--execution-id", &id, "--status", "success", "--quality-score", "0.95"]).answer(0);
    assert_eq!(run(&place, url, "ship").answer(0), "records      1\nin progress  0\nup to line   1\n");
    assert_eq!(row(), [format!("{id}|agent-research|Research|s-1|success|analyzing|50.0|f|0.95")]);
}

#[test]
fn a_follower_ships_what_is_appended_later() {
    let Some(database) = Database::new("follow") else { return };
    let (place, url) = (Place::new(), &database.url);
    run(&place, url, "migrate").answer(0);
    let mut follower = command();
    follower.current_dir(place.directory.path()).env("DATABASE_URL", url).args(["pg", "ship", "--follow"]);
    let mut follower = follower.stdout(std::process::Stdio::null()).spawn().unwrap();
    let wait = |rows: &str| {
        let begin = std::time::Instant::now();
        while database.ask("SELECT count(*)::text FROM agent_execution_logs") != [rows] {
            assert!(begin.elapsed().as_secs() < 60, "never {rows} rows");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    wait("5");
    let late = record(99, "publish", "2026-02-14T14:28:00Z", Some(1), Status::Success);
    append(&place, &late);
    wait("6");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

/// Runs the examples in the order of the help, as a new user would. Replaces their address by that of a real server.
#[test]
fn every_example_of_the_help_works() {
    let Some(database) = Database::new("examples") else { return };
    let place = Place::new();
    let help = output(command().args(["pg", "--help"])).answer(0);
    let names: Vec<_> = section(&help, "Commands:").filter_map(|line| line.trim_start().split(' ').next()).collect();
    assert_eq!(names, ["migrate", "ship", "status", "help"]);
    let named = "postgres://agent:secret@localhost/observability";
    let mut outputs = String::new();
    for name in &names[..3] {
        let help = output(command().env_remove("COLUMNS").args(["pg", name, "--help"])).answer(0);
        let examples = examples(&help);
        assert_eq!(examples.len(), help.matches("Example").count(), "{help}");
        for example in examples {
            assert!(example.contains(&format!("runledger pg {name}")), "{example}");
            // An example without an address takes it from the environment.
            assert!(example.contains(named) || !example.contains("postgres://"), "{example}");
            outputs += &example_runs(&place, &database.url, &example.replace(named, &database.url));
        }
    }
    let migrated = "table  agent_execution_logs\ntable  runledger_shipments\n";
    let shipped = |records: u64| format!("records      {records}\nin progress  0\nup to line   5\n");
    assert_eq!(outputs, format!("{migrated}{}{}0\n", shipped(5), shipped(0)));
    assert_eq!(database.ask("SELECT count(*)::text FROM agent_execution_logs"), ["5"]);
}

/// Returns the output of an example. One that follows the ledger is interrupted after 3 s, as a user would do it.
fn example_runs(place: &Place, url: &str, example: &str) -> String {
    let mut bash = std::process::Command::new("bash");
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_runledger")).parent().unwrap();
    bash.env("PATH", format!("{}:{}", directory.display(), std::env::var("PATH").unwrap())).env("DATABASE_URL", url);
    let follows = example.contains("--follow");
    let script = if follows { format!("timeout --signal INT 3 env {example}") } else { example.to_owned() };
    let output = output(bash.current_dir(place.directory.path()).args(["-o", "pipefail", "-c", &script]));
    let ended = if follows { Some(124) } else { Some(0) };
    assert_eq!((output.code, output.stderr.as_str()), (ended, ""), "{example}");
    output.stdout
}

#[test]
fn a_missing_ledger_or_address_is_reported_with_what_to_do() {
    let place = Place::empty();
    let complaint = run(&place, "postgres://localhost/x", "ship").complaint(2);
    assert_eq!(
        complaint,
        "runledger: cannot open a ledger to read: logs/execution_metrics.jsonl: there is no such file; \
         to use another ledger, set --ledger PATH or RUNLEDGER_PATH\n"
    );
    let complaint = output(command().env_remove("DATABASE_URL").args(["pg", "status"])).complaint(2);
    assert!(complaint.contains("--database-url <URL>"), "{complaint}");
}

/// Returns addresses that contain the password and do not lead to a database that accepts the connection.
fn bad_addresses(good: Option<&str>) -> Vec<String> {
    let mut urls = vec![
        // A closed port, an unknown host, and impossible ports.
        format!("postgres://u:{PASSWORD_WRITTEN}@127.0.0.1:1/x"),
        format!("postgres://u:{PASSWORD_WRITTEN}@no-such-host.invalid/x"),
        format!("postgres://u:{PASSWORD_WRITTEN}@localhost:port/x"),
        format!("postgres://u:{PASSWORD_WRITTEN}@localhost:99999/x"),
        // Malformed addresses, of which the error of the parser would repeat a part.
        format!("postgres://u:{PASSWORD_WRITTEN}@localhost/x?{SECRET}"),
        format!("postgres://u:{PASSWORD_WRITTEN}@localhost/x?{SECRET}=1"),
        format!("postgres://u:%zz{SECRET}@localhost/x"),
        format!("host=localhost password={SECRET} {SECRET}"),
        format!("host=localhost password='{SECRET}"),
        format!("{SECRET}=1"),
        SECRET.to_owned(),
        // TLS: an unknown mode, an unsupported negotiation, a root without a mode, and a missing file.
        format!("postgres://u:{PASSWORD_WRITTEN}@localhost/x?sslmode={SECRET}"),
        format!("postgres://u:{PASSWORD_WRITTEN}@localhost/x?sslmode=require&sslnegotiation=direct"),
        format!("postgres://u:{PASSWORD_WRITTEN}@localhost/x?sslrootcert=/{SECRET}"),
        format!("postgres://u:{PASSWORD_WRITTEN}@localhost:1/x?sslmode=verify-full&sslrootcert=/no/such/file"),
    ];
    if let Some(good) = good {
        // Another user, another password, an unknown database, and one whose name contains the password.
        urls.push(good.replace("tester:", "nobody:"));
        urls.push(good.replace(PASSWORD_WRITTEN, &format!("{SECRET}-wrong")));
        urls.push(good.replace("runledger_test", "absent"));
        urls.push(good.replace("runledger_test", PASSWORD_WRITTEN));
        urls.push(format!("{good}?application_name={PASSWORD_WRITTEN}&search_path=x"));
        urls.push(format!("{good}?options=-c%20{PASSWORD_WRITTEN}"));
    }
    urls
}

/// If such an address were accepted, the rest of the password would be looked up as the name of a host.
#[test]
fn an_at_sign_in_the_password_that_is_not_written_as_40_is_refused() {
    for address in [format!("postgres://u:pass@{SECRET}@localhost/x"), format!("host=pass@{SECRET}")] {
        let error = Sink::new(&address, SinkOptions::new()).unwrap_err().to_string();
        assert!(error.contains("written as %40 %3A"), "{error}");
    }
}

/// An argument that is an address is repeated in the error without its password.
#[test]
fn an_address_in_the_wrong_place_keeps_its_password() {
    for (args, expected) in [
        (["pg", "status", &format!("postgres://u:{PASSWORD_WRITTEN}@h/x")], "'postgres://u:***@h/x'"),
        (["pg", "ship", &format!("host=h password={SECRET}")], "'host=h password=***'"),
    ] {
        let complaint = output(command().env_remove("DATABASE_URL").args(args)).complaint(2);
        assert!(complaint.starts_with(&format!("error: unexpected argument {expected} found\n")), "{complaint}");
        assert!(!complaint.contains(SECRET) && !complaint.contains(PASSWORD_WRITTEN), "{complaint}");
    }
}

#[test]
fn no_failure_contains_the_password() {
    let database = Database::new("secret");
    let place = Place::new();
    for url in bad_addresses(database.as_ref().map(|database| database.url.as_str())) {
        for args in ["migrate --retry-for 0", "ship --retry-for 0 --json", "status --retry-for 1"] {
            let Output { code, stdout, stderr } = run(&place, &url, args);
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{url}: {stderr}");
            assert!(!stderr.contains(SECRET), "{url}: {stderr}");
            let is_of_the_file =
                url.contains("/no/such/file") && stderr.contains("sslrootcert: /no/such/file: No such");
            assert!(stderr.contains("the database") || is_of_the_file, "{url}: {stderr}");
        }
        if let Ok(mut sink) = Sink::new(&url, SinkOptions::new()) {
            assert!(!format!("{sink:?}").contains(SECRET));
            sink = Sink::new(&url, SinkOptions::new().retry_for(Some(std::time::Duration::ZERO))).unwrap();
            let error = sink.migrate().unwrap_err();
            assert!(!format!("{error:?} {error} {sink:?}").contains(SECRET), "{url}");
        } else {
            assert!(!format!("{:?}", Sink::new(&url, SinkOptions::new())).contains(SECRET), "{url}");
        }
    }
    let help = output(command().env("DATABASE_URL", SECRET).args(["pg", "ship", "--help"])).answer(0);
    assert!(!help.contains(SECRET), "{help}");
}
