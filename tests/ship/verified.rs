//! `Shipper::verify_shipped` finds every file that does not have its lines, and `retention --shipped-to` keeps the segments.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use parquet::file::metadata::ParquetMetaDataWriter;
use parquet::file::reader::{FileReader, SerializedFileReader};
use runledger::ErrorKind;
use runledger::ship::{DirectoryStore, FileName, ShippedUpTo, Store};

use crate::support::{append, open, ship, shipped_numbers, shipper};

struct Shipped {
    directory: tempfile::TempDir,
    path: PathBuf,
    /// The names of the files, in the order of their lines.
    names: Vec<FileName>,
}

fn shipped() -> Shipped {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=40);
    Shipped::of(directory, path)
}

impl Shipped {
    /// Ships a ledger, as more than three files.
    fn of(directory: tempfile::TempDir, path: PathBuf) -> Self {
        ship(&path, &directory.path().join("fleet"), true).unwrap();
        let store = DirectoryStore::new(directory.path().join("fleet"));
        let mut names: Vec<_> = store.list("v=1").unwrap().iter().map(|name| FileName::parse(name).unwrap()).collect();
        names.sort_unstable_by_key(|name| name.first);
        assert!(names.len() > 3);
        Self { directory, path, names }
    }

    fn verify(&self) -> ShippedUpTo {
        let store = DirectoryStore::new(self.directory.path().join("fleet"));
        shipper(&self.path, store).verify_shipped().unwrap()
    }

    fn file(&self, at: usize) -> PathBuf {
        self.directory.path().join("fleet").join(self.names[at].to_string())
    }
}

#[test]
fn a_ledger_that_was_shipped_is_verified_to_its_last_line() {
    let verified = shipped().verify();
    assert!(verified.fault.is_none(), "{:?}", verified.fault);
    assert_eq!(verified.last.unwrap().seq, 40);
}

#[test]
fn a_missing_exchanged_or_damaged_file_ends_the_verification() {
    for (what, change) in [
        ("no file", &(|it: &Shipped| fs::remove_file(it.file(2)).unwrap()) as &dyn Fn(&Shipped)),
        ("lines", &|it| _ = fs::copy(it.file(1), it.file(2)).unwrap()),
        ("Parquet", &|it| fs::write(it.file(2), "PAR1").unwrap()),
    ] {
        let it = shipped();
        change(&it);
        let verified = it.verify();
        let fault = verified.fault.unwrap().to_string();
        assert!(fault.contains(&it.names[2].to_string()), "{what}: {fault}");
        assert_eq!(verified.last.unwrap().seq, it.names[1].last, "{what}");
    }
}

#[test]
fn a_number_of_rows_that_no_file_has_ends_the_verification() {
    let it = shipped();
    let file = fs::read(it.file(2)).unwrap();
    fs::write(it.file(2), with_rows(&file, 1 << 40)).unwrap();
    let fault = it.verify().fault.unwrap().to_string();
    assert!(fault.contains(&it.names[2].to_string()), "{fault}");
}

/// Returns the file with another number of rows in its first row group.
fn with_rows(file: &[u8], rows: i64) -> Vec<u8> {
    let reader = SerializedFileReader::new(Bytes::from(file.to_vec())).unwrap();
    let metadata = reader.metadata().clone();
    let group = metadata.row_group(0);
    let columns = group.columns().iter().map(|column| column.clone().into_builder().set_num_values(rows).build());
    let columns = columns.map(Result::unwrap).collect();
    let group = group.clone().into_builder().set_num_rows(rows).set_column_metadata(columns).build().unwrap();
    let metadata = metadata.into_builder().set_row_groups(vec![group]).build();
    let [.., a, b, c, d, _, _, _, _] = file else { panic!("the file is short") };
    let footer = u32::from_le_bytes([*a, *b, *c, *d]) as usize + 8;
    let mut changed = file[..file.len() - footer].to_vec();
    ParquetMetaDataWriter::new(&mut changed, &metadata).finish().unwrap();
    changed
}

