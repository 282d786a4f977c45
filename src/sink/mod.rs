//! Where records are copied to, for those who query many ledgers in one place. The ledger is the truth, and a sink
//! follows it: what a sink's other side refuses, loses or delays never meets an execution.

pub mod postgres;
