//! The content of an index in memory, before it is encoded as pages: the entries, and the sums of each hour.

use std::collections::{BTreeMap, HashMap};
use std::io;

use uuid::Uuid;

use super::format::{Entry, Section, TEXT_BYTES_MAX, Unwritten};
use super::keys;
use super::span::{Lines, Span};
use crate::cost::HourlySums;
use crate::journal::format::line::Link;
use crate::metrics::ExecutionMetrics;

/// The length of the longest segment that an index can cover, because an index stores an offset in four bytes.
pub(super) const SEGMENT_BYTES_MAX: u64 = u32::MAX as u64;

/// If more lines than this have the same key, the index also lists each of these lines under another key, which depends
/// on the whole id. So a lookup does not have to read all of these lines.
pub(super) const SHARING_MAX: usize = 8;

/// The content of an index of the first `bytes` bytes of a segment.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Content {
    pub(super) bytes: u64,
    /// The first and the last line. `None` if there are no lines, or if a line is not clean, as `build.rs` defines it.
    /// In the latter case, the fields below are empty, except `executions` and `last_of_unclean`.
    pub(super) span: Option<Span>,
    /// The last line with a right hash, if a line is not clean.
    last_of_unclean: Option<Link>,
    executions: Vec<Line>,
    /// The lines before this offset come from an existing index. When that index was built, they were compared with
    /// each other, so `repeated` already has the result.
    compared: u32,
    runs: Vec<Entry>,
    strays: Vec<Entry>,
    /// For each hour, the offset of its first line and the end of its last line.
    hours: BTreeMap<i64, (u32, u32)>,
    /// Empty if the sums are too large for an index.
    sums: HourlySums,
    are_sums_too_large: bool,
    /// The lines that are followed by another line of the same execution, as far as lines were compared.
    repeated: Vec<Entry>,
}

/// A line of an execution. The type needs no more memory than an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    key: u64,
    offset: u32,
    /// A checksum of the second half of the id, which is not in `key`. 0 if the checksum is unknown. An index stores
    /// this checksum only for a key that more than [`SHARING_MAX`] lines have.
    rest: u32,
}

impl Line {
    fn of(id: Uuid, offset: u32) -> Self {
        Self { key: keys::of_execution(id), offset, rest: keys::rest_of(id) }
    }

    fn entry(self) -> Entry {
        Entry { key: self.key, offset: self.offset }
    }
}

/// Reads the pages of an index.
pub(super) trait Pages {
    /// Returns true if the index has this section, even if the section is empty.
    fn has(&self, section: Section) -> bool;
    /// Returns all entries of a section, or `None` if a page is damaged.
    fn entries_of(&self, section: Section) -> io::Result<Option<Vec<Entry>>>;
    /// Returns all texts of a section, or `None` if a page is damaged.
    fn texts_of(&self, section: Section) -> io::Result<Option<Vec<Vec<u8>>>>;
}

impl Content {
    /// Returns the content of an index that cannot hold the lines of its segment.
    pub(super) fn unclean(bytes: u64) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Keeps only the executions, because a line is not clean. `bytes` is the length of a sealed segment. In the active
    /// segment, `bytes` is `None`, and the index covers the lines up to the last one with a right hash.
    pub(super) fn into_executions(self, bytes: Option<u64>) -> Self {
        let Self { bytes: end, span, executions, .. } = self;
        let last_of_unclean = span.map(|span| span.last);
        Self { bytes: bytes.unwrap_or(end), last_of_unclean, executions, ..Self::default() }
    }

    /// Returns which lines the index covers, and whether all of them are clean.
    pub(super) fn lines(&self) -> Lines {
        match (self.span, self.last_of_unclean) {
            (Some(span), _) => Lines::Clean(span),
            (None, Some(last)) => Lines::Unclean(last),
            (None, None) => Lines::Unknown,
        }
    }

    /// Returns content without lines, to which the lines after those of `span` can be added.
    pub(super) fn after(span: Option<Span>) -> Self {
        Self { span, ..Self::default() }
    }

    /// Returns true if the content covers no lines, clean or not.
    pub(in crate::ledger) fn is_empty(&self) -> bool {
        self.span.is_none() && self.bytes == 0
    }

    pub(in crate::ledger) fn span(&self) -> Option<Span> {
        self.span
    }

    /// Returns the entries with this key from the section of the runs or the section of the strays, sorted by offset.
    pub(in crate::ledger) fn entries(&self, section: Section, key: u64) -> Vec<Entry> {
        let entries = match section {
            Section::Runs => &self.runs,
            Section::Strays => &self.strays,
            // `entries_of_execution` finds the lines of an execution.
            _ => return Vec::new(),
        };
        entries.iter().copied().filter(|entry| entry.key == key).collect()
    }

