//! Computes the costs of an execution: only the unknown ones, or all of them again.

use super::breakdown::Cost;
use super::provenance::{common, dearer};
use super::table::PriceTable;
use crate::metrics::{Call, CostProvenance, CostSource, CostTier, ExecutionMetrics, Kind, LlmCall, Usd};

impl PriceTable {
    /// If the cost of `record` is unknown, computes this cost and the unknown costs of the record's calls. Known costs
    /// are not changed. Returns the version of the table for each computed cost. The list is empty if nothing was
    /// computed.
    ///
    /// Each call is priced separately, at the prices of its own time, or of `timestamp_start` if the call has no time.
    /// The execution's cost is the sum of its calls, and remains `None` if the cost of one of them is unknown. An
    /// execution that lists no calls is priced as one call.
    ///
    /// These fields are set:
    ///
    /// - `cost_usd`, rounded half to even to 8 decimals;
    /// - `cost.exact_usd`, if the exact amount has more than 8 decimals;
    /// - `cost_tier`, unless the tier is already known;
    /// - the provenance in `cost`. Its source is [`CostSource::Unknown`] if the table has no price.
    ///
    /// An execution whose model or tokens are unknown is not changed. Routing decisions and budget checks that list no
    /// calls are not changed either, since they name a model that they do not use.
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
        if record.cost_usd.is_some() || record.cost.exact_usd.is_some() {
            return Vec::new();
        }
        self.compute(record, false)
    }

    /// Like [`fill_costs`](Self::fill_costs), but also replaces known costs, including those that a vendor reported. A
    /// cost for which the table has no price is not changed. If the cost of a call remains unknown, a record whose cost
    /// is known is not changed at all.
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
        self.compute(record, true)
    }

    fn compute<'t>(&'t self, record: &mut ExecutionMetrics, again: bool) -> Vec<&'t str> {
        match &record.trace.llm_calls[..] {
            [] => self.compute_whole(record, again),
            // The only call reports neither usage nor cost, so the usage of the execution is the usage of this call.
            [only] if only.call().is_none() && only.cost_usd.is_none() => self.compute_whole(record, again),
            _ => self.compute_calls(record, again),
        }
    }

    fn compute_whole<'t>(&'t self, record: &mut ExecutionMetrics, again: bool) -> Vec<&'t str> {
        let only = record.trace.llm_calls.first().map(|call| call.model_name.as_str());
        let name = record.model.name.as_deref().or(only).filter(|name| !name.trim().is_empty());
        let uses_none = matches!(record.kind, Kind::ModelRouting | Kind::BudgetGate);
        let (Some(name), Some(usage), false) = (name, record.usage(), uses_none) else { return Vec::new() };
        let mut call = Call::new(name, usage);
        call.provider.clone_from(&record.model.provider);
        call.variant.clone_from(&record.model.variant);
        call.at = record.cost.at;
        match self.cost_if_known(&call, record.timestamp_start) {
            Some(cost) => {
                let tier = record.cost_tier.take().filter(|_| !again);
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

    fn compute_calls<'t>(&'t self, record: &mut ExecutionMetrics, again: bool) -> Vec<&'t str> {
        let (mut tables, mut tier) = (Vec::new(), None);
        let mut calls = record.calls();
        for call in &mut calls {
            let usage = call.call();
            let priced = usage.as_ref().and_then(|usage| self.cost_if_known(usage, record.timestamp_start));
            let own_tier = priced.as_ref().map_or(CostTier::Unknown, |cost| cost.tier.clone());
            tier = Some(tier.map_or(own_tier.clone(), |tier| dearer(tier, own_tier)));
            match priced {
                Some(cost) if again || call.cost_usd.is_none() => {
                    tables.push(cost.table);
                    (call.cost_usd, call.cost) = (Some(cost.usd), provenance(&cost, call));
                }
                None if call.cost_usd.is_none() && usage.is_some() => call.cost.source = Some(CostSource::Unknown),
                _ => {}
            }
        }
        let sum = calls.iter().try_fold(Usd::ZERO, |sum, call| sum.checked_add(call.cost_usd?));
        let has_usage = calls.iter().any(|call| call.cost_usd.is_some() || call.call().is_some());
        match sum {
            Some(sum) if !tables.is_empty() || record.cost_usd.is_none() => {
                let costs = calls.iter().map(|call| call.cost.clone());
                let shared = costs.reduce(|a, b| common(&a, &b)).unwrap_or_default();
                record.cost_usd = Some(sum.round_to_record());
                record.cost = CostProvenance {
                    estimated_usd: record.cost.estimated_usd.or(shared.estimated_usd),
                    exact_usd: Some(sum).filter(|exact| record.cost_usd != Some(*exact)),
                    ..shared
                };
                record.cost_tier = record.cost_tier.take().filter(|tier| !again && is_known(tier)).or(tier);
                if let [only] = &mut calls[..] {
                    // The provenance of the only call is already in the record.
                    only.cost = CostProvenance::default();
                }
            }
            None if record.cost_usd.is_none() && has_usage => set_unknown(record),
            // Nothing was computed, or the execution has a known cost and the sum of its calls is unknown.
            _ => return Vec::new(),
        }
        record.trace.llm_calls = calls;
        tables
    }
}

/// Returns the provenance of the call's cost, with the estimate that the call already has.
fn provenance(cost: &Cost<'_>, call: &LlmCall) -> CostProvenance {
    CostProvenance { estimated_usd: call.cost.estimated_usd, ..cost.provenance() }
}

fn is_known(tier: &CostTier) -> bool {
    *tier != CostTier::Unknown
}

fn set_unknown(record: &mut ExecutionMetrics) {
    record.cost.source = Some(CostSource::Unknown);
    record.cost_tier.get_or_insert(CostTier::Unknown);
}
