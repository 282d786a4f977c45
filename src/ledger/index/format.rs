//! The bytes of an index. All numbers are little-endian.
//!
//! The file begins with the head. The head has the checksum of each page, and a checksum of its own. So a lookup checks
//! everything that it reads, and reads only the head and a few pages.

use uuid::Uuid;

use crate::ledger::checksum::checksum;

const MAGIC: [u8; 8] = *b"rl-index";
/// The version that this crate writes and reads.
const VERSION: u32 = 1;
/// The head up to its list of sections.
pub(super) const FIXED_BYTES: usize = 144;
/// The longest head that is read. It has room for the pages of the longest segment.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024 * 1024;
const SECTION_BYTES: usize = 24;
const SECTIONS_MAX: u32 = 64;
const ENTRY_BYTES: usize = 12;
/// The largest page. It holds a whole number of entries, and is about as long as a page of memory.
const PAGE_BYTES: usize = 340 * ENTRY_BYTES;
const PAGE_HEAD_BYTES: usize = 16;

/// The longest segment that an index covers, because an offset has four bytes.
pub(super) const SEGMENT_BYTES_MAX: u64 = u32::MAX as u64;

/// What an index finds. The number is the kind of the section in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Section {
    Executions = 1,
    Runs = 2,
}

/// A key, and the offset of a line in the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct Entry {
    pub(in crate::ledger) key: u64,
    pub(in crate::ledger) offset: u32,
}

/// The values that tie an index to its segment as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tie {
    pub(super) ledger: Uuid,
    pub(super) segment: u64,
    pub(super) bytes: u64,
    /// The time of the last change, in seconds and nanoseconds.
    pub(super) changed: (i64, i64),
    pub(super) inode: u64,
}

/// The lines of a clean segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) last_hash: [u8; 32],
    /// The earliest and the latest `timestamp_start`, in milliseconds.
    pub(super) starts_ms: (i64, i64),
}

/// The first bytes of a head.
pub(super) enum Beginning {
    /// The length of the head.
    Bytes(usize),
    /// A newer version wrote the file.
    Newer,
    /// The file is not an index, or is damaged.
    Unknown,
}

/// The head of an index.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) tie: Tie,
    /// The lines; `None` if the segment is not clean.
    pub(super) lines: Option<Lines>,
    sections: Vec<Pages>,
}

/// The pages of a section.
#[derive(Debug)]
struct Pages {
    kind: u32,
    start: u64,
    bytes: u64,
    /// The first key and the checksum of each page.
    pages: Vec<(u64, u64)>,
}

/// A page of an index that has to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) offset: u64,
    pub(super) bytes: usize,
    sum: u64,
}

/// Returns the bytes of an index. The entries must be sorted.
pub(super) fn encode(tie: &Tie, lines: Option<&Lines>, executions: &[Entry], runs: &[Entry]) -> Vec<u8> {
    let sections = [(Section::Executions, executions), (Section::Runs, runs)];
    let pages_of = |entries: &[Entry]| (entries.len() * ENTRY_BYTES).div_ceil(PAGE_BYTES);
    let pages: usize = sections.iter().map(|(_, entries)| pages_of(entries)).sum();
    let head_bytes = FIXED_BYTES + sections.len() * SECTION_BYTES + pages * PAGE_HEAD_BYTES + 8;
    let mut head = fixed(tie, lines, head_bytes, sections.len());
    let mut start = head_bytes as u64;
    for (kind, entries) in sections {
        let bytes = (entries.len() * ENTRY_BYTES) as u64;
        head.extend((kind as u32).to_le_bytes());
        head.extend((pages_of(entries) as u32).to_le_bytes());
        head.extend(start.to_le_bytes());
        head.extend(bytes.to_le_bytes());
        start += bytes;
    }
    // The pages are written where they belong, so that a second copy of them is never in memory.
    let mut bytes = Vec::with_capacity(start as usize);
    bytes.resize(head_bytes, 0);
    for (_, entries) in sections {
        for page in entries.chunks(PAGE_BYTES / ENTRY_BYTES) {
            let at = bytes.len();
            for entry in page {
                bytes.extend(entry.key.to_le_bytes());
                bytes.extend(entry.offset.to_le_bytes());
            }
            head.extend(page.first().map_or(0, |entry| entry.key).to_le_bytes());
            head.extend(checksum(&bytes[at..]).to_le_bytes());
        }
    }
    head.extend(checksum(&head).to_le_bytes());
    bytes[..head_bytes].copy_from_slice(&head);
    bytes
}