    /// Returns the entries of the lines of the execution `id`, sorted by offset. A few of these entries may belong to
    /// other executions.
    pub(in crate::ledger) fn entries_of_execution(&self, id: Uuid) -> Vec<Entry> {
        let wanted = Line::of(id, 0);
        let may_be = |line: &&Line| line.key == wanted.key && (line.rest == wanted.rest || line.rest == 0);
        self.executions.iter().filter(may_be).map(|line| line.entry()).collect()
    }

    /// Adds the line of `record`, which is from `offset` to `end`. Returns `None` if an offset is larger than an index
    /// can store.
    pub(super) fn add(&mut self, record: &ExecutionMetrics, offset: u64, end: u64) -> Option<()> {
        let (offset, last) = (u32::try_from(offset).ok()?, u32::try_from(end).ok()?);
        self.bytes = end;
        let entries = |section| keys::of(section, record).map(move |key| Entry { key, offset });
        self.executions.push(Line::of(record.execution_id, offset));
        self.runs.extend(entries(Section::Runs));
        self.strays.extend(entries(Section::Strays));
        widen(&mut self.hours, keys::hour_of(record.timestamp_start), (offset, last));
        let added = if self.are_sums_too_large { Ok(()) } else { self.sums.add(record) };
        self.leave_out_sums_if(added.is_err());
        Some(())
    }

    /// Adds a line from `offset` to `end` that is not a record, but may have the id of an execution.
    pub(super) fn add_id(&mut self, id: Option<Uuid>, offset: u64, end: u64) {
        self.bytes = end;
        if let (Some(id), Ok(offset)) = (id, u32::try_from(offset)) {
            self.executions.push(Line::of(id, offset));
        }
    }

    fn leave_out_sums_if(&mut self, are_too_large: bool) {
        if are_too_large {
            self.sums = HourlySums::default();
            self.are_sums_too_large = true;
        }
    }

    /// Adds `later`, which is the content of the lines that follow.
    pub(super) fn merge(&mut self, later: Self) {
        self.bytes = later.bytes;
        self.executions.extend(later.executions);
        self.runs.extend(later.runs);
        self.strays.extend(later.strays);
        later.hours.into_iter().for_each(|(hour, lines)| widen(&mut self.hours, hour, lines));
        let are_too_large = self.are_sums_too_large || later.are_sums_too_large;
        let are_too_large = are_too_large || self.sums.merge(later.sums).is_err();
        self.leave_out_sums_if(are_too_large);
    }

