//! What the records of a production say about it.

pub mod derived;
