//! Creates the tables, and checks the columns of existing ones.

use super::client::{Client, Failed};
use super::row::COLUMNS;
use crate::error::{Error, ErrorKind};

const SHIPMENTS: [(&str, &str); 7] = [
    ("ledger_id", "uuid"),
    ("seq", "bigint"),
    ("hash", "text"),
    ("segment", "bigint"),
    ("byte", "bigint"),
    ("line", "bigint"),
    ("shipped_at", "timestamp with time zone"),
];

const LOGS: &str = "
CREATE TABLE IF NOT EXISTS agent_execution_logs (
    execution_id    uuid PRIMARY KEY,
    correlation_id  text,
    session_id      text,
    agent_name      text,
    user_prompt     text,
    started_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    duration_ms     bigint,
    status          text CHECK (status IN ('in_progress', 'success', 'error', 'cancelled')),
    error_message   text,
    error_type      text,
    quality_score   double precision,
    metadata        jsonb NOT NULL,
    ledger_id       uuid NOT NULL,
    ledger_seq      bigint
);
CREATE TABLE IF NOT EXISTS runledger_shipments (
    ledger_id   uuid PRIMARY KEY,
    seq         bigint NOT NULL,
    hash        text NOT NULL,
    segment     bigint NOT NULL,
    byte        bigint NOT NULL,
    line        bigint NOT NULL,
    shipped_at  timestamptz NOT NULL DEFAULT now()
);";

/// The version of the tables that this version of the crate writes to. Version 1 left `agent_name` and `duration_ms`
/// null if the record had no `run.agent_name` and no `wall_clock_time_ms`.
pub(super) const VERSION: u32 = 2;

/// The comment on the table `runledger_shipments` is this text and the version. Version 1 had no comment.
const COMMENT: &str = "runledger schema ";

/// Fills the columns that version 1 left null. A text is truncated as in [`row`](super::row).
const FILL: &str = "
UPDATE agent_execution_logs SET
    agent_name = coalesce(agent_name, CASE WHEN length(metadata->>'skill_name') <= 500
        THEN nullif(metadata->>'skill_name', '') ELSE left(metadata->>'skill_name', 499) || '…' END),
    duration_ms = CASE WHEN duration_ms IS NULL AND NOT metadata ? 'wall_clock_time_ms' AND completed_at >= started_at
        THEN floor(extract(epoch FROM completed_at - started_at) * 1000) ELSE duration_ms END
WHERE agent_name IS NULL OR duration_ms IS NULL";

/// The indexes are for queries by correlation, session, agent, status and time.
const INDEXES: [&str; 5] = [
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_correlation ON agent_execution_logs (correlation_id)",
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_session ON agent_execution_logs (session_id)",
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_agent ON agent_execution_logs (agent_name, started_at)",
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_status ON agent_execution_logs (status, started_at)",
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_started ON agent_execution_logs (started_at)",
];

/// Creates the missing tables and indexes, and upgrades the tables of an earlier version, in one transaction.
pub(super) fn migrate(client: &mut Client) -> Result<(), Failed> {
    // Even with IF NOT EXISTS, one of two sessions that create the same table at the same time can fail. So each
    // session first waits for a lock.
    client.run("create the tables", "BEGIN; SELECT pg_advisory_xact_lock(hashtext('runledger migrate'))")?;
    client.run("create the tables", LOGS)?;
    check_columns(client)?;
    if version(client)?.is_some_and(|version| version < VERSION) {
        client.run("fill the columns of earlier rows", FILL)?;
        client.run("upgrade the tables", &format!("COMMENT ON TABLE runledger_shipments IS '{COMMENT}{VERSION}'"))?;
    }
    // An index over many rows takes long to create. Each index has its own statement, so that the timeout of a
    // statement covers only one index.
    INDEXES.iter().try_for_each(|index| client.run("create the indexes", index))?;
    client.run("create the indexes", "COMMIT")
}

/// Fails if a table is missing, if its columns are not the expected ones, or if the tables have another version.
pub(super) fn check(client: &mut Client) -> Result<(), Failed> {
    match version(client)? {
        Some(found) if found < VERSION => {
            let old = Error::new(ErrorKind::Database, "check the tables");
            let found =
                format!("found version {found} of the tables; expected version {VERSION}. Upgrade them with {HOW}");
            Err(old.detail(found).into())
        }
        _ => check_columns(client),
    }
}

/// How to create or upgrade the tables.
const HOW: &str = "`runledger pg migrate`, or with `runledger pg ship --migrate`, which then ships the records";

/// Returns the version of the tables, or `None` if the table `runledger_shipments` does not exist.
///
/// # Errors
/// Fails with [`ErrorKind::Newer`] if a newer version of this crate upgraded the tables.
pub(super) fn version(client: &mut Client) -> Result<Option<u32>, Failed> {
    let rows = client.rows(
        "check the tables",
        "SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE oid = to_regclass('runledger_shipments')",
        &[],
    )?;
    let Some(row) = rows.first() else { return Ok(None) };
    let comment: Option<String> = row.get(0);
    let version = comment.as_deref().and_then(|comment| comment.strip_prefix(COMMENT)?.parse().ok()).unwrap_or(1);
    if version > VERSION {
        let newer = Error::new(ErrorKind::Newer, "use the tables");
        let found = format!("found version {version} of the tables; expected at most {VERSION}. Use a newer runledger");
        return Err(newer.detail(found).into());
    }
    Ok(Some(version))
}

/// Fails if a table is missing, or if its columns are not the expected ones.
pub(super) fn check_columns(client: &mut Client) -> Result<(), Failed> {
    check_table(client, "agent_execution_logs", &COLUMNS)?;
    check_table(client, "runledger_shipments", &SHIPMENTS)
}

fn check_table(client: &mut Client, table: &str, expected: &[(&str, &str)]) -> Result<(), Failed> {
    let columns = client.rows(
        "check the tables",
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef AND attidentity = ''
         FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        &[&table],
    )?;
    let columns: Vec<(String, String, bool)> = columns.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let operation = format!("check the table {table}");
    if columns.is_empty() {
        let missing = Error::new(ErrorKind::Database, operation);
        return Err(missing.detail(format!("found no such table. Create it with {HOW}")).into());
    }
    let mut found = Vec::new();
    for (name, wanted) in expected {
        match columns.iter().find(|(column, ..)| column == name) {
            None => found.push(format!("found no column {name}; expected one")),
            Some((_, kind, _)) if kind != wanted => {
                found.push(format!("found the column {name} of type {kind}; expected {wanted}"));
            }
            Some(_) => {}
        }
    }
    for (column, _, needed) in &columns {
        if *needed && !expected.iter().any(|(name, _)| name == column) {
            found.push(format!("found the column {column}, which needs a value; records have no value for it"));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    found.push("the table belongs to another program. Use another schema (search_path) or database".to_owned());
    Err(found.into_iter().fold(Error::new(ErrorKind::Database, operation), Error::detail).into())
}
