//! Copies records to PostgreSQL. Records are stored in the ledger first and copied later, so a database that is slow,
//! full or unreachable never affects an execution.
//!
//! [`Sink::ship`] copies the new records of a ledger into the table `agent_execution_logs`, one row per execution. The
//! table `runledger_shipments` holds the last copied line of each ledger, and is updated in the transaction that
//! inserts the rows. So each record is copied exactly once, even if several processes ship the same ledger, or the
//! server or a process is killed. Any number of ledgers can share a database.
//!
//! # The row
//!
//! | column | value |
//! |---|---|
//! | `execution_id` | `execution_id`, the primary key |
//! | `correlation_id`, `session_id` | the values with the same names in `run`. A text of more than 500 characters is truncated and ends with `…`, because the size of an index entry is limited |
//! | `agent_name` | `run.agent_name`. If this is unknown: `skill_name`, or null if `skill_name` is empty. A long text is truncated like `session_id` |
//! | `user_prompt` | `run.description` |
//! | `started_at`, `completed_at` | `timestamp_start` and `timestamp_end`, to the microsecond; `completed_at` is null while the execution is in progress, and if its end is unknown |
//! | `duration_ms` | `wall_clock_time_ms`. If this is unknown: the end minus the start, or null if the end is also unknown or before the start. A duration above 2⁶³ − 1 is null here and exact in `metadata` |
//! | `status` | `success`; `error` if the execution failed, panicked or was interrupted; `cancelled`; `in_progress` if it is in flight or paused. If the status is unknown, `execution_succeeded` and `execution_failed` decide between `success` and `error`; null if these values are unknown too |
//! | `error_message` | `error_reason` |
//! | `error_type` | `error_category`. If this is unknown and the status is `panicked` or `interrupted`: the status |
//! | `quality_score` | `quality_score` |
//! | `metadata` | all known values except `execution_id`, `timestamp_start` and `quality_score`. Keys that only newer versions define are included. Amounts and counts are exact |
//! | `ledger_id`, `ledger_seq` | the ledger and the line number; `ledger_seq` is null while the execution is in flight |
//!
//! An unknown value is null in a column and absent in `metadata`. PostgreSQL cannot store NUL in a text. Each NUL is
//! replaced by `␀` (U+2400), and `metadata.nul_replaced` counts the replacements. The ledger keeps the original.
//!
//! The row of an execution in flight is replaced by another state of this execution, or by its line in the ledger. A
//! row that was copied from a line is replaced by a later line of the same ledger with the same `execution_id`. It is
//! also replaced by the same line after a text was taken out of the line. Nothing else replaces it. So the row of an
//! execution that has ended never returns to an earlier state.
//!
//! # The version of the tables
//!
//! The comment on the table `runledger_shipments` contains the version of both tables. [`Sink::migrate`] creates the
//! tables or upgrades them. [`Sink::ship`] fails if the tables do not exist or have an earlier version. Every call that
//! uses the tables fails if a newer version of this crate upgraded them. The versions are:
//!
//! | version | change |
//! |---|---|
//! | 1 | the first version, whose tables have no comment |
//! | 2 | `agent_name` and `duration_ms` are derived if the record does not have them. The upgrade fills these columns in the rows of version 1, in one statement |
//!
//! # TLS
//!
//! TLS needs the feature `postgres-tls`, and uses the TLS library of the system. `sslmode` in the address decides when
//! TLS is used:
//!
//! | `sslmode` | when a connection over TCP is encrypted |
//! |---|---|
//! | `disable` | never |
//! | `prefer`, the default | if the server offers TLS. The certificate is not checked, because an attacker who can forge a certificate can also claim that the server has no TLS |
//! | `require`, `verify-full` | always; the certificate must be valid for the host and signed by an authority that the system trusts. This differs from libpq, which does not check the certificate with `require` |
//!
//! `sslrootcert=FILE` names a PEM file with certificates of authorities. As in libpq, the client library of PostgreSQL,
//! these authorities are then trusted instead of those of the system. `sslrootcert` needs `sslmode=require` or
//! `sslmode=verify-full`. A build without the feature refuses `sslrootcert`, `require` and `verify-full`, and treats
//! `prefer` like `disable`. The certificate must be valid for the `host` in the address, even if `hostaddr` gives the
//! IP address of that host.
//!
//! As in libpq, a connection over a Unix socket is never encrypted. If the address lists several hosts, `require` skips
//! the Unix sockets among them. Other modes, client certificates and `sslnegotiation=direct` are not supported.
//!
//! # A ledger that was truncated or rewritten
//!
//! If the ledger was truncated before the last shipped line, or if that line was rewritten, the next [`Sink::ship`]
//! fails with [`ErrorKind::Diverged`](crate::ErrorKind::Diverged). The error states the last shipped line, and what the
//! ledger contains instead of that line. A power cut can also cause this error, if records were shipped before they
//! were durable. Decide whether the ledger or the database is correct. To copy the whole ledger again, delete its rows
//! from both tables: `DELETE FROM agent_execution_logs WHERE ledger_id = …` and `DELETE FROM runledger_shipments WHERE
//! ledger_id = …`.

