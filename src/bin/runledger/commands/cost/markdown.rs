//! Writes a report as Markdown.

use std::cmp::Reverse;

use runledger::Usd;
use runledger::cost::{CostBy, Report, Sum};

use super::repriced::Repriced;
use super::table::{TOKENS, tokens};
use crate::markdown::{Align, Markdown, code};
use crate::term::{cell, short};

/// Returns the document. The last groups may not fit, so the groups with the highest costs come first. In a report by
/// day, week or month, the newest come first.
pub(super) fn document<Z>(report: &Report<Z>, repriced: Option<&Repriced>, malformed_lines: u64) -> Markdown {
    let totals = report.totals();
    let mut document = Markdown::new(&heading(totals));
    if report.without_model() > 0 {
        let without = report.without_model();
        document.paragraph(&format!("Without a model, and so without a cost: {}.", of_executions(without)));
    }
    let mut groups: Vec<_> = report.groups().map(|(name, group)| (name, &group.sum)).collect();
    match report.by() {
        CostBy::Day | CostBy::Week | CostBy::Month => groups.reverse(),
        _ => groups.sort_by_key(|(_, sum)| Reverse(sum.cost)),
    }
    let [input, output, cache_write, cache_read, total] = TOKENS.map(|name| (name, Align::Right));
    let columns = [
        (report.by().name(), Align::Left),
        ("executions", Align::Right),
        input,
        output,
        cache_write,
        cache_read,
        total,
        ("USD", Align::Right),
    ];
    let groups = groups.into_iter().map(|(name, sum)| row(name.map_or_else(|| "-".to_owned(), code), sum));
    document.table(columns, std::iter::once(row("**total**".to_owned(), totals)).chain(groups));
    if totals.unpriced > 0 || tokens(totals).iter().any(|count| count.unknown > 0) {
        document.paragraph("In parentheses: the number of executions with an unknown part, which is not in the sum.");
    }
    if let Some(cost) = totals.at_standard_cost {
        document.paragraph(&format!(
            "At standard prices, which may be too low or too high: {} USD of {}.",
            short::usd(cost),
            of_executions(totals.at_standard)
        ));
    }
    if totals.lower_bounds > 0 {
        document.paragraph(&format!(
            "`≥` marks lower bounds: the final usage of a call was not reported for {}.",
            of_executions(totals.lower_bounds)
        ));
    }
    if malformed_lines > 0 {
        document.paragraph(&format!(
            "Lines of the ledger that are not records, so that no sum includes them: {malformed_lines}."
        ));
    }
    if let Some(repriced) = repriced {
        document.paragraph(&format!("Priced in this report: {}.", of_executions(repriced.executions)));
        let calls = repriced.calls.iter();
        document.list(calls.map(|(table, calls)| format!("by the table {}: calls {calls}", code(table))));
    }
    document
}

fn heading(totals: &Sum) -> String {
    let executions = of_executions(totals.executions);
    match (totals.cost, totals.unpriced) {
        (None, _) if totals.executions == 0 => "Cost: no execution used a model".to_owned(),
        (None, _) => format!("Cost: unknown for {executions}"),
        (Some(cost), 0) => format!("Cost: {} USD for {executions}", usd(cost, totals)),
        (Some(cost), unpriced) => {
            format!("Cost: {} USD for {executions}, without the unknown cost of {unpriced} of them", usd(cost, totals))
        }
    }
}

fn of_executions(count: u64) -> String {
    if count == 1 { "1 execution".to_owned() } else { format!("{count} executions") }
}

fn usd(cost: Usd, sum: &Sum) -> String {
    short::bounded(short::usd(cost), sum.lower_bounds > 0)
}

fn row(name: String, sum: &Sum) -> [String; 8] {
    let counted = |known: Option<String>, unknown: u64| match unknown {
        0 => cell(known),
        _ => format!("{} ({unknown} unknown)", cell(known)),
    };
    let bounded = |text: String| short::bounded(text, sum.lower_bounds > 0);
    let [input, output, cache_write, cache_read, total] = tokens(sum);
    let [input, cache_write, cache_read] =
        [input, cache_write, cache_read].map(|count| counted(count.known.map(short::count), count.unknown));
    let [output, total] =
        [output, total].map(|count| counted(count.known.map(|known| bounded(short::count(known))), count.unknown));
    let cost = counted(sum.cost.map(|cost| usd(cost, sum)), sum.unpriced);
    [name, short::count(sum.executions.into()), input, output, cache_write, cache_read, total, cost]
}
