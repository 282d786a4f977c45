//! Records in PostgreSQL: store and forward, so that a database that is away, slow, full or gone never meets an execution.
//!
//! [`Sink::ship`] copies a ledger's new records into the table `agent_execution_logs`, one row an execution. Which line of
//! which ledger came last stands in the table `runledger_shipments`, and changes in the transaction that brings the rows:
//! so each record is there once, whatever ends a shipper or the server in the middle, and however many shippers there are.
//! Any number of ledgers share a database.
//!
//! # The row
//!
//! | column | what of the record |
//! |---|---|
//! | `execution_id` | `execution_id`, the primary key |
//! | `correlation_id`, `session_id`, `agent_name` | of `run`; cut to 500 characters, the last one `…`, since an index has no room for more |
//! | `user_prompt` | `run.description` |
//! | `started_at`, `completed_at` | `timestamp_start` and `timestamp_end`, to the millisecond; `completed_at` is null while in progress |
//! | `duration_ms` | `wall_clock_time_ms`; null also beyond 2⁶³ − 1, which stands in `metadata` |
//! | `status` | `success`; `error` of failed, panicked and interrupted ones; `cancelled`; `in_progress` of those in flight and paused; null when nobody can tell |
//! | `error_message` | `error_reason` |
//! | `error_type` | `error_category`; without one `panicked` or `interrupted`, if it is that |
//! | `quality_score` | `quality_score` |
//! | `metadata` | everything else that is known, `run` as a whole and keys of newer writers too; money and counts are exact |
//! | `ledger_id`, `ledger_seq` | the ledger and the line; `ledger_seq` is null while in flight |
//!
//! What is unknown is null, and absent in `metadata`. PostgreSQL takes no NUL in a text: `␀` (U+2400) stands for each, and
//! `metadata.nul_replaced` says for how many; the ledger has the original.
//!
//! A row of the ledger is replaced only by a later line of the same ledger with the same `execution_id`; one in flight by
//! any of the two. So a final row never becomes an older state.
//!
//! # TLS
//!
//! With the feature `postgres-tls`, by the system's own library. `sslmode` in the address says when:
//!
//! | `sslmode` | |
//! |---|---|
//! | `disable` | never |
//! | `prefer`, the default | when the server offers it, whatever its certificate: whoever could forge one could as well say that the server has no TLS |
//! | `require`, `verify-full` | always, and the certificate must be valid for the host and of an authority that the system trusts; `require` is stricter than in libpq, which checks nothing |
//!
//! `sslrootcert=FILE` names the authorities that are trusted instead of the system's, in PEM, as in libpq; it goes with
//! `require` or `verify-full`. Without the feature all three are refused, and `prefer` is as `disable`. The host is the one
//! of the address, also when `hostaddr` says where that is. A Unix socket is never encrypted, whatever is said, as in
//! libpq; among several hosts `require` passes sockets over. Other modes, client certificates and `sslnegotiation=direct`
//! are not supported.
//!
//! # A ledger that was cut or rewritten
//!
//! The next ship notices and refuses, with [`ErrorKind::Diverged`] and both heads. A power cut does the same to a ledger
//! whose records were read before they were durable. Once it is clear which one is right, `DELETE FROM
//! agent_execution_logs WHERE ledger_id = …` and the same of `runledger_shipments` let the next ship copy all of it anew.

mod address;
mod client;
mod row;
mod schema;
mod ship;
#[cfg(feature = "postgres-tls")]
mod tls;
#[cfg(not(feature = "postgres-tls"))]
#[path = "no_tls.rs"]
mod tls;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::journal::warnings::to_stderr;
use crate::journal::{Follower, Place, Warn};
use crate::metrics::ExecutionMetrics;
use client::{Client, Failed, Target};
use ship::{Batch, Outcome};

/// How long and how often a database is waited for.
#[derive(Clone)]
#[non_exhaustive]
pub struct SinkOptions {
    /// How long each address of the server may take to accept a connection; 5 seconds by default. The whole, name, TLS
    /// and password included, may take twice as long, and once more for each further host.
    pub connect_timeout: Duration,
    /// How long the server may take for one statement, waiting for another shipper included; 30 seconds by default. What
    /// takes longer is rolled back and tried again. A server that says nothing for 5 seconds more, as one that is stopped,
    /// is given up.
    pub statement_timeout: Duration,
    /// How long a database that is away or overcharged is tried again, from the first failure after something that
    /// succeeded; `None`: for ever. 10 seconds by default.
    ///
    /// The pauses double from 100 ms to 10 s; each is cut by a random part of up to a half, so that many shippers do not
    /// come back at the same time.
    pub retry_for: Option<Duration>,
    /// Takes each failure that is followed by another try; to stderr by default.
    pub warn: Warn,
}