mod client;
mod options;
mod pauses;
mod redaction;
mod row;
mod schema;
mod ship;
mod sink;
mod target;
#[cfg(feature = "postgres-tls")]
mod tls;
#[cfg(not(feature = "postgres-tls"))]
#[path = "no_tls.rs"]
mod tls;

use serde::Serialize;

pub use options::SinkOptions;
pub use sink::Sink;

use crate::error::Skipped;
use crate::journal::Place;
use crate::metrics::Timestamp;

/// The result of one [`Sink::ship`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Shipped {
    /// The number of records that this call copied from the ledger. A line that repeats an earlier line with the same
    /// number is not counted. If the connection breaks before the server acknowledges a commit, the records of this
    /// transaction may be in the database although they are not counted here.
    pub records: u64,
    /// The number of executions in flight whose records were sent.
    pub in_progress: u64,
    /// The lines of the ledger that were skipped, because they are not records.
    pub skipped: Skipped,
    /// The last line of the ledger that was shipped, or `None` if no line was shipped yet.
    pub last: Option<Place>,
}

/// How far a database is behind a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The id of the ledger.
    pub ledger: uuid::Uuid,
    /// The last line that was shipped, or `None` if no line was shipped yet.
    pub shipped: Option<Shipment>,
    /// The last line of the ledger, or `None` if the ledger is empty.
    pub head: Option<Shipment>,
    /// The number of lines in the ledger after the last shipped line. Lines that do not match their hash are not
    /// counted.
    pub behind: u64,
    /// The database, such as `agent@127.0.0.1:5432/observability`: the user, the address of the server, and the name.
    /// The address is `local` for a connection over a Unix socket.
    pub database: String,
    /// The [version of the tables](self#the-version-of-the-tables), or `None` if they do not exist.
    pub schema: Option<u32>,
    /// For each ledger in the database, the last line that was shipped. The ledger that was shipped last comes last.
    pub ledgers: Vec<ShippedLedger>,
}

/// A ledger that was shipped to a database, and its last shipped line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShippedLedger {
    /// The id of the ledger.
    pub ledger: uuid::Uuid,
    /// The sequence number of the line.
    pub seq: u64,
    /// The hash of the line.
    pub hash: String,
    /// When the line was shipped, by the clock of the database.
    pub shipped_at: Timestamp,
}

/// A line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Shipment {
    /// The sequence number of the line.
    pub seq: u64,
    /// The hash of the line.
    pub hash: String,
}

impl From<&Place> for Shipment {
    fn from(place: &Place) -> Self {
        Self { seq: place.seq, hash: place.hash.clone() }
    }
}
