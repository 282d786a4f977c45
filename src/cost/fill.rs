//! Computes the costs of an execution: either only the unknown costs, or all costs.

use super::breakdown::Cost;
use super::provenance::{common, dearer};
use super::table::PriceTable;
use crate::metrics::{CostProvenance, CostSource, CostTier, ExecutionMetrics, Kind, LlmCall, Usd};

impl PriceTable {
    /// If the cost of `record` is unknown, computes this cost and the unknown costs of the record's calls. Known costs
    /// are not changed. Returns a list with one entry for each call that was priced: the version of the table whose
    /// prices were used. The list is empty if no call was priced.
    ///
    /// Each call is priced separately, at the prices of its own time. A call without a time is priced at the record's
    /// `cost.at`. If `cost.at` is `None` too, the call is priced at `timestamp_start`.
    /// [`call_of`](ExecutionMetrics::call_of) documents which values of the record also apply to its calls. The cost
    /// of the execution is the sum of the costs of its calls. The cost remains `None` if the cost of a call is
    /// unknown. An execution that lists no calls is priced as one call.
    ///
    /// These fields are set:
    ///
    /// - `cost_usd`, rounded half to even to 8 decimals;
    /// - `cost.exact_usd`, if the exact amount has more than 8 decimals;
    /// - `cost_tier`, unless the tier is already known;
    /// - the provenance in `cost`. Its source is [`CostSource::Unknown`] if the table has no price.
    ///
    /// An execution whose model or tokens are unknown is not changed. Routing decisions and budget checks that list
    /// no calls are not changed either, because they can name a model that they do not use.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, PriceTable, Usage, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// record.set_usage("gpt-4", &Usage::new(1_000, 500));
    /// assert_eq!(PriceTable::bundled()?.fill_costs(&mut record), ["genai-prices 0.2.3"]);
    /// assert_eq!(record.cost_usd, Some("0.06".parse()?));
    /// assert!(PriceTable::bundled()?.fill_costs(&mut record).is_empty()); // a known cost is not changed
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn fill_costs<'t>(&'t self, record: &mut ExecutionMetrics) -> Vec<&'t str> {
        if record.exact_cost().is_some() { Vec::new() } else { self.compute(record, Which::Unknown) }
    }

    /// Like [`fill_costs`](Self::fill_costs), but does not compute costs that are marked as unknown. A cost is marked
    /// if `cost.source` of the record or the call is `Unknown`, or if `cost_tier` of the record is `Unknown`. If the
    /// cost of the record is marked, the costs of its calls are not computed either.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, PriceTable, Usage, Uuid, metrics::CostSource};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// record.set_usage("gpt-4", &Usage::new(1_000, 500));
    /// record.cost.source = Some(CostSource::Unknown);
    /// assert!(PriceTable::bundled()?.fill_missing_costs(&mut record).is_empty());
    /// assert_eq!(record.cost_usd, None);
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn fill_missing_costs<'t>(&'t self, record: &mut ExecutionMetrics) -> Vec<&'t str> {
        let is_unknown = says_unknown(&record.cost) || record.cost_tier == Some(CostTier::Unknown);
        if record.exact_cost().is_some() || is_unknown { Vec::new() } else { self.compute(record, Which::Missing) }
    }

    /// Like [`fill_costs`](Self::fill_costs), but also replaces known costs, including those that a vendor reported. A
    /// known cost is not changed if the table has no price for it. If the cost of the record is known, but the cost of
    /// one of its calls remains unknown, nothing in the record is changed.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, PriceTable, Usage, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// record.set_usage("gpt-4", &Usage::new(1_000, 500));
    /// record.cost_usd = Some("0.05".parse()?);
    /// assert_eq!(PriceTable::bundled()?.recompute_costs(&mut record), ["genai-prices 0.2.3"]);
    /// assert_eq!(record.cost_usd, Some("0.06".parse()?));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn recompute_costs<'t>(&'t self, record: &mut ExecutionMetrics) -> Vec<&'t str> {
        self.compute(record, Which::All)
    }

    fn compute<'t>(&'t self, record: &mut ExecutionMetrics, which: Which) -> Vec<&'t str> {
        let mut calls = record.calls();
        match &mut calls[..] {
            // The record lists no call, or only one call whose usage and cost are missing. So the usage of the
            // execution is also the usage of its only call.
            [only] if record.trace.llm_calls.is_empty() || record.is_whole(only) => {
                self.compute_whole(record, only, which)
            }
            _ => self.compute_calls(record, calls, which),
        }
    }

    fn compute_whole<'t>(&'t self, record: &mut ExecutionMetrics, only: &LlmCall, which: Which) -> Vec<&'t str> {
        let call = record.call_of(only).filter(|call| !call.model.trim().is_empty());
        let uses_none = matches!(record.kind, Kind::ModelRouting | Kind::BudgetGate);
        let (Some(call), false) = (call, uses_none) else { return Vec::new() };
        let is_kept = which == Which::Missing && says_unknown(&only.cost);
        match self.cost_if_known(&call, record.timestamp_start).filter(|_| !is_kept) {
            Some(cost) => {
                let tier = record.cost_tier.take().filter(|_| which != Which::All);
                cost.fill(record);
                record.cost_tier = tier.filter(is_known).or(record.cost_tier.take());
                vec![cost.table]
            }
            None => {
                if record.cost_usd.is_none() {
                    set_unknown(record);
                }
                Vec::new()
            }
        }
    }

    fn compute_calls<'t>(
        &'t self,
        record: &mut ExecutionMetrics,
        mut calls: Vec<LlmCall>,
        which: Which,
    ) -> Vec<&'t str> {
        let (mut tables, mut tier) = (Vec::new(), None);
        for call in &mut calls {
            let usage = record.call_of(call).filter(|_| which != Which::Missing || !says_unknown(&call.cost));
            let priced = usage.as_ref().and_then(|usage| self.cost_if_known(usage, record.timestamp_start));
            let own_tier = priced.as_ref().map_or(CostTier::Unknown, |cost| cost.tier.clone());
            tier = Some(tier.map_or(own_tier.clone(), |tier| dearer(tier, own_tier)));
            match priced {
                Some(cost) if which == Which::All || call.cost_usd.is_none() => {
                    tables.push(cost.table);
                    (call.cost_usd, call.cost) = (Some(cost.usd), provenance(&cost, call));
                }
                None if call.cost_usd.is_none() && usage.is_some() => call.cost.source = Some(CostSource::Unknown),
                _ => {}
            }
        }
        let has_usage = calls.iter().any(|call| call.cost_usd.is_some() || call.call().is_some());
        let is_new = !tables.is_empty() || record.cost_usd.is_none();
        if is_new && record.set_sum(&mut calls) {
            let own = record.cost_tier.take();
            record.cost_tier = own.filter(|tier| which != Which::All && is_known(tier)).or(tier);
        } else if record.cost_usd.is_none() && has_usage {
            set_unknown(record);
        } else {
            // The record is not changed in two cases: nothing was computed, or the cost of the execution is known but
            // the sum of the costs of its calls is unknown.
            return Vec::new();
        }
        record.trace.llm_calls = calls;
        tables
    }
}

