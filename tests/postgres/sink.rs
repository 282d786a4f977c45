//! Promise: each record of a ledger is stored in PostgreSQL exactly once and unchanged, even if the database fails
//! several times in the meantime.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::postgres_server::Database;
use runledger::journal::Follower;
use runledger::metrics::{ErrorCategory, Progress, Status};
use runledger::sink::postgres::{Shipped, Sink, SinkOptions};
use runledger::{Answer, Error, ErrorKind, ExecutionMetrics, Ledger, Timestamp, Uuid, hash_bytes};

/// A ledger, and the database that it is shipped to.
struct Place {
    directory: tempfile::TempDir,
    database: Database,
}

impl Place {
    /// Creates the tables. Returns `None`, after a message, if no server can be started.
    fn new(name: &str) -> Option<Self> {
        let place = Self { directory: tempfile::tempdir().unwrap(), database: Database::new(name)? };
        place.sink().migrate().unwrap();
        Some(place)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("execution_metrics.jsonl")
    }

    fn sink(&self) -> Sink {
        sink(&self.database.url)
    }

    fn append(&self, records: &[ExecutionMetrics]) {
        let ledger = Ledger::open(self.path()).unwrap();
        records.iter().for_each(|record| assert!(matches!(ledger.append(record).unwrap(), Answer::Durable { .. })));
    }

    /// Writes the file of a new ledger, with a line for each record, as a version without any check of ids would.
    /// Returns the last line.
    fn write(&self, records: &[ExecutionMetrics]) -> String {
        drop(Ledger::open(self.path()).unwrap());
        let (mut prev, mut text, mut line) = ("0".repeat(64), String::new(), String::new());
        for (record, seq) in records.iter().zip(1..) {
            let json = record.to_json().unwrap();
            let hashed = format!("{},\"seq\":{seq},\"prev\":\"{prev}\"", json.strip_suffix('}').unwrap());
            prev = hash_bytes(&hashed);
            line = format!("{hashed},\"hash\":\"{prev}\"}}\n");
            text += &line;
        }
        std::fs::write(self.path(), text).unwrap();
        line
    }

    fn ship(&self) -> Shipped {
        self.ship_with(&[])
    }

    fn ship_with(&self, in_flight: &[ExecutionMetrics]) -> Shipped {
        self.sink().ship(&mut Follower::open(self.path()).unwrap(), in_flight).unwrap()
    }

    fn refused(&self) -> Error {
        self.sink().ship(&mut Follower::open(self.path()).unwrap(), &[]).unwrap_err()
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        self.database.ask(sql)
    }
}

fn sink(url: &str) -> Sink {
    Sink::new(url, SinkOptions::new().on_warning(|_| {})).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn record(id: u128) -> ExecutionMetrics {
    let start = time("2026-02-14T14:23:00.250Z");
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "publish", "1.0.0", start);
    record.timestamp_end = Some(start.plus_ms(1_001));
    record.wall_clock_time_ms = Some(1_001);
    record.set_status(Status::Success);
    record
}

const ROW: &str = "SELECT concat_ws('|', execution_id, coalesce(correlation_id, '-'), coalesce(session_id, '-'),
    coalesce(agent_name, '-'), coalesce(user_prompt, '-'), started_at AT TIME ZONE 'UTC',
    coalesce((completed_at AT TIME ZONE 'UTC')::text, '-'), coalesce(duration_ms::text, '-'), coalesce(status, '-'),
    coalesce(error_message, '-'), coalesce(error_type, '-'), coalesce(quality_score::text, '-'),
    coalesce(ledger_seq::text, '-'))
    FROM agent_execution_logs ORDER BY started_at, execution_id";

