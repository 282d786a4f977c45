//! What a record tells, where more than one of its fields can.

use super::{Call, CostProvenance, CostTier, ExecutionMetrics, Kind, LlmCall, Model, QcOutcome, Usage, outcome};

impl ExecutionMetrics {
    /// Whether a model was used: it has a cost or tokens, or is named. A routing decision and a budget check name the model
    /// that they are about.
    pub(crate) fn used_model(&self) -> bool {
        let counts = [self.tokens_used, self.tokens_input, self.tokens_output];
        let took = counts.iter().any(Option::is_some) || self.cost_usd.is_some() || !self.trace.llm_calls.is_empty();
        let named = self.cost_tier.is_some() || self.model != Model::default();
        took || named && !matches!(self.kind, Kind::ModelRouting | Kind::BudgetGate)
    }

    /// `production.outcome`; else PASS or FAIL, as the execution succeeded or failed. Of a quality control, which
    /// succeeds whatever its verdict, only the verdict.
    pub(crate) fn outcome(&self) -> Option<QcOutcome> {
        let by_success = || match outcome(self.execution_succeeded, self.execution_failed)? {
            _ if self.kind == Kind::Qc => None,
            true => Some(QcOutcome::Pass),
            false => Some(QcOutcome::Fail),
        };
        self.production.outcome.clone().or_else(by_success)
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
