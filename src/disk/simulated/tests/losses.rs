//! Tests of which crash states are tried, and which of them are equal.

use super::*;

/// Returns the numbered losses (see [`Loss::Numbered`]) that a power cut can cause now.
fn numbered(disk: &SimulatedDisk, limit: usize) -> Vec<Loss> {
    let losses = disk.losses(usize::MAX, limit, 7);
    losses.filter(|loss| matches!(loss, Loss::Numbered(_))).collect()
}

/// Returns the bytes of the file `a` after each numbered loss.
fn every_state(disk: &SimulatedDisk) -> Vec<Option<Vec<u8>>> {
    numbered(disk, 1000).into_iter().map(|loss| read(&cut(disk, loss), "a")).collect()
}

#[test]
fn every_subset_of_pages_has_a_number() {
    let (disk, file) = disk_with(&[b'a'; 3 * pages::PAGE]);
    for page in 0..3 {
        file.write_at(&[b'b'; pages::PAGE], page * pages::PAGE as u64).unwrap();
    }
    let states = every_state(&disk);
    let firsts =
        |bytes: Vec<u8>| -> String { bytes.iter().step_by(pages::PAGE).map(|&byte| char::from(byte)).collect() };
    let found: BTreeSet<_> = states.iter().cloned().map(|bytes| firsts(bytes.unwrap())).collect();
    let expected = ["aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"];
    assert_eq!((states.len(), found), (8, expected.map(str::to_owned).into()));
}

/// A page has as many states as versions. A page beyond the surviving length has only one state.
#[test]
fn the_numbers_of_versions_lengths_and_names_multiply() {
    let (disk, _) = disk_with(b"");
    let file = open(&disk, "a", Access::Append);
    append_all(&*file, b"1").unwrap();
    append_all(&*file, b"2").unwrap();
    // The surviving length is 0, 1 or 2. If it is 1 or 2, the page survives in one of 3 versions.
    assert_eq!(every_state(&disk).len(), 1 + 3 + 3);
    open(&disk, "b", Access::WriteNew);
    assert_eq!(numbered(&disk, 1000).len(), 2 * 7);
    assert_eq!(numbered(&disk, 14).len(), 14);
    assert_eq!(numbered(&disk, 13), [], "no loss is numbered if more than the limit are possible");
    sync_dir(&disk, "/");
    file.sync().unwrap();
    assert_eq!(disk.losses(usize::MAX, 100, 7).collect::<Vec<_>>(), [Loss::Nothing, Loss::Numbered(0)]);
}

#[test]
fn number_0_loses_all_unsynced_changes_and_the_last_number_loses_none() {
    let (disk, file) = disk_with(b"old");
    file.write_at(b"new and longer", 0).unwrap();
    assert_eq!(read(&cut(&disk, Loss::Numbered(0)), "a"), read(&cut(&disk, Loss::Unsynced), "a"));
    let last = every_state(&disk).pop().unwrap().unwrap();
    assert_eq!(last, b"new and longer");
}

#[test]
fn rewriting_a_page_with_equal_bytes_adds_no_state() {
    let (disk, file) = disk_with(b"same");
    file.write_at(b"same", 0).unwrap();
    assert_eq!(numbered(&disk, 100), [Loss::Numbered(0)]);
}

#[test]
fn there_are_as_many_losses_as_asked_for() {
    let (disk, file) = disk_with(&[b'a'; 2 * pages::PAGE]);
    file.write_at(&[b'b'; 2 * pages::PAGE], 0).unwrap();
    let few: Vec<_> = disk.losses(usize::MAX, 6, 9).collect();
    let numbers = [0, 2, 1, 3].map(Loss::Numbered);
    assert_eq!(few, [&[Loss::Nothing], &numbers[..], &[Loss::Random(9), Loss::Random(10)]].concat());
    let random: Vec<_> = disk.losses(usize::MAX, 3, 9).collect();
    assert_eq!(random, [Loss::Nothing, Loss::Unsynced, Loss::Random(9), Loss::Random(10), Loss::Random(11)]);
}

#[test]
fn equal_disks_have_equal_fingerprints() {
    let (disk, file) = disk_with(b"one");
    let (other, _) = disk_with(b"one");
    let before = disk.fingerprint();
    assert_eq!(before, other.fingerprint());
    let changes: [&dyn Fn(); 5] = [
        &|| _ = file.write_at(b"two", 0).unwrap(),
        &|| file.truncate(2).unwrap(),
        &|| drop(open(&disk, "b", Access::WriteNew)),
        &|| disk.rename(Path::new("b"), Path::new("c")).unwrap(),
        &|| disk.create_dir(Path::new("d")).unwrap(),
    ];
    let mut seen = BTreeSet::from([before]);
    for (number, change) in changes.iter().enumerate() {
        change();
        assert!(seen.insert(disk.fingerprint()), "change {number} is not seen");
    }
    assert!(seen.contains(&cut(&disk, Loss::Unsynced).fingerprint()));
    assert_eq!(cut(&disk, Loss::Nothing).fingerprint(), disk.fingerprint());
}

/// A hole reads like NULs.
#[test]
fn a_hole_has_the_fingerprint_of_nuls() {
    let (holes, file) = disk_with(b"");
    file.truncate(9000).unwrap();
    assert_eq!(holes.fingerprint(), disk_with(&[0; 9000]).0.fingerprint());
}
