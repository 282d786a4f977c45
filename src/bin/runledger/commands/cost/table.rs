//! Writes a report as a table.

use std::io::Write;

use runledger::cost::{Count, Report, Sum};

use crate::failure::Failure;
use crate::term::{Column, Table, cell, short};

/// Writes the table, and the lines below it.
pub(super) fn write<Z>(report: &Report<Z>, out: &mut impl Write) -> Result<(), Failure> {
    let [input, output, cache_write, cache_read, total] = TOKENS.map(Column::Number);
    let mut table = Table::new([
        Column::Name(report.by().name()),
        Column::Number("execs"),
        input,
        output,
        cache_write,
        cache_read,
        total,
        Column::Number("usd"),
        Column::Number("unpriced"),
    ]);
    let groups = report.groups().map(|(name, group)| (name, &group.sum));
    for (name, sum) in groups.chain([(Some("total"), report.totals())]) {
        let [input, output, cache_write, cache_read, total] = tokens(sum).map(|count| count.known.map(short::count));
        let bounded = |text: Option<String>| cell(text.map(|text| short::bounded(text, sum.lower_bounds > 0)));
        table.row([
            cell(name),
            short::count(sum.executions.into()),
            cell(input),
            bounded(output),
            cell(cache_write),
            cell(cache_read),
            bounded(total),
            bounded(sum.cost.map(short::usd)),
            short::count(sum.unpriced.into()),
        ]);
    }
    table.write(out)?;
    unknown(report.totals(), out)?;
    at_standard(report.totals(), out)?;
    if report.totals().lower_bounds > 0 {
        writeln!(out, "lower bounds: execs {}", short::count(report.totals().lower_bounds.into()))?;
    }
    if report.without_model() > 0 {
        writeln!(out, "without model: {}", report.without_model())?;
    }
    Ok(())
}

/// The headings of the columns of tokens.
pub(super) const TOKENS: [&str; 5] = ["input", "output", "cache w", "cache r", "tokens"];

/// Returns the sums for the columns [`TOKENS`], in their order.
pub(super) fn tokens(sum: &Sum) -> [Count; 5] {
    [sum.input_uncached, sum.output, sum.cache_write, sum.cache_read, sum.total]
}

/// For each column of tokens, writes how many executions do not report these tokens. Without these numbers, an
/// incomplete sum would look complete.
fn unknown(totals: &Sum, out: &mut impl Write) -> Result<(), Failure> {
    let counts = TOKENS.into_iter().zip(tokens(totals)).filter(|(_, count)| count.unknown > 0);
    let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {}", short::count(count.unknown.into()))).collect();
    if !counts.is_empty() {
        writeln!(out, "unknown: {}", counts.join(", "))?;
    }
    Ok(())
}

/// Writes the number of executions with calls at standard prices, and the cost of these calls. A call has the standard
/// price if the price table lacks a price for its variant, its region or a part of its usage. A variant is, for
/// example, batch processing.
fn at_standard(totals: &Sum, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(cost) = totals.at_standard_cost {
        let (execs, usd) = (short::count(totals.at_standard.into()), short::usd(cost));
        writeln!(out, "at standard prices: execs {execs}, usd {usd}")?;
    }
    Ok(())
}
