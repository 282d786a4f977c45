//! Tests of what a power cut does to names.

use super::*;

fn path_names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Checks that exactly the expected sets of names occur.
fn assert_names(disk: &SimulatedDisk, directory: &str, expected: &[&[&str]]) {
    assert_eq!(names_seen(disk, directory), expected.iter().map(|names| path_names(names)).collect());
}

#[test]
fn a_new_file_needs_a_sync_of_its_directory() {
    let disk = SimulatedDisk::new();
    let file = open(&disk, "a", Access::AppendNew);
    append_all(&*file, b"x").unwrap();
    file.sync().unwrap();
    assert_eq!(read(&cut(&disk, Loss::Unsynced), "a"), None);
    assert_eq!(seen(&disk, |after| read(after, "a")), BTreeSet::from([None, Some(b"x".to_vec())]));
    sync_dir(&disk, "/");
    assert_eq!(seen(&disk, |after| read(after, "a")), BTreeSet::from([Some(b"x".to_vec())]));
}

#[test]
fn a_replacement_is_old_or_new_until_the_directory_is_synced() {
    let (disk, _) = disk_with(b"old");
    let new = open(&disk, "b", Access::AppendNew);
    append_all(&*new, b"new").unwrap();
    new.sync().unwrap();
    sync_dir(&disk, "/");
    disk.rename(Path::new("b"), Path::new("a")).unwrap();
    let both = |after: &SimulatedDisk| (read(after, "a").unwrap(), read(after, "b"));
    let undone = (b"old".to_vec(), Some(b"new".to_vec()));
    let done = (b"new".to_vec(), None);
    assert_eq!(both(&cut(&disk, Loss::Unsynced)), undone);
    assert_eq!(seen(&disk, both), BTreeSet::from([done.clone(), undone]));
    sync_dir(&disk, "/");
    assert_eq!(both(&cut(&disk, Loss::Unsynced)), done);
    assert_eq!(seen(&disk, both), BTreeSet::from([done]));
}

#[test]
fn a_second_name_of_a_file_stays_when_the_first_is_removed() {
    let (disk, _) = disk_with(b"x");
    disk.link(Path::new("a"), Path::new("b")).unwrap();
    assert_eq!(disk.link(Path::new("a"), Path::new("b")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    disk.remove(Path::new("a")).unwrap();
    assert_names(&disk, "/", &[&["a"], &["a", "b"], &["b"]]);
    assert_eq!(read(&disk, "b").unwrap(), b"x");
}

#[test]
fn a_removed_file_can_come_back_with_its_bytes() {
    let (disk, file) = disk_with(b"x");
    drop(file);
    disk.remove(Path::new("a")).unwrap();
    assert_eq!(seen(&disk, |after| read(after, "a")), BTreeSet::from([None, Some(b"x".to_vec())]));
    sync_dir(&disk, "/");
    assert_eq!(seen(&disk, |after| read(after, "a")), BTreeSet::from([None]));
}

#[test]
fn changes_of_a_directory_survive_in_order() {
    let disk = SimulatedDisk::new();
    open(&disk, "a", Access::AppendNew);
    open(&disk, "b", Access::AppendNew);
    disk.rename(Path::new("a"), Path::new("c")).unwrap();
    disk.remove(Path::new("b")).unwrap();
    assert_names(&disk, "/", &[&[], &["a"], &["a", "b"], &["b", "c"], &["c"]]);
}

#[test]
fn directories_lose_their_changes_independently() {
    let disk = SimulatedDisk::new();
    for directory in ["d", "e"] {
        disk.create_dir(Path::new(directory)).unwrap();
    }
    sync_dir(&disk, "/");
    open(&disk, "d/x", Access::AppendNew);
    open(&disk, "e/x", Access::AppendNew);
    let there = |after: &SimulatedDisk| (read(after, "d/x").is_some(), read(after, "e/x").is_some());
    assert_eq!(seen(&disk, there).len(), 4);
    sync_dir(&disk, "e");
    assert_eq!(seen(&disk, there), BTreeSet::from([(false, true), (true, true)]));
}

#[test]
fn a_new_directory_needs_a_sync_of_its_parent() {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("d/e")).unwrap();
    open(&disk, "d/e/a", Access::AppendNew).sync().unwrap();
    sync_dir(&disk, "d/e");
    sync_dir(&disk, "d");
    assert_names(&disk, "/", &[&[], &["d"]]);
    assert_names(&disk, "d/e", &[&[], &["a"]]);
    sync_dir(&disk, "/");
    assert_names(&disk, "d/e", &[&["a"]]);
}

/// Returns a disk on which the durable file `s/a` was moved to `target`. The move is not durable yet.
fn moved(target: &str) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("s")).unwrap();
    disk.create_dir(Path::new("d")).unwrap();
    sync_dir(&disk, "/");
    open(&disk, "s/a", Access::AppendNew);
    sync_dir(&disk, "s");
    let target = Path::new(target);
    disk.create_dir(target.parent().unwrap()).unwrap();
    disk.rename(Path::new("s/a"), target).unwrap();
    disk
}

