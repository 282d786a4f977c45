//! `Shipper::verify_shipped` finds every file that does not have its lines, and `retention --shipped-to` keeps the segments.

use std::fs;
use std::path::PathBuf;

use runledger::ship::{DirectoryStore, FileName, ShippedUpTo, Store};

use crate::support::{append, open, ship, shipper};

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
    ship(&path, &directory.path().join("fleet"), true).unwrap();
    let store = DirectoryStore::new(directory.path().join("fleet"));
    let mut names: Vec<_> = store.list("v=1").unwrap().iter().map(|name| FileName::parse(name).unwrap()).collect();
    names.sort_unstable_by_key(|name| name.first);
    assert!(names.len() > 3);
    Shipped { directory, path, names }
}

impl Shipped {
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
