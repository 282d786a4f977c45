//! What [`group`](super::group) waits with, and the clock that it looks at, named in one place: `tests/interleavings`
//! compiles the same `group.rs` upon others, whose scheduler tries the orders in which threads can run.

pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
pub(super) use std::thread::yield_now;
pub(super) use std::time::Instant;
