//! Merges the escalations of the parts of a ledger.

use std::collections::BTreeMap;

use super::results::Results;
use super::{Escalations, Evidence};
use crate::error::Result;

impl Escalations {
    /// Returns empty `Escalations` with the same policy and for the same window. Each of several threads can add a
    /// part of a ledger to `Escalations` of its own. [`merge`](Self::merge) joins the `Escalations` of two threads.
    #[must_use]
    pub fn empty(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            since: self.since,
            until: self.until,
            reference: self.reference,
            executions: 0,
            interrupted: 0,
            overdue: 0,
            lost: 0,
            endless: Evidence::default(),
            costs: BTreeMap::new(),
            misuse: self.misuse.empty(),
            controls: BTreeMap::new(),
            results: Results::default(),
        }
    }

    /// Adds the records of `later`, which [`empty`](Self::empty) created. In the ledger, the records of `later` must
    /// come after all records of `self`.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum of costs exceeds the range of
    /// [`Usd`](crate::Usd). Do not use these `Escalations` after an error.
    pub fn merge(&mut self, later: Self) -> Result<()> {
        self.executions += later.executions;
        self.interrupted += later.interrupted;
        self.overdue += later.overdue;
        self.lost = self.lost.saturating_add(later.lost);
        self.endless.merge(later.endless);
        for (skill, costs) in later.costs {
            self.costs.entry(skill).or_default().merge(costs)?;
        }
        self.misuse.merge(later.misuse);
        for (skill, [reference, window]) in later.controls {
            let controls = self.controls.entry(skill).or_default();
            controls[0].merge(reference);
            controls[1].merge(window);
        }
        self.results.merge(later.results);
        Ok(())
    }
}
