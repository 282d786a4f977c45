//! Compares the costs of a skill with their estimates.

use uuid::Uuid;

use super::results::Counts;
use crate::baseline::Moments;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Usd;

/// The executions of a skill that have both an estimate and a cost.
#[derive(Debug, Default)]
pub(super) struct Costs {
    pub(super) estimated: Usd,
    pub(super) actual: Usd,
    /// The costs minus the estimates, in pico-dollars.
    pub(super) differences: Moments,
    /// The number of all these executions, and the executions whose cost is too far from the estimate.
    pub(super) off: Counts,
}

impl Costs {
    /// Adds one execution. The execution is added to `off` as a bad result if its cost differs from the estimate by
    /// more than `relative_max` times the estimate.
    pub(super) fn add(&mut self, execution: Uuid, estimated: Usd, actual: Usd, relative_max: f64) -> Result<()> {
        let difference = actual.checked_sub(estimated).ok_or_else(overflow)?;
        self.add_sums(estimated, actual)?;
        self.differences.add(difference.pico());
        let most = estimated.pico() as f64 * relative_max;
        self.off.add(execution, difference.pico().unsigned_abs() as f64 > most);
        Ok(())
    }

    /// Adds the executions of a later part of the ledger.
    pub(super) fn merge(&mut self, later: Self) -> Result<()> {
        self.add_sums(later.estimated, later.actual)?;
        self.differences.merge(&later.differences);
        self.off.merge(later.off);
        Ok(())
    }

    fn add_sums(&mut self, estimated: Usd, actual: Usd) -> Result<()> {
        self.estimated = self.estimated.checked_add(estimated).ok_or_else(overflow)?;
        self.actual = self.actual.checked_add(actual).ok_or_else(overflow)?;
        Ok(())
    }
}

fn overflow() -> Error {
    Error::new(ErrorKind::Overflow, "add up costs and estimates")
}
