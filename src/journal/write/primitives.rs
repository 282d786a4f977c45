//! The synchronisation primitives and the clock that [`group`](super::group) uses. `tests/interleavings` compiles the
//! same `group.rs` with other primitives, which try out the orders in which threads can run.

pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
pub(super) use std::thread::yield_now;
pub(super) use std::time::Instant;
