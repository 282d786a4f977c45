//! Writes the comparison as a table.

use std::io::Write;

use super::answer::{Answer, NotJudged};
use super::cells::{interval, number_of, verdict};
use crate::baselines::of_lower_bounds;
use crate::failure::Failure;
use crate::term::{Column, Table, cell, paragraph, printable, short};

pub(super) fn write(answer: &Answer<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("skill"),
        Column::Text("metric"),
        Column::Number("baseline"),
        Column::Number("recent"),
        Column::Number("interval"),
        Column::Number("p"),
        Column::Level("verdict"),
    ]);
    for (skill, compared) in &answer.comparison.skills {
        for (name, metric) in compared.metrics() {
            let number = number_of(name);
            table.row([
                skill.clone(),
                name.to_owned(),
                cell(metric.baseline.map(number)),
                cell(metric.recent.map(number)),
                cell(interval(&metric)),
                cell(metric.p_adjusted.map(short::probability)),
                verdict(metric.verdict).to_owned(),
            ]);
        }
    }
    table.write_or("No skill has a value to compare. `runledger baseline` shows the skills of the ledger.", out)?;
    let Answer { week_start, metrics, judged, .. } = answer;
    writeln!(out, "compared with the baselines of the week from {week_start}")?;
    writeln!(out, "{judged} of {metrics} metrics judged")?;
    if let Some(text) = of_lower_bounds(answer.lower_bounds) {
        paragraph(&format!("recent: {text}"), [0, 4], out)?;
    }
    for NotJudged { skill, metric } in &answer.required_not_judged {
        writeln!(out, "required and not judged: {metric} of {}", printable(skill))?;
    }
    Ok(())
}
