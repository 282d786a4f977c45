//! Computes the costs that a report shows in addition to recorded costs, or instead of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use runledger::{ExecutionMetrics, PriceTable};
use serde::Serialize;

use crate::failure::Failure;
use crate::term::{printable, short};

/// How a report prices executions.
pub(super) struct Pricing<'t> {
    pub(super) table: &'t PriceTable,
    /// True if known costs are computed again too. False if only unknown costs are computed.
    pub(super) again: bool,
}

impl Pricing<'_> {
    /// Computes the costs of `record`, and counts them in `repriced`. Returns `record` unchanged if no cost was
    /// computed.
    pub(super) fn price<'r>(&self, record: &'r ExecutionMetrics, repriced: &mut Repriced) -> Cow<'r, ExecutionMetrics> {
        if !self.again && record.cost_usd.is_some() {
            return Cow::Borrowed(record);
        }
        let mut priced = record.clone();
        let tables =
            if self.again { self.table.recompute_costs(&mut priced) } else { self.table.fill_costs(&mut priced) };
        if tables.is_empty() {
            return Cow::Borrowed(record);
        }
        repriced.executions += 1;
        for table in tables {
            match repriced.calls.get_mut(table) {
                Some(calls) => *calls += 1,
                None => _ = repriced.calls.insert(table.to_owned(), 1),
            }
        }
        Cow::Owned(priced)
    }
}

/// The number of costs that were computed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Repriced {
    pub(super) executions: u64,
    /// The number of calls that each price table priced. The key is the version of the table. An execution that lists
    /// no calls counts as one call.
    pub(super) calls: BTreeMap<String, u64>,
}

impl Repriced {
    pub(super) fn merge(&mut self, other: Self) {
        self.executions += other.executions;
        for (table, calls) in other.calls {
            *self.calls.entry(table).or_default() += calls;
        }
    }

    /// Writes the number of executions with computed costs, and a line for each price table.
    pub(super) fn write(&self, out: &mut impl Write) -> Result<(), Failure> {
        writeln!(out, "priced in this report: execs {}", short::count(self.executions.into()))?;
        for (table, calls) in &self.calls {
            writeln!(out, "  by the table {}: calls {}", printable(table), short::count((*calls).into()))?;
        }
        Ok(())
    }
}

/// A report in JSON, with the number of computed costs. The key `repriced` is present only if the report computes
/// costs.
#[derive(Serialize)]
pub(super) struct WithRepriced<R> {
    #[serde(flatten)]
    pub(super) report: R,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repriced: Option<Repriced>,
    /// The number of sessions that a hook recorded and that were not imported. Missing with --run.
    #[serde(rename = "notImported", skip_serializing_if = "Option::is_none")]
    pub(super) not_imported: Option<u64>,
}
