//! `runledger list`

use std::io::Write;

use runledger::ledger::last_records;
use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Uuid};

use crate::args::{Global, List};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::records;
use crate::short;
use crate::table::{Column, Table, cell, minutes};

/// The columns of a table of executions: what [`cells`] gives, and the id.
pub(crate) const COLUMNS: [Column; 7] = [
    Column::Text("start (UTC)"),
    Column::Name("skill"),
    Column::Text("status"),
    Column::Number("ms"),
    Column::Number("tokens"),
    Column::Number("usd"),
    Column::Text("id"),
];

pub(crate) fn run(args: &List, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match global.json {
        true => json(args, global, out)?,
        false => table(args, global, out)?,
    }
    Ok(ExitCode::Yes)
}

fn json(args: &List, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    if args.all {
        // Nothing is held of a ledger that is larger than the memory.
        records::each(global, |record| {
            if args.wants(&record) {
                output::json_line(out, &record)?;
            }
            Ok(())
        })?;
        return Ok(());
    }
    for record in last(args, global, |record| record)? {
        output::json_line(out, &record)?;
    }
    Ok(())
}

fn table(args: &List, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    let row = |record: ExecutionMetrics| (record.execution_id, cells(&record));
    let rows = match args.all {
        true => {
            let mut rows = Vec::new();
            records::each(global, |record| {
                if args.wants(&record) {
                    rows.push(row(record));
                }
                Ok(())
            })?;
            rows
        }
        false => last(args, global, row)?,
    };
    let mut ids: Vec<_> = rows.iter().map(|(id, _)| id.as_u128()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut table = Table::new(COLUMNS);
    for (id, [start, skill, status, latency, tokens, cost]) in rows {
        table.row([start, skill, status, latency, tokens, cost, shortest(id, &ids)]);
    }
    table.write(out)?;
    Ok(())
}

/// What `make` makes of the last ones that are asked for. Damaged lines before them are not looked at.
fn last<T>(args: &List, global: &Global, make: impl Fn(ExecutionMetrics) -> T) -> Result<Vec<T>, Failure> {
    let take = |record| args.wants(&record).then(|| make(record));
    let last = last_records(&global.ledger, args.limit as usize, take)?;
    records::warn_of(&last.skipped, global);
    Ok(last.records)
}

impl List {
    fn wants(&self, record: &ExecutionMetrics) -> bool {
        self.skill.as_ref().is_none_or(|skill| *skill == record.skill_name)
            && self.status.as_ref().is_none_or(|wanted| status(record).as_ref() == Some(wanted))
    }
}

/// The cells of a row without its last, the id.
pub(crate) fn cells(record: &ExecutionMetrics) -> [String; 6] {
    [
        minutes(record.timestamp_start),
        record.skill_name.clone(),
        cell(status(record)),
        cell(record.total_latency_ms.map(|ms| short::count(ms.into()))),
        cell(record.tokens_used.map(|tokens| short::count(tokens.into()))),
        cell(record.cost_usd.map(short::usd)),
    ]
}

/// How it ended; of a writer that tells only success or failure, that.
fn status(record: &ExecutionMetrics) -> Option<Status> {
    let told = match (record.execution_succeeded, record.execution_failed) {
        (Some(true), None | Some(false)) => Some(Status::Success),
        (None | Some(false), Some(true)) => Some(Status::Failed),
        _ => None,
    };
    record.status.clone().or(told)
}

/// The beginning of `id` that no other of `ids`, which are sorted, has; at least 8 digits.
fn shortest(id: Uuid, ids: &[u128]) -> String {
    let value = id.as_u128();
    let (before, after) = (ids.partition_point(|&other| other < value), ids.partition_point(|&other| other <= value));
    let neighbours = [before.checked_sub(1).and_then(|at| ids.get(at)), ids.get(after)];
    let shared = neighbours.into_iter().flatten().map(|other| (other ^ value).leading_zeros() / 4).max();
    beginning(id, shared.map_or(8, |shared| shared as usize + 1).max(8))
}

/// The first `digits` digits of `id`, with its hyphens.
pub(crate) fn beginning(id: Uuid, digits: usize) -> String {
    // Hyphens stand after 8, 12, 16 and 20 digits.
    let hyphens = [8, 12, 16, 20].into_iter().filter(|&at| digits > at).count();
    id.to_string().chars().take(digits + hyphens).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_cut_to_what_tells_it_from_its_neighbours() {
        let ids = [
            0x019c_5d2a_0000_7000_8000_0000_0000_0001,
            0x019c_5d2a_5a40_7000_8000_0000_0000_0001,
            0x019c_5d2a_5a40_7000_8000_0000_0000_0002,
            0x119c_5d2a_5a40_7000_8000_0000_0000_0002,
        ];
        let shortest = ids.map(|id| shortest(Uuid::from_u128(id), &ids));
        assert_eq!(
            shortest,
            ["019c5d2a-0", "019c5d2a-5a40-7000-8000-000000000001", "019c5d2a-5a40-7000-8000-000000000002", "119c5d2a"]
        );
    }
}
