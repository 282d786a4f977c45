//! The command `runledger ship otlp`, and a collector that answers in every way.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use runledger::{ExecutionMetrics, Ledger, Uuid};

use crate::commands::{Output, Place, command, output};
use crate::stub::{ACCEPT, Reply, Stub};
use crate::support::{hex, metrics, record, span_id, traces, with_calls};

fn place(count: u128) -> Place {
    Place::with(&(1..=count).map(|id| record(id, "s")).collect::<Vec<ExecutionMetrics>>())
}

fn ship(place: &Place, url: &str, arguments: &[&str]) -> Output {
    place.run([&["ship", "otlp", url], arguments].concat())
}

/// Returns the ids of the spans that a request has.
fn ids(body: &str) -> Vec<String> {
    traces(body).iter().map(|span| hex(&span.span_id)).collect()
}

#[test]
fn each_record_is_posted_and_a_second_call_posts_nothing() {
    let (place, stub) = (place(3), Stub::new(&[]));
    let found = ship(&place, &stub.url, &[]).answer(0);
    assert_eq!(found, "records      3\nspans        3\nrejected     0\nup to line   3\n");
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].head.starts_with("post /v1/traces http/1.1\r\n"), "{}", requests[0].head);
    assert!(requests[0].head.contains("\r\ncontent-type: application/json\r\n"), "{}", requests[0].head);
    let expected: Vec<_> = (1..=3).map(|id| span_id(runledger::Uuid::from_u128(id))).collect();
    assert_eq!(ids(&requests[0].body), expected);
    // The body is the line of the export.
    assert_eq!(place.run(["export", "otlp"]).stdout, format!("{}\n", requests[0].body));

    let found = ship(&place, &stub.url, &["--json"]).json();
    assert_eq!((&found["records"], &found["spans"], &found["shipped"]["seq"]), (&0.into(), &0.into(), &3.into()));
    let ledger = Ledger::open(place.ledger()).unwrap();
    let _ = ledger.append(&with_calls(4)).unwrap();
    assert!(ship(&place, &stub.url, &[]).answer(0).starts_with("records      1\nspans        3\n"));
    assert_eq!(stub.requests().len(), 2);

    // Metrics have a place of their own.
    let found = ship(&place, &stub.url, &["--metrics", "--dialect", "latest"]).answer(0);
    assert!(found.starts_with("records      4\npoints       7\n"), "{found}");
    let last = stub.requests().pop().unwrap();
    assert!(last.head.starts_with("post /v1/metrics http/1.1\r\n"), "{}", last.head);
    assert!(metrics(&last.body).iter().any(|metric| metric.name == "gen_ai.execute_tool.duration"));
}

#[test]
fn messages_have_bounds() {
    let (place, stub) = (place(25), Stub::new(&[]));
    ship(&place, &stub.url, &["--batch-spans", "10"]).answer(0);
    let counts: Vec<_> = stub.requests().iter().map(|request| ids(&request.body).len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 25);
    assert!(counts.iter().all(|count| *count <= 10), "{counts:?}");
    let stub = Stub::new(&[]);
    ship(&place, &stub.url, &["--batch-kib", "4"]).answer(0);
    let longest = stub.requests().iter().map(|request| request.body.len()).max().unwrap();
    assert!((2_000..=4_096).contains(&longest), "{longest}");
}

#[test]
fn a_busy_collector_gets_the_message_again_after_the_pause_that_it_asks_for() {
    let (place, stub) = (place(1), Stub::new(&[("429 Too Many Requests", "Retry-After: 2\r\n", "")]));
    let found = ship(&place, &stub.url, &[]);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    assert!(
        found.stderr.contains("answered with status 429 Too Many Requests; trying again in 2.0 s"),
        "{}",
        found.stderr
    );
    let requests = stub.requests();
    assert_eq!((requests.len(), &requests[0].body), (2, &requests[1].body));
    let waited = requests[1].at - requests[0].at;
    assert!((Duration::from_millis(1_900)..Duration::from_secs(20)).contains(&waited), "{waited:?}");
}

#[test]
fn each_retriable_status_is_tried_again() {
    for status in ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"] {
        let (place, stub) = (place(1), Stub::new(&[(status, "", "busy")]));
        let found = ship(&place, &stub.url, &[]);
        assert_eq!((found.code, stub.requests().len()), (Some(0), 2), "{status}: {}", found.stderr);
    }
}

#[test]
fn a_pause_that_is_longer_than_the_limit_ends_the_command() {
    let busy: Reply = ("503 Service Unavailable", "Retry-After: 3600\r\n", "");
    let (place, stub) = (place(1), Stub::new(&[busy]));
    let found = ship(&place, &stub.url, &["--retry-for", "30"]);
    assert_eq!(found.code, Some(2));
    assert!(found.stderr.contains("asks for a pause of 3600 s"), "{}", found.stderr);
    // The place has not moved.
    assert!(ship(&place, &stub.url, &[]).answer(0).starts_with("records      1\n"));
}

