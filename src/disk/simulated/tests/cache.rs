//! Tests of a running system: the page cache, handles, locks and the list of calls.

use super::*;
use crate::disk::simulated::disk::BAD_DESCRIPTOR;

#[test]
fn appends_go_to_the_end_at_the_time_of_the_write() {
    let disk = SimulatedDisk::new();
    let first = open(&disk, "a", Access::AppendNew);
    let second = open(&disk, "a", Access::Append);
    append_all(&*first, b"one").unwrap();
    append_all(&*second, b"two").unwrap();
    append_all(&*first, b"three").unwrap();
    assert_eq!(read(&disk, "a").unwrap(), b"onetwothree");
}

#[test]
fn a_handle_does_only_what_it_was_opened_for() {
    let (disk, writer) = disk_with(b"x");
    let denied = |result: io::Result<usize>| assert_eq!(result.unwrap_err().raw_os_error(), Some(BAD_DESCRIPTOR));
    denied(open(&disk, "a", Access::Read).append(b"y"));
    denied(open(&disk, "a", Access::Read).write_at(b"y", 0));
    denied(open(&disk, "a", Access::Append).write_at(b"y", 0));
    denied(writer.append(b"y"));
    assert!(open(&disk, "a", Access::Read).truncate(0).is_err());
    assert_eq!(read(&disk, "a").unwrap(), b"x");
}

#[test]
fn a_file_without_a_name_stays_usable() {
    let (disk, old) = disk_with(b"old");
    let new = open(&disk, "b", Access::AppendNew);
    disk.rename(Path::new("b"), Path::new("a")).unwrap();
    assert_eq!((old.stat().unwrap().links, new.stat().unwrap().links), (0, 1));
    assert_eq!(disk.stat(Path::new("a")).unwrap().unwrap().id, new.stat().unwrap().id);
    assert_ne!(old.stat().unwrap().id, new.stat().unwrap().id);

    disk.remove(Path::new("a")).unwrap();
    assert_eq!(new.stat().unwrap().links, 0);
    old.write_at(b"er", 3).unwrap();
    let mut bytes = [0; 8];
    assert_eq!(old.read_at(&mut bytes, 0).unwrap(), 5);
    assert_eq!(&bytes[..5], b"older");
    assert_eq!(read(&disk, "a"), None);
}

#[test]
fn handles_compete_for_a_lock_and_a_closed_handle_releases_it() {
    let (disk, first) = disk_with(b"");
    let second = open(&disk, "a", Access::Read);
    assert!(first.try_lock().unwrap());
    assert!(first.try_lock().unwrap());
    assert!(!second.try_lock().unwrap());
    second.unlock().unwrap();
    assert!(!second.try_lock().unwrap(), "freed by a handle that does not hold it");
    first.unlock().unwrap();
    assert!(second.try_lock().unwrap());
    assert!(!first.try_lock().unwrap());
    drop(second);
    assert!(first.try_lock().unwrap());
    assert!(open(&cut(&disk, Loss::Nothing), "a", Access::Read).try_lock().unwrap());
}

#[test]
fn a_kill_loses_nothing_and_makes_nothing_durable() {
    let (disk, file) = disk_with(b"synced");
    file.write_at(b"cached", 0).unwrap();
    append_all(&*open(&disk, "b", Access::AppendNew), b"removed").unwrap();
    disk.remove(Path::new("b")).unwrap();
    let killed = cut(&disk, Loss::Nothing);
    assert_eq!(read(&killed, "a").unwrap(), b"cached");
    assert_eq!(read(&cut(&killed, Loss::Unsynced), "a").unwrap(), b"synced");
    assert_eq!(read(&killed, "b"), None);
    let back = Some(b"removed".to_vec());
    assert!(seen(&killed, |after| read(after, "b")).contains(&back), "a removal is not durable yet");
    open(&killed, "a", Access::Read).sync().unwrap();
    assert_eq!(read(&cut(&killed, Loss::Unsynced), "a").unwrap(), b"cached");
}

#[test]
fn a_crash_after_any_call_leaves_the_original_disk_usable() {
    let disk = SimulatedDisk::new();
    let file = open(&disk, "a", Access::AppendNew);
    for byte in b"abc" {
        append_all(&*file, &[*byte]).unwrap();
    }
    file.truncate(1).unwrap();
    let states: Vec<_> = (0..=5).map(|n| read(&disk.crash_after(n, Loss::Nothing), "a")).collect();
    let expected = [None, Some(""), Some("a"), Some("ab"), Some("abc"), Some("a")];
    assert_eq!(states, expected.map(|bytes| bytes.map(|bytes| bytes.as_bytes().to_vec())));

    let after = disk.crash_after(3, Loss::Nothing);
    append_all(&*open(&after, "a", Access::Append), b"X").unwrap();
    append_all(&*file, b"Y").unwrap();
    assert_eq!(read(&after, "a").unwrap(), b"abX");
    assert_eq!(read(&disk, "a").unwrap(), b"aY");
    assert_eq!(after.calls().len(), 1);
}

#[test]
fn calls_are_listed_in_order_and_readably() {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("d")).unwrap();
    disk.create_dir(Path::new("d")).unwrap();
    let file = open(&disk, "d/a", Access::AppendNew);
    append_all(&*file, b"12345").unwrap();
    append_all(&*file, b"678").unwrap();
    file.truncate(6).unwrap();
    disk.inject(When::Next(Op::Sync), InjectedFault::Error(io::ErrorKind::StorageFull));
    file.sync().unwrap_err();
    file.sync().unwrap();
    open(&disk, "d/a", Access::Write).write_at(b"0", 2).unwrap();
    disk.rename(Path::new("d/a"), Path::new("d/b")).unwrap();
    disk.remove(Path::new("d/a")).unwrap_err();
    disk.remove(Path::new("d/b")).unwrap();
    sync_dir(&disk, "d");
    let calls: Vec<_> = disk.calls().iter().map(ToString::to_string).collect();
    let expected = [
        "create_dir d",
        "create d/a",
        "append d/a: 5 bytes at 0",
        "append d/a: 3 bytes at 5",
        "truncate d/a: to 6 bytes",
        "sync d/a: failed: no storage space",
        "sync d/a",
        "write_at d/a: 1 bytes at 2",
        "rename d/a: to d/b",
        "remove d/b",
        "sync_dir d",
    ];
    assert_eq!(calls, expected);
}
