//! Ships records: reads the ledger, commits batches, and retries after temporary failures.

use std::thread::{self, Builder};
use std::time::Instant;

use super::client::{Client, Failed};
use super::pauses::Pauses;
use super::ship::{self, Batch, Outcome};
use super::target::Target;
use super::{Shipment, Shipped, SinkOptions, Status, schema, tls};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Follower;
use crate::metrics::ExecutionMetrics;

/// A PostgreSQL database that records are copied to.
///
/// The methods of a sink block the calling thread, and panic if that thread runs asynchronous tasks of tokio. In
/// asynchronous code, call the methods where blocking is allowed, such as in tokio's `spawn_blocking`.
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
    /// The connection, which is kept between calls.
    client: Option<Client>,
}

impl Sink {
    /// The [version of the tables](super#the-version-of-the-tables) that [`migrate`](Self::migrate) creates.
    pub const SCHEMA_VERSION: u32 = schema::VERSION;

    /// Returns a sink for the database at `address`, without connecting to it. The address is a URL such as
    /// `postgres://user:password@host:5432/database`, or a list such as `host=/var/run/postgresql
    /// dbname=observability`. The address also decides whether [TLS](super#tls) is used.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] if `address` is malformed, or asks for TLS in a build without the feature
    /// `postgres-tls`. No error of a sink contains the password.
    pub fn new(address: &str, options: SinkOptions) -> Result<Self> {
        Ok(Self { target: Target::parse(address, tls::IS_BUILT_IN)?, options, client: None })
    }

    /// Creates the tables and indexes that do not exist yet, and upgrades the tables of an earlier version, in one
    /// transaction. Does nothing if the tables have the current version and all indexes exist.
    ///
    /// # Errors
    /// - [`ErrorKind::Database`] if the database cannot be reached or refuses the change, or if one of the tables
    ///   already exists with other columns. [`Error::details`] lists these columns. Nothing is changed then.
    /// - [`ErrorKind::Newer`] if a newer version of this crate upgraded the tables.
    /// - [`ErrorKind::Io`] if the file of `sslrootcert` cannot be read, and [`ErrorKind::Invalid`] if it has no
    ///   certificates.
    pub fn migrate(&mut self) -> Result<()> {
        self.retrying(schema::migrate)
    }

    /// Copies all records that are in the ledger but not in the database. Then sends `in_flight`, the partial records
    /// of executions that have not ended. Each batch of up to 5,000 records is one transaction. While the server
    /// processes a batch, another thread reads the next batch.
    ///
    /// Temporary failures are retried, see [`SinkOptions::retry_for`]. If another process ships the same ledger at the
    /// same time, the two processes commit one batch after the other, and no line is copied twice.
    ///
    /// # Errors
    /// - [`ErrorKind::Diverged`] if the ledger was truncated or rewritten since the last [`ship`](Self::ship), or if
    ///   lines were moved to an archive before they were shipped.
    /// - [`ErrorKind::Database`] if the database cannot be reached, refuses a request, or has a certificate that is not
    ///   trusted. The error also occurs if the tables belong to another program, or were not [created or
    ///   upgraded](Self::migrate).
    /// - [`ErrorKind::Newer`] if a newer version of this crate upgraded the tables.
    /// - [`ErrorKind::Io`] if the ledger or the file of `sslrootcert` cannot be read, and [`ErrorKind::Invalid`] if
    ///   that file has no certificates.
    /// - [`ErrorKind::Abandoned`] if the thread that reads the ledger panicked.
    ///
    /// Batches that were committed before an error stay committed, and the next call continues after them.
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
                    // The whole batch is already in the database, so its lines are not read again. The skipped lines of
                    // the batch are counted here.
                    shipped.skipped.merge(batch.skipped);
                }
                ledger.resume(last.as_ref())?;
                batch = Batch::read(ledger)?;
                continue;
            }
            shipped.records += batch.records - batch.repeated;
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

    /// Returns how far the database is behind the ledger, and which ledgers were shipped to it. Changes nothing. The
    /// tables may have an earlier version, or not exist yet.
    ///
    /// # Errors
    /// - [`ErrorKind::Diverged`] if the ledger was truncated or rewritten since the last [`ship`](Self::ship), or if
    ///   lines were moved to an archive before they were shipped.
    /// - [`ErrorKind::Database`] if the database cannot be reached or refuses a request, if its certificate is not
    ///   trusted, or if its tables belong to another program.
    /// - [`ErrorKind::Newer`] if a newer version of this crate upgraded the tables.
    /// - [`ErrorKind::Io`] if the ledger or the file of `sslrootcert` cannot be read, and [`ErrorKind::Invalid`] if
    ///   that file has no certificates.
    pub fn status(&mut self, ledger: &mut Follower) -> Result<Status> {
        let id = ledger.id();
        let (schema, database, last, ledgers) = self.retrying(|client| {
            let (version, database) = (schema::version(client)?, client.database()?);
            if version.is_none() {
                return Ok((None, database, None, Vec::new()));
            }
            schema::check_columns(client)?;
            Ok((version, database, ship::last(client, id)?, ship::all(client)?))
        })?;
        ledger.resume(last.as_ref())?;
        let shipped = last.as_ref().map_or(0, |last| last.seq);
        let mut behind = 0;
        while let Some(line) = ledger.next_line()? {
            behind += u64::from(line.seq.is_some_and(|seq| seq > shipped));
        }
        let head = ledger.last().map(Shipment::from);
        let shipped = last.as_ref().map(Shipment::from);
        Ok(Status { ledger: id, shipped, head, behind, database, schema, ledgers })
    }

    /// Commits the batch while another thread reads the next batch, since reading a batch takes about as long as
    /// committing one. Returns `None` as the next batch if `batch` is the last one, or if the thread could not be
    /// started.
    fn commit(&mut self, batch: &Batch, ledger: &mut Follower) -> (Result<Outcome>, Option<Result<Batch>>) {
        thread::scope(|scope| {
            let reader = Builder::new().name("runledger".to_owned());
            let reading = if batch.is_last { None } else { reader.spawn_scoped(scope, || Batch::read(ledger)).ok() };
            let outcome = self.retrying(|client| batch.commit(client));
            (outcome, reading.map(|reading| reading.join().unwrap_or_else(|_| Err(abandoned()))))
        })
    }

    /// Runs `work` on a connection. After a temporary failure, runs `work` again on a new connection, until the time of
    /// [`SinkOptions::retry_for`] is over.
    fn retrying<T>(&mut self, mut work: impl FnMut(&mut Client) -> Result<T, Failed>) -> Result<T> {
        let mut pauses = Pauses::default();
        let mut began: Option<Instant> = None;
        loop {
            let Failed { error, may_pass } = match self.once(&mut work) {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            // The connection is dropped, since its transaction may still be open.
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
    Error::new(ErrorKind::Abandoned, "read the records to ship").detail("the thread that read the records panicked")
}
