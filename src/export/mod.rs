//! Writes records in the formats of other programs. Each format has a module with a streaming function `write`.

pub mod csv;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod workflow;
