//! Values of a record that are derived from more than one of its fields.

use super::{Call, CostProvenance, CostTier, ExecutionMetrics, Kind, LlmCall, Model, QcOutcome, Usage, Usd, outcome};

impl QcOutcome {
    /// Returns PASS or FAIL.
    pub(crate) fn of_success(succeeded: bool) -> Self {
        if succeeded { Self::Pass } else { Self::Fail }
    }
}

impl ExecutionMetrics {
    /// Returns true if a model was used, because the record has a cost, tokens or the name of a model. The name alone
    /// is not enough for a routing decision or a budget check, which name a model without using it.
    pub(crate) fn used_model(&self) -> bool {
        let named = self.cost_tier.is_some() || self.model != Model::default();
        self.called_model() || named && !matches!(self.kind, Kind::ModelRouting | Kind::BudgetGate)
    }

    /// Returns true if the execution called a model itself, because it has a cost or tokens. The name of a model is not
    /// enough, since a quality control names the model that it checks.
    pub(crate) fn called_model(&self) -> bool {
        let counts = [self.tokens_used, self.tokens_input, self.tokens_output];
        counts.iter().any(Option::is_some) || self.cost_usd.is_some() || !self.trace.llm_calls.is_empty()
    }

    /// Returns `production.outcome`, or else PASS or FAIL if the execution succeeded or failed.
    ///
    /// For a quality control it returns only the verdict, since a control succeeds with any verdict.
    pub(crate) fn outcome(&self) -> Option<QcOutcome> {
        let by_success = || self.success().filter(|_| self.kind != Kind::Qc).map(QcOutcome::of_success);
        self.production.outcome.clone().or_else(by_success)
    }

    /// Returns true if the execution succeeded; `None` if that is unknown.
    pub(crate) fn success(&self) -> Option<bool> {
        outcome(self.execution_succeeded, self.execution_failed)
    }

    /// Returns `model.tier`, which the router chose, or else `cost_tier` unless it is unknown.
    pub(crate) fn tier(&self) -> Option<&str> {
        let by_price = || self.cost_tier.as_ref().filter(|tier| **tier != CostTier::Unknown).map(CostTier::as_str);
        self.model.tier.as_deref().or_else(by_price)
    }

    /// Returns the cost with all its decimals as far as they are recorded: `cost.exact_usd`, or else `cost_usd`. `None`
    /// if it is unknown.
    pub(crate) fn exact_cost(&self) -> Option<Usd> {
        self.cost.exact_usd.or(self.cost_usd)
    }

    /// Returns the execution's calls, each with the provenance of its cost.
    ///
    /// For an execution that lists no calls it returns the whole execution as one call. The model's name is then empty
    /// if it is unknown.
    pub fn calls(&self) -> Vec<LlmCall> {
        let mut calls = self.trace.llm_calls.clone();
        match &mut calls[..] {
            [] => {
                let mut whole = LlmCall::new(1, self.model.name.clone().unwrap_or_default());
                whole.tokens_input = self.tokens_input;
                whole.tokens_output = self.tokens_output;
                whole.parts = self.model.parts;
                whole.variant.clone_from(&self.model.variant);
                whole.provider.clone_from(&self.model.provider);
                whole.cost_usd = self.exact_cost();
                whole.cost.clone_from(&self.cost);
                calls.push(whole);
            }
            // The record has the provenance of its only call.
            [only] if only.cost == CostProvenance::default() => only.cost.clone_from(&self.cost),
            _ => {}
        }
        calls
    }
}

impl LlmCall {
    /// Returns the call in a form that can be priced again, with the time at which it was priced. Returns `None` if its
    /// tokens are unknown.
    pub fn call(&self) -> Option<Call> {
        let mut usage = Usage::new(self.tokens_input?, self.tokens_output?);
        usage.parts = self.parts;
        let mut call = Call::new(&self.model_name, usage);
        call.provider.clone_from(&self.provider);
        call.variant.clone_from(&self.variant);
        call.at = self.cost.at;
        Some(call)
    }
}
