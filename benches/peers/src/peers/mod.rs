//! The peers, one file each. Each is run in the fastest way that a sensible user would choose for many threads, and
//! syncs on every call where it can.

mod floor;
mod okaywal;
mod redb;
mod runledger;
mod seed;
mod sqlite;
mod tracing_appender;

use crate::Result;
use crate::cell::Cell;
use crate::samples::Samples;

/// The name of our own row, which the others are compared with.
pub(crate) const RUNLEDGER: &str = "runledger: append";

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Whether an acknowledged record survives a power cut.
    pub(crate) durable: bool,
    pub(crate) run: fn(&Cell<'_>) -> Result<Samples>,
}

const PEERS: [Peer; 9] = [
    Peer { name: RUNLEDGER, durable: true, run: runledger::append },
    Peer { name: "runledger: begin + finish", durable: true, run: runledger::guard },
    Peer { name: "floor: append + fdatasync", durable: true, run: floor::append },
    Peer { name: "floor: overwrite + fdatasync", durable: true, run: floor::overwrite },
    Peer { name: "rusqlite: WAL, FULL, one connection", durable: true, run: sqlite::run },
    Peer { name: "redb: Immediate", durable: true, run: redb::run },
    Peer { name: "okaywal: commit", durable: true, run: okaywal::run },
    Peer { name: "tracing-appender: non-blocking", durable: false, run: tracing_appender::run },
    Peer { name: seed::NAME, durable: true, run: seed::run },
];

/// The peers that this machine can run; says which it cannot.
pub(crate) fn installed() -> Vec<Peer> {
    let python = seed::is_installed();
    if !python {
        println!("{}: skipped, since there is no python3", seed::NAME);
    }
    PEERS.into_iter().filter(|peer| python || peer.name != seed::NAME).collect()
}
