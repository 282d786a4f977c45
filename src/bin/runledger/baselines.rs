//! Computes and prints baselines, for several commands.

use std::io::Write;
use std::path::PathBuf;

use runledger::baseline::{FrozenBaselines, Precision};
use runledger::cost::{CostBy, Report};
use runledger::metrics::Fields;
use runledger::{Baselines, Error, ErrorKind, FrozenWeeks, Timestamp};

use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::selection::Window;
use crate::term::{Column, Table, cell, printable, short};
use crate::week::Week;

/// Returns the path of the file with the frozen baselines. This file is in the same directory as the ledger. Fails if
/// the path is the ledger itself.
pub(crate) fn frozen_path(global: &Global) -> Result<PathBuf, Failure> {
    let path = global.ledger.with_file_name("baselines.jsonl");
    if path == global.ledger { Err(Failure::IsLedger { operation: "use the baselines", path }) } else { Ok(path) }
}

/// Returns the baselines of the given week, or of the latest frozen week if no week is given.
///
/// Fails if the week is not frozen. If no week is given, also fails if a line after the latest readable week is
/// damaged, because that line may be a later week.
pub(crate) fn frozen(week: Option<Week>, global: &Global) -> Result<FrozenBaselines, Failure> {
    let path = frozen_path(global)?;
    let not_frozen = |of: String| Failure::NotFrozen { of, path: path.clone() };
    let missing = |error: &Error| error.io_kind() == Some(std::io::ErrorKind::NotFound);
    let weeks = match FrozenWeeks::open(&path) {
        Err(error) if missing(&error) => return Err(not_frozen("yet".to_owned())),
        weeks => weeks?,
    };
    let mut last: Option<FrozenBaselines> = None;
    let mut is_damaged = false;
    for frozen in weeks {
        match frozen {
            Ok(frozen) => {
                let wanted = week.is_none_or(|week| week.0 == frozen.week_start);
                if wanted && last.as_ref().is_none_or(|last| last.week_start < frozen.week_start) {
                    last = Some(frozen);
                    is_damaged = false;
                }
            }
            Err(error) if error.kind() == ErrorKind::Malformed => {
                records::name(&error, global);
                is_damaged = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if is_damaged && week.is_none() && last.is_some() {
        return Err(Failure::DamagedWeek(path));
    }
    last.ok_or_else(|| {
        not_frozen(week.map_or_else(|| "yet".to_owned(), |week| format!("for the week from {}", week.0)))
    })
}

/// Combines the executions in the window, on all cores. `init` creates an empty partial result, `take` adds an
/// execution to a partial result, and `merge` combines two partial results. Skips lines that are not records, and warns
/// of them on stderr.
pub(crate) fn fold<A: Send>(
    window: &Window,
    global: &Global,
    init: impl Fn() -> A + Sync,
    take: impl Fn(&mut A, &Fields<'_>) + Sync,
    merge: impl FnMut(&mut A, A) + Send,
) -> Result<A, Failure> {
    let take_wanted = |all: &mut A, fields: &Fields<'_>| {
        if window.has(&fields.skill_name, fields.timestamp_start) {
            take(all, fields);
        }
    };
    let scanned = records::scan(&window.period, global)?.fold(init, take_wanted, merge)?;
    records::warn_of(&scanned.skipped, global);
    Ok(scanned.value)
}

/// Returns how many executions of the window have a cost and output tokens that are lower bounds. With `since`, only
/// executions that started then or later are counted.
pub(crate) fn lower_bounds(window: &Window, since: Option<Timestamp>, global: &Global) -> Result<u64, Failure> {
    let counts = |start| window.period.contains(start) && since.is_none_or(|since| start >= since);
    let found = records::scan(&window.period, global)?.sum_up(Report::new(CostBy::Skill), counts)?;
    let of_window = |skill: Option<&str>| window.skill.is_none() || window.skill.as_deref() == skill;
    let groups = found.value.groups().filter(|(skill, _)| of_window(*skill));
    Ok(groups.map(|(_, group)| group.sum.lower_bounds).sum())
}

/// Returns a sentence that says that means of costs and tokens can be too low. Returns `None` if `executions` is 0.
pub(crate) fn of_lower_bounds(executions: u64) -> Option<String> {
    let of = match executions {
        0 => return None,
        1 => "1 execution are lower bounds".to_owned(),
        _ => format!("{} executions are lower bounds", short::count(executions.into())),
    };
    Some(format!("the cost and the tokens of {of}, so the means of cost and tokens can be too low"))
}

/// Writes a table of baselines. Below the table, writes for how many executions each value is unknown, and which
/// percentiles are not exact.
pub(crate) fn table(heading: &'static str, baselines: &Baselines, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name(heading),
        Column::Number("runs"),
        Column::Number("success"),
        Column::Number("p50 ms"),
        Column::Number("p95 ms"),
        Column::Number("p99 ms"),
        Column::Number("mean usd"),
        Column::Number("mean tokens"),
    ]);
    for (name, baseline) in baselines.iter() {
        table.row([
            name.to_owned(),
            baseline.sample_size.to_string(),
            cell(baseline.success_rate.map(short::percent)),
            cell(baseline.latency_p50_ms),
            cell(baseline.latency_p95_ms),
            cell(baseline.latency_p99_ms),
            cell(baseline.cost_mean_usd),
            cell(baseline.tokens_mean),
        ]);
    }
    table.write_or("No execution matches. `runledger list` shows the last executions.", out)?;
    unknowns(baselines, out)
}

/// Writes for how many executions each value is unknown. Without these numbers, the statistics would seem to include
/// all executions. Also writes which percentiles are not exact.
fn unknowns(baselines: &Baselines, out: &mut impl Write) -> Result<(), Failure> {
    for (name, baseline) in baselines.iter() {
        let counts = [
            ("outcome", baseline.outcome_unknown),
            ("latency", baseline.latency_unknown),
            ("cost", baseline.cost_unknown),
            ("tokens", baseline.tokens_unknown),
        ];
        let counts = counts.into_iter().filter(|&(_, count)| count > 0);
        let counts: Vec<_> = counts.map(|(what, count)| format!("{what} {count}")).collect();
        if !counts.is_empty() {
            writeln!(out, "unknown of {}: {}", printable(name), counts.join(", "))?;
        }
        if baseline.latency_precision == Precision::Bounded {
            writeln!(out, "percentiles of {}: accurate to 0.4 %", printable(name))?;
        }
    }
    Ok(())
}
