//! The bytes of an index. All numbers are little-endian. The module [`index`](super) explains the terms.
//!
//! The file consists of the head and the pages. The head has its own checksum and the checksum of each page. So a
//! lookup reads only the head and a few pages, and can still check everything that it reads.

use uuid::Uuid;

use super::span::{Lines, Span};
use crate::journal::format::checksum;
use crate::journal::format::line::Link;

const MAGIC: [u8; 8] = *b"rl-index";
/// The version that this crate writes and reads.
const VERSION: u32 = 4;
/// The length of the head before its list of sections.
pub(super) const FIXED_BYTES: usize = 224;
/// The longest head that is read. The head of an index of the longest segment is shorter.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024 * 1024;
const SECTION_BYTES: usize = 24;
const SECTIONS_MAX: u32 = 64;
const ENTRY_BYTES: usize = 12;
/// The length of a page; the last page of a section can be shorter. A page holds a whole number of entries, and is
/// about as long as a page of memory.
const PAGE_BYTES: usize = 340 * ENTRY_BYTES;
const PAGE_HEAD_BYTES: usize = 16;
/// The longest text of a page.
pub(super) const TEXT_BYTES_MAX: usize = PAGE_BYTES - 2;

/// What a section contains. The number identifies the section in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Section {
    /// The lines of each execution.
    Executions = 1,
    /// The lines that name a run as their run or as their parent run.
    Runs = 2,
    /// The lines that name a parent execution but no run. The key of such a line is the key of the parent execution.
    Strays = 3,
    /// For each hour, the offset at which its lines begin and the offset at which they end.
    Hours = 4,
    /// The names of the skills and models in the sums.
    Names = 5,
    /// The sums of usage and cost by hour.
    Sums = 6,
    /// The lines that are followed by another line of the same execution in this segment.
    Repeated = 7,
    /// The lines whose key in `Executions` is shared by many lines. In this section, the key depends on the whole id,
    /// so that a lookup does not have to read all of these lines.
    Shared = 8,
}

/// A key, and the offset of a line in the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct Entry {
    pub(in crate::ledger) key: u64,
    pub(in crate::ledger) offset: u32,
}

/// Values of a segment at the time when its index was built. If the segment no longer has these values, the index is
/// not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tie {
    pub(super) ledger: Uuid,
    pub(super) segment: u64,
    /// The number of bytes that the index covers. The active segment can have more.
    pub(super) bytes: u64,
    /// The time of the last change, in seconds and nanoseconds.
    pub(super) changed: (i64, i64),
    pub(super) inode: u64,
}

/// What the first bytes of a file say.
pub(super) enum Beginning {
    /// The file is an index, and its head has this length.
    Bytes(usize),
    /// A newer version wrote the file.
    Newer,
    /// An older version wrote the file.
    Older,
    /// The file is not an index, or is damaged.
    Unknown,
}

/// The head of an index.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) tie: Tie,
    pub(super) lines: Lines,
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

/// The content of a section that is not written yet. It is encoded page by page, to save memory.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// Sorted entries.
    Entries(Vec<Entry>),
    /// Texts of at most [`TEXT_BYTES_MAX`] bytes, each with its key. Each text has its own page, which begins with the
    /// length of the text and ends with zeros.
    Texts(Vec<(u64, Vec<u8>)>),
}

impl Unwritten {
    fn bytes(&self) -> usize {
        match self {
            Self::Entries(entries) => entries.len() * ENTRY_BYTES,
            Self::Texts(texts) => texts.len() * PAGE_BYTES,
        }
    }

    /// Returns the pages, each with its first key.
    fn pages(&self) -> impl Iterator<Item = (u64, Vec<u8>)> {
        (0..self.bytes().div_ceil(PAGE_BYTES)).filter_map(|at| self.page(at))
    }

    fn page(&self, at: usize) -> Option<(u64, Vec<u8>)> {
        let mut page = Vec::with_capacity(PAGE_BYTES);
        match self {
            Self::Entries(entries) => {
                let entries = entries.chunks(PAGE_BYTES / ENTRY_BYTES).nth(at)?;
                for entry in entries {
                    page.extend(entry.key.to_le_bytes());
                    page.extend(entry.offset.to_le_bytes());
                }
                Some((entries.first()?.key, page))
            }
            Self::Texts(texts) => {
                let (key, text) = texts.get(at)?;
                page.extend((text.len() as u16).to_le_bytes());
                page.extend(text);
                page.resize(PAGE_BYTES, 0);
                Some((*key, page))
            }
        }
    }
}