fn fixed(tie: &Tie, lines: Option<&Lines>, head_bytes: usize, sections: usize) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend((head_bytes as u32).to_le_bytes());
    push_tie(tie, &mut head);
    head.extend(u32::from(lines.is_some()).to_le_bytes());
    head.extend((sections as u32).to_le_bytes());
    let none = Lines { first_seq: 0, last_seq: 0, last_hash: [0; 32], starts_ms: (0, 0) };
    let Lines { first_seq, last_seq, last_hash, starts_ms } = lines.unwrap_or(&none);
    head.extend(first_seq.to_le_bytes());
    head.extend(last_seq.to_le_bytes());
    head.extend(last_hash);
    head.extend(starts_ms.0.to_le_bytes());
    head.extend(starts_ms.1.to_le_bytes());
    head
}

fn push_tie(tie: &Tie, head: &mut Vec<u8>) {
    head.extend(tie.ledger.as_bytes());
    head.extend(tie.segment.to_le_bytes());
    head.extend(tie.bytes.to_le_bytes());
    head.extend(tie.changed.0.to_le_bytes());
    head.extend(tie.changed.1.to_le_bytes());
    head.extend(tie.inode.to_le_bytes());
}

/// Ties the index in `bytes` to a copy of its segment. Does nothing unless `bytes` begin with a whole head.
pub(super) fn tie_again(bytes: &mut [u8], tie: &Tie) {
    let Beginning::Bytes(len) = beginning(bytes) else { return };
    let Some(head) = bytes.get_mut(..len) else { return };
    let mut values = Vec::new();
    push_tie(tie, &mut values);
    head[16..16 + values.len()].copy_from_slice(&values);
    let (all, sum) = head.split_at_mut(len - 8);
    sum.copy_from_slice(&checksum(all).to_le_bytes());
}

/// Reads the beginning of an index, which must be at least 16 bytes.
pub(super) fn beginning(bytes: &[u8]) -> Beginning {
    let mut numbers = Numbers(bytes);
    if numbers.array() != Some(MAGIC) {
        return Beginning::Unknown;
    }
    let (version, len) = (numbers.u32(), numbers.u32().map(|len| len as usize));
    match (version, len) {
        (Some(VERSION), Some(len)) if (FIXED_BYTES + 8..=HEAD_BYTES_MAX).contains(&len) => Beginning::Bytes(len),
        (Some(version), _) if version > VERSION => Beginning::Newer,
        _ => Beginning::Unknown,
    }
}

/// The numbers at the start of bytes.
struct Numbers<'b>(&'b [u8]);

impl Numbers<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
}

impl Head {
    /// Reads a head. Returns `None` if it is damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (all, sum) = bytes.split_last_chunk()?;
        if checksum(all).to_le_bytes() != *sum {
            return None;
        }
        let mut numbers = Numbers(all.get(16..)?);
        let tie = Tie {
            ledger: Uuid::from_bytes(numbers.array()?),
            segment: numbers.u64()?,
            bytes: numbers.u64()?,
            changed: (numbers.i64()?, numbers.i64()?),
            inode: numbers.u64()?,
        };
        let (is_clean, count) = (numbers.u32()? == 1, numbers.u32().filter(|count| *count <= SECTIONS_MAX)?);
        let lines = Lines {
            first_seq: numbers.u64()?,
            last_seq: numbers.u64()?,
            last_hash: numbers.array()?,
            starts_ms: (numbers.i64()?, numbers.i64()?),
        };
        let mut sections = Vec::new();
        let mut counts = Vec::new();
        for _ in 0..count {
            let (kind, pages) = (numbers.u32()?, numbers.u32()?);
            sections.push(Pages { kind, start: numbers.u64()?, bytes: numbers.u64()?, pages: Vec::new() });
            counts.push(pages);
        }
        for (section, count) in sections.iter_mut().zip(counts) {
            for _ in 0..count {
                section.pages.push((numbers.u64()?, numbers.u64()?));
            }
        }
        Some(Self { tie, lines: is_clean.then_some(lines), sections })
    }

    /// Returns the pages that may have keys from `first` to `last`.
    pub(super) fn pages(&self, section: Section, first: u64, last: u64) -> Vec<Page> {
        let Some(found) = self.sections.iter().find(|found| found.kind == section as u32) else { return Vec::new() };
        // A key can begin in the page before the first page that begins with this key.
        let from = found.pages.partition_point(|(key, _)| *key < first).saturating_sub(1);
        let to = found.pages.partition_point(|(key, _)| *key <= last);
        (from..to).filter_map(|at| found.page(at)).collect()
    }

    /// Returns all pages of all sections.
    pub(super) fn all_pages(&self) -> impl Iterator<Item = Page> {
        self.sections.iter().flat_map(|section| (0..section.pages.len()).filter_map(|at| section.page(at)))
    }
}

impl Pages {
    fn page(&self, at: usize) -> Option<Page> {
        let before = (at * PAGE_BYTES) as u64;
        let bytes = self.bytes.checked_sub(before)?.min(PAGE_BYTES as u64) as usize;
        Some(Page { offset: self.start.checked_add(before)?, bytes, sum: self.pages.get(at)?.1 })
    }
}