#[test]
fn every_column_has_its_field_and_metadata_the_rest() {
    let Some(place) = Place::new("columns") else { return };
    let mut full = record(1);
    full.run.correlation_id = Some("c-1".into());
    full.run.session_id = Some("s\t1\n\\N".into());
    full.run.agent_name = Some("agent-research".into());
    full.run.description = Some("Research \"skills\" | `now`".into());
    full.run.task_id = Some("1.1".into());
    full.set_status(Status::Failed);
    full.error_category = Some(ErrorCategory::Timeout);
    full.set_error_reason("API timeout");
    full.quality_score = Some(0.95);
    full.cost_usd = Some("123456789012345678.03450025".parse().unwrap());
    full.tokens_input = Some(u64::MAX);
    full.tags = serde_json::from_str(r#"{"key": [1.5e300, -9223372036854775808, "\\u0000", "a\nb"]}"#).unwrap();
    let mut exact = record(2);
    exact.timestamp_end = Some(time("2026-02-14T14:23:01.251007Z"));
    place.append(&[full, exact]);
    assert_eq!(place.ship().records, 2);
    let id = "00000000-0000-0000-0000-00000000000";
    assert_eq!(
        place.ask(ROW),
        [
            format!(
                "{id}1|c-1|s\t1\n\\N|agent-research|Research \"skills\" | `now`|2026-02-14 14:23:00.25|\
                 2026-02-14 14:23:01.251|1001|error|API timeout|Timeout|0.95|1"
            ),
            format!("{id}2|-|-|publish|-|2026-02-14 14:23:00.25|2026-02-14 14:23:01.251007|1001|success|-|-|-|2"),
        ]
    );
    let of = |what: &str| place.ask(&format!("SELECT {what} FROM agent_execution_logs WHERE ledger_seq = 1")).remove(0);
    assert_eq!(of("metadata->>'cost_usd'"), "123456789012345678.03450025");
    assert_eq!(of("metadata->>'tokens_input'"), "18446744073709551615");
    assert_eq!(of("metadata->'run'->>'task_id'"), "1.1");
    assert_eq!(of("metadata->'tags'->'key'->>1"), "-9223372036854775808");
    assert_eq!(of("metadata->'tags'->'key'->>2"), "\\u0000");
    assert_eq!(of("(metadata->'tags'->'key'->>0)::float8::text"), "1.5e+300");
    assert_eq!(of("(metadata ? 'execution_id' OR metadata ? 'hash' OR metadata ? 'tokens_used')::text"), "false");
    let least = "SELECT metadata::text FROM agent_execution_logs WHERE ledger_seq = 2";
    assert_eq!(
        place.ask(least),
        ["{\"tags\": {}, \"status\": \"success\", \"operator\": \"human\", \"skill_name\": \"publish\", \
          \"environment\": \"prod\", \"skill_version\": \"1.0.0\", \"timestamp_end\": \"2026-02-14T14:23:01.251007Z\", \
          \"execution_failed\": false, \"wall_clock_time_ms\": 1001, \"execution_succeeded\": true}"]
    );
}

#[test]
fn the_duration_and_the_agent_come_from_what_the_record_has() {
    let Some(place) = Place::new("derived") else { return };
    let without = |id, end: Option<&str>| {
        let mut record = record(id);
        (record.wall_clock_time_ms, record.timestamp_end) = (None, end.map(time));
        record
    };
    let mut both = record(1);
    (both.wall_clock_time_ms, both.run.agent_name) = (Some(7), Some("agent-research".into()));
    let mut nameless = without(4, Some("2026-02-14T14:22:00Z"));
    nameless.skill_name = String::new();
    place.write(&[both, without(2, Some("2026-02-14T14:23:02Z")), without(3, None), nameless]);
    assert_eq!(place.ship().records, 4);
    let rows = "SELECT concat_ws('|', coalesce(agent_name, '-'), coalesce(duration_ms::text, '-'))
        FROM agent_execution_logs ORDER BY ledger_seq";
    let expected = ["agent-research|7", "publish|1750", "publish|-", "-|-"];
    assert_eq!(place.ask(rows), expected);
    // Version 1 left what the record did not have null.
    let as_before = "UPDATE agent_execution_logs SET agent_name = NULL, duration_ms = NULL WHERE ledger_seq > 1;
        COMMENT ON TABLE runledger_shipments IS NULL";
    place.database.client().batch_execute(as_before).unwrap();
    assert_eq!(
        place.refused().to_string(),
        "cannot check the tables: found version 1 of the tables; expected version 2. Upgrade them with `runledger pg \
         migrate`, or with `runledger pg ship --migrate`, which then ships the records"
    );
    let status = || place.sink().status(&mut Follower::open(place.path()).unwrap()).unwrap();
    assert_eq!((status().schema, status().behind), (Some(1), 0));
    place.sink().migrate().unwrap();
    assert_eq!((place.ask(rows), place.ship().records), (expected.map(str::to_owned).into(), 0));
    assert_eq!(status().schema, Some(Sink::SCHEMA_VERSION));
}

#[test]
fn the_tables_of_a_newer_version_are_refused() {
    let Some(place) = Place::new("newer") else { return };
    place.append(&[record(1)]);
    place.database.client().batch_execute("COMMENT ON TABLE runledger_shipments IS 'runledger schema 99'").unwrap();
    let mut ledger = Follower::open(place.path()).unwrap();
    let errors = [
        place.sink().migrate().unwrap_err(),
        place.sink().status(&mut ledger).unwrap_err(),
        place.sink().ship(&mut ledger, &[]).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Newer);
        assert_eq!(
            error.to_string(),
            "cannot use the tables: found version 99 of the tables; expected at most 2. Use a newer runledger"
        );
    }
    assert_eq!(place.ask("SELECT count(*)::text FROM agent_execution_logs"), ["0"]);
}

