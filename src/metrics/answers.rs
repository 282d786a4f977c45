//! What a record tells, where more than one of its fields can.

use super::{Call, CostProvenance, CostTier, ExecutionMetrics, Kind, LlmCall, Model, QcOutcome, Usage, outcome};

impl QcOutcome {
    /// PASS or FAIL.
    pub(crate) fn of_success(succeeded: bool) -> Self {
        if succeeded { Self::Pass } else { Self::Fail }
    }
}

impl ExecutionMetrics {
    /// Whether a model was used: it has a cost or tokens, or is named. A routing decision and a budget check name the model
    /// that they are about.
    pub(crate) fn used_model(&self) -> bool {
        let named = self.cost_tier.is_some() || self.model != Model::default();
        self.called_model() || named && !matches!(self.kind, Kind::ModelRouting | Kind::BudgetGate)
    }

    /// Whether it called a model itself: it has a cost or tokens. A quality control may only name the model that it is
    /// about.
    pub(crate) fn called_model(&self) -> bool {
        let counts = [self.tokens_used, self.tokens_input, self.tokens_output];
        counts.iter().any(Option::is_some) || self.cost_usd.is_some() || !self.trace.llm_calls.is_empty()
    }

    /// `production.outcome`; else PASS or FAIL, as the execution succeeded or failed. Of a quality control, which
    /// succeeds whatever its verdict, only the verdict.
    pub(crate) fn outcome(&self) -> Option<QcOutcome> {
        let by_success = || self.success().filter(|_| self.kind != Kind::Qc).map(QcOutcome::of_success);
        self.production.outcome.clone().or_else(by_success)
    }

    /// Whether the execution succeeded; `None` when the record does not say.
    pub(crate) fn success(&self) -> Option<bool> {
        outcome(self.execution_succeeded, self.execution_failed)
    }

    /// `model.tier`, the router's word; else `cost_tier`, unless that says that the price is unknown.
    pub(crate) fn tier(&self) -> Option<&str> {
        let by_price = || self.cost_tier.as_ref().filter(|tier| **tier != CostTier::Unknown).map(CostTier::as_str);
        self.model.tier.as_deref().or_else(by_price)
    }

    /// Its calls, each with where its cost comes from; of an execution that lists none, the whole as one call, of a model
    /// without a name if that is unknown.
    pub fn calls(&self) -> Vec<LlmCall> {
        let mut calls = self.trace.llm_calls.clone();
        match &mut calls[..] {
            [] => {
                let mut whole = LlmCall::new(1, self.model.name.clone().unwrap_or_default());
                (whole.tokens_input, whole.tokens_output) = (self.tokens_input, self.tokens_output);
                (whole.parts, whole.variant) = (self.model.parts, self.model.variant.clone());
                (whole.provider, whole.cost_usd) = (self.model.provider.clone(), self.cost_usd);
                whole.cost.clone_from(&self.cost);
                calls.push(whole);
            }
            // The only call: the record says where its cost comes from.
            [only] if only.cost == CostProvenance::default() => only.cost.clone_from(&self.cost),
            _ => {}
        }
        calls
    }
}

impl LlmCall {
    /// The call as it can be priced anew, at the time at which it was priced; `None`: its tokens are unknown.
    pub fn call(&self) -> Option<Call> {
        let mut usage = Usage::new(self.tokens_input?, self.tokens_output?);
        usage.parts = self.parts;
        let mut call = Call::new(&self.model_name, usage);
        (call.provider, call.variant, call.at) = (self.provider.clone(), self.variant.clone(), self.cost.at);
        Some(call)
    }
}
