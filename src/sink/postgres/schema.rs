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

/// The indexes are for queries by correlation, session, agent, status and time.
const INDEXES: [&str; 5] = [
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_correlation ON agent_execution_logs (correlation_id)",
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_session ON agent_execution_logs (session_id)",
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_agent ON agent_execution_logs (agent_name, started_at)",
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_status ON agent_execution_logs (status, started_at)",
    "CREATE INDEX IF NOT EXISTS agent_execution_logs_started ON agent_execution_logs (started_at)",
];

/// Creates the missing tables and indexes, all or none of them.
pub(super) fn migrate(client: &mut Client) -> Result<(), Failed> {
    // Even with IF NOT EXISTS, one of two sessions that create the same table at the same time can fail. So each
    // session first waits for a lock.
    client.run("create the tables", "BEGIN; SELECT pg_advisory_xact_lock(hashtext('runledger migrate'))")?;
    client.run("create the tables", LOGS)?;
    check(client)?;
    // Each index has its own statement, since the timeout is per statement, and an index over many rows takes long to
    // create.
    INDEXES.iter().try_for_each(|index| client.run("create the indexes", index))?;
    client.run("create the indexes", "COMMIT")
}

/// Fails if a table is missing, or if its columns are not the expected ones.
pub(super) fn check(client: &mut Client) -> Result<(), Failed> {
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
        return Err(missing.detail("found no such table. Create it with `runledger pg migrate`").into());
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
