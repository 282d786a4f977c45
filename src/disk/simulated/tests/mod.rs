//! Tests that the simulated disk keeps what its model of a real disk promises, and that it can lose everything else.

mod cache;
mod faults;
mod losses;
mod names;
mod power_cut;
mod real_disk;
mod space;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::*;
use crate::disk::{Access, Stat, Storage, StorageFile, append_all, read_full_at, write_all_at};

const SEEDS: u64 = 2000;

fn open(disk: &SimulatedDisk, path: &str, access: Access) -> Box<dyn StorageFile> {
    disk.open(Path::new(path), access).unwrap()
}

/// Returns the bytes at `path`, or `None` if nothing is there.
fn read(disk: &SimulatedDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path), Access::Read).ok()?;
    let mut bytes = vec![0; file.stat().unwrap().len as usize];
    assert_eq!(read_full_at(&*file, &mut bytes, 0).unwrap(), bytes.len());
    Some(bytes)
}

fn sync_dir(disk: &SimulatedDisk, path: &str) {
    disk.sync_dir(Path::new(path)).unwrap();
}

/// Returns a disk whose file `a` durably holds `bytes`, and that file.
fn disk_with(bytes: &[u8]) -> (SimulatedDisk, Box<dyn StorageFile>) {
    let disk = SimulatedDisk::new();
    let file = open(&disk, "a", Access::WriteNew);
    write_all_at(&*file, bytes, 0).unwrap();
    file.sync().unwrap();
    sync_dir(&disk, "/");
    (disk, file)
}

/// Returns the disk after a power cut at this point.
fn cut(disk: &SimulatedDisk, loss: Loss) -> SimulatedDisk {
    disk.crash_after(usize::MAX, loss)
}

/// Returns the different results of `look` after [`SEEDS`] random power cuts at this point.
fn seen<T: Ord>(disk: &SimulatedDisk, look: impl Fn(&SimulatedDisk) -> T) -> BTreeSet<T> {
    (0..SEEDS).map(|seed| look(&cut(disk, Loss::Random(seed)))).collect()
}

/// Returns the different lists of names that random power cuts at this point leave in `directory`.
fn names_seen(disk: &SimulatedDisk, directory: &str) -> BTreeSet<Vec<String>> {
    seen(disk, |after| {
        let names = after.list(Path::new(directory)).unwrap();
        names.into_iter().map(|name| name.into_string().unwrap()).collect()
    })
}
