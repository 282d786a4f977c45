//! Tests of the state of a new file after a crash or on a full disk.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::disk::read_full_at;
use crate::disk::simulated::{InjectedFault, Op, SimulatedDisk, When};

/// The content of a log. It is longer than the write buffer, so that several writes are needed.
static CONTENT: [u8; 150_000] = [b'x'; 150_000];

fn create_on(disk: &SimulatedDisk) -> Result<PathBuf> {
    let (path, ()) = create(disk, Path::new("logs"), &LOG, |out| {
        CONTENT
            .chunks(1000)
            .try_for_each(|row| out.write_all(row))
            .map_err(|source| Error::io("write", Path::new("x"), source))
    })?;
    Ok(path)
}

/// Returns the names of the logs, and checks that each log is complete.
fn logs(disk: &SimulatedDisk) -> BTreeSet<String> {
    let names = disk.list(Path::new("logs")).unwrap();
    let names = names.into_iter().map(|name| name.into_string().unwrap()).filter(|name| LOG.number(name).is_some());
    names
        .inspect(|name| {
            let file = disk.open(&Path::new("logs").join(name), Access::Read).unwrap();
            let mut bytes = vec![0; CONTENT.len() + 1];
            let read = read_full_at(&*file, &mut bytes, 0).unwrap();
            assert!(bytes[..read] == CONTENT, "{name} has {read} bytes");
        })
        .collect()
}

#[test]
fn no_crash_leaves_a_half_written_log_or_loses_a_log_that_create_returned() {
    let disk = SimulatedDisk::new();
    let answered: Vec<_> = (0..2)
        .map(|_| {
            create_on(&disk).unwrap();
            disk.calls().len()
        })
        .collect();
    for calls in 0..=disk.calls().len() {
        let kept = answered.iter().filter(|&&at| at <= calls).count();
        for loss in disk.losses(calls, 40, 7) {
            let after = disk.crash_after(calls, loss);
            let found = logs(&after);
            assert!(found.len() >= kept, "after {calls} calls, {loss:?}: {found:?}");
            // The next file gets a new name, no matter what the crash left.
            let next = create_on(&after).unwrap();
            assert!(!found.contains(next.file_name().unwrap().to_str().unwrap()));
            assert_eq!(logs(&after).len(), found.len() + 1);
        }
    }
}

#[test]
fn no_error_of_the_disk_leaves_a_half_written_log() {
    let ops = [Op::CreateDir, Op::Create, Op::Append, Op::Sync, Op::List, Op::Link, Op::Remove, Op::SyncDir];
    for op in ops {
        let disk = SimulatedDisk::new();
        disk.inject(When::Next(op), InjectedFault::Os(28));
        let error = create_on(&disk).unwrap_err();
        assert_eq!(error.io_kind(), Some(io::ErrorKind::StorageFull), "{op}: {error}");
        let found = logs(&disk);
        assert!(found.is_empty() || op == Op::Remove, "{op}: {found:?}");
        create_on(&disk).unwrap();
    }
}
