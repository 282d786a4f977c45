//! Batches. A batch has the rows that one transaction writes, and the position of the last ledger line that was read
//! for them.

use uuid::Uuid;

use super::ShippedLedger;
use super::client::{Client, Failed, Row};
use super::redaction::{self, StatedLine};
use super::row::{self, COLUMNS};
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::journal::{Follower, Place};
use crate::metrics::ExecutionMetrics;

/// The maximum number of rows in a transaction.
const ROWS_MAX: u64 = 5_000;
/// No more rows are added to a transaction once its rows have this many bytes.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Consecutive lines of a ledger, as rows that are committed together.
#[derive(Debug)]
pub(super) struct Batch {
    ledger: Uuid,
    rows: Vec<u8>,
    pub(super) records: u64,
    /// The number of records in the batch whose lines repeat earlier lines with the same numbers. A new segment of the
    /// ledger can repeat lines of the segment before it.
    pub(super) repeated: u64,
    pub(super) skipped: Skipped,
    /// The rows of earlier lines that were redacted after they were shipped, and the number of these rows. The earlier
    /// lines are read again when the line that states the redaction is shipped.
    redacted: (Vec<u8>, u64),
    /// True if the ledger had no more lines.
    pub(super) is_last: bool,
    /// The last line before the batch, or `None` if the batch begins with the first line of the ledger.
    begin: Option<Place>,
    /// The last line of the batch; equal to `begin` if the batch has no lines.
    end: Option<Place>,
}

/// The result of committing a batch.
pub(super) enum Outcome {
    Committed,
    /// The batch was not committed, because it does not begin directly after the last shipped line. The value is the
    /// last shipped line. Another process has shipped lines in the meantime, or an earlier commit of this process has
    /// succeeded although the server did not acknowledge it.
    Moved(Option<Place>),
}

impl Batch {
    /// Reads the next lines.
    pub(super) fn read(ledger: &mut Follower) -> Result<Self> {
        let mut batch = Self {
            ledger: ledger.id(),
            rows: Vec::new(),
            records: 0,
            repeated: 0,
            skipped: Skipped::default(),
            redacted: (Vec::new(), 0),
            is_last: false,
            begin: ledger.last().cloned(),
            end: None,
        };
        while batch.records < ROWS_MAX && batch.rows.len() < BYTES_MAX {
            let before = ledger.last().map_or(0, |last| last.seq);
            let Some(followed) = ledger.next_line()? else {
                batch.is_last = true;
                break;
            };
            let (seq, line) = (followed.seq, &followed.line);
            if line.bytes.is_empty() {
                continue;
            }
            // The column `ledger_seq` has the range of `i64`. A higher `seq` is refused too, but no ledger reaches it.
            let pushed = match (followed.seq, std::str::from_utf8(line.bytes)) {
                (Some(seq), Ok(json)) if i64::try_from(seq).is_ok() => {
                    row::push(&mut batch.rows, json, batch.ledger, Some(seq))
                }
                _ => Err(Error::new(ErrorKind::Malformed, "ship a record")
                    .detail("found a line that does not match its hash; expected the line that was written")),
            };
            match pushed {
                Ok(()) => {
                    batch.records += 1;
                    batch.repeated += u64::from(seq.is_some_and(|seq| seq <= before));
                    if let Some(stated) = redaction::stated(line.bytes) {
                        batch.read_again(ledger, &stated)?;
                    }
                }
                Err(error) => batch.skipped.add(line.locate(error)),
            }
        }
        batch.end = ledger.last().cloned();
        Ok(batch)
    }

    /// Reads the lines that a redaction has changed, and adds their rows. A line that was moved to an archive is not
    /// found, so its row has to be deleted by hand.
    fn read_again(&mut self, ledger: &Follower, stated: &[StatedLine]) -> Result<()> {
        for StatedLine { seq, segment } in stated {
            let Some(line) = ledger.line(*segment, *seq)? else { continue };
            if let Ok(json) = std::str::from_utf8(&line)
                && row::push(&mut self.redacted.0, json, self.ledger, Some(*seq)).is_ok()
            {
                self.redacted.1 += 1;
            }
        }
        Ok(())
    }

    /// Returns true if the whole batch is in the database, given that all lines up to `last` were shipped.
    pub(super) fn is_behind(&self, last: Option<&Place>) -> bool {
        self.end.as_ref().map(|end| end.seq) <= last.map(|last| last.seq)
    }

    /// Writes the rows, and the last line of the batch as the last shipped line, in one transaction.
    pub(super) fn commit(&self, client: &mut Client) -> Result<Outcome, Failed> {
        if self.records == 0 && self.begin == self.end {
            return Ok(Outcome::Committed);
        }
        let key = self.ledger.as_u64_pair();
        let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({})", (key.0 ^ key.1).cast_signed());
        // The lock is released at the end of the transaction. So the next process that acquires the lock sees the rows
        // that this process committed.
        client.run("begin a shipment", &lock)?;
        let last = last(client, self.ledger)?;
        if last != self.begin {
            client.run("end a shipment", "ROLLBACK")?;
            return Ok(Outcome::Moved(last));
        }
        if self.records > 0 {
            upsert(client, &self.rows, self.records)?;
        }
        if self.redacted.1 > 0 {
            upsert(client, &self.redacted.0, self.redacted.1)?;
        }
        if let Some(reached) = self.end.as_ref().filter(|_| self.begin != self.end) {
            store(client, self.ledger, reached)?;
        }
        client.run("commit a shipment", "COMMIT")?;
        Ok(Outcome::Committed)
    }
}

