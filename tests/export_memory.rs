//! Promise: an export of a million records has only one record and its output in memory at a time. The export of a
//! Markdown log has all records of its run in memory, but no others.

#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

mod production;

use std::cell::Cell;
use std::io::{self, Write};

use production::execution;
use runledger::export::{csv, workflow};
use runledger::{ExecutionMetrics, Result};

const RECORDS: u64 = 1_000_000;

/// Counts rows by their ends, and panics if 1,000 bytes, which are more than a row, are written at once.
struct Rows<'c> {
    written: &'c Cell<u64>,
    end: &'static [u8],
}

impl Write for Rows<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(bytes.len() < 1000, "more than a row at once");
        self.written.set(self.written.get() + u64::from(bytes.ends_with(self.end)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the peak memory of this process, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Returns a million records. Asserts that each is requested only after the output of all records before it was
/// written.
fn records(written: &Cell<u64>, before_the_first: u64) -> impl Iterator<Item = Result<ExecutionMetrics>> {
    let record = execution(1, 0);
    (0..RECORDS).map(move |at| {
        assert_eq!(written.get(), at + before_the_first, "a row waits");
        Ok(record.clone())
    })
}

#[test]
fn a_million_records_stream_in_constant_memory() {
    #[cfg(target_os = "linux")]
    let before = peak_kib();
    let written = Cell::new(0);
    // The first row is the header.
    let rows = csv::write(records(&written, 1), Rows { written: &written, end: b"\r\n" }).unwrap().rows;
    assert_eq!(rows, RECORDS);
    written.set(0);
    let events = workflow::write(records(&written, 0), Rows { written: &written, end: b"\n" }).unwrap().events;
    assert_eq!(events, RECORDS);
    #[cfg(target_os = "linux")]
    assert!(peak_kib() - before < 4096, "{} KiB more", peak_kib() - before);
}
