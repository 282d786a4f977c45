//! Writes the report as text.

use std::io::Write;

use runledger::Usd;
use runledger::baseline::Verdict;
use runledger::report::{ExecutionRow, LedgerReport, SkillRow, StackBy, TimeSlice};

use crate::failure::Failure;
use crate::global::Global;
use crate::records;
use crate::term::{Column, Table, audience, cell, minutes, paragraph, short};

/// From this number on, consecutive days, weeks or months without executions are one row.
const EMPTY_MIN: usize = 3;

/// Writes the same sections as the HTML page, in the same order and with the same sentences.
pub(super) fn write(report: &LedgerReport, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    paragraph(&report.ledger, [0, 2], out)?;
    paragraph(&report.scope(), [0, 2], out)?;
    heading(&report.verdict_title(), None, out)?;
    for finding in report.findings() {
        paragraph(&format!("{}: {}", finding.tone.word(), finding.text), [0, 2], out)?;
        for detail in &finding.details {
            paragraph(detail, [2, 4], out)?;
        }
    }
    if report.is_empty() {
        paragraph(&report.next_step(), [0, 2], out)?;
    } else {
        costs(report, out)?;
        skills(report, out)?;
        latency(report, out)?;
        failures(report, out)?;
    }
    quotas(report, out)?;
    if !report.is_empty() {
        unknown(report, out)?;
        executions(&report.slowest_title(), &report.slowest, global, out)?;
        executions(&report.dearest_title(), &report.dearest, global, out)?;
    }
    Ok(())
}

/// Writes the title of a section, and the note below it.
fn heading(title: &str, note: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out)?;
    paragraph(title, [0, 2], out)?;
    note.map_or(Ok(()), |note| Ok(paragraph(note, [0, 2], out)?))
}

fn bounded(amount: Option<Usd>, is_bound: bool) -> String {
    cell(amount.map(|amount| short::bounded(short::usd(amount), is_bound)))
}

fn costs(report: &LedgerReport, out: &mut impl Write) -> Result<(), Failure> {
    heading(&report.cost_title(), Some(&report.cost_note()), out)?;
    let cost = &report.cost;
    let highest = cost.slices.iter().filter_map(|slice| slice.cost).max().map_or(0, Usd::pico);
    let mut table = Table::new([
        Column::Text(cost.slice),
        Column::Number("execs"),
        Column::Number("usd"),
        Column::Number("unpriced"),
        Column::Extra(&Column::Text("of the highest")),
    ]);
    for same in cost.slices.chunk_by(|one, other| one.executions == 0 && other.executions == 0) {
        if same.len() >= EMPTY_MIN {
            let empty = format!("{} empty {}s", same.len(), cost.slice);
            table.row([empty, "0".to_owned(), short::usd(Usd::ZERO), "0".to_owned(), cell(None::<&str>)]);
            continue;
        }
        same.iter().for_each(|slice| table.row(of_slice(slice, highest)));
    }
    if cost.slices.is_empty() {
        return Ok(());
    }
    table.write(out)?;
    models(report, out)
}

/// Writes the costs of the models if the bars are divided by model. The costs of skills are in a section of their own.
fn models(report: &LedgerReport, out: &mut impl Write) -> Result<(), Failure> {
    if report.cost.by != StackBy::Model || report.cost.series.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([Column::Name("model"), Column::Number("usd")]);
    for series in &report.cost.series {
        table.row([cell(series.name.as_ref()), bounded(series.cost, series.lower_bounds > 0)]);
    }
    if let Some(others) = report.cost.others() {
        table.row(["all other models".to_owned(), bounded(Some(others), report.cost.others_are_bounds)]);
    }
    writeln!(out)?;
    Ok(table.write(out)?)
}

fn of_slice(slice: &TimeSlice, highest: i128) -> [String; 5] {
    let share = slice.cost.filter(|_| highest > 0).map(|cost| cost.pico() as f64 * 100.0 / highest as f64);
    [
        slice.start.clone(),
        short::count(slice.executions.into()),
        bounded(slice.cost, slice.lower_bounds > 0),
        short::count(slice.unpriced.into()),
        cell(share.filter(|_| audience::has_room()).map(short::bar)),
    ]
}

fn skills(report: &LedgerReport, out: &mut impl Write) -> Result<(), Failure> {
    heading(&report.skills_title(), report.skills_note().as_deref(), out)?;
    let mut table = Table::new([
        Column::Name("skill"),
        Column::Number("execs"),
        Column::Number("usd"),
        Column::Number("of known"),
        Column::Number("unpriced"),
        Column::Number("success"),
    ]);
    for row in &report.skills.rows {
        table.row([
            row.skill.clone(),
            short::count(row.executions.into()),
            bounded(row.cost, row.lower_bounds > 0),
            cell(row.share.map(short::percent)),
            short::count(row.unpriced.into()),
            cell(row.success_rate.map(|rate| match row.outcome_unknown {
                0 => of_known(rate, row),
                unknown => format!("{}, {} unknown", of_known(rate, row), short::count(unknown.into())),
            })),
        ]);
    }
    if report.skills.rows.is_empty() { Ok(()) } else { Ok(table.write(out)?) }
}

