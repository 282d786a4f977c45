//! Writes records in the formats of other programs. Each format has a module with a streaming function `write`.

pub mod csv;
pub mod workflow;
