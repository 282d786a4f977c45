//! The views of runs that people read, and how long they are kept.

pub mod retention;