#[test]
fn a_refused_message_is_not_posted_again_and_the_place_does_not_move() {
    let body = r#"{"code": 3, "message": "span \u001b[31m without a name"}"#;
    let (place, stub) = (place(2), Stub::new(&[("400 Bad Request", "Content-Type: application/json\r\n", body)]));
    let found = ship(&place, &stub.url, &[]);
    assert_eq!((found.code, stub.requests().len()), (Some(2), 1), "{}", found.stderr);
    assert!(
        found.stderr.contains(r#"refused the message with status 400 Bad Request: "span \u{1b}[31m without a name""#)
    );
    assert!(found.stdout.ends_with("up to line   -\n"), "{}", found.stdout);
    assert!(ship(&place, &stub.url, &[]).answer(0).starts_with("records      2\n"));
    // A redirect is not followed.
    let stub = Stub::new(&[("307 Temporary Redirect", "Location: http://127.0.0.1:1/\r\n", "")]);
    let found = ship(&place, &stub.url, &[]);
    assert!(found.stderr.contains("status 307 Temporary Redirect"), "{}", found.stderr);
}

#[test]
fn a_record_that_is_always_refused_is_named_and_can_be_left_out() {
    let place = place(5);
    let refused = span_id(Uuid::from_u128(3));
    let stub = Stub::by(move |body| match ids(body).contains(&refused) {
        true => ("413 Content Too Large", "", "too large"),
        false => ACCEPT,
    });
    let whole = ship(&place, &stub.url, &[]);
    assert_eq!((whole.code, stub.requests().len()), (Some(2), 1), "{}", whole.stderr);
    let id = |id: u128| Uuid::from_u128(id);
    let named = format!("The message has the executions from {} to {}. Use --batch-spans 1", id(1), id(5));
    assert!(whole.stderr.contains(&named), "{}", whole.stderr);
    let single = ship(&place, &stub.url, &["--batch-spans", "1"]);
    assert_eq!(single.code, Some(2), "{}", single.stderr);
    let named = format!(r#": "too large". The message has the execution {}. "#, id(3));
    assert!(single.stderr.contains(&named), "{}", single.stderr);
    // Only the message with execution 3 is left out.
    let skipped = ship(&place, &stub.url, &["--batch-spans", "1", "--skip-refused", "--json"]);
    assert_eq!(skipped.code, Some(1), "{}", skipped.stderr);
    let named = format!("The message has the execution {}, and is left out", id(3));
    assert_eq!(skipped.stderr.matches("is left out").count(), 1, "{}", skipped.stderr);
    assert!(skipped.stderr.contains(&named), "{}", skipped.stderr);
    let json: serde_json::Value = serde_json::from_str(&skipped.stdout).unwrap();
    assert_eq!((&json["left_out"], &json["shipped"]["seq"]), (&1.into(), &5.into()), "{json}");
    let accepted: std::collections::BTreeSet<_> =
        stub.requests().iter().flat_map(|request| ids(&request.body)).collect();
    assert!([1, 2, 4, 5].iter().all(|id| accepted.contains(&span_id(Uuid::from_u128(*id)))));
    let posted = stub.requests().len();
    assert_eq!((ship(&place, &stub.url, &[]).code, stub.requests().len()), (Some(0), posted));
}

#[test]
fn a_message_is_not_left_out_if_the_credentials_are_wrong() {
    let (place, stub) = (place(1), Stub::new(&[("401 Unauthorized", "", ""), ("404 Not Found", "", "")]));
    for status in ["401 Unauthorized", "404 Not Found"] {
        let found = ship(&place, &stub.url, &["--skip-refused"]);
        assert_eq!(found.code, Some(2), "{}", found.stderr);
        assert!(found.stderr.contains(&format!("refused the message with status {status}")), "{}", found.stderr);
    }
    assert!(ship(&place, &stub.url, &[]).answer(0).starts_with("records      1\n"));
}

#[test]
fn refused_spans_of_an_accepted_message_cause_a_warning() {
    let body = r#"{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}"#;
    let (place, stub) = (place(2), Stub::new(&[("200 OK", "Content-Type: application/json\r\n", body)]));
    let found = ship(&place, &stub.url, &[]);
    assert_eq!((found.code, stub.requests().len()), (Some(1), 1), "{}", found.stderr);
    assert!(found.stderr.contains(r#"refused 1 items of a message: "too old""#), "{}", found.stderr);
    assert!(found.stdout.contains("rejected     1\n"), "{}", found.stdout);
    // OTLP forbids to post them again.
    assert!(ship(&place, &stub.url, &[]).answer(0).starts_with("records      0\n"));
}

#[test]
fn a_collector_that_cannot_be_reached_is_named_without_its_password() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = place(1);
    let found = ship(&place, &format!("http://agent:s3cr3t@127.0.0.1:{port}/x"), &["--retry-for", "0"]);
    assert_eq!(found.code, Some(2));
    assert!(found.stderr.contains(&format!("cannot post to http://127.0.0.1:{port}: ")), "{}", found.stderr);
    let stored: String = place.files().iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    for text in [&found.stdout, &found.stderr, &stored] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

#[test]
fn headers_and_a_password_reach_the_collector_and_nothing_else() {
    let (place, stub) = (place(1), Stub::new(&[("400 Bad Request", "", "no")]));
    let url = stub.url.replace("http://", "http://agent:s3cr3t@");
    let mut call = command();
    call.current_dir(place.directory.path()).args(["ship", "otlp", &url]);
    call.env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=t0k%20en,x-langfuse-ingestion-version=4");
    let found = output(&mut call);
    assert!(!found.stderr.contains("s3cr3t") && !found.stderr.contains("t0k"), "{}", found.stderr);
    let head = &stub.requests()[0].head;
    for header in ["x-token: t0k en", "x-langfuse-ingestion-version: 4", "authorization: basic ywdlbnq6czn"] {
        assert!(head.contains(&format!("\r\n{header}")), "{head}");
    }
    call.env("OTEL_EXPORTER_OTLP_HEADERS", "t0ken");
    let found = output(&mut call);
    assert_eq!(found.code, Some(2));
    assert!(found.stderr.contains("no equals sign in pair 1") && !found.stderr.contains("t0ken"), "{}", found.stderr);
}

#[test]
fn the_address_is_checked_before_anything_is_read() {
    let place = Place::empty();
    let mut addresses = vec![
        ("s3cr3t:4318", "expected an address such as"),
        ("http://s3cr3t/v1/traces", "at its end"),
        ("http://host/?token=s3cr3t", "found a query"),
    ];
    if cfg!(not(any(feature = "otlp-tls", feature = "alerts-tls"))) {
        addresses.push(("https://collector.example", "build it with the features cli and otlp-tls"));
    }
    for (address, why) in addresses {
        let complaint = ship(&place, address, &[]).complaint(2);
        let words = complaint.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(why) && !words.contains("s3cr3t"), "{complaint}");
    }
    assert_eq!(place.files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_rewritten_ledger_is_not_shipped() {
    let (place, stub) = (place(3), Stub::new(&[]));
    ship(&place, &stub.url, &[]).answer(0);
    let text = fs::read_to_string(place.ledger()).unwrap();
    let end = text.split_inclusive('\n').take(2).map(str::len).sum();
    fs::write(place.ledger(), &text[..end]).unwrap();
    let found = ship(&place, &stub.url, &[]);
    assert_eq!(found.code, Some(2));
    assert!(found.stderr.contains("truncated or rewritten"), "{}", found.stderr);
    assert_eq!(stub.requests().len(), 1);
}

#[test]
fn a_place_of_another_ledger_or_a_newer_version_is_refused() {
    let (first, stub) = (place(3), Stub::new(&[]));
    ship(&first, &stub.url, &[]).answer(0);
    let is_place = |path: &&std::path::PathBuf| {
        path.parent().unwrap().ends_with("otlp") && path.extension().is_some_and(|extension| extension == "json")
    };
    let file = first.files().iter().find(is_place).unwrap().clone();
    let stored = fs::read_to_string(&file).unwrap();
    for (text, why) in [
        (stored.replace("\"ledger\":\"0", "\"ledger\":\"1"), "expected ledger"),
        (stored.replace("\"version\":1", "\"version\":2"), "found version 2; expected at most 1"),
        ("{".to_owned(), "Remove it to ship the ledger from its first line again"),
    ] {
        assert_ne!(text, stored);
        fs::write(&file, text).unwrap();
        let found = ship(&first, &stub.url, &[]);
        assert!(found.code == Some(2) && found.stderr.contains(why), "{why}: {}", found.stderr);
    }
    assert_eq!(stub.requests().len(), 1);
    fs::remove_file(&file).unwrap();
    assert!(ship(&first, &stub.url, &[]).answer(0).starts_with("records      3\n"));
}

#[test]
fn lines_that_are_not_records_are_skipped_with_a_warning() {
    let (place, stub) = (place(3).with_a_foreign_line(), Stub::new(&[]));
    let found = ship(&place, &stub.url, &[]);
    assert_eq!(found.code, Some(0));
    assert!(found.stdout.starts_with("records      3\n"), "{}", found.stdout);
    assert!(found.stderr.contains("skipped lines that are not records: 1"), "{}", found.stderr);
}

#[test]
fn the_file_with_the_place_is_private() {
    use std::os::unix::fs::PermissionsExt;

    let (place, stub) = (place(1), Stub::new(&[]));
    ship(&place, &stub.url, &[]).answer(0);
    let files: Vec<_> = place.files().into_iter().filter(|path| path.parent().unwrap().ends_with("otlp")).collect();
    assert_eq!(files.len(), 2);
    for path in &files {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
    let directory = fs::metadata(files[0].parent().unwrap()).unwrap();
    assert_eq!(directory.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_build_without_parquet_says_what_the_other_way_needs() {
    if cfg!(feature = "parquet") {
        return;
    }
    let complaint = place(1).run(["ship", "fleet"]).complaint(2);
    assert!(complaint.contains("built without Parquet"), "{complaint}");
}
