//! Tests of what a power cut does to the bytes of a file.

use super::*;

/// Returns one page for each of `bytes`. Each page is filled with its byte.
fn filled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|&byte| [byte; pages::PAGE]).collect()
}

/// Returns the runs of equal bytes in each page. For example, "ab" is a page that begins with `a`s and ends with `b`s,
/// and "-" is a page of NULs.
fn runs(bytes: &[u8]) -> Vec<String> {
    let run = |page: &[u8]| {
        let mut page = page.to_vec();
        page.dedup();
        String::from_utf8(page).unwrap().replace('\0', "-")
    };
    bytes.chunks(pages::PAGE).map(run).collect()
}

#[test]
fn what_was_synced_survives_every_loss_at_every_call() {
    let disk = SimulatedDisk::new();
    let file = open(&disk, "a", Access::AppendNew);
    sync_dir(&disk, "/");
    let mut acknowledged = vec![(disk.calls().len(), 0)];
    let mut whole = Vec::new();
    let mut written = vec![(disk.calls().len(), 0)];
    for record in 0..20u8 {
        let bytes = vec![record + 1; 700 + 300 * usize::from(record)];
        append_all(&*file, &bytes).unwrap();
        whole.extend(bytes);
        written.push((disk.calls().len(), whole.len()));
        if record % 2 == 1 {
            file.sync().unwrap();
            acknowledged.push((disk.calls().len(), whole.len()));
        }
    }
    for n in acknowledged[0].0..=disk.calls().len() {
        let as_of_now = |lengths: &[(usize, usize)]| lengths.iter().rfind(|(calls, _)| *calls <= n).unwrap().1;
        let (synced, written) = (as_of_now(&acknowledged), as_of_now(&written));
        let losses = (0..50).map(Loss::Random).chain([Loss::Nothing, Loss::Unsynced]);
        for loss in losses {
            let found = read(&disk.crash_after(n, loss), "a").unwrap();
            assert!(found.starts_with(&whole[..synced]), "after {n} calls, {loss:?}");
            assert!(found.len() <= written, "after {n} calls, {loss:?}");
            if loss == Loss::Unsynced {
                assert_eq!(found.len(), synced);
            }
        }
    }
}

#[test]
fn an_unsynced_append_survives_whole_in_part_as_nuls_or_not_at_all() {
    let (disk, _) = disk_with(&filled(b"a"));
    append_all(&*open(&disk, "a", Access::Append), &filled(b"bc")).unwrap();
    let seen = seen(&disk, |after| runs(&read(after, "a").unwrap()));
    let whole_pages: BTreeSet<_> = seen.iter().filter(|pages| pages.iter().all(|page| page.len() == 1)).collect();
    let expected = ["a", "a-", "ab", "a--", "ab-", "a-c", "abc"];
    let expected = expected.map(|pages| pages.chars().map(String::from).collect::<Vec<_>>());
    assert_eq!(whole_pages, expected.iter().collect());
    assert!(seen.iter().all(|pages| pages[0] == "a"));
}

#[test]
fn an_overwritten_page_is_old_new_or_torn_at_sectors() {
    let (disk, file) = disk_with(&filled(b"aaaa"));
    // The write begins in the third sector of page 1 and ends in the second sector of page 2.
    let (from, to) = (pages::PAGE + 1100, 2 * pages::PAGE + 600);
    file.write_at(&vec![b'b'; to - from], from as u64).unwrap();
    let mut new = filled(b"aaaa");
    new[from..to].fill(b'b');
    let mut states = BTreeSet::new();
    let mut sectors_differ = false;
    for seed in 0..SEEDS {
        let found = read(&cut(&disk, Loss::Random(seed)), "a").unwrap();
        assert_eq!(found.len(), new.len());
        for (found, new) in found.chunks(512).zip(new.chunks(512)) {
            assert!(found == new || found.iter().all(|&byte| byte == b'a'));
        }
        sectors_differ |= found[from] != found[pages::PAGE + 3 * 512];
        states.insert(runs(&found)[1..3].to_vec());
    }
    assert!(sectors_differ, "the sectors of one write never differ");
    let state = |one: &str, two: &str| vec![one.to_owned(), two.to_owned()];
    for whole in [state("a", "a"), state("ab", "a"), state("a", "ba"), state("ab", "ba")] {
        assert!(states.contains(&whole), "{whole:?}");
    }
    assert!(states.iter().any(|pages| pages[0] == "aba"), "never torn");
}

