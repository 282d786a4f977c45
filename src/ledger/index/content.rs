//! The content of an index: what it finds, and the sums.

use std::collections::BTreeMap;
use std::io;

use super::format::{Encoded, Entry, Section, Span};
use super::keys;
use crate::metrics::ExecutionMetrics;

/// The longest segment that an index covers, because an offset has four bytes.
pub(super) const SEGMENT_BYTES_MAX: u64 = u32::MAX as u64;

/// The content of an index of the first `bytes` bytes of a segment.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) bytes: u64,
    /// The lines; `None` if there are none, or if they are not clean. The other fields are then empty.
    pub(super) span: Option<Span>,
    executions: Vec<Entry>,
    runs: Vec<Entry>,
    strays: Vec<Entry>,
    /// The offset of the first line of each hour, and the end of its last line.
    hours: BTreeMap<i64, (u32, u32)>,
}

impl Content {
    /// Returns the content of an index of a segment with a line that is not clean.
    pub(super) fn unclean(bytes: u64) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Adds a line from `offset` to `end`. Returns `None` if an index cannot hold it.
    pub(super) fn add(&mut self, record: &ExecutionMetrics, offset: u64, end: u64) -> Option<()> {
        let (offset, last) = (u32::try_from(offset).ok()?, u32::try_from(end).ok()?);
        self.bytes = end;
        self.executions.push(Entry { key: keys::of_execution(record.execution_id), offset });
        let runs = [&record.run.run_id, &record.run.parent_run_id];
        self.runs.extend(runs.into_iter().flatten().map(|run| Entry { key: keys::of_run(run), offset }));
        let parent = record.run.parent_execution_id.filter(|_| record.run.run_id.is_none());
        self.strays.extend(parent.map(|parent| Entry { key: keys::of_execution(parent), offset }));
        widen(&mut self.hours, keys::hour_of(record.timestamp_start), (offset, last));
        Some(())
    }

    /// Adds the lines that follow. Returns `None` if an index cannot hold them.
    pub(super) fn merge(&mut self, later: Self) -> Option<()> {
        self.bytes = later.bytes;
        self.executions.extend(later.executions);
        self.runs.extend(later.runs);
        self.strays.extend(later.strays);
        later.hours.into_iter().for_each(|(hour, lines)| widen(&mut self.hours, hour, lines));
        Some(())
    }

    /// Reads the content back from the sections of an index. `entries` returns the entries of a section.
    pub(super) fn read(
        bytes: u64,
        span: Option<Span>,
        entries: impl Fn(Section) -> io::Result<Option<Vec<Entry>>>,
    ) -> io::Result<Option<Self>> {
        let all = [Section::Executions, Section::Runs, Section::Strays, Section::Hours].map(entries);
        let [executions, runs, strays, ends] = all;
        let (Some(executions), Some(runs), Some(strays), Some(ends)) = (executions?, runs?, strays?, ends?) else {
            return Ok(None);
        };
        let mut hours = BTreeMap::new();
        for Entry { key, offset } in ends {
            widen(&mut hours, keys::hour_with(key), (offset, offset));
        }
        Ok(Some(Self { bytes, span, executions, runs, strays, hours }))
    }

    /// Encodes the sections of the index.
    pub(super) fn into_sections(self) -> Vec<(Section, Encoded)> {
        let Self { executions, runs, strays, hours, .. } = self;
        let ends = |(hour, (first, end))| [first, end].map(|offset| Entry { key: keys::of_hour(hour), offset });
        let hours = hours.into_iter().flat_map(ends).collect();
        let entries = [
            (Section::Executions, executions),
            (Section::Runs, runs),
            (Section::Strays, strays),
            (Section::Hours, hours),
        ];
        let encoded = |(section, mut entries): (Section, Vec<Entry>)| {
            entries.sort_unstable();
            (section, Encoded::entries(&entries))
        };
        entries.into_iter().map(encoded).collect()
    }
}

fn widen(hours: &mut BTreeMap<i64, (u32, u32)>, hour: i64, (first, end): (u32, u32)) {
    let all = hours.entry(hour).or_insert((first, end));
    *all = (all.0.min(first), all.1.max(end));
}
