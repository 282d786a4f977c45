//! Finds out why the cost of a record is unknown.

use std::cell::RefCell;
use std::collections::HashMap;

use runledger::metrics::{Call, Kind, LlmCall};
use runledger::{ErrorKind, ExecutionMetrics, PriceTable};

/// The reason if the record itself says that its cost is unknown, although the table has a price.
const STATED: &str = "cost.source or cost_tier of the record says that the cost is unknown";

/// The largest number of unknown models whose reasons are stored.
const STORED_MAX: usize = 256;

/// Finds out why the cost of a record is unknown. The search for models with a similar name is slow, so its results are
/// stored.
#[derive(Default)]
pub(crate) struct WhyUnknown(RefCell<HashMap<Model, String>>);

/// The parts of a call that decide which model is priced: its name, its provider and its region.
type Model = (String, Option<String>, Option<String>);

impl WhyUnknown {
    /// Returns why the cost of the record is unknown after it was priced with this table. Returns `None` if the cost is
    /// known, if the execution used no model, or if there is no table. `table` is called only if the table is needed.
    pub(crate) fn of<'t>(
        &self,
        record: &ExecutionMetrics,
        table: impl FnOnce() -> Option<&'t PriceTable>,
    ) -> Option<String> {
        let lists_none = record.trace.llm_calls.is_empty();
        let uses_none = lists_none && matches!(record.kind, Kind::ModelRouting | Kind::BudgetGate);
        if record.cost_usd.or(record.cost.exact_usd).is_some() || uses_none {
            return None;
        }
        let mut unknown = (0..).zip(record.calls()).filter(|(_, call)| call.exact_cost().is_none());
        let Some((at, entry)) = unknown.next() else { return Some(STATED.to_owned()) };
        let reason = self.of_call(record, &entry, table)?;
        Some(if lists_none { reason } else { format!("trace.llm_calls[{at}]: {reason}") })
    }

    fn of_call<'t>(
        &self,
        record: &ExecutionMetrics,
        entry: &LlmCall,
        table: impl FnOnce() -> Option<&'t PriceTable>,
    ) -> Option<String> {
        let has_model = !entry.model_name.trim().is_empty();
        match record.call_of(entry) {
            Some(call) if has_model => Some(self.of_priced(record, &call, table()?)),
            Some(_) => Some("model.name: expected the name of a model, found none".to_owned()),
            // A quality control names the model whose output it checks. Such a model needs no tokens.
            None if has_model && record.kind != Kind::Qc || entry.tokens_input.or(entry.tokens_output).is_some() => {
                let missing = if entry.tokens_input.is_none() { "tokens_input" } else { "tokens_output" };
                Some(format!("{missing}: expected a number of tokens, found none"))
            }
            None => None,
        }
    }

    /// Returns why a call that can be priced has no cost.
    fn of_priced(&self, record: &ExecutionMetrics, call: &Call, table: &PriceTable) -> String {
        let model = (call.model.clone(), call.provider.clone(), call.variant.get("region").cloned());
        if let Some(reason) = self.0.borrow().get(&model) {
            return reason.clone();
        }
        let Err(error) = table.cost_of(call, record.timestamp_start) else { return STATED.to_owned() };
        let reason = error.to_string();
        if error.kind() == ErrorKind::UnknownModel {
            let mut stored = self.0.borrow_mut();
            if stored.len() >= STORED_MAX {
                stored.clear();
            }
            stored.insert(model, reason.clone());
        }
        reason
    }
}
