//! Reads the files of a fleet: the ledgers of several machines that [`ship`](crate::ship) wrote to one store.
//!
//! - [`Fleet::verify`] checks the names and the footers of all files, and lists the [faults](FleetFault).
//! - [`Fleet::each`] reads columns of all records, from which baselines and costs are computed.
//!
//! `judge.rs` finds the faults from names and footers. It does no I/O.

mod fault;
mod files;
mod judge;
mod verified;

pub use fault::{FleetFault, FleetFaultKind};
pub use files::{Fleet, FleetRead};
pub use verified::FleetVerification;
