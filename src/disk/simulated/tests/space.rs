//! Tests of a full disk.

use super::*;

const PAGE: u64 = pages::PAGE as u64;

fn code<T: std::fmt::Debug>(result: io::Result<T>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

#[test]
fn a_full_disk_writes_what_it_has_room_for_and_then_nothing() {
    let disk = SimulatedDisk::new();
    disk.set_capacity(Some(2 * PAGE));
    let file = open(&disk, "a", Access::AppendNew);
    assert_eq!(file.append(&[1; 100]).unwrap(), 100);
    assert_eq!(file.append(&[2; 3 * pages::PAGE]).unwrap(), 2 * pages::PAGE - 100);
    assert_eq!(code(file.append(b"x")), Some(28));
    assert_eq!(disk.calls().last().unwrap().error, Some(io::ErrorKind::StorageFull));
    assert_eq!(file.append(b"").unwrap(), 0);
    assert_eq!(read(&disk, "a").unwrap().len() as u64, 2 * PAGE);
    // Existing pages can be overwritten, and a new name takes no space.
    assert_eq!(open(&disk, "a", Access::Write).write_at(b"xyz", 5).unwrap(), 3);
    assert_eq!(code(open(&disk, "b", Access::AppendNew).append(b"x")), Some(28));
}

#[test]
fn truncating_and_removing_files_frees_space() {
    let disk = SimulatedDisk::new();
    disk.set_capacity(Some(2 * PAGE));
    let (a, b) = (open(&disk, "a", Access::AppendNew), open(&disk, "b", Access::AppendNew));
    append_all(&*a, &[1; 2 * pages::PAGE]).unwrap();
    assert_eq!(code(b.append(b"x")), Some(28));
    a.truncate(PAGE).unwrap();
    append_all(&*b, b"x").unwrap();
    assert_eq!(code(a.append(b"x")), Some(28));
    disk.remove(Path::new("b")).unwrap();
    append_all(&*a, b"x").unwrap();
    disk.set_capacity(None);
    append_all(&*a, &[2; 5 * pages::PAGE]).unwrap();
}