/// Writes the rows of the executions in flight, and returns their number.
pub(super) fn in_flight(client: &mut Client, ledger: Uuid, records: &[ExecutionMetrics]) -> Result<u64, Failed> {
    if records.is_empty() {
        return Ok(0);
    }
    let mut rows = Vec::new();
    for record in records {
        row::push(&mut rows, &record.to_json()?, ledger, None)?;
    }
    let count = records.len() as u64;
    client.run("begin a shipment", "BEGIN")?;
    upsert(client, &rows, count)?;
    client.run("commit a shipment", "COMMIT")?;
    Ok(count)
}

/// Returns the last line of the ledger that was shipped, or `None` if no line was shipped yet.
pub(super) fn last(client: &mut Client, ledger: Uuid) -> Result<Option<Place>, Failed> {
    let sql = "SELECT seq, hash, segment, byte, line FROM runledger_shipments WHERE ledger_id = $1";
    let rows = client.rows("read the last shipment", sql, &[&ledger])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let number = |at: usize| row.get::<_, i64>(at).cast_unsigned();
    Ok(Some(Place::new(number(0), row.get::<_, String>(1), number(2), number(3), number(4))))
}

/// Returns the last shipped line of each ledger. The ledger that was shipped last comes last.
pub(super) fn all(client: &mut Client) -> Result<Vec<ShippedLedger>, Failed> {
    let sql = "SELECT ledger_id, seq, hash, to_char(shipped_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')
        FROM runledger_shipments ORDER BY shipped_at, ledger_id";
    let ledger = |row: &Row| {
        let shipped_at = row.get::<_, String>(3).parse()?;
        let seq = row.get::<_, i64>(1).cast_unsigned();
        Ok(ShippedLedger { ledger: row.get(0), seq, hash: row.get(2), shipped_at })
    };
    client.rows("read the last shipments", sql, &[])?.iter().map(ledger).collect()
}

fn store(client: &mut Client, ledger: Uuid, reached: &Place) -> Result<(), Failed> {
    let sql =
        "INSERT INTO runledger_shipments (ledger_id, seq, hash, segment, byte, line) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (ledger_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, segment = excluded.segment,
            byte = excluded.byte, line = excluded.line, shipped_at = now()";
    // PostgreSQL has no unsigned integers. A number above the range of `i64` is stored as a negative number, and `last`
    // converts it back.
    let [seq, segment, byte, line] = [reached.seq, reached.segment, reached.byte, reached.line].map(u64::cast_signed);
    client.rows("store the last shipped line", sql, &[&ledger, &seq, &reached.hash, &segment, &byte, &line])?;
    Ok(())
}

/// Copies the rows to a temporary table, and from there into `agent_execution_logs`. A new row replaces the row of an
/// earlier line. It also replaces the row of the same line, if a text was taken out of the line after it was shipped.
fn upsert(client: &mut Client, rows: &[u8], count: u64) -> Result<(), Failed> {
    let names = COLUMNS.map(|(name, _)| name).join(", ");
    client.run(
        "stage the rows",
        &format!(
            "CREATE TEMPORARY TABLE runledger_staging ON COMMIT DROP AS SELECT {names} FROM agent_execution_logs \
             WITH NO DATA"
        ),
    )?;
    let staged = client.copy("stage the rows", &format!("COPY runledger_staging ({names}) FROM STDIN"), rows)?;
    if staged != count {
        return Err(Error::new(ErrorKind::Database, "stage the rows")
            .detail(format!("found {staged} rows stored; expected {count}"))
            .into());
    }
    let set = COLUMNS[1..].iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect::<Vec<_>>().join(", ");
    let of = |row: &str| COLUMNS.map(|(name, _)| format!("{row}.{name}")).join(", ");
    let (kept, excluded) = (of("kept"), of("excluded"));
    // A batch can have several lines with the same `execution_id`. The last one is used. The rows are sorted by
    // `execution_id`. So if two ledgers contain the same executions, the processes that ship them lock the rows in the
    // same order and do not deadlock.
    client.run(
        "insert the rows",
        &format!(
            "INSERT INTO agent_execution_logs AS kept ({names})
             SELECT DISTINCT ON (execution_id) {names} FROM runledger_staging
             ORDER BY execution_id, ledger_seq DESC NULLS LAST
             ON CONFLICT (execution_id) DO UPDATE SET {set}
             WHERE CASE
                 WHEN kept.ledger_seq IS NOT NULL
                     THEN kept.ledger_id = excluded.ledger_id AND (kept.ledger_seq < excluded.ledger_seq
                         OR kept.ledger_seq = excluded.ledger_seq AND ({kept}) IS DISTINCT FROM ({excluded}))
                 WHEN excluded.ledger_seq IS NOT NULL THEN true
                 ELSE kept.metadata IS DISTINCT FROM excluded.metadata
             END"
        ),
    )?;
    client.run("stage the rows", "DROP TABLE runledger_staging")
}