#[test]
fn one_flipped_bit_in_any_column_ends_the_verification() {
    let it = shipped();
    let file = fs::read(it.file(2)).unwrap();
    let reader = SerializedFileReader::new(Bytes::from(file.clone())).unwrap();
    let columns = reader.metadata().row_group(0).columns().iter();
    let pages: Vec<_> = columns.map(|column| (column.column_path().string(), column.byte_range())).collect();
    assert!(pages.len() > 100);
    for (column, (start, len)) in pages {
        let mut damaged = file.clone();
        damaged[(start + len / 2) as usize] ^= 1;
        fs::write(it.file(2), damaged).unwrap();
        let verified = it.verify();
        let fault = verified.fault.unwrap_or_else(|| panic!("{column} is damaged")).to_string();
        assert!(fault.contains(&it.names[2].to_string()) && fault.contains("damaged"), "{column}: {fault}");
        assert_eq!(verified.last.unwrap().seq, it.names[1].last, "{column}");
    }
}

#[test]
fn files_with_lines_that_were_archived_are_not_needed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=120);
    let it = Shipped::of(directory, path);
    let ledger = open(&it.path);
    let segments = ledger.reader().segments().unwrap();
    assert!(segments.len() > 2, "{segments:?}");
    let archived = segments[0].last_seq();
    ledger.archive_segments(1, it.directory.path().join("archive")).unwrap();
    drop(ledger);
    let verified = it.verify();
    assert_eq!((verified.last.unwrap().seq, verified.fault.is_none()), (120, true));
    // A rule of the store has removed the files that have only archived lines.
    let removed = it.names.iter().take_while(|name| name.last <= archived).count();
    assert!(removed > 1, "{removed} files");
    (0..removed).for_each(|at| fs::remove_file(it.file(at)).unwrap());
    let verified = it.verify();
    assert!(verified.fault.is_none(), "{:?}", verified.fault);
    assert_eq!(verified.last.unwrap().seq, 120);
    // A file with lines of the ledger is needed.
    fs::remove_file(it.file(removed)).unwrap();
    let verified = it.verify();
    assert_eq!(verified.last, None);
    assert!(verified.fault.unwrap().to_string().contains(&it.names[removed].to_string()));
}

#[test]
fn a_missing_file_with_archived_lines_after_another_one_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=120);
    let it = Shipped::of(directory, path);
    open(&it.path).archive_segments(1, it.directory.path().join("archive")).unwrap();
    // The last line that can be verified is then one that was archived.
    fs::remove_file(it.file(1)).unwrap();
    let verified = it.verify();
    assert_eq!((verified.last.unwrap().seq, verified.fault.is_none()), (120, true));
}

#[test]
fn a_ledger_whose_lines_were_archived_before_they_were_shipped_continues_after_its_archive() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    append(&open(&path), 1..=5);
    let root = directory.path().join("fleet");
    ship(&path, &root, true).unwrap();
    append(&open(&path), 6..=120);
    let archive = directory.path().join("archive");
    open(&path).archive_segments(2, &archive).unwrap();
    assert_eq!(ship(&path, &root, true).unwrap_err().kind(), ErrorKind::Diverged);
    ship(&archive.join("execution_metrics.jsonl"), &root, true).unwrap();
    ship(&path, &root, true).unwrap();
    assert_eq!(shipped_numbers(&root), (1..=120).collect::<Vec<_>>());
}

#[cfg(feature = "cli")]
#[test]
fn retention_archives_only_segments_that_were_shipped_and_verified() {
    use crate::commands::{command, output};

    let it = shipped();
    let plan = |store: &str| {
        let mut call = command();
        call.current_dir(it.directory.path()).args([
            "--ledger",
            "execution_metrics.jsonl",
            "retention",
            "plan",
            "--json",
        ]);
        call.args(["--shipped-to", store]);
        let output = output(&mut call);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let items = output.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        (items.collect::<Vec<_>>(), output.stderr)
    };
    let (items, _) = plan("fleet");
    assert_eq!(items[0]["action"], "archive", "{items:?}");
    let (items, _) = plan("another");
    assert_eq!((&items[0]["action"], &items[0]["reason"]), (&"keep".into(), &"it was not shipped and verified".into()));
    fs::remove_file(it.file(0)).unwrap();
    let (items, stderr) = plan("fleet");
    assert_eq!(items[0]["action"], "keep");
    assert!(stderr.contains("found no file"), "{stderr}");
}