#[test]
fn each_status_becomes_one_of_the_column_or_unknown() {
    let Some(place) = Place::new("status") else { return };
    let mut records = Vec::new();
    for (at, status) in
        ["success", "failed", "cancelled", "interrupted", "panicked", "paused", "deferred"].iter().enumerate()
    {
        let mut record = record(at as u128 + 1);
        record.set_status(Status::from(*status));
        records.push(record);
    }
    let mut without_status = record(8);
    without_status.status = None;
    without_status.execution_succeeded = Some(false);
    without_status.execution_failed = Some(true);
    records.push(without_status);
    place.write(&records);
    place.ship();
    assert_eq!(
        place.ask(
            "SELECT concat_ws('|', metadata->>'status', coalesce(status, '-'), coalesce(error_type, '-'),
             completed_at IS NULL) FROM agent_execution_logs ORDER BY ledger_seq"
        ),
        [
            "success|success|-|f",
            "failed|error|-|f",
            "cancelled|cancelled|-|f",
            "interrupted|error|interrupted|f",
            "panicked|error|panicked|f",
            "paused|in_progress|-|t",
            "deferred|-|-|f",
            "error|-|f",
        ]
    );
}

#[test]
fn what_postgresql_cannot_hold_is_replaced_and_counted() {
    let Some(place) = Place::new("awkward") else { return };
    let mut nul = record(1);
    nul.run.description = Some("a\0b".into());
    nul.tags = serde_json::from_str(r#"{"k\u0000": ["\u0000\u0000", "\\\u0000\\u0000"]}"#).unwrap();
    let mut long = record(2);
    long.run.agent_name = Some("\u{10ffff}".repeat(600));
    long.run.correlation_id = Some("é".repeat(500));
    long.wall_clock_time_ms = Some(u64::MAX);
    let mut first_year = record(3);
    first_year.timestamp_start = time("0000-01-01T00:00:00.001Z");
    first_year.timestamp_end = Some(time("9999-12-31T23:59:59.999Z"));
    place.append(&[nul, long, first_year]);
    assert_eq!(place.ship().records, 3);
    let of = |seq: u32, what: &str| {
        place.ask(&format!("SELECT ({what})::text FROM agent_execution_logs WHERE ledger_seq = {seq}")).remove(0)
    };
    assert_eq!(of(1, "user_prompt"), "a␀b");
    // One NUL is in the column, one in the group `run`, and four in the tags.
    assert_eq!(of(1, "metadata->'nul_replaced'"), "6");
    assert_eq!(of(1, "metadata->'tags'"), r#"{"k␀": ["␀␀", "\\␀\\u0000"]}"#);
    assert_eq!(of(2, "metadata ? 'nul_replaced'"), "false");
    assert_eq!(of(2, "agent_name"), "\u{10ffff}".repeat(499) + "…");
    assert_eq!(of(2, "metadata->'run'->>'agent_name'"), "\u{10ffff}".repeat(600));
    assert_eq!(of(2, "correlation_id"), "é".repeat(500));
    assert_eq!(of(2, "concat(duration_ms, metadata->'wall_clock_time_ms')"), "18446744073709551615");
    assert_eq!(of(3, "started_at AT TIME ZONE 'UTC'"), "0001-01-01 00:00:00.001 BC");
    assert_eq!(of(3, "completed_at AT TIME ZONE 'UTC'"), "9999-12-31 23:59:59.999");
}

#[test]
fn shipping_again_ships_what_is_new_and_nothing_twice() {
    let Some(place) = Place::new("again") else { return };
    assert_eq!(status(&place), None);
    place.append(&[record(1), record(2)]);
    assert_eq!((place.ship().records, place.ship().records), (2, 0));
    place.append(&[record(3)]);
    assert_eq!(status(&place), Some((2, 3, 1)));
    assert_eq!(place.ship().records, 1);
    assert_eq!(status(&place), Some((3, 3, 0)));
    assert_eq!(place.ask("SELECT count(*)::text FROM agent_execution_logs"), ["3"]);
}

/// Returns the shipped line, the head, and how many lines are behind; `None` if there is no ledger.
fn status(place: &Place) -> Option<(u64, u64, u64)> {
    let mut ledger = Follower::open(place.path()).ok()?;
    let status = place.sink().status(&mut ledger).unwrap();
    Some((status.shipped.unwrap().seq, status.head.unwrap().seq, status.behind))
}

#[test]
fn two_ledgers_share_a_database() {
    let Some(one) = Place::new("two") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.jsonl");
    one.append(&[record(1), record(2)]);
    assert!(matches!(Ledger::open(&path).unwrap().append(&record(3)).unwrap(), Answer::Durable { .. }));
    one.ship();
    assert_eq!(one.sink().ship(&mut Follower::open(&path).unwrap(), &[]).unwrap().records, 1);
    assert_eq!(one.ship().records, 0);
    let each = "SELECT string_agg(ledger_seq::text, ',' ORDER BY ledger_seq) FROM agent_execution_logs
        GROUP BY ledger_id ORDER BY count(*)";
    assert_eq!(one.ask(each), ["1", "1,2"]);
    assert_eq!(one.ask("SELECT count(*)::text FROM runledger_shipments"), ["2"]);
}

#[test]
fn one_in_flight_becomes_final_and_never_an_older_state_again() {
    let Some(place) = Place::new("in_flight") else { return };
    place.append(&[record(1)]);
    let mut begun = ExecutionMetrics::new(Uuid::from_u128(2), "publish", "1.0.0", time("2026-02-14T14:23:00Z"));
    let state = || {
        place.ask(
            "SELECT concat_ws('|', status, metadata->'progress'->>'stage', coalesce(ledger_seq::text, '-'),
             completed_at IS NULL) FROM agent_execution_logs WHERE ledger_seq IS DISTINCT FROM 1",
        )
    };
    assert_eq!(place.ship_with(std::slice::from_ref(&begun)).in_progress, 1);
    assert_eq!(state(), ["in_progress|-|t"]);
    begun.progress = Some(Progress::new("analyzing", time("2026-02-14T14:23:01Z")));
    // The record of an execution that has ended since the record was read.
    let mut old = record(1);
    old.timestamp_end = None;
    place.ship_with(&[begun.clone(), old]);
    assert_eq!(state(), ["in_progress|analyzing|-|t"]);
    place.append(&[record(2)]);
    place.ship_with(&[begun.clone()]);
    assert_eq!(state(), ["success|2|f"]);
    place.ship_with(&[begun]);
    assert_eq!(state(), ["success|2|f"]);
    assert_eq!(place.ask("SELECT status FROM agent_execution_logs WHERE ledger_seq = 1"), ["success"]);
}

#[test]
fn of_an_execution_with_several_lines_the_last_one_counts() {
    let Some(place) = Place::new("several") else { return };
    let mut paused = record(1);
    paused.set_status(Status::Paused);
    place.append(&[paused.clone(), record(1), record(2)]);
    assert_eq!(place.ship().records, 3);
    let rows = "SELECT concat_ws('|', ledger_seq, status) FROM agent_execution_logs ORDER BY ledger_seq";
    assert_eq!(place.ask(rows), ["2|success", "3|success"]);
}

/// The first line of each execution says that it was interrupted, and a later line how it ended. Some of these lines
/// are in another batch than the first, or were shipped by another call.
#[test]
fn an_id_that_occurs_twice_is_one_row_with_its_last_line() {
    let Some(place) = Place::new("repeated") else { return };
    const IDS: u64 = 2_600;
    let mut records: Vec<_> = (1..=IDS).map(|id| record(id.into())).collect();
    let ended = records.clone();
    records.iter_mut().for_each(|record| record.set_status(Status::Interrupted));
    // The last line occurs twice, with two numbers.
    records.extend(ended.iter().chain(ended.last()).cloned());
    place.write(&records[..10]);
    assert_eq!(place.ship().records, 10);
    let last = place.write(&records);
    assert_eq!(place.ship().records, IDS * 2 + 1 - 10);
    let rows = "SELECT concat_ws('|', count(*), count(DISTINCT execution_id), min(ledger_seq), max(ledger_seq))
        FROM agent_execution_logs WHERE status = ";
    assert_eq!(place.ask(&format!("{rows}'success'")), ["2600|2600|2601|5201"]);
    assert_eq!(place.ask(&format!("{rows}'error'")), ["0|0"]);
    // A line that is repeated with the same number does not count as behind, and is not copied again.
    let mut file = std::fs::OpenOptions::new().append(true).open(place.path()).unwrap();
    file.write_all(last.as_bytes()).unwrap();
    for _ in 0..2 {
        assert_eq!((place.ship().records, status(&place)), (0, Some((5_201, 5_201, 0))));
    }
    assert_eq!(place.ask(&format!("{rows}'success'")), ["2600|2600|2601|5201"]);
}

#[test]
fn a_cut_ledger_is_refused_with_both_heads() {
    let Some(place) = Place::new("cut") else { return };
    place.append(&[record(1), record(2), record(3)]);
    let head = Ledger::open(place.path()).unwrap().head().unwrap();
    place.ship();
    let text = std::fs::read_to_string(place.path()).unwrap();
    let two: String = text.split_inclusive('\n').take(2).collect();
    std::fs::write(place.path(), &two).unwrap();
    let error = place.refused();
    assert_eq!(error.kind(), ErrorKind::Diverged);
    let hash_of_two = &two.trim_end()[two.len() - 67..][..64];
    assert_eq!(
        error.details(),
        [format!(
            "it was truncated or rewritten: the last copied line is line 3 with hash {}, but ledger {} ends with line \
             2 with hash {hash_of_two}",
            head.hash, head.ledger
        )]
    );
    assert_eq!(place.ask("SELECT count(*)::text FROM agent_execution_logs"), ["3"]);
}

#[test]
fn a_rewritten_ledger_is_refused_also_when_it_is_longer() {
    let Some(place) = Place::new("rewritten") else { return };
    let identity = place.path().with_extension("ledger").join("ledger.json");
    place.append(&[record(1), record(2)]);
    let kept = std::fs::read(&identity).unwrap();
    place.ship();
    std::fs::remove_file(place.path()).unwrap();
    std::fs::remove_dir_all(place.path().with_extension("ledger")).unwrap();
    place.append(&[record(1), record(4), record(5)]);
    std::fs::write(&identity, kept).unwrap();
    let error = place.refused();
    assert_eq!(error.kind(), ErrorKind::Diverged);
    assert!(error.to_string().contains("has line 2 with hash "), "{error}");
    assert_eq!(place.ask("SELECT count(*)::text FROM agent_execution_logs"), ["2"]);
    // As the documentation says.
    place.database.client().batch_execute("DELETE FROM agent_execution_logs; DELETE FROM runledger_shipments").unwrap();
    assert_eq!(place.ship().records, 3);
}

#[test]
fn a_line_that_is_not_a_record_or_was_edited_is_named_and_skipped() {
    let Some(place) = Place::new("foreign_line") else { return };
    place.append(&[record(1), record(2), record(3)]);
    let text = std::fs::read_to_string(place.path()).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let edited = lines[1].replace("publish", "PUBLISH");
    std::fs::write(place.path(), [lines[0], "no record\n", &edited, lines[2]].concat()).unwrap();
    let shipped = place.ship();
    assert_eq!((shipped.records, shipped.skipped.count()), (2, 2));
    let named: Vec<_> = shipped.skipped.errors().iter().map(|error| error.line().unwrap()).collect();
    assert_eq!(named, [2, 3]);
    assert_eq!(place.ask("SELECT ledger_seq::text FROM agent_execution_logs ORDER BY 1"), ["1", "3"]);
}

#[test]
fn a_foreign_table_of_that_name_is_left_alone_and_its_columns_are_named() {
    let Some(database) = Database::new("foreign") else { return };
    let create = "CREATE TABLE agent_execution_logs (execution_id text, status integer, owner text NOT NULL)";
    database.client().batch_execute(create).unwrap();
    let error = sink(&database.url).migrate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Database);
    let text = error.to_string();
    for part in [
        "found the column execution_id of type text; expected uuid",
        "found no column correlation_id; expected one",
        "found the column status of type integer; expected text",
        "found the column owner, which needs a value; records have no value for it",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(
        database.ask("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"),
        ["agent_execution_logs"]
    );
}

#[test]
fn without_the_tables_a_ship_fails_and_says_what_to_do() {
    let Some(database) = Database::new("unmade") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.jsonl");
    drop(Ledger::open(&path).unwrap());
    let error = sink(&database.url).ship(&mut Follower::open(&path).unwrap(), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot check the table agent_execution_logs: found no such table. Create it with `runledger pg migrate`, or with \
         `runledger pg ship --migrate`, which then ships the records"
    );
}

#[test]
fn queries_by_correlation_session_agent_status_and_time_have_an_index() {
    let Some(place) = Place::new("indexes") else { return };
    // The second migration creates nothing.
    place.sink().migrate().unwrap();
    let columns = "SELECT regexp_replace(indexdef, '.*USING ', '') FROM pg_indexes
        WHERE tablename = 'agent_execution_logs' ORDER BY 1";
    assert_eq!(
        place.ask(columns),
        [
            "btree (agent_name, started_at)",
            "btree (correlation_id)",
            "btree (execution_id)",
            "btree (session_id)",
            "btree (started_at)",
            "btree (status, started_at)",
        ]
    );
}

#[test]
fn an_error_within_a_batch_leaves_nothing_of_it_and_the_next_ship_brings_all() {
    let Some(place) = Place::new("refusing") else { return };
    place.append(&[record(1), record(2)]);
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
        CREATE TRIGGER refuse AFTER INSERT ON runledger_shipments EXECUTE FUNCTION refuse()";
    place.database.client().batch_execute(refuse).unwrap();
    let warned = Arc::new(Mutex::new(0));
    let count = Arc::clone(&warned);
    let options = SinkOptions::new().retry_for(Some(Duration::from_millis(700)));
    let options = options.on_warning(move |_| *count.lock().unwrap() += 1);
    let mut sink = Sink::new(&place.database.url, options).unwrap();
    let error = sink.ship(&mut Follower::open(place.path()).unwrap(), &[]).unwrap_err();
    assert_eq!(error.to_string(), "cannot store the last shipped line: no space left (SQLSTATE 53100)");
    assert!(*warned.lock().unwrap() >= 2, "it was not retried");
    assert_eq!(place.ask("SELECT count(*)::text FROM agent_execution_logs"), ["0"]);
    place.database.client().batch_execute("DROP TRIGGER refuse ON runledger_shipments").unwrap();
    // The same sink continues, and reads the lines of the transaction that was rolled back again.
    assert_eq!(sink.ship(&mut Follower::open(place.path()).unwrap(), &[]).unwrap().records, 2);
}

#[test]
fn shippers_of_one_ledger_share_the_work() {
    let Some(place) = Place::new("shippers") else { return };
    let ledger = runledger::Options::new().durability(runledger::Durability::Flushed).open(place.path()).unwrap();
    for id in 1..=6_000 {
        ledger.append(&record(id)).unwrap();
    }
    let total: u64 = std::thread::scope(|scope| {
        let shippers: Vec<_> = (0..3).map(|_| scope.spawn(|| place.ship().records)).collect();
        shippers.into_iter().map(|shipper| shipper.join().unwrap()).sum()
    });
    assert_eq!(total, 6_000, "each record was counted by one of them");
    assert_eq!(place.ask("SELECT count(*)::text FROM agent_execution_logs"), ["6000"]);
}

#[test]
fn a_slow_statement_is_cancelled_after_the_time_limit() {
    let Some(place) = Place::new("slow") else { return };
    place.append(&[record(1)]);
    let mut blocker = place.database.client();
    blocker.batch_execute("BEGIN; LOCK TABLE agent_execution_logs IN ACCESS EXCLUSIVE MODE").unwrap();
    let options = SinkOptions::new().statement_timeout(Duration::from_millis(200)).retry_for(Some(Duration::ZERO));
    let mut sink = Sink::new(&place.database.url, options).unwrap();
    let error = sink.ship(&mut Follower::open(place.path()).unwrap(), &[]).unwrap_err();
    assert!(error.to_string().ends_with("canceling statement due to statement timeout (SQLSTATE 57014)"), "{error}");
    blocker.batch_execute("ROLLBACK").unwrap();
    assert_eq!(place.ship().records, 1);
}

/// The row of a redacted line is written again, and the statement has a row of its own.
#[test]
fn the_row_of_a_redacted_line_is_written_again() {
    use runledger::ledger::Redact;
    let Some(place) = Place::new("redacted") else { return };
    let mut secret = record(1);
    secret.set_status(Status::Failed);
    secret.set_error_reason("refused: hunter2-correct-horse");
    place.append(&[secret.clone(), record(2)]);
    assert_eq!(place.ship().records, 2);
    let wanted = Redact::new("error_reason", "ann", "a password").text("hunter2-correct-horse");
    let ledger = Ledger::open(place.path()).unwrap();
    ledger.redact(secret.execution_id, &wanted).unwrap();
    assert_eq!(place.ship().records, 1);
    assert_eq!(place.ship().records, 0);
    let all = "SELECT concat_ws('|', ledger_seq, agent_name, coalesce(error_message, '-'), metadata::text)
        FROM agent_execution_logs ORDER BY ledger_seq";
    let rows = place.ask(all);
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows[0].starts_with("1|publish|refused: [redacted:by-hand:"), "{rows:?}");
    assert!(rows[2].starts_with("3|runledger.redact|-|"), "{rows:?}");
    assert!(!format!("{rows:?}").contains("hunter2"), "{rows:?}");

    // A database without rows gets only the redacted line.
    place.ask("DELETE FROM agent_execution_logs");
    place.ask("DELETE FROM runledger_shipments");
    assert_eq!(place.ship().records, 3);
    assert_eq!(place.ask(all), rows);
}