impl SinkOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            retry_for: Some(Duration::from_secs(10)),
            warn: Arc::new(to_stderr),
        }
    }
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SinkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("retry_for", &self.retry_for)
            .finish_non_exhaustive()
    }
}

/// What one [`Sink::ship`] did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Shipped {
    /// How many records were copied from the ledger. If the connection broke while a batch was being committed, the
    /// batch may be there and not be counted.
    pub records: u64,
    /// How many executions in flight were handed over.
    pub in_progress: u64,
    /// Lines of the ledger that are no records: passed over.
    pub skipped: Skipped,
    /// The last line that is in the database; `None`: there is none.
    pub last: Option<Place>,
}

/// How far a database is behind a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The ledger's id.
    pub ledger: uuid::Uuid,
    /// The last line that was shipped; `None`: none was.
    pub shipped: Option<Shipment>,
    /// The last line of the ledger; `None`: it is empty.
    pub head: Option<Shipment>,
    /// How many lines of the ledger came after the last one that was shipped.
    pub behind: u64,
}

/// A line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Shipment {
    /// Its sequence number.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

impl From<&Place> for Shipment {
    fn from(place: &Place) -> Self {
        Self { seq: place.seq, hash: place.hash.clone() }
    }
}

/// A PostgreSQL database that takes records. It waits in the thread that calls it: in asynchronous code that is one for
/// blocking work, such as tokio's `spawn_blocking`, since tokio panics elsewhere.
///
/// ```no_run
/// use runledger::journal::Follower;
/// use runledger::sink::postgres::{SinkOptions, Sink};
///
/// let mut sink = Sink::new("postgres://agent:secret@localhost/observability", SinkOptions::new())?;
/// sink.migrate()?;
/// let mut ledger = Follower::open("logs/execution_metrics.jsonl")?;
/// let shipped = sink.ship(&mut ledger, &[])?;
/// println!("{} records", shipped.records);
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug)]
pub struct Sink {
    target: Target,
    options: SinkOptions,
    /// Kept from one call to the next.
    client: Option<Client>,
}

impl Sink {
    /// Of the database at `url`: `postgres://user:password@host:5432/database`, or words such as
    /// `host=/var/run/postgresql dbname=observability`; see [TLS](self#tls). Nothing is connected to yet.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is no such address, or asks for TLS in a build without the
    /// feature `postgres-tls`. No error of a sink holds the password.
    pub fn new(url: &str, options: SinkOptions) -> Result<Self> {
        Ok(Self { target: Target::parse(url, &options)?, options, client: None })
    }

    /// Makes the tables and indexes that are not there yet, all or none.
    ///
    /// # Errors
    /// [`ErrorKind::Database`] when the database cannot be reached or refuses, and when a
    /// table of one of the names has other columns, each of which is named; nothing is changed then.
    pub fn migrate(&mut self) -> Result<()> {
        self.retrying(schema::migrate)
    }

    /// Copies every record that the ledger has and the database has not, then the executions in flight, whose records are
    /// partial. Batches of up to 5,000 records are each a transaction of their own; while the server is at one, a thread
    /// reads the next.
    ///
    /// What may pass is tried again, see [`SinkOptions::retry_for`]. Another shipper of the same ledger is waited for, batch by
    /// batch.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`] when the ledger was cut or rewritten since the last ship;
    /// [`ErrorKind::Database`] when the database refuses or stays away, its certificate is
    /// refused, or its tables are not
    /// [made](Self::migrate) or another program's; [`ErrorKind::Io`] when the ledger cannot be read;
    /// [`ErrorKind::Abandoned`] when the thread that read it panicked. What was committed before
    /// an error stays, and the next ship goes on behind it.
    pub fn ship(&mut self, ledger: &mut Follower, in_flight: &[ExecutionMetrics]) -> Result<Shipped> {
        self.retrying(schema::check)?;
        let id = ledger.id();
        let last = self.retrying(|client| ship::last(client, id))?;
        ledger.resume(last.as_ref())?;
        let mut shipped = Shipped::default();
        let mut batch = Batch::read(ledger)?;
        loop {
            let (outcome, next) = self.commit(&batch, ledger);
            if let Outcome::Moved(last) = outcome? {
                if batch.is_behind(last.as_ref()) {
                    // It may have been committed without an answer: nobody names again what it passed over.
                    shipped.skipped.merge(batch.skipped);
                }
                ledger.resume(last.as_ref())?;
                batch = Batch::read(ledger)?;
                continue;
            }
            shipped.records += batch.records;
            shipped.skipped.merge(batch.skipped);
            if batch.is_last {
                break;
            }
            batch = next.unwrap_or_else(|| Batch::read(ledger))?;
        }
        shipped.in_progress = self.retrying(|client| ship::in_flight(client, ledger.id(), in_flight))?;
        shipped.last = ledger.last().cloned();
        Ok(shipped)
    }