    /// Finds each line that is followed by another line of the same execution. `id_at` returns the id of the line at an
    /// offset, and is called only for lines that seem to have the same id. Returns `None` if `id_at` returns `None`.
    pub(super) fn find_repeated(&mut self, mut id_at: impl FnMut(u32) -> Option<Uuid>) -> Option<()> {
        self.executions.sort_unstable();
        let compared = self.compared;
        let is_known = |lines: &[Line]| lines.len() < 2 || lines.iter().all(|line| line.offset < compared);
        for lines in self.executions.chunk_by_mut(|one, other| one.key == other.key).filter(|lines| !is_known(lines)) {
            for line in lines.iter_mut().filter(|line| line.rest == 0) {
                line.rest = keys::rest_of(id_at(line.offset)?);
            }
            let mut lines = lines.to_vec();
            lines.sort_unstable_by_key(|line| (line.rest, line.offset));
            for lines in lines.chunk_by(|one, other| one.rest == other.rest).filter(|lines| !is_known(lines)) {
                let mut last = HashMap::new();
                for line in lines {
                    self.repeated.extend(last.insert(id_at(line.offset)?, line.entry()));
                }
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
        let [repeated, shared] = [Section::Repeated, Section::Shared].map(|section| pages.entries_of(section));
        let (Some(repeated), Some(shared)) = (repeated?, shared?) else { return Ok(None) };
        let rests: HashMap<_, _> = shared.into_iter().map(|entry| (entry.offset, entry.key as u32)).collect();
        let line = |Entry { key, offset }| Line { key, offset, rest: rests.get(&offset).copied().unwrap_or_default() };
        let executions = executions.into_iter().map(line).collect();
        let [names, sums] = [Section::Names, Section::Sums].map(|section| pages.texts_of(section));
        let (Some(names), Some(sums)) = (names?, sums?) else { return Ok(None) };
        let Some(sums) = HourlySums::from_pages(&names.concat(), sums.iter().map(Vec::as_slice)) else {
            return Ok(None);
        };
        let mut hours = BTreeMap::new();
        for Entry { key, offset } in ends {
            widen(&mut hours, keys::hour_with(key), (offset, offset));
        }
        let compared = bytes as u32;
        let are_sums_too_large = !pages.has(Section::Sums);
        let last_of_unclean = None;
        Ok(Some(Self {
            bytes,
            span,
            last_of_unclean,
            executions,
            compared,
            runs,
            strays,
            hours,
            sums,
            are_sums_too_large,
            repeated,
        }))
    }

    /// Returns the sections of the index.
    pub(super) fn into_sections(self) -> Vec<(Section, Unwritten)> {
        let Self { mut executions, runs, strays, hours, sums, are_sums_too_large, repeated, .. } = self;
        executions.sort_unstable();
        let is_shared = |lines: &&[Line]| lines.len() > SHARING_MAX;
        let shared = executions.chunk_by(|one, other| one.key == other.key).filter(is_shared).flatten();
        let shared = shared.map(|line| Entry { key: keys::shared(line.key, line.rest), offset: line.offset }).collect();
        let names = sums.names();
        let names = (0..).zip(names.chunks(TEXT_BYTES_MAX).map(<[u8]>::to_vec)).collect();
        let rows = sums.pages(TEXT_BYTES_MAX).map(|(hour, page)| (keys::of_hour(hour), page)).collect();
        let ends = |(hour, (first, end))| [first, end].map(|offset| Entry { key: keys::of_hour(hour), offset });
        let sorted = |mut entries: Vec<Entry>| {
            entries.sort_unstable();
            Unwritten::Entries(entries)
        };
        let mut sections = vec![
            (Section::Executions, sorted(executions.into_iter().map(Line::entry).collect())),
            (Section::Runs, sorted(runs)),
            (Section::Strays, sorted(strays)),
            (Section::Hours, sorted(hours.into_iter().flat_map(ends).collect())),
            (Section::Repeated, sorted(repeated)),
            (Section::Shared, sorted(shared)),
        ];
        if !are_sums_too_large {
            sections.extend([(Section::Names, Unwritten::Texts(names)), (Section::Sums, Unwritten::Texts(rows))]);
        }
        sections
    }
}

fn widen(hours: &mut BTreeMap<i64, (u32, u32)>, hour: i64, (first, end): (u32, u32)) {
    let all = hours.entry(hour).or_insert((first, end));
    *all = (all.0.min(first), all.1.max(end));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ledger::index::format::Section;
    use crate::metrics::Timestamp;

    /// Returns the lines of executions whose ids all have the same first eight bytes. The lines begin at the offset
    /// `first`, and each has ten bytes.
    fn lines(ids: &[u64], first: u64) -> Content {
        let mut content = Content::default();
        for (offset, id) in (first..).step_by(10).zip(ids) {
            let id = Uuid::from_u64_pair(7, *id);
            let record = ExecutionMetrics::new(id, "draw", "1.0.0", Timestamp::UNIX_EPOCH);
            content.add(&record, offset, offset + 10).unwrap();
        }
        content
    }

    struct Written(Vec<(Section, Unwritten)>);

    impl Pages for Written {
        fn has(&self, section: Section) -> bool {
            self.0.iter().any(|(found, _)| *found == section)
        }

        fn entries_of(&self, section: Section) -> io::Result<Option<Vec<Entry>>> {
            Ok(self.0.iter().find_map(|(found, pages)| match pages {
                Unwritten::Entries(entries) if *found == section => Some(entries.clone()),
                _ => None,
            }))
        }

        fn texts_of(&self, section: Section) -> io::Result<Option<Vec<Vec<u8>>>> {
            Ok(self.0.iter().find_map(|(found, pages)| match pages {
                Unwritten::Texts(texts) if *found == section => {
                    Some(texts.iter().map(|(_, text)| text.clone()).collect())
                }
                _ => None,
            }))
        }
    }

    #[test]
    fn few_ids_are_read_even_if_all_begin_with_the_same_bytes() {
        const COUNT: u64 = 20_000;
        let mut ids: Vec<_> = (0..COUNT).collect();
        let read = Cell::new(0);
        let mut content = lines(&ids, 0);
        let find = |content: &mut Content, ids: &[u64]| {
            read.set(0);
            content
                .find_repeated(|offset| {
                    read.set(read.get() + 1);
                    ids.get(offset as usize / 10).map(|id| Uuid::from_u64_pair(7, *id))
                })
                .unwrap();
            (read.get(), content.repeated.len())
        };
        // Among this number of ids, only few pairs have the same checksum of 31 bits.
        let (count, repeated) = find(&mut content, &ids);
        assert!(count < 10, "{count}");
        assert_eq!(repeated, 0);
        let bytes = content.bytes;
        let later: Vec<_> = (COUNT..2 * COUNT).chain([5, 5]).collect();
        ids.extend(&later);
        let mut content = Content::read(bytes, None, &Written(content.into_sections())).unwrap().unwrap();
        content.merge(lines(&later, 10 * COUNT));
        let (count, repeated) = find(&mut content, &ids);
        // The three lines of the execution 5 are read.
        assert!((3..20).contains(&count), "{count}");
        assert_eq!(repeated, 2);
        let shared = Written(content.into_sections()).entries_of(Section::Shared).unwrap().unwrap();
        assert_eq!(shared.len() as u64, 2 * COUNT + 2);
    }
}
