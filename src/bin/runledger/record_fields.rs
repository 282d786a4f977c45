//! Writes the fields that were given as options into a record, and computes the cost of the record.

use runledger::metrics::{CostSource, CostTier, Kind, LlmCall, RunIds};
use runledger::{ExecutionMetrics, PriceTable, Timestamp};

use crate::environment;
use crate::failure::Failure;
use crate::global::Global;
use crate::price_table::OwnPrices;
use crate::record_args::Fields;
use crate::term::output;
use crate::why_unknown::WhyUnknown;

impl Fields {
    /// Returns the ids of a new execution. Ids that were not given come from the environment.
    pub(crate) fn run_ids(&self, global: &Global) -> RunIds {
        let mut ids = environment::run_ids(global);
        let is_other = self.run_id.is_some() && self.run_id != ids.run_id;
        if is_other && self.parent.is_none() && ids.parent_execution_id.is_some() {
            // The parent execution in the environment belongs to the run in the environment. So the run in the
            // environment started the given run, and becomes the parent of the given run.
            ids.parent_run_id = ids.run_id.take();
        }
        self.set_ids(&mut ids);
        ids
    }

    fn set_ids(&self, ids: &mut RunIds) {
        set(&mut ids.run_id, &self.run_id);
        set(&mut ids.parent_execution_id, &self.parent);
    }

    /// Writes the fields into `record`. Adds a call at the time `now` if tokens or a cost were given. Also adds a call
    /// if the record names a model other than the given one.
    pub(crate) fn apply(&self, record: &mut ExecutionMetrics, now: Timestamp) {
        self.apply_without_call(record);
        self.apply_call(record, now);
    }

    /// Like [`apply`](Self::apply), but leaves out the model, its tier, the tokens and the cost.
    pub(crate) fn apply_without_call(&self, record: &mut ExecutionMetrics) {
        self.set_ids(&mut record.run);
        if let Some(kind) = &self.kind {
            record.kind = kind.clone();
        }
        let production = &mut record.production;
        set(&mut production.artifact, &self.artifact);
        set(&mut production.outcome, &self.outcome);
        set(&mut production.regen_count, &self.regen_count);
        set(&mut production.scene_id, &self.scene);
        set(&mut production.shot_id, &self.shot);
    }

    /// Writes the model, its tier, the tokens and the cost into `record`.
    pub(crate) fn apply_call(&self, record: &mut ExecutionMetrics, now: Timestamp) {
        set(&mut record.cost_tier, &self.tier);
        let known = record.model.name.clone();
        let model = self.model.clone().or_else(|| known.clone()).unwrap_or_default();
        let is_other = known.as_ref().is_some_and(|known| *known != model);
        if let Some(known) = known.filter(|_| is_other && record.trace.llm_calls.is_empty()) {
            // An earlier command named this model without its usage. A call of unknown cost shows that the model was
            // used.
            let mut earlier = LlmCall::new(1, known);
            earlier.provider.clone_from(&record.model.provider);
            record.add_call(earlier);
        }
        if self.usage.is_some() || is_other {
            let mut call = self.usage.as_deref().cloned().unwrap_or_else(|| LlmCall::new(1, ""));
            call.model_name = model;
            let provider = record.model.provider.clone().filter(|_| !is_other);
            call.provider = self.provider.clone().or(provider);
            call.cost.source = call.cost_usd.map(|_| CostSource::Reported);
            call.cost.at = Some(now);
            record.add_call(call);
        } else {
            set(&mut record.model.name, &self.model);
            set(&mut record.model.provider, &self.provider);
        }
    }
}

/// Sets the field if a value was given.
fn set<T: Clone>(field: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        field.clone_from(given);
    }
}

/// Computes the cost of `record` as the sum of the costs of its calls. If the cost of a call was not given, computes it
/// from the price table. If the cost of the record stays unknown although calls were added, warns about the reason.
///
/// Fails if the user's price table cannot be read.
pub(crate) fn price(record: &mut ExecutionMetrics, own: &OwnPrices, global: &Global) -> Result<(), Failure> {
    let has_calls = !record.trace.llm_calls.is_empty();
    if has_calls {
        let own = own.table_if_given()?;
        let table = match &own {
            Some(own) => own,
            None => PriceTable::bundled()?,
        };
        table.fill_costs(record);
        if record.trace.llm_calls.iter().all(|call| call.model_name.is_empty()) {
            // No call names a model. So the calls are removed, and only their sums stay in the record.
            record.trace.llm_calls.clear();
        }
        if let Some(reason) = WhyUnknown::default().of(record, || Some(table)) {
            output::warning(&format!("the cost is unknown: {reason}"), "unknown_cost", global.style());
        }
    }
    // A record of these kinds names a model that the execution did not call.
    let names_only = matches!(record.kind, Kind::ModelRouting | Kind::BudgetGate);
    if record.cost_usd.is_none() && (has_calls || record.model.name.is_some() && !names_only) {
        record.cost.source = Some(CostSource::Unknown);
        record.cost_tier.get_or_insert(CostTier::Unknown);
    }
    Ok(())
}