/// Returns the bytes of an index, in parts: the head, and each page.
pub(super) fn encode<'s>(
    tie: &Tie,
    lines: &Lines,
    sections: &'s [(Section, Unwritten)],
) -> impl Iterator<Item = Vec<u8>> + use<'s> {
    let pages_of = |section: &Unwritten| section.bytes().div_ceil(PAGE_BYTES);
    let pages: usize = sections.iter().map(|(_, section)| pages_of(section)).sum();
    let head_bytes = FIXED_BYTES + sections.len() * SECTION_BYTES + pages * PAGE_HEAD_BYTES + 8;
    let mut head = fixed(tie, lines, head_bytes, sections.len());
    let mut start = head_bytes as u64;
    for (kind, section) in sections {
        head.extend((*kind as u32).to_le_bytes());
        head.extend((pages_of(section) as u32).to_le_bytes());
        head.extend(start.to_le_bytes());
        head.extend((section.bytes() as u64).to_le_bytes());
        start += section.bytes() as u64;
    }
    for (key, page) in sections.iter().flat_map(|(_, section)| section.pages()) {
        head.extend(key.to_le_bytes());
        head.extend(checksum(&page).to_le_bytes());
    }
    head.extend(checksum(&head).to_le_bytes());
    let pages = sections.iter().flat_map(|(_, section)| section.pages().map(|(_, page)| page));
    std::iter::once(head).chain(pages)
}

fn fixed(tie: &Tie, lines: &Lines, head_bytes: usize, sections: usize) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend((head_bytes as u32).to_le_bytes());
    push_tie(tie, &mut head);
    let none = Span { prev: [0; 64], first: 0, last: Link { seq: 0, hash: [0; 64] } };
    let (kind, Span { prev, first, last }) = match *lines {
        Lines::Unknown => (0_u32, none),
        Lines::Clean(span) => (1, span),
        Lines::Unclean(last) => (2, Span { last, ..none }),
    };
    head.extend(kind.to_le_bytes());
    head.extend((sections as u32).to_le_bytes());
    head.extend(first.to_le_bytes());
    head.extend(last.seq.to_le_bytes());
    head.extend(prev);
    head.extend(last.hash);
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

/// Changes the head in `bytes` so that the index matches a copy of its segment. `tie` has the values of the copy. Does
/// nothing if `bytes` do not begin with a whole head.
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
        (Some(version), _) if version < VERSION => Beginning::Older,
        _ => Beginning::Unknown,
    }
}

