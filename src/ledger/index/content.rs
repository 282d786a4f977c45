//! The content of an index: what it finds, and the sums.

use std::collections::{BTreeMap, HashMap};
use std::io;

use uuid::Uuid;

use super::format::{Entry, Section, Span, TEXT_BYTES_MAX, Unwritten};
use super::keys;
use crate::cost::HourlySums;
use crate::metrics::ExecutionMetrics;

/// The longest segment that an index covers, because an offset has four bytes.
pub(super) const SEGMENT_BYTES_MAX: u64 = u32::MAX as u64;

/// The content of an index of the first `bytes` bytes of a segment.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Content {
    pub(super) bytes: u64,
    /// The first and the last line. `None` if there are no lines, or if a line is not clean, as `build.rs` defines it.
    /// The fields below are then empty.
    pub(super) span: Option<Span>,
    executions: Vec<Line>,
    runs: Vec<Entry>,
    strays: Vec<Entry>,
    /// The offset of the first line of each hour, and the end of its last line.
    hours: BTreeMap<i64, (u32, u32)>,
    sums: HourlySums,
    /// The lines that are known to have a later line of the same execution.
    repeated: Vec<Entry>,
}

/// A line of an execution. It needs no more memory than an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    key: u64,
    offset: u32,
    /// A checksum of the rest of the id; 0 if it is unknown, because the line was read from an index.
    rest: u32,
}

impl Line {
    fn of(id: Uuid, offset: u32) -> Self {
        let (key, rest) = id.as_u64_pair();
        // The highest digits of the product depend on all digits of the id.
        let product = rest.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { key, offset, rest: (product >> 32) as u32 | 1 }
    }

    fn entry(self) -> Entry {
        Entry { key: self.key, offset: self.offset }
    }
}

/// What an index has in its pages.
pub(super) trait Pages {
    /// Returns all entries of a section; `None` if a page is damaged.
    fn entries_of(&self, section: Section) -> io::Result<Option<Vec<Entry>>>;
    /// Returns all texts of a section; `None` if a page is damaged.
    fn texts_of(&self, section: Section) -> io::Result<Option<Vec<Vec<u8>>>>;
}

impl Content {
    /// Returns the content of an index of a segment with a line that is not clean.
    pub(super) fn unclean(bytes: u64) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Returns a value without lines, to which the lines after those of `span` can be added.
    pub(super) fn after(span: Option<Span>) -> Self {
        Self { span, ..Self::default() }
    }