impl Page {
    /// Returns the entries of the page, which consists of `bytes`. Returns `None` if the page is damaged.
    pub(super) fn entries(self, bytes: &[u8]) -> Option<impl Iterator<Item = Entry>> {
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        let entry = |entry: &[u8; ENTRY_BYTES]| {
            let mut numbers = Numbers(entry);
            Some(Entry { key: numbers.u64()?, offset: numbers.u32()? })
        };
        (bytes.len() == self.bytes && checksum(bytes) == self.sum).then(|| entries.iter().filter_map(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIE: Tie =
        Tie { ledger: Uuid::from_u128(5), segment: 7, bytes: 9_000, changed: (1_800_000_000, 123_456_789), inode: 42 };
    const LINES: Lines = Lines { first_seq: 11, last_seq: 20, last_hash: [3; 32], starts_ms: (-5, 1_800_000_000_000) };

    fn entries(keys: &[u64]) -> Vec<Entry> {
        let mut entries: Vec<_> = (0..).zip(keys).map(|(offset, &key)| Entry { key, offset }).collect();
        entries.sort_unstable();
        entries
    }

    fn lookup(bytes: &[u8], section: Section, first: u64, last: u64) -> Option<Vec<Entry>> {
        let Beginning::Bytes(len) = beginning(bytes) else { return None };
        let head = Head::decode(bytes.get(..len)?)?;
        let mut found = Vec::new();
        for page in head.pages(section, first, last) {
            found.extend(page.entries(bytes.get(page.offset as usize..)?.get(..page.bytes)?)?);
        }
        found.retain(|entry| (first..=last).contains(&entry.key));
        Some(found)
    }

    proptest! {
        #[test]
        fn every_key_is_found(
            keys in prop::collection::vec(prop_oneof![0..50_u64, any::<u64>()], 0..2_000),
            first in prop_oneof![0..50_u64, any::<u64>()],
            width in prop_oneof![0..5_u64, any::<u64>()],
        ) {
            let (all, last) = (entries(&keys), first.saturating_add(width));
            let bytes = encode(&TIE, Some(&LINES), &all, &[]);
            let expected: Vec<_> = all.into_iter().filter(|entry| (first..=last).contains(&entry.key)).collect();
            prop_assert_eq!(lookup(&bytes, Section::Executions, first, last), Some(expected.clone()));
            prop_assert_eq!(lookup(&bytes, Section::Runs, first, last), Some(vec![]));
            let bytes = encode(&TIE, Some(&LINES), &[], &entries(&keys));
            prop_assert_eq!(lookup(&bytes, Section::Runs, first, last), Some(expected));
        }
    }

    #[test]
    fn the_head_reads_back_and_can_be_tied_again() {
        let keys: Vec<u64> = (0..1_000).map(|key| key * 3).collect();
        let mut bytes = encode(&TIE, Some(&LINES), &entries(&keys), &entries(&keys[..500]));
        let head = |bytes: &[u8]| match beginning(bytes) {
            Beginning::Bytes(len) => Head::decode(&bytes[..len]),
            _ => None,
        };
        let found = head(&bytes).unwrap();
        assert_eq!((found.tie, found.lines, found.all_pages().count()), (TIE, Some(LINES), 3 + 2));
        assert_eq!(bytes.len(), FIXED_BYTES + 2 * SECTION_BYTES + 5 * PAGE_HEAD_BYTES + 8 + 1_500 * ENTRY_BYTES);
        let copy = Tie { inode: 43, changed: (1, 2), ..TIE };
        tie_again(&mut bytes, &copy);
        assert_eq!(head(&bytes).map(|head| (head.tie, head.lines)), Some((copy, Some(LINES))));
        assert_eq!(lookup(&bytes, Section::Runs, 3, 3), Some(vec![Entry { key: 3, offset: 1 }]));
        let unclean = encode(&TIE, None, &[], &[]);
        assert_eq!(head(&unclean).map(|head| head.lines), Some(None));
    }

    #[test]
    fn a_changed_byte_or_a_cut_is_noticed() {
        let bytes = encode(&TIE, Some(&LINES), &entries(&[1, 2, 3]), &entries(&[4, 5]));
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x10;
            let both = [(Section::Executions, 2), (Section::Runs, 5)];
            let all = both.map(|(section, key)| lookup(&other, section, key, key));
            assert!(all.contains(&None), "byte {at}");
            let all = both.map(|(section, key)| lookup(&bytes[..at], section, key, key));
            assert!(all.contains(&None), "{at} bytes");
        }
        let newer = [&bytes[..8], &2_u32.to_le_bytes(), &bytes[12..]].concat();
        assert!(matches!(beginning(&newer), Beginning::Newer));
    }
}
