//! `runledger ship`, and the part of `runledger retention` that asks whether segments were shipped

#[cfg(feature = "parquet")]
mod command;
#[cfg(not(feature = "parquet"))]
#[path = "missing.rs"]
mod command;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "no_otlp.rs"]
mod otlp;
#[cfg(feature = "parquet")]
mod retained;
#[cfg(not(feature = "parquet"))]
#[path = "not_retained.rs"]
mod retained;
#[cfg(feature = "object-store")]
mod target;
#[cfg(all(feature = "parquet", not(feature = "object-store")))]
#[path = "directory.rs"]
mod target;
mod to;

pub(crate) use command::{Args, run};
pub(crate) use retained::ShippedTo;
#[cfg(feature = "parquet")]
pub(crate) use target::{open, parse};