/// Reads numbers from bytes, one after the other.
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
    /// Reads a head. Returns `None` if the head is damaged.
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
        let (kind, count) = (numbers.u32()?, numbers.u32().filter(|count| *count <= SECTIONS_MAX)?);
        let (first, seq) = (numbers.u64()?, numbers.u64()?);
        let (prev, hash) = (numbers.array()?, numbers.array()?);
        let last = Link { seq, hash };
        let lines = match kind {
            1 if seq < first => return None,
            1 => Lines::Clean(Span { prev, first, last }),
            2 => Lines::Unclean(last),
            _ => Lines::Unknown,
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
        Some(Self { tie, lines, sections })
    }

    /// Returns the pages of `section` that may have entries with keys from `first` to `last`.
    pub(super) fn pages(&self, section: Section, first: u64, last: u64) -> Vec<Page> {
        let Some(found) = self.sections.iter().find(|found| found.kind == section as u32) else { return Vec::new() };
        // The entries with the key `first` can begin on the page before the first page that begins with this key. So
        // include that page.
        let from = found.pages.partition_point(|(key, _)| *key < first).saturating_sub(1);
        let to = found.pages.partition_point(|(key, _)| *key <= last);
        (from..to).filter_map(|at| found.page(at)).collect()
    }

    /// Returns the number of the page of `section` at which a search for `key` begins. The lowest key that is at least
    /// `key` is in this page, or is the first key of the next page.
    pub(super) fn page_with(&self, section: Section, key: u64) -> usize {
        let found = self.sections.iter().find(|found| found.kind == section as u32);
        found.map_or(0, |found| found.pages.partition_point(|(first, _)| *first < key).saturating_sub(1))
    }

    /// Returns true if the index has this section, even if the section is empty.
    pub(super) fn has(&self, section: Section) -> bool {
        self.sections.iter().any(|found| found.kind == section as u32)
    }

    /// Returns a page of a section, or `None` if the section has fewer pages.
    pub(super) fn page(&self, section: Section, at: usize) -> Option<Page> {
        self.sections.iter().find(|found| found.kind == section as u32)?.page(at)
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
    /// Returns the entries in `bytes`, which are the bytes of the page, or `None` if the page is damaged.
    pub(super) fn entries(self, bytes: &[u8]) -> Option<impl Iterator<Item = Entry>> {
        let bytes = self.checked(bytes)?;
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        let entry = |entry: &[u8; ENTRY_BYTES]| {
            let mut numbers = Numbers(entry);
            Some(Entry { key: numbers.u64()?, offset: numbers.u32()? })
        };
        Some(entries.iter().filter_map(entry))
    }

    /// Returns the text in `bytes`, which are the bytes of the page, or `None` if the page is damaged.
    pub(super) fn text(self, bytes: &[u8]) -> Option<&[u8]> {
        let (len, text) = self.checked(bytes)?.split_first_chunk()?;
        text.get(..u16::from_le_bytes(*len).into())
    }

    /// Returns `bytes`, which are the bytes of the page, or `None` if the page is damaged.
    pub(super) fn checked(self, bytes: &[u8]) -> Option<&[u8]> {
        (bytes.len() == self.bytes && checksum(bytes) == self.sum).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIE: Tie =
        Tie { ledger: Uuid::from_u128(5), segment: 7, bytes: 9_000, changed: (1_800_000_000, 123_456_789), inode: 42 };
    const SPAN: Span = Span { prev: [2; 64], first: 11, last: Link { seq: 20, hash: [3; 64] } };

    fn index(lines: &Lines, executions: &[Entry], runs: &[Entry]) -> Vec<u8> {
        let sections = [(Section::Executions, executions), (Section::Runs, runs)];
        let sections = sections.map(|(section, entries)| (section, Unwritten::Entries(entries.to_vec())));
        encode(&TIE, lines, &sections).flatten().collect()
    }

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
            let bytes = index(&Lines::Clean(SPAN), &all, &[]);
            let expected: Vec<_> = all.into_iter().filter(|entry| (first..=last).contains(&entry.key)).collect();
            prop_assert_eq!(lookup(&bytes, Section::Executions, first, last), Some(expected.clone()));
            prop_assert_eq!(lookup(&bytes, Section::Runs, first, last), Some(vec![]));
            let bytes = index(&Lines::Clean(SPAN), &[], &entries(&keys));
            prop_assert_eq!(lookup(&bytes, Section::Runs, first, last), Some(expected));
        }
    }

    #[test]
    fn the_head_reads_back_and_can_be_tied_again() {
        let keys: Vec<u64> = (0..1_000).map(|key| key * 3).collect();
        let mut bytes = index(&Lines::Clean(SPAN), &entries(&keys), &entries(&keys[..500]));
        let head = |bytes: &[u8]| match beginning(bytes) {
            Beginning::Bytes(len) => Head::decode(&bytes[..len]),
            _ => None,
        };
        let found = head(&bytes).unwrap();
        assert_eq!((found.tie, found.lines, found.all_pages().count()), (TIE, Lines::Clean(SPAN), 3 + 2));
        assert_eq!(bytes.len(), FIXED_BYTES + 2 * SECTION_BYTES + 5 * PAGE_HEAD_BYTES + 8 + 1_500 * ENTRY_BYTES);
        let copy = Tie { inode: 43, changed: (1, 2), ..TIE };
        tie_again(&mut bytes, &copy);
        assert_eq!(head(&bytes).map(|head| (head.tie, head.lines)), Some((copy, Lines::Clean(SPAN))));
        assert_eq!(lookup(&bytes, Section::Runs, 3, 3), Some(vec![Entry { key: 3, offset: 1 }]));
        for lines in [Lines::Unknown, Lines::Unclean(SPAN.last)] {
            assert_eq!(head(&index(&lines, &[], &[])).map(|head| head.lines), Some(lines));
        }
    }

    #[test]
    fn each_text_has_a_page() {
        let texts: Vec<_> = [0, 1, TEXT_BYTES_MAX].into_iter().map(|len| (len as u64, vec![7; len])).collect();
        let bytes = encode(&TIE, &Lines::Clean(SPAN), &[(Section::Sums, Unwritten::Texts(texts.clone()))])
            .flatten()
            .collect::<Vec<_>>();
        let Beginning::Bytes(len) = beginning(&bytes) else { panic!("no head") };
        let head = Head::decode(&bytes[..len]).unwrap();
        let text = |page: &Page| page.text(&bytes[page.offset as usize..][..page.bytes]).map(<[u8]>::to_vec);
        let found = |pages: Vec<Page>| pages.iter().map(text).collect::<Option<Vec<_>>>();
        let all: Vec<_> = texts.iter().map(|(_, text)| text.clone()).collect();
        assert_eq!(found(head.pages(Section::Sums, 0, u64::MAX)), Some(all.clone()));
        assert_eq!(found(head.pages(Section::Sums, 2, u64::MAX)), Some(all[1..].to_vec()));
        assert!(head.pages(Section::Hours, 0, u64::MAX).is_empty());
    }

    #[test]
    fn a_changed_byte_or_a_cut_is_noticed() {
        let bytes = index(&Lines::Clean(SPAN), &entries(&[1, 2, 3]), &entries(&[4, 5]));
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x10;
            let both = [(Section::Executions, 2), (Section::Runs, 5)];
            let all = both.map(|(section, key)| lookup(&other, section, key, key));
            assert!(all.contains(&None), "byte {at}");
            let all = both.map(|(section, key)| lookup(&bytes[..at], section, key, key));
            assert!(all.contains(&None), "{at} bytes");
        }
        let version = |version: u32| [&bytes[..8], &version.to_le_bytes(), &bytes[12..]].concat();
        assert!(matches!(beginning(&version(VERSION + 1)), Beginning::Newer));
        assert!(matches!(beginning(&version(VERSION - 1)), Beginning::Older));
    }
}
