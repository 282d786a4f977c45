//! Tests of injected faults.

use super::*;

#[test]
fn a_fault_affects_only_the_call_that_it_is_meant_for() {
    let disk = SimulatedDisk::new();
    disk.inject(When::Call(2), InjectedFault::Os(28));
    disk.inject(When::Next(Op::Append), InjectedFault::Error(io::ErrorKind::PermissionDenied));
    let file = open(&disk, "a", Access::AppendNew);
    assert_eq!(file.append(b"1").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(file.append(b"2").unwrap_err().raw_os_error(), Some(28));
    assert_eq!(file.append(b"3").unwrap(), 1);
    assert_eq!(read(&disk, "a").unwrap(), b"3");
    let errors: Vec<_> = disk.calls().iter().map(|call| call.error).collect();
    assert_eq!(errors, [None, Some(io::ErrorKind::PermissionDenied), Some(io::ErrorKind::StorageFull), None]);
}

#[test]
fn a_failed_call_changes_nothing() {
    let (disk, file) = disk_with(b"old");
    let fail = |op| disk.inject(When::Next(op), InjectedFault::Os(5));
    let ops = [Op::Create, Op::WriteAt, Op::Truncate, Op::Rename, Op::Link, Op::Remove, Op::SyncDir, Op::CreateDir];
    ops.into_iter().for_each(fail);
    let before = disk.calls().len();
    let errors = [
        disk.open(Path::new("b"), Access::WriteNew).map(drop),
        file.write_at(b"new", 0).map(drop),
        file.truncate(0),
        disk.rename(Path::new("a"), Path::new("c")),
        disk.link(Path::new("a"), Path::new("c")),
        disk.remove(Path::new("a")),
        disk.sync_dir(Path::new("/")),
        disk.create_dir(Path::new("d")),
    ];
    assert!(errors.into_iter().all(|error| error.unwrap_err().raw_os_error() == Some(5)));
    let calls: Vec<_> = disk.calls().split_off(before).into_iter().map(|call| call.op).collect();
    assert_eq!(calls, ops);
    assert_eq!(read(&disk, "a").unwrap(), b"old");
    assert_eq!(disk.list(Path::new("/")).unwrap(), ["a"]);
}

#[test]
fn a_failed_sync_of_a_directory_makes_nothing_durable_but_a_later_sync_does() {
    let disk = SimulatedDisk::new();
    open(&disk, "a", Access::AppendNew);
    disk.inject(When::Next(Op::SyncDir), InjectedFault::Os(5));
    disk.sync_dir(Path::new("/")).unwrap_err();
    assert_eq!(read(&cut(&disk, Loss::Unsynced), "a"), None);
    sync_dir(&disk, "/");
    assert_eq!(read(&cut(&disk, Loss::Unsynced), "a").unwrap(), b"");
}

#[test]
fn a_short_write_writes_at_most_the_given_number_of_bytes() {
    let disk = SimulatedDisk::new();
    let file = open(&disk, "a", Access::AppendNew);
    disk.inject(When::Next(Op::Append), InjectedFault::Short(3));
    disk.inject(When::Next(Op::Append), InjectedFault::Short(0));
    disk.inject(When::Next(Op::Append), InjectedFault::Short(100));
    let written: Vec<_> = (0..4).map(|_| file.append(b"12345").unwrap()).collect();
    assert_eq!(written, [3, 0, 5, 5]);
    assert_eq!(read(&disk, "a").unwrap(), b"1231234512345");
}

/// Returns a disk whose file `a` has two pages. First both pages were filled with `a` and synced. Then they were
/// overwritten with `b`, and the sync after that failed.
fn failed_sync(fault: InjectedFault) -> (SimulatedDisk, Box<dyn StorageFile>) {
    let (disk, file) = disk_with(&[b'a'; 2 * pages::PAGE]);
    file.write_at(&[b'b'; 2 * pages::PAGE], 0).unwrap();
    disk.inject(When::Next(Op::Sync), fault);
    file.sync().unwrap_err();
    (disk, file)
}

#[test]
fn a_later_sync_does_not_write_the_pages_of_a_failed_sync() {
    let (disk, file) = failed_sync(InjectedFault::Os(5));
    assert_eq!(read(&disk, "a").unwrap(), [b'b'; 2 * pages::PAGE]);
    file.sync().unwrap();
    assert_eq!(read(&disk, "a").unwrap(), [b'b'; 2 * pages::PAGE]);
    assert_eq!(read(&cut(&disk, Loss::Unsynced), "a").unwrap(), [b'a'; 2 * pages::PAGE]);
    let firsts = seen(&disk, |after| read(after, "a").unwrap()[0]);
    assert_eq!(firsts, BTreeSet::from([b'a', b'b']), "some pages may have reached the disk before the sync failed");
}

#[test]
fn a_page_written_again_is_synced_completely() {
    let (disk, file) = failed_sync(InjectedFault::Os(5));
    file.write_at(b"c", 100).unwrap();
    file.sync().unwrap();
    let mut page = [b'b'; pages::PAGE];
    page[100] = b'c';
    let states = seen(&disk, |after| read(after, "a").unwrap());
    assert!(states.iter().all(|bytes| bytes[..pages::PAGE] == page));
    assert!(states.iter().any(|bytes| bytes[pages::PAGE] == b'a'));
}

#[test]
fn a_later_sync_keeps_the_length_of_a_failed_append_but_not_its_bytes() {
    let (disk, _) = disk_with(b"");
    let file = open(&disk, "a", Access::Append);
    append_all(&*file, b"lost").unwrap();
    disk.inject(When::Next(Op::Sync), InjectedFault::Error(io::ErrorKind::StorageFull));
    file.sync().unwrap_err();
    assert_eq!(read(&cut(&disk, Loss::Unsynced), "a").unwrap(), b"");
    assert_eq!(seen(&disk, |after| read(after, "a").unwrap().len()), BTreeSet::from([0, 4]));
    file.sync().unwrap();
    assert_eq!(read(&cut(&disk, Loss::Unsynced), "a").unwrap(), [0; 4]);
    assert_eq!(seen(&disk, |after| read(after, "a").unwrap().len()), BTreeSet::from([4]));
}

#[test]
fn an_interrupted_sync_loses_no_pages() {
    let (disk, file) = failed_sync(InjectedFault::Error(io::ErrorKind::Interrupted));
    assert_eq!(read(&cut(&disk, Loss::Unsynced), "a").unwrap()[0], b'a');
    file.sync().unwrap();
    assert_eq!(read(&cut(&disk, Loss::Unsynced), "a").unwrap(), [b'b'; 2 * pages::PAGE]);
}

#[test]
fn operations_that_change_nothing_can_fail_but_are_not_calls() {
    let (disk, file) = disk_with(b"bytes");
    let calls = disk.calls().len();
    let mut buffer = [0; 5];
    let looks: [(Op, &mut dyn FnMut() -> io::Result<()>); 7] = [
        (Op::Open, &mut || disk.open(Path::new("a"), Access::Read).map(drop)),
        (Op::Read, &mut || file.read_at(&mut buffer, 0).map(drop)),
        (Op::Stat, &mut || file.stat().map(drop)),
        (Op::Stat, &mut || file.length().map(drop)),
        (Op::Stat, &mut || disk.stat(Path::new("a")).map(drop)),
        (Op::List, &mut || disk.list(Path::new("/")).map(drop)),
        (Op::Lock, &mut || file.try_lock().map(drop)),
    ];
    for (op, look) in looks {
        disk.inject(When::Next(op), InjectedFault::Os(5));
        assert_eq!(look().unwrap_err().raw_os_error(), Some(5), "{op}");
        disk.inject(When::Operation(disk.operations() + 1), InjectedFault::Os(28));
        look().unwrap();
        assert_eq!(look().unwrap_err().raw_os_error(), Some(28), "{op}");
        look().unwrap();
    }
    assert_eq!(disk.calls().len(), calls);
}

#[test]
fn a_short_read_reads_at_least_one_byte() {
    let (disk, file) = disk_with(b"bytes");
    disk.inject(When::Next(Op::Read), InjectedFault::Short(2));
    disk.inject(When::Next(Op::Read), InjectedFault::Short(0));
    let mut buffer = [0; 9];
    let lengths: Vec<_> = (0..3).map(|_| file.read_at(&mut buffer, 0).unwrap()).collect();
    assert_eq!(lengths, [2, 1, 5]);
}

#[test]
fn a_lasting_fault_lasts_until_it_is_lifted() {
    let (disk, file) = disk_with(b"a");
    let from = disk.operations() + 1;
    disk.inject_lasting(
        move |number, op, path| number >= from && op == Op::Sync && path.ends_with("a"),
        InjectedFault::Os(5),
    );
    let other = open(&disk, "b", Access::AppendNew);
    for _ in 0..3 {
        file.sync().unwrap_err();
        other.sync().unwrap();
    }
    // A fault for a single operation takes precedence over a lasting fault.
    disk.inject(When::Next(Op::Sync), InjectedFault::Os(28));
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(28));
    disk.inject(When::Next(Op::Append), InjectedFault::Os(28));
    disk.lift_faults();
    file.sync().unwrap();
    append_all(&*other, b"x").unwrap();
}