    /// How far the database is behind the ledger. Changes nothing.
    ///
    /// # Errors
    /// As [`ship`](Self::ship).
    pub fn status(&mut self, ledger: &mut Follower) -> Result<Status> {
        let id = ledger.id();
        let last = self.retrying(|client| {
            schema::check(client)?;
            ship::last(client, id)
        })?;
        ledger.resume(last.as_ref())?;
        let shipped = last.as_ref().map_or(0, |last| last.seq);
        let mut behind = 0;
        while let Some(line) = ledger.next_line()? {
            behind += u64::from(line.seq.is_some_and(|seq| seq > shipped));
        }
        let head = ledger.last().map(Shipment::from);
        Ok(Status { ledger: id, shipped: last.as_ref().map(Shipment::from), head, behind })
    }
}

impl Sink {
    /// Commits the batch, and reads the next one meanwhile, which takes about as long; `None`: nothing could, or there is
    /// none.
    fn commit(&mut self, batch: &Batch, ledger: &mut Follower) -> (Result<Outcome>, Option<Result<Batch>>) {
        thread::scope(|scope| {
            let reader = Builder::new().name("runledger".to_owned());
            let reading = if batch.is_last { None } else { reader.spawn_scoped(scope, || Batch::read(ledger)).ok() };
            let outcome = self.retrying(|client| batch.commit(client));
            (outcome, reading.map(|reading| reading.join().unwrap_or_else(|_| Err(abandoned()))))
        })
    }

    /// Does `work` on a connection, and again on a new one as long as what went wrong may pass and the time allows.
    fn retrying<T>(&mut self, mut work: impl FnMut(&mut Client) -> Result<T, Failed>) -> Result<T> {
        let mut pauses = Pauses::default();
        let mut began: Option<Instant> = None;
        loop {
            let Failed { error, may_pass } = match self.once(&mut work) {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            // Its transaction may be open still.
            self.client = None;
            let began = *began.get_or_insert_with(Instant::now);
            let pause = pauses.next();
            let in_time = self.options.retry_for.is_none_or(|limit| began.elapsed() + pause <= limit);
            if !may_pass || !in_time {
                return Err(error);
            }
            (self.options.warn)(&error);
            thread::sleep(pause);
        }
    }

    fn once<T>(&mut self, work: &mut impl FnMut(&mut Client) -> Result<T, Failed>) -> Result<T, Failed> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(self.target.connect(&self.options)?),
        };
        work(client)
    }
}

fn abandoned() -> Error {
    Error::new(ErrorKind::Abandoned, "read the records to ship").detail("the thread that read them panicked")
}

/// The pauses between the tries.
struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: Duration::from_millis(100) }
    }
}

impl Pauses {
    const LONGEST: Duration = Duration::from_secs(10);

    fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(Self::LONGEST);
        // The keys of a new hasher are random enough for this.
        let random = RandomState::new().build_hasher().finish() % 1_000;
        whole - whole / 2 * random as u32 / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_ten_seconds_less_a_random_part_of_up_to_a_half() {
        let mut pauses = Pauses::default();
        let whole = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];
        for ms in whole.map(Duration::from_millis) {
            let pause = pauses.next();
            assert!(pause <= ms && pause > ms / 2, "{pause:?} of {ms:?}");
        }
        let many = (0..20).map(|_| Pauses::default().next());
        assert!(many.collect::<std::collections::HashSet<_>>().len() > 1, "none is random");
    }
}