/// Returns the states that different power cuts can leave. The first value says whether the file has its old name, and
/// the second value whether it has its new name.
fn names_of_move(disk: &SimulatedDisk, target: &str) -> BTreeSet<(bool, bool)> {
    seen(disk, |after| (read(after, "s/a").is_some(), read(after, target).is_some()))
}

#[test]
fn a_move_leaves_the_file_under_one_name_or_both() {
    for target in ["d/a", "d/new/er/a"] {
        let disk = moved(target);
        let all = BTreeSet::from([(false, true), (true, false), (true, true)]);
        assert_eq!(names_of_move(&disk, target), all);
        sync_dir(&disk, "s");
        assert_eq!(names_of_move(&disk, target), BTreeSet::from([(false, true)]), "{target}");
    }
    let disk = moved("d/a");
    sync_dir(&disk, "d");
    assert_eq!(names_of_move(&disk, "d/a"), BTreeSet::from([(false, true), (true, true)]));
}

#[test]
fn a_file_under_both_names_has_two_links() {
    let disk = moved("d/a");
    let both = |after: &SimulatedDisk| read(after, "s/a").is_some() && read(after, "d/a").is_some();
    let after = (0..SEEDS).map(|seed| cut(&disk, Loss::Random(seed))).find(both).unwrap();
    let stat = |path: &str| after.stat(Path::new(path)).unwrap().unwrap();
    assert_eq!(stat("s/a"), stat("d/a"));
    assert_eq!(stat("s/a").links, 2);
    after.rename(Path::new("s/a"), Path::new("d/a")).unwrap();
    assert_eq!(stat("s/a").links, 2, "POSIX: a rename from one name of a file to another does nothing");
    after.remove(Path::new("s/a")).unwrap();
    assert_eq!(stat("d/a").links, 1);
}

#[test]
fn a_move_loses_no_file_even_if_a_kill_precedes_the_power_cut() {
    let killed = cut(&moved("d/a"), Loss::Nothing);
    for _ in 0..5 {
        for (from, to) in [("d/a", "s/a"), ("s/a", "d/a")] {
            killed.rename(Path::new(from), Path::new(to)).unwrap();
            assert!(!names_of_move(&killed, "d/a").contains(&(false, false)));
        }
    }
}

#[test]
fn a_durable_move_makes_earlier_moves_durable_too() {
    let disk = moved("d/a");
    disk.create_dir(Path::new("e")).unwrap();
    open(&disk, "d/b", Access::AppendNew);
    sync_dir(&disk, "/");
    sync_dir(&disk, "s");
    sync_dir(&disk, "d");
    disk.rename(Path::new("d/b"), Path::new("e/b")).unwrap();
    disk.rename(Path::new("d/a"), Path::new("s/a")).unwrap();
    disk.rename(Path::new("s/a"), Path::new("d/c")).unwrap();
    // If the removal of `s/a` is durable, `d/c` is durable too, and so is the earlier removal of `d/b`.
    sync_dir(&disk, "s");
    assert!(read(&cut(&disk, Loss::Unsynced), "d/c").is_some());
    assert!(read(&cut(&disk, Loss::Unsynced), "e/b").is_some());
}

#[test]
fn names_lost_in_a_crash_are_not_counted_as_links() {
    let (disk, file) = disk_with(b"x");
    disk.create_dir(Path::new("d")).unwrap();
    disk.rename(Path::new("a"), Path::new("d/a")).unwrap();
    sync_dir(&disk, "d");
    assert_eq!(file.stat().unwrap().links, 1);
    let after = cut(&disk, Loss::Unsynced);
    assert_eq!(after.stat(Path::new("a")).unwrap().unwrap().links, 1, "a name in a lost directory does not count");
    sync_dir(&after, "/");
    assert_names(&after, "/", &[&["a"]]);
}
