//! The peers: other programs and libraries that append lines. Each peer has one source file. It is used in the fastest
//! way that a sensible user would choose for many threads. It syncs on every call if it can.

mod floor;
mod okaywal;
mod python;
mod redb;
mod runledger;
mod sqlite;
mod tracing_appender;

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// True if an acknowledged record survives a power cut.
    pub(crate) durable: bool,
    pub(crate) run: fn(&Cell<'_>) -> Result<Samples>,
}

/// The peers whose callers are threads. The other rows are compared with the first one.
const PEERS: [Peer; 9] = [
    Peer { name: "runledger: append", durable: true, run: runledger::append },
    Peer { name: "runledger: begin + finish", durable: true, run: runledger::guard },
    Peer { name: "floor: append + fdatasync", durable: true, run: floor::append },
    Peer { name: "floor: overwrite + fdatasync", durable: true, run: floor::overwrite },
    Peer { name: "rusqlite: WAL, FULL, one connection", durable: true, run: sqlite::run },
    Peer { name: "redb: Immediate", durable: true, run: redb::run },
    Peer { name: "okaywal: commit", durable: true, run: okaywal::run },
    Peer { name: "tracing-appender: non-blocking", durable: false, run: tracing_appender::run },
    Peer { name: python::NAME, durable: true, run: python::run },
];

/// The peers whose callers are async tasks. Libraries without async calls are called with `spawn_blocking`.
pub(crate) const ASYNC_PEERS: [Peer; 5] = [
    Peer { name: "runledger: append_async", durable: true, run: runledger::append_async },
    Peer { name: "runledger: begin + finish, async", durable: true, run: runledger::guard_async },
    Peer { name: "runledger: append, spawn_blocking", durable: true, run: runledger::append_blocking },
    Peer { name: "rusqlite: spawn_blocking", durable: true, run: sqlite::run_tasks },
    Peer { name: "okaywal: spawn_blocking", durable: true, run: okaywal::run_tasks },
];

/// Returns the peers that this machine can run, and prints the name of a peer that it cannot run.
pub(crate) fn installed() -> Vec<Peer> {
    let has_python = python::is_installed();
    if !has_python {
        println!("{}: skipped, because python3 is not installed", python::NAME);
    }
    PEERS.into_iter().filter(|peer| has_python || peer.name != python::NAME).collect()
}