/// Returns the success rate, and of how many executions it is a share.
fn of_known(rate: f64, row: &SkillRow) -> String {
    format!("{} of {}", short::percent(rate), short::count(row.outcome_known.into()))
}

fn latency(report: &LedgerReport, out: &mut impl Write) -> Result<(), Failure> {
    heading(&report.latency_title(), Some(&report.latency_note()), out)?;
    let rows = &report.latency.rows;
    if report.comparison.is_none() {
        let mut table = Table::new([
            Column::Name("skill"),
            Column::Number("p50 ms"),
            Column::Number("p95 ms"),
            Column::Number("n"),
            Column::Number("unknown"),
        ]);
        for row in rows {
            let [samples, unknown] = [row.samples, row.unknown].map(|count| short::count(count.into()));
            table.row([row.skill.clone(), cell(row.p50_ms), cell(row.p95_ms), samples, unknown]);
        }
        return Ok(table.write(out)?);
    }
    let mut table = Table::new([
        Column::Name("skill"),
        Column::Number("p50 ms"),
        Column::Number("n"),
        Column::Number("now"),
        Column::Number("n now"),
        Column::Number("change"),
        Column::Number("interval"),
        Column::Level("verdict"),
    ]);
    for row in rows {
        let [before, now] = [row.baseline_samples, row.recent_samples].map(|count| short::count(count.into()));
        let interval = row.interval.map(|ends| ends.map(short::percent).join(" … "));
        let verdict = match row.verdict {
            Some(Verdict::Better) => "faster",
            Some(Verdict::Worse) => "slower",
            Some(Verdict::NoChangeShown) => "no change shown",
            Some(Verdict::TooFew) => "too few",
            _ => "no baseline",
        };
        let (baseline, recent) = (cell(row.baseline_p50_ms), cell(row.recent_p50_ms));
        let (change, interval) = (cell(row.change.map(short::percent)), cell(interval));
        table.row([row.skill.clone(), baseline, before, recent, now, change, interval, verdict.to_owned()]);
    }
    Ok(table.write(out)?)
}

fn failures(report: &LedgerReport, out: &mut impl Write) -> Result<(), Failure> {
    heading(&report.failures_title(), Some(&report.failures_note()), out)?;
    let failures = &report.failures;
    let mut table = Table::new([Column::Name("category"), Column::Number("failures"), Column::Number("share")]);
    for (category, count) in &failures.categories {
        let share = short::percent(*count as f64 / failures.failed.max(1) as f64);
        table.row([cell(category.as_ref()), short::count((*count).into()), share]);
    }
    if failures.categories.is_empty() { Ok(()) } else { Ok(table.write(out)?) }
}

fn quotas(report: &LedgerReport, out: &mut impl Write) -> Result<(), Failure> {
    heading(&report.quotas_title(), report.quotas_note().as_deref(), out)?;
    let mut table = Table::new([
        Column::Name("limit"),
        Column::Text("unit"),
        Column::Number("used"),
        Column::Number("limit"),
        Column::Number("%"),
        Column::Text("resets (UTC)"),
        Column::Level("level"),
    ]);
    for quota in &report.quotas {
        table.row([
            quota.name.clone(),
            quota.unit.clone(),
            quota.consumed.clone(),
            quota.limit.clone(),
            format!("{:.1}", quota.pct_used),
            cell(quota.resets_at.map(minutes)),
            quota.level.to_string(),
        ]);
    }
    if report.quotas.is_empty() { Ok(()) } else { Ok(table.write(out)?) }
}

fn unknown(report: &LedgerReport, out: &mut impl Write) -> Result<(), Failure> {
    heading(&report.unknown_title(), None, out)?;
    let mut table =
        Table::new([Column::Name("figure"), Column::Number("unknown"), Column::Number("of"), Column::Text("what")]);
    for figure in &report.unknown {
        let count = |count: u64| short::count(count.into());
        table.row([figure.figure.clone(), count(figure.unknown), cell(figure.of.map(count)), figure.what.to_owned()]);
    }
    Ok(table.write(out)?)
}

fn executions(title: &str, rows: &[ExecutionRow], global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    heading(title, None, out)?;
    let mut table = Table::new([
        Column::Text("start (UTC)"),
        Column::Name("skill"),
        Column::Level("outcome"),
        Column::Number("ms"),
        Column::Number("usd"),
        Column::Text("id"),
    ]);
    let ids: Vec<_> = rows.iter().map(|row| row.execution_id).collect();
    for (row, id) in rows.iter().zip(records::short_ids(&ids, global)?) {
        table.row([
            minutes(row.start),
            row.skill.clone(),
            cell(row.outcome()),
            cell(row.latency_ms.map(|ms| short::count(ms.into()))),
            bounded(row.cost_usd, row.is_lower_bound),
            id,
        ]);
    }
    if rows.is_empty() { Ok(()) } else { Ok(table.write(out)?) }
}
