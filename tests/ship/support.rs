//! Ledgers to ship, and the rows of the files in a store.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use runledger::metrics::Status;
use runledger::ship::{DirectoryStore, FileName, Footer, ShippedFiles, Shipper, ShipperOptions, Store};
use runledger::{Durability, ExecutionMetrics, Ledger, LedgerReader, Options, Result, Timestamp, Uuid};

/// A row, by the names of its columns.
pub(crate) type Row = BTreeMap<String, Field>;

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns record `number`. The records are 7.5 minutes apart, and record 16 is the first one of the second day.
pub(crate) fn record(number: u64) -> ExecutionMetrics {
    let start = time("2026-02-14T22:00:00Z").plus_ms(number * 450_000);
    let mut record =
        ExecutionMetrics::new(Uuid::from_u128(number.into()), format!("skill-{}", number % 3), "1.0.0", start);
    record.timestamp_end = Some(start.plus_ms(250));
    record.set_status(Status::Success);
    record.derive_missing();
    record
}

/// Opens a ledger with small segments.
pub(crate) fn open(path: &Path) -> Ledger {
    Options::new().durability(Durability::Flushed).rotate_bytes(Some(10_000)).open(path).unwrap()
}

pub(crate) fn append(ledger: &Ledger, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| _ = ledger.append(&record(number)).unwrap());
}

pub(crate) fn shipper(path: &Path, store: impl Store + 'static) -> Shipper {
    // Small files, so that a file also ends by its size.
    let options = ShipperOptions::new().file_bytes(6_000);
    Shipper::new(LedgerReader::open(path).unwrap().follow().unwrap(), Box::new(store), options)
}

pub(crate) fn ship(path: &Path, root: &Path, active: bool) -> Result<ShippedFiles> {
    shipper(path, DirectoryStore::new(root)).ship(active)
}

pub(crate) fn rows_of(file: &[u8]) -> Vec<Row> {
    let reader = SerializedFileReader::new(Bytes::from(file.to_vec())).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap());
    rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect()).collect()
}

/// Returns the numbers of all lines in a store, in ascending order.
pub(crate) fn shipped_numbers(root: &Path) -> Vec<i64> {
    let store = DirectoryStore::new(root);
    let files = store.list("v=1").unwrap();
    let rows = files.iter().flat_map(|name| rows_of(&store.get(name).unwrap().unwrap()));
    let mut numbers: Vec<_> = rows.map(|row| number(&row, "seq")).collect();
    numbers.sort_unstable();
    numbers
}

pub(crate) fn footer_of(file: &[u8]) -> Footer {
    let reader = SerializedFileReader::new(Bytes::from(file.to_vec())).unwrap();
    Footer::from_metadata(reader.metadata()).unwrap()
}

pub(crate) fn number(row: &Row, column: &str) -> i64 {
    match &row[column] {
        Field::Long(number) | Field::TimestampMicros(number) => *number,
        other => panic!("{column}: {other:?}"),
    }
}

pub(crate) fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    match &row[column] {
        Field::Str(text) => text,
        other => panic!("{column}: {other:?}"),
    }
}

/// Checks that the store has each line of the ledger exactly once, that the names and the footers are right, and that the
/// files continue one another. Returns the number of rows.
pub(crate) fn assert_exactly_once(store: &dyn Store, path: &Path, lines: u64) -> u64 {
    let mut files: Vec<_> = store.list("v=1").unwrap();
    let mut names: Vec<_> = files.drain(..).map(|name| FileName::parse(&name).unwrap()).collect();
    names.sort_unstable_by_key(|name| name.first);
    let mut ledger = LedgerReader::open(path).unwrap().follow().unwrap();
    let (mut seq, mut prev) = (0, "0".repeat(64));
    for name in names {
        let file = store.get(&name.to_string()).unwrap().unwrap();
        let (footer, rows) = (footer_of(&file), rows_of(&file));
        assert_eq!((name.first, footer.first, footer.prev_hash.as_str()), (seq + 1, seq + 1, prev.as_str()));
        assert_eq!((footer.last, footer.records), (name.last, rows.len() as u64));
        assert!(footer.last_hash.starts_with(&name.hash16) && footer.ledger == name.ledger);
        for row in &rows {
            let line = ledger.next_line().unwrap().unwrap();
            let written = ExecutionMetrics::from_json(std::str::from_utf8(line.line.bytes).unwrap()).unwrap();
            seq += 1;
            assert_eq!((number(row, "seq"), text(row, "prev")), (seq as i64, prev.as_str()));
            assert_eq!(text(row, "execution_id"), written.execution_id.to_string());
            assert!(written.timestamp_start.to_string()[..10] <= *name.date.to_string());
            text(row, "hash").clone_into(&mut prev);
        }
        assert_eq!((footer.last, footer.last_hash.as_str()), (seq, prev.as_str()));
    }
    assert_eq!(seq, lines);
    seq
}

/// Numbers from SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}
