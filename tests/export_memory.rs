//! Promise: an export of a million records holds one of them at a time, and no more of what it writes.

#![allow(clippy::unwrap_used, reason = "a panic is a test's report")]

mod production;

use std::cell::Cell;
use std::io::{self, Write};

use production::execution;
use runledger::export::csv;

const RECORDS: u64 = 1_000_000;

/// Counts rows, and refuses a write of more than one.
struct Rows<'c> {
    written: &'c Cell<u64>,
}

impl Write for Rows<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(bytes.len() < 1000 && bytes.ends_with(b"\r\n"), "more than a row at once");
        self.written.set(self.written.get() + 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The most memory that this process has had, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_million_records_stream_in_constant_memory() {
    let record = execution(1, 0);
    let written = Cell::new(0);
    let records = (0..RECORDS).map(|at| {
        // The header, and each record before.
        assert_eq!(written.get(), at + 1, "a row waits");
        Ok(record.clone())
    });
    #[cfg(target_os = "linux")]
    let before = peak_kib();
    let rows = csv::write(records, Rows { written: &written }).unwrap().rows;
    assert_eq!(rows, RECORDS);
    #[cfg(target_os = "linux")]
    assert!(peak_kib() - before < 4096, "{} KiB more", peak_kib() - before);
}
