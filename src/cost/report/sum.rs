//! Sums of tokens and costs.

use super::parts::{Cached, Part};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Usd;

/// The sum of a count, such as output tokens, over all executions that report this count. The number of the other
/// executions is in `unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Count {
    /// The sum of the known counts; `None` if no count is known. A `u128` is large enough for the counts of any
    /// ledger.
    pub known: Option<u128>,
    /// The number of executions that do not report this count, or do not report it for one of the models that they
    /// used.
    pub unknown: u64,
}

impl Count {
    /// Adds the counts of one execution.
    pub(crate) fn add(&mut self, counts: impl IntoIterator<Item = Option<u128>>) {
        let mut unknown = false;
        for count in counts {
            match count {
                Some(count) => self.known = Some(self.known.unwrap_or(0) + count),
                None => unknown = true,
            }
        }
        self.unknown += u64::from(unknown);
    }

    fn merge(&mut self, other: &Self) {
        self.known = match (self.known, other.known) {
            (Some(mine), Some(others)) => Some(mine + others),
            (mine, others) => mine.or(others),
        };
        self.unknown += other.unknown;
    }
}

/// The known total usage and cost of executions, and the number of unknown values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Sum {
    /// The number of executions. Each of them used a model, or was interrupted and [may have used
    /// one](crate::ExecutionMetrics::has_cost).
    pub executions: u64,
    /// The exact cost, in US dollars, of the executions whose cost is known; `None` if no cost is known.
    pub cost: Option<Usd>,
    /// The number of executions without a cost, or without a cost for one of the models that they used. For such an
    /// execution, `cost` includes only the known costs of its other models.
    pub unpriced: u64,
    /// The number of executions that contribute to [`at_standard_cost`](Self::at_standard_cost).
    pub at_standard: u64,
    /// The part of `cost`, in US dollars, that was computed at the standard price because there is no special price. It
    /// is the cost of calls whose variant, region or kind of tokens (such as audio) has no price of its own. The
    /// standard price may be too low or too high for these calls. `None` if there are no such calls. See
    /// [`CostProvenance::variant_unpriced`](crate::metrics::CostProvenance::variant_unpriced), `region_unpriced` and
    /// `part_unpriced`.
    pub at_standard_cost: Option<Usd>,
    /// The number of executions whose output tokens and cost are lower bounds. The reason is that the final usage of a
    /// call was not reported. See [`ExecutionMetrics::is_lower_bound`](crate::ExecutionMetrics::is_lower_bound).
    pub lower_bounds: u64,
    /// Input tokens, without the tokens that are reported as read from or written to a cache. An unknown number of
    /// cached tokens counts as 0. The count is unknown for an execution whose cached tokens exceed its input.
    pub input_uncached: Count,
    /// Output tokens, including reasoning.
    pub output: Count,
    /// Input tokens written to a cache, however long the cache keeps them.
    pub cache_write: Count,
    /// Input tokens read from a cache.
    pub cache_read: Count,
    /// All tokens.
    pub total: Count,
}

impl Sum {
    /// Adds one execution. `cached` has the cached tokens of all models together, or `None` if the models report
    /// their own cached tokens.
    pub(super) fn add(&mut self, models: &[Part<'_>], cached: Option<Cached>) -> Result<()> {
        self.executions += 1;
        for cost in models.iter().filter_map(|part| part.cost) {
            self.cost = sum(self.cost, Some(cost))?;
        }
        self.unpriced += u64::from(models.iter().any(|part| part.cost.is_none()));
        for amount in models.iter().filter_map(|part| part.at_standard) {
            self.at_standard_cost = sum(self.at_standard_cost, Some(amount))?;
        }
        self.at_standard += u64::from(models.iter().any(|part| part.at_standard.is_some()));
        self.lower_bounds += u64::from(models.iter().any(|part| part.is_lower_bound));

        let all = |count: fn(&Part<'_>) -> Option<u64>| models.iter().map(move |part| count(part).map(u128::from));
        self.output.add(all(|part| part.output));
        self.total.add(all(|part| part.total));
        match cached {
            None => {
                self.input_uncached.add(all(|part| part.cached.out_of(part.input)));
                self.cache_write.add(all(|part| part.cached.write));
                self.cache_read.add(all(|part| part.cached.read));
            }
            Some(cached) => {
                let input = models.iter().try_fold(0u64, |sum, part| sum.checked_add(part.input?));
                self.input_uncached.add([cached.out_of(input).map(u128::from)]);
                self.cache_write.add([cached.write.map(u128::from)]);
                self.cache_read.add([cached.read.map(u128::from)]);
            }
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<()> {
        self.executions += other.executions;
        self.cost = sum(self.cost, other.cost)?;
        self.unpriced += other.unpriced;
        self.at_standard += other.at_standard;
        self.at_standard_cost = sum(self.at_standard_cost, other.at_standard_cost)?;
        self.lower_bounds += other.lower_bounds;
        self.input_uncached.merge(&other.input_uncached);
        self.output.merge(&other.output);
        self.cache_write.merge(&other.cache_write);
        self.cache_read.merge(&other.cache_read);
        self.total.merge(&other.total);
        Ok(())
    }
}

/// Returns the sum of the known amounts.
pub(super) fn sum(one: Option<Usd>, other: Option<Usd>) -> Result<Option<Usd>> {
    match (one, other) {
        (Some(one), Some(other)) => one.checked_add(other).ok_or_else(overflow).map(Some),
        (one, other) => Ok(one.or(other)),
    }
}

pub(super) fn overflow() -> Error {
    Error::new(ErrorKind::Overflow, "sum up the cost").detail("the sum exceeds the range of an amount")
}
