//! Lists the executions that have several lines.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use super::LedgerReader;
use super::scan::{Superseded, places_of, superseded_without_writing};
use crate::error::Result;
use crate::journal::format::line;
use crate::journal::read::blocks::Blocks;
use crate::journal::read::line_at;
use crate::metrics::Fields;

/// An execution that has several lines. Readers use only the last of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepeatedExecution {
    /// The id that the lines have.
    pub execution_id: Uuid,
    /// The numbers of the lines, in ledger order. If there are more than [`LINES_MAX`](Self::LINES_MAX) lines, only the
    /// first ones and the last one are listed.
    pub lines: Vec<u64>,
}

impl RepeatedExecution {
    /// The largest number of lines that are listed for an execution.
    pub const LINES_MAX: usize = 100;
}

impl LedgerReader {
    /// Returns the number of superseded lines. A line is superseded if a later line has the same execution. Also
    /// returns the first `executions_max` executions that have such lines, in the order of their first lines.
    pub(super) fn repeated(&self, executions_max: usize) -> Result<(u64, Vec<RepeatedExecution>)> {
        let superseded = superseded_without_writing(&*self.storage, &self.layout);
        let count = superseded.positions().count() as u64;
        if count == 0 {
            return Ok((0, Vec::new()));
        }
        let ids = self.first_ids(&superseded, executions_max)?;
        let mut numbers: BTreeMap<Uuid, Vec<u64>> = BTreeMap::new();
        let wanted: HashSet<Uuid> = ids.iter().copied().collect();
        let places = places_of(&*self.storage, &self.layout, superseded.end(), &wanted, |file, id, offset| {
            // A line of another program has no number.
            let line = line_at(file, offset).ok().flatten();
            let Some(trailer) = line.as_deref().and_then(line::trailer) else { return };
            let numbers = numbers.entry(id).or_default();
            if numbers.len() == RepeatedExecution::LINES_MAX {
                numbers.pop();
            }
            numbers.push(trailer.link.seq);
        });
        places?;
        let of_id = |id| RepeatedExecution { execution_id: id, lines: numbers.remove(&id).unwrap_or_default() };
        Ok((count, ids.into_iter().map(of_id).collect()))
    }

    /// Returns the ids of the first executions that have superseded lines.
    fn first_ids(&self, superseded: &Superseded, executions_max: usize) -> Result<Vec<Uuid>> {
        let (mut ids, mut seen) = (Vec::new(), HashSet::new());
        let mut blocks = Blocks::of(&*self.storage, &self.layout, u64::MAX)?;
        while let Some(segment) = blocks.next_segment()? {
            for offset in superseded.in_segment(segment.segment) {
                if ids.len() == executions_max {
                    return Ok(ids);
                }
                let line = line_at(segment.file(), *offset).ok().flatten();
                let id = line.as_deref().and_then(|line| Some(Fields::from_line(line).ok()?.execution_id));
                ids.extend(id.filter(|id| seen.insert(*id)));
            }
        }
        Ok(ids)
    }
}