#[test]
fn every_version_since_the_last_sync_can_be_the_one_on_disk() {
    let (disk, file) = disk_with(&filled(b"0"));
    file.write_at(&filled(b"a"), 0).unwrap();
    file.sync().unwrap();
    for byte in *b"bcd" {
        file.write_at(&filled(&[byte]), 0).unwrap();
    }
    let seen = seen(&disk, |after| runs(&read(after, "a").unwrap()).concat());
    for whole in ["a", "b", "c", "d"] {
        assert!(seen.contains(whole), "{whole}");
    }
    assert!(seen.iter().all(|page| !page.contains('0') && !page.contains('-')));
}

#[test]
fn an_unsynced_truncation_may_or_may_not_have_happened() {
    let (disk, file) = disk_with(&filled(b"abc"));
    file.truncate(5000).unwrap();
    let lengths = seen(&disk, |after| read(after, "a").unwrap().len());
    assert_eq!(lengths, BTreeSet::from([5000, 3 * pages::PAGE]));
    let intact = |after: &SimulatedDisk| read(after, "a").unwrap() == filled(b"abc");
    assert_eq!(seen(&disk, intact), BTreeSet::from([false, true]));

    file.sync().unwrap();
    file.truncate(3 * pages::PAGE as u64).unwrap();
    file.sync().unwrap();
    let mut expected = filled(b"ab-").iter().map(|&byte| if byte == b'-' { 0 } else { byte }).collect::<Vec<_>>();
    expected[5000..].fill(0);
    assert_eq!(seen(&disk, |after| read(after, "a").unwrap()), BTreeSet::from([expected]));
}

#[test]
fn any_length_the_file_had_can_be_the_one_on_disk() {
    let (disk, file) = disk_with(b"");
    for len in [100, 9000, 50] {
        file.truncate(len).unwrap();
    }
    let lengths = seen(&disk, |after| read(after, "a").unwrap().len());
    assert_eq!(lengths, BTreeSet::from([0, 50, 100, 4096, 8192, 9000]));
}

#[test]
fn bytes_beyond_the_surviving_length_do_not_come_back() {
    let (disk, file) = disk_with(b"a");
    file.write_at(b"secret", 1).unwrap();
    let short = (0..SEEDS)
        .map(|seed| cut(&disk, Loss::Random(seed)))
        .filter(|after| read(after, "a").unwrap() == b"a")
        .inspect(|after| open(after, "a", Access::Write).truncate(7).unwrap())
        .map(|after| read(&after, "a").unwrap())
        .collect::<BTreeSet<_>>();
    assert_eq!(short, BTreeSet::from([b"a\0\0\0\0\0\0".to_vec()]));
}

#[test]
fn the_state_after_a_crash_is_durable_and_can_crash_again() {
    let (disk, file) = disk_with(&filled(b"ab"));
    file.write_at(&filled(b"cd"), 0).unwrap();
    for seed in 0..50 {
        let after = cut(&disk, Loss::Random(seed));
        let found = read(&after, "a").unwrap();
        assert_eq!(seen_few(&after), BTreeSet::from([found.clone()]));
        open(&after, "a", Access::Write).write_at(&filled(b"e"), 0).unwrap();
        append_all(&*open(&after, "new", Access::AppendNew), b"new").unwrap();
        assert_eq!(read(&cut(&after, Loss::Unsynced), "a").unwrap(), found);
    }
}

fn seen_few(disk: &SimulatedDisk) -> BTreeSet<Vec<u8>> {
    (0..20).map(|seed| read(&cut(disk, Loss::Random(seed)), "a").unwrap()).collect()
}

#[test]
fn a_seed_gives_one_state_and_seeds_give_many() {
    let (disk, file) = disk_with(&filled(b"abcdefgh"));
    file.write_at(&filled(b"ABCDEFGH"), 0).unwrap();
    let states = || (0..100).map(|seed| read(&cut(&disk, Loss::Random(seed)), "a").unwrap()).collect::<Vec<_>>();
    assert_eq!(states(), states());
    assert!(states().into_iter().collect::<BTreeSet<_>>().len() > 50);
}
