//! `runledger cost`

use std::collections::BTreeMap;
use std::io::Write;

use runledger::Usd;
use serde::Serialize;

use crate::args::{By, Cost, Global};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::parts::{Part, parts};
use crate::records;
use crate::table::{Column, Table, cell};

pub(crate) fn run(args: &Cost, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut costs = Costs::default();
    let malformed = records::each(global, |record| {
        let parts = parts(&record);
        if parts.is_empty() {
            costs.without_model += 1;
            return Ok(());
        }
        costs.total.add(&parts)?;
        match args.by {
            By::Skill => costs.group(Some(&record.skill_name)).add(&parts),
            By::Model => parts.iter().try_for_each(|part| costs.group(part.model).add(std::slice::from_ref(part))),
        }
    })?;
    match global.json {
        true => output::json_line(out, &costs.json(args.by, malformed))?,
        false => costs.table(args.by, out)?,
    }
    Ok(ExitCode::Yes)
}

#[derive(Default)]
struct Costs {
    /// By skill or model; `None`: which model it was is unknown.
    groups: BTreeMap<Option<String>, Sum>,
    total: Sum,
    without_model: u64,
}

/// What was taken together, over what is known, and how many executions do not say.
#[derive(Default, Serialize)]
struct Sum {
    calls: u64,
    /// `None`: of no execution. A ledger's counts cannot add up to more than fits.
    tokens: Option<u128>,
    tokens_unknown: u64,
    /// `None`: of no execution.
    #[serde(rename = "cost_usd")]
    cost: Option<Usd>,
    cost_unknown: u64,
}

impl Sum {
    /// Adds parts of one execution.
    fn add(&mut self, parts: &[Part<'_>]) -> Result<(), Failure> {
        for part in parts {
            self.calls += part.calls;
            if let Some(tokens) = part.tokens {
                self.tokens = Some(self.tokens.unwrap_or(0) + u128::from(tokens));
            }
            if let Some(cost) = part.cost {
                self.cost = Some(self.cost.unwrap_or(Usd::ZERO).checked_add(cost).ok_or(Failure::Overflow)?);
            }
        }
        self.tokens_unknown += u64::from(parts.iter().any(|part| part.tokens.is_none()));
        self.cost_unknown += u64::from(parts.iter().any(|part| part.cost.is_none()));
        Ok(())
    }
}

impl Costs {
    fn group(&mut self, name: Option<&str>) -> &mut Sum {
        self.groups.entry(name.map(str::to_owned)).or_default()
    }

    fn json(&self, by: By, malformed_lines: u64) -> impl Serialize {
        let groups = self.groups.iter().map(|(name, sum)| Group { name: name.as_deref(), sum }).collect();
        Answer { by: by.name(), groups, total: &self.total, without_model: self.without_model, malformed_lines }
    }

    fn table(&self, by: By, out: &mut impl Write) -> Result<(), Failure> {
        let mut table = Table::new([
            Column::Name(by.name()),
            Column::Number("calls"),
            Column::Number("tokens"),
            Column::Number("unknown"),
            Column::Number("usd"),
            Column::Number("unknown"),
        ]);
        let total = (cell(Some("total")), &self.total);
        for (name, sum) in self.groups.iter().map(|(name, sum)| (cell(name.as_ref()), sum)).chain([total]) {
            let Sum { calls, tokens, tokens_unknown, cost, cost_unknown } = sum;
            table.row([
                name,
                calls.to_string(),
                cell(*tokens),
                tokens_unknown.to_string(),
                cell(*cost),
                cost_unknown.to_string(),
            ]);
        }
        table.write(out)?;
        writeln!(out, "without model: {}", self.without_model)?;
        Ok(())
    }
}

/// The answer in JSON.
#[derive(Serialize)]
struct Answer<'c> {
    by: &'static str,
    groups: Vec<Group<'c>>,
    total: &'c Sum,
    without_model: u64,
    malformed_lines: u64,
}

#[derive(Serialize)]
struct Group<'c> {
    name: Option<&'c str>,
    #[serde(flatten)]
    sum: &'c Sum,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Skill => "skill",
        }
    }
}
