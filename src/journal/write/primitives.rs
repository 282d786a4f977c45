//! The synchronisation primitives and the clock of [`group`](super::group), named in one place. `tests/interleavings`
//! compiles the same `group.rs` with other primitives, whose scheduler explores the orders in which threads can run.

pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
pub(super) use std::thread::yield_now;
pub(super) use std::time::Instant;
