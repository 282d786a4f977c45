//! Promise: on a long ledger, a second `runledger baseline` reads only what was appended since the first one. It
//! prints the same as a pass over all records. If the checkpoint cannot be used or written, the command says so, and
//! its answer is still correct.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::children::mount::{Mount, can_mount};
use crate::commands::{Place, record};
use runledger::metrics::Status;
use runledger::{Answer, Durability, ExecutionMetrics, Options};

/// Returns a ledger that is long enough for a checkpoint (17 MB).
fn long_place() -> Place {
    let place = Place::empty();
    append(&place, 0..2_100, 8_000);
    place
}

fn append(place: &Place, ids: std::ops::Range<u64>, bytes: usize) {
    let ledger = Options::new().durability(Durability::Flushed).open(place.ledger()).unwrap();
    for id in ids {
        let mut record: ExecutionMetrics = record(
            u128::from(id) + 1,
            ["publish", "search"][(id % 2) as usize],
            "2026-02-14T14:23:00Z",
            (!id.is_multiple_of(5)).then_some(id % 1000 * 3),
            if id.is_multiple_of(7) { Status::Failed } else { Status::Success },
        );
        record.timestamp_end = Some(record.timestamp_start);
        record.tags.insert("long".to_owned(), "x".repeat(bytes).into());
        assert!(matches!(ledger.append(&record).unwrap(), Answer::Flushed { .. }));
    }
}

fn checkpoint(place: &Place, by: &str) -> PathBuf {
    place.path(&format!("logs/execution_metrics.ledger/baseline-{by}.checkpoint"))
}

fn answer(place: &Place, args: &str) -> String {
    place.run(args.split(' ')).answer(0)
}

/// Returns the answer of a pass over all records, because a period has no checkpoint.
fn full(place: &Place, args: &str) -> String {
    answer(place, &format!("{args} --until 9999-12-31"))
}

#[test]
fn a_baseline_of_a_grown_ledger_is_that_of_all_its_records() {
    let place = long_place();
    for (by, args) in
        [("skill", "baseline --json"), ("week", "baseline --json --by week"), ("model", "baseline --by model")]
    {
        let first = answer(&place, args);
        assert_eq!(first, full(&place, args));
        assert_eq!(fs::metadata(checkpoint(&place, by)).unwrap().permissions().mode() & 0o7777, 0o600, "{by}");
        assert_eq!(answer(&place, args), first);
    }
    let files = place.files();
    append(&place, 2_100..2_200, 0);
    let kept = fs::read(checkpoint(&place, "skill")).unwrap();
    let grown = answer(&place, "baseline --json");
    assert_eq!(grown, full(&place, "baseline --json"));
    assert_eq!(fs::read(checkpoint(&place, "skill")).unwrap(), kept, "so little is not worth a new one");
    append(&place, 2_200..4_300, 8_000);
    let grown = answer(&place, "baseline");
    assert_eq!(grown, full(&place, "baseline"));
    assert_ne!(fs::read(checkpoint(&place, "skill")).unwrap(), kept);
    assert_eq!(answer(&place, "baseline"), grown);
    // The second append has built an index.
    let others = |files: &[std::path::PathBuf]| files.iter().filter(|path| !path.ends_with("000001.index")).count();
    assert_eq!(others(&place.files()), others(&files));
}

/// Lines that are not records are reported each time, including those that are not read again.
#[test]
fn skipped_lines_are_reported_again() {
    let place = long_place().with_a_foreign_line();
    let warnings = "\
runledger: warning: cannot read a record from JSON: logs/execution_metrics.jsonl: line 3 (byte 17796): expected a value in JSON, found `no` at column 2
runledger: warning: skipped lines that are not records: 1
";
    for time in ["first", "second"] {
        let output = place.run(["baseline"]);
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), warnings), "{time}");
        assert!(checkpoint(&place, "skill").exists(), "{time}");
    }
}

#[test]
fn an_untrusted_checkpoint_is_reported_and_replaced() {
    let place = long_place();
    let expected = answer(&place, "baseline");
    let path = checkpoint(&place, "skill");
    let whole = fs::read(&path).unwrap();
    let cut = &whole[..whole.len() / 2];

    fs::write(&path, cut).unwrap();
    let output = place.run(["baseline"]);
    assert_eq!((output.code, output.stdout), (Some(0), expected.clone()));
    assert_eq!(
        output.stderr,
        "runledger: cannot use a checkpoint: logs/execution_metrics.ledger/baseline-skill.checkpoint: it is damaged; all records were read instead\n"
    );
    assert_eq!(answer(&place, "baseline"), expected);
    assert_eq!(fs::read(&path).unwrap(), whole);

    fs::write(&path, "something else").unwrap();
    let output = place.run(["baseline", "--json"]);
    assert_eq!(
        output.stderr,
        "{\"kind\":\"stale\",\"note\":\"cannot use a checkpoint: logs/execution_metrics.ledger/baseline-skill.checkpoint: it is not from this version of runledger; all records were read instead\"}\n"
    );
    assert_eq!(answer(&place, "baseline"), expected);
}

#[test]
fn selections_stability_and_short_ledgers_have_no_checkpoint() {
    let (place, short) = (long_place(), Place::new());
    for args in ["--skill publish", "--since 2026-01-01", "--until 9999-12-31", "--last 3"] {
        answer(&place, &format!("baseline {args}"));
    }
    answer(&place, "baseline stability");
    answer(&short, "baseline");
    let files = [place.files(), short.files()].concat();
    assert!(files.iter().all(|file| !file.to_string_lossy().contains(".checkpoint")), "{files:?}");
}

#[test]
fn baselines_are_computed_even_if_no_checkpoint_can_be_written() {
    let place = long_place();
    let expected = full(&place, "baseline");
    // This keeps even root from writing the checkpoint.
    fs::create_dir(checkpoint(&place, "skill").with_extension("new")).unwrap();
    for _ in 0..2 {
        let output = place.run(["baseline"]);
        assert_eq!((output.code, output.stdout), (Some(0), expected.clone()));
        assert_eq!(
            output.stderr,
            "runledger: cannot write a checkpoint: logs/execution_metrics.ledger/baseline-skill.checkpoint: the next call reads the same lines again: \
             found a directory, a FIFO or a device; expected a regular file\n"
        );
    }
    assert!(!checkpoint(&place, "skill").exists());
}

#[test]
fn a_read_only_file_system_is_reported_once() {
    if !can_mount("a checkpoint on a read-only file system") {
        return;
    }
    let place = Place::empty();
    let mount = Mount::tmpfs(&place.path("logs"), 40_000);
    append(&place, 0..2_100, 8_000);
    let expected = full(&place, "baseline");
    mount.remount("ro");
    let output = place.run(["baseline"]);
    assert_eq!((output.code, output.stdout), (Some(0), expected.clone()));
    assert_eq!(
        output.stderr,
        "runledger: cannot write a checkpoint: logs/execution_metrics.ledger/baseline-skill.checkpoint: the next call reads the same lines again: \
         Read-only file system (os error 30)\n"
    );
    // An earlier checkpoint is still used there.
    mount.remount("rw");
    answer(&place, "baseline");
    mount.remount("ro");
    assert_eq!(answer(&place, "baseline"), expected);
}