/// Says which costs of a record are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Costs that are `None`, unless `cost.source` or `cost_tier` says that they are unknown.
    Missing,
    /// Costs that are `None`, also if `cost.source` or `cost_tier` says that they are unknown.
    Unknown,
    /// All costs, including those that are known.
    All,
}

impl ExecutionMetrics {
    /// Sets the cost of the record to the exact sum of the costs of its calls, and returns true.
    ///
    /// Changes nothing and returns false in these cases:
    ///
    /// - The record lists no calls, or the cost of a listed call is unknown.
    /// - The cost of the record is already known.
    /// - The cost of the record is marked as unknown, by `cost.source` or `cost_tier`.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Uuid, metrics::LlmCall};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// record.trace.llm_calls = vec![LlmCall::new(1, "gpt-4"), LlmCall::new(2, "o3")];
    /// record.trace.llm_calls[0].cost_usd = Some("0.05".parse()?);
    /// assert!(!record.sum_costs_of_calls());
    /// record.trace.llm_calls[1].cost_usd = Some("0.01".parse()?);
    /// assert!(record.sum_costs_of_calls());
    /// assert_eq!(record.cost_usd, Some("0.06".parse()?));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn sum_costs_of_calls(&mut self) -> bool {
        let is_unknown = says_unknown(&self.cost) || self.cost_tier == Some(CostTier::Unknown);
        if self.exact_cost().is_some() || is_unknown || self.trace.llm_calls.is_empty() {
            return false;
        }
        let mut calls = self.calls();
        let is_known = self.set_sum(&mut calls);
        if is_known {
            self.trace.llm_calls = calls;
        }
        is_known
    }

    /// Sets the cost of the record to the sum of the costs of `calls`, and its provenance to the values that all calls
    /// share. Changes nothing and returns false if this sum is unknown or out of range.
    fn set_sum(&mut self, calls: &mut [LlmCall]) -> bool {
        let sum = calls.iter().try_fold(Usd::ZERO, |sum, call| sum.checked_add(call.cost_usd?));
        let Some(sum) = sum else { return false };
        let costs = calls.iter().map(|call| call.cost.clone());
        let shared = costs.reduce(|a, b| common(&a, &b)).unwrap_or_default();
        self.cost_usd = Some(sum.round_to_record());
        self.cost = CostProvenance {
            estimated_usd: self.cost.estimated_usd.or(shared.estimated_usd),
            exact_usd: Some(sum).filter(|exact| self.cost_usd != Some(*exact)),
            ..shared
        };
        if let [only] = calls
            && only.cost.exact_usd.is_none()
        {
            // The record now has the provenance of its only call, so the call does not repeat it.
            only.cost = CostProvenance::default();
        }
        true
    }
}

/// Returns the provenance of a computed cost. Keeps the estimate that the call already has.
fn provenance(cost: &Cost<'_>, call: &LlmCall) -> CostProvenance {
    CostProvenance { estimated_usd: call.cost.estimated_usd, ..cost.provenance() }
}

fn says_unknown(cost: &CostProvenance) -> bool {
    cost.source == Some(CostSource::Unknown)
}

fn is_known(tier: &CostTier) -> bool {
    *tier != CostTier::Unknown
}

fn set_unknown(record: &mut ExecutionMetrics) {
    record.cost.source = Some(CostSource::Unknown);
    record.cost_tier.get_or_insert(CostTier::Unknown);
}