    /// Returns true if no line was added, and no line was found that is not clean.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.span.is_none() && self.bytes == 0
    }

    pub(in crate::ledger) fn span(&self) -> Option<Span> {
        self.span
    }

    /// Returns the entries of a section with this key, sorted by offset.
    pub(in crate::ledger) fn entries(&self, section: Section, key: u64) -> Vec<Entry> {
        let entries = match section {
            Section::Executions => {
                return self.executions.iter().filter(|line| line.key == key).map(|line| line.entry()).collect();
            }
            Section::Runs => &self.runs,
            Section::Strays => &self.strays,
            Section::Hours | Section::Names | Section::Sums | Section::Repeated => return Vec::new(),
        };
        entries.iter().copied().filter(|entry| entry.key == key).collect()
    }

    /// Adds a line from `offset` to `end`. Returns `None` if an index cannot hold the line.
    pub(super) fn add(&mut self, record: &ExecutionMetrics, offset: u64, end: u64) -> Option<()> {
        let (offset, last) = (u32::try_from(offset).ok()?, u32::try_from(end).ok()?);
        self.bytes = end;
        let entries = |section| keys::of(section, record).map(move |key| Entry { key, offset });
        self.executions.push(Line::of(record.execution_id, offset));
        self.runs.extend(entries(Section::Runs));
        self.strays.extend(entries(Section::Strays));
        widen(&mut self.hours, keys::hour_of(record.timestamp_start), (offset, last));
        self.sums.add(record).ok()
    }

    /// Adds the lines that follow. Returns `None` if an index cannot hold them.
    pub(super) fn merge(&mut self, later: Self) -> Option<()> {
        self.bytes = later.bytes;
        self.executions.extend(later.executions);
        self.runs.extend(later.runs);
        self.strays.extend(later.strays);
        later.hours.into_iter().for_each(|(hour, lines)| widen(&mut self.hours, hour, lines));
        self.sums.merge(later.sums).ok()
    }

    /// Finds the lines after which another line of the same execution comes. `id_at` reads the id of the line at an
    /// offset. It is called only for lines that seem to have the same id. Returns `None` if `id_at` does.
    pub(super) fn find_repeated(&mut self, mut id_at: impl FnMut(u32) -> Option<Uuid>) -> Option<()> {
        self.executions.sort_unstable();
        for lines in self.executions.chunk_by(|one, other| one.key == other.key).filter(|lines| lines.len() > 1) {
            let mut rests: Vec<_> = lines.iter().map(|line| line.rest).collect();
            rests.sort_unstable();
            // Lines that were read from an index were compared with each other when that index was built.
            let is_known = rests.last() == Some(&0) || rests[0] > 0 && rests.is_sorted_by(|one, other| one < other);
            if is_known {
                continue;
            }
            let mut last = HashMap::new();
            for line in lines {
                self.repeated.extend(last.insert(id_at(line.offset)?, line.entry()));
            }
        }
        self.repeated.sort_unstable();
        self.repeated.dedup();
        Some(())
    }

    /// Reads the content back from an index. Returns `None` if a page is damaged.
    pub(super) fn read(bytes: u64, span: Option<Span>, pages: &impl Pages) -> io::Result<Option<Self>> {
        let all = [Section::Executions, Section::Runs, Section::Strays, Section::Hours];
        let [executions, runs, strays, ends] = all.map(|section| pages.entries_of(section));
        let (Some(executions), Some(runs), Some(strays), Some(ends)) = (executions?, runs?, strays?, ends?) else {
            return Ok(None);
        };
        let Some(repeated) = pages.entries_of(Section::Repeated)? else { return Ok(None) };
        let executions = executions.into_iter().map(|Entry { key, offset }| Line { key, offset, rest: 0 }).collect();
        let [names, sums] = [Section::Names, Section::Sums].map(|section| pages.texts_of(section));
        let (Some(names), Some(sums)) = (names?, sums?) else { return Ok(None) };
        let Some(sums) = HourlySums::from_pages(&names.concat(), sums.iter().map(Vec::as_slice)) else {
            return Ok(None);
        };
        let mut hours = BTreeMap::new();
        for Entry { key, offset } in ends {
            widen(&mut hours, keys::hour_with(key), (offset, offset));
        }
        Ok(Some(Self { bytes, span, executions, runs, strays, hours, sums, repeated }))
    }

    /// Returns the sections of the index.
    pub(super) fn into_sections(self) -> Vec<(Section, Unwritten)> {
        let Self { executions, runs, strays, hours, sums, repeated, .. } = self;
        let names = sums.names();
        let names = (0..).zip(names.chunks(TEXT_BYTES_MAX).map(<[u8]>::to_vec)).collect();
        let rows = sums.pages(TEXT_BYTES_MAX).map(|(hour, page)| (keys::of_hour(hour), page)).collect();
        let ends = |(hour, (first, end))| [first, end].map(|offset| Entry { key: keys::of_hour(hour), offset });
        let sorted = |mut entries: Vec<Entry>| {
            entries.sort_unstable();
            Unwritten::Entries(entries)
        };
        vec![
            (Section::Names, Unwritten::Texts(names)),
            (Section::Sums, Unwritten::Texts(rows)),
            (Section::Executions, sorted(executions.into_iter().map(Line::entry).collect())),
            (Section::Runs, sorted(runs)),
            (Section::Strays, sorted(strays)),
            (Section::Hours, sorted(hours.into_iter().flat_map(ends).collect())),
            (Section::Repeated, sorted(repeated)),
        ]
    }
}

fn widen(hours: &mut BTreeMap<i64, (u32, u32)>, hour: i64, (first, end): (u32, u32)) {
    let all = hours.entry(hour).or_insert((first, end));
    *all = (all.0.min(first), all.1.max(end));
}
