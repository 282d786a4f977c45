//! Writes records in formats of other programs. Each format has a module with a function `write`, which streams.

pub mod csv;
pub mod workflow;
