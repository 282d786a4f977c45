//! Records in the forms that other programs take: one file a format, each with a `write` that streams.

pub mod workflow;
