//! Values of a record that are derived from more than one of its fields.

use serde_json::Value;

use super::{
    Call, CostProvenance, CostTier, ExecutionMetrics, Kind, LlmCall, Model, QcOutcome, Status, Usage, UsageParts, Usd,
    outcome,
};

impl QcOutcome {
    pub(crate) fn of_success(succeeded: bool) -> Self {
        if succeeded { Self::Pass } else { Self::Fail }
    }
}

impl ExecutionMetrics {
    /// The tag that lists the numbers of the calls whose final usage was not reported.
    pub(crate) const LOWER_BOUND_CALLS: &str = "lower_bound_calls";

    /// The skill of the statements of redactions. No other execution should have this skill.
    pub(crate) const STATEMENT_SKILL: &str = "runledger.redact";

    /// Returns true if the record is the statement of a [redaction](crate::Ledger::redact): its skill is
    /// `runledger.redact`, and it succeeded and used no model. Sums, baselines and comparisons leave statements out,
    /// because a statement is not work of an agent. An execution that used a model or failed is not left out, whatever
    /// its skill is. There is one exception: the number of executions without a model in a
    /// [cost report](crate::cost::Report) leaves out all executions of this skill.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Usage, Uuid, metrics::Status};
    ///
    /// let start = "2026-11-20T12:00:00Z".parse()?;
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "runledger.redact", "0.1.0", start);
    /// record.set_status(Status::Success);
    /// assert!(record.is_statement());
    /// record.set_usage("claude-opus-4-5", &Usage::new(1_000, 500));
    /// assert!(!record.is_statement());
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn is_statement(&self) -> bool {
        self.skill_name == Self::STATEMENT_SKILL && self.execution_succeeded == Some(true) && !self.used_model()
    }

    /// Returns true if the [hook](crate::hook) of a coding agent recorded the execution. A hook reports no costs. The
    /// import of the session adds the costs, in this record or in other records of the same run.
    pub fn is_of_hook(&self) -> bool {
        self.tags.get("recorded_by").and_then(Value::as_str) == Some("hook")
    }

    /// Returns true if the record shows that a model was used, because it has calls, tokens, a cost, a cost tier, or a
    /// value in `model`.
    ///
    /// For a routing decision or a budget check, a cost tier or a value in `model` is not enough. These executions can
    /// name a model without using it.
    pub fn used_model(&self) -> bool {
        let named = self.cost_tier.is_some() || self.model != Model::default();
        self.called_model() || named && !matches!(self.kind, Kind::ModelRouting | Kind::BudgetGate)
    }

    /// Returns true if the execution has a cost, known or unknown. An execution has a cost if it used a model, or if it
    /// was interrupted. An interrupted execution may have used a model before its process ended, without reporting the
    /// usage.
    ///
    /// An interrupted call of an agent's tool has a cost only if it used a model, because most tools use none. The
    /// record of such a call has its `skill_name` in the tag `tool`.
    pub fn has_cost(&self) -> bool {
        let is_tool = || self.tags.get("tool").and_then(Value::as_str) == Some(&self.skill_name);
        self.used_model() || self.status == Some(Status::Interrupted) && !is_tool()
    }

    /// Returns true if the execution called a model itself, which is the case if the record has calls, tokens or a
    /// cost. The name of a model is not enough, because the record of a quality control can name the model whose output
    /// was checked.
    pub(crate) fn called_model(&self) -> bool {
        let counts = [self.tokens_used, self.tokens_input, self.tokens_output];
        counts.iter().any(Option::is_some) || self.cost_usd.is_some() || !self.trace.llm_calls.is_empty()
    }

    /// Returns `production.outcome`. If this field is `None`, returns PASS for an execution that succeeded, and FAIL
    /// for an execution that failed.
    ///
    /// For a quality control without `production.outcome`, returns `None`, because a control that succeeds can have
    /// any verdict.
    pub(crate) fn outcome(&self) -> Option<QcOutcome> {
        let by_success = || self.success().filter(|_| self.kind != Kind::Qc).map(QcOutcome::of_success);
        self.production.outcome.clone().or_else(by_success)
    }

    /// Returns whether the execution succeeded; `None` if the outcome is unknown.
    pub(crate) fn success(&self) -> Option<bool> {
        outcome(self.execution_succeeded, self.execution_failed)
    }

    /// Returns `model.tier`, the tier for which a router chose the model. If `model.tier` is `None`, returns
    /// `cost_tier`, or `None` if `cost_tier` is `Unknown`.
    pub(crate) fn tier(&self) -> Option<&str> {
        let by_price = || self.cost_tier.as_ref().filter(|tier| **tier != CostTier::Unknown).map(CostTier::as_str);
        self.model.tier.as_deref().or_else(by_price)
    }

    /// Returns the cost with all recorded decimals: `cost.exact_usd`, or `cost_usd` if `cost.exact_usd` is `None`.
    /// Returns `None` if the cost is unknown.
    pub(crate) fn exact_cost(&self) -> Option<Usd> {
        self.cost.exact_usd.or(self.cost_usd)
    }

    /// Returns the duration in milliseconds: `wall_clock_time_ms`, or the end minus the start if `wall_clock_time_ms`
    /// is `None`. If it is `None`, and the end is unknown or before the start, returns `None`.
    pub(crate) fn duration_ms(&self) -> Option<u64> {
        let between = || self.timestamp_end?.ms_since(self.timestamp_start);
        self.wall_clock_time_ms.or_else(between)
    }

    /// Returns `run.agent_name`. If it is `None`, returns `skill_name`, because an agent is usually named after its
    /// skill.
    pub(crate) fn agent(&self) -> &str {
        self.run.agent_name.as_deref().unwrap_or(&self.skill_name)
    }

    /// Returns true if the output tokens and the cost of the execution are lower bounds, because the final usage of a
    /// call was not reported. The tag `lower_bound_calls` lists the `call_sequence` of each such call.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// assert!(!record.is_lower_bound());
    /// record.tags.insert("lower_bound_calls".to_owned(), vec![1].into());
    /// assert!(record.is_lower_bound());
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn is_lower_bound(&self) -> bool {
        !self.lower_bound_calls().is_empty()
    }

    /// Returns, as JSON numbers, the `call_sequence` of each call whose final usage was not reported.
    pub(crate) fn lower_bound_calls(&self) -> &[Value] {
        let listed = self.tags.get(Self::LOWER_BOUND_CALLS).and_then(Value::as_array);
        listed.map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the execution's calls of models. In each call, `cost_usd` is the exact cost, and `cost` is the
    /// provenance of the cost.
    ///
    /// If the record lists no calls, the result is one call that represents the whole execution. If the model of the
    /// execution is unknown, the call has an empty `model_name`.
    pub fn calls(&self) -> Vec<LlmCall> {
        let mut calls = self.trace.llm_calls.clone();
        calls.iter_mut().for_each(LlmCall::keep_exact);
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
            // If a record has only one call, the record itself stores the provenance of the call's cost.
            [only] if only.cost == CostProvenance::default() => only.cost.clone_from(&self.cost),
            _ => {}
        }
        calls
    }

    /// Converts `entry`, which is one of the [`calls`](Self::calls), into a [`Call`] that can be priced. Returns `None`
    /// if the input or output tokens remain unknown.
    ///
    /// Values that `entry` lacks come from the record:
    ///
    /// - If `entry` names the same model as `model.name`, a missing provider or variant comes from `model`.
    /// - A missing time comes from `cost.at`.
    /// - If `entry` is the only call, has no cost, and lacks its input or output tokens, the execution's model and
    ///   usage are used.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Uuid, metrics::LlmCall};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// record.model.name = Some("o3".to_owned());
    /// record.model.provider = Some("openai".to_owned());
    /// let mut entry = LlmCall::new(1, "o3");
    /// (entry.tokens_input, entry.tokens_output) = (Some(1_000), Some(500));
    /// assert_eq!(record.call_of(&entry).unwrap().provider.as_deref(), Some("openai"));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn call_of(&self, entry: &LlmCall) -> Option<Call> {
        let is_whole = self.is_whole(entry);
        let mut call = if is_whole {
            let mut call = Call::new(self.model.name.as_ref().unwrap_or(&entry.model_name), self.usage()?);
            if call.model == entry.model_name {
                call.provider.clone_from(&entry.provider);
                call.variant.clone_from(&entry.variant);
            }
            call.at = entry.cost.at;
            call
        } else {
            entry.call()?
        };
        if is_whole || self.model.name.as_ref() == Some(&call.model) {
            call.provider = call.provider.or_else(|| self.model.provider.clone());
            if call.variant.is_empty() {
                call.variant.clone_from(&self.model.variant);
            }
        }
        call.at = call.at.or(self.cost.at);
        Some(call)
    }

    /// Adds `call` to `trace.llm_calls`, with the next number. Sets `tokens_input`, `tokens_output` and `tokens_used`
    /// to the sums over all listed calls. A sum is `None` if one of its counts is unknown. `model` gets the name, the
    /// provider, the variant and the parts of the usage in the same way as in
    /// [`Execution::record_call`](crate::Execution::record_call). If `call` has an empty `model_name`, its model is
    /// unknown, and the name, the provider and the variant in `model` do not change.
    ///
    /// Does not change the cost of the record. After you have added the last call, call
    /// [`fill_costs`](crate::PriceTable::fill_costs) to compute the cost. This is how a
    /// [`DetachedExecution`](crate::DetachedExecution) collects the calls of several processes.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, PriceTable, Uuid, metrics::LlmCall};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// for model in ["gpt-4", "o3"] {
    ///     let mut call = LlmCall::new(1, model);
    ///     (call.tokens_input, call.tokens_output) = (Some(1_000), Some(500));
    ///     record.add_call(call);
    /// }
    /// PriceTable::bundled()?.fill_costs(&mut record);
    /// assert_eq!((record.tokens_used, record.trace.llm_calls[1].call_sequence), (Some(3_000), 2));
    /// assert_eq!(record.cost_usd, Some("0.066".parse()?));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn add_call(&mut self, mut call: LlmCall) {
        call.call_sequence = self.trace.llm_calls.len() as u64 + 1;
        if !call.model_name.is_empty() {
            self.model.name = Some(call.model_name.clone());
            self.set_server(&call, None);
        }
        self.trace.llm_calls.push(call);
        let calls = &self.trace.llm_calls;
        let sum = |count: fn(&LlmCall) -> Option<u64>| {
            calls.iter().try_fold(0_u64, |sum, call| sum.checked_add(count(call)?))
        };
        (self.tokens_input, self.tokens_output) = (sum(|call| call.tokens_input), sum(|call| call.tokens_output));
        self.tokens_used =
            self.tokens_input.zip(self.tokens_output).and_then(|(input, output)| input.checked_add(output));
        // If the usage of one of several calls is unknown, the sums of the parts would be too low, so the parts are
        // left unknown.
        let usage = calls.iter().try_fold(Usage::default(), |sum, call| Some(sum.saturating_add(&call.call()?.usage)));
        self.model.parts = match (usage, &calls[..]) {
            (Some(usage), _) => usage.parts,
            (None, [only]) => only.parts,
            (None, _) => UsageParts::default(),
        };
    }

    /// Sets the provider and the variant in `model` to the provider and the variant of `call`. The record must not
    /// list `call` yet. If `call` names no provider, the provider in `model` becomes `served_by`.
    pub(crate) fn set_server(&mut self, call: &LlmCall, served_by: Option<&str>) {
        self.model.provider = call.provider.clone().or(served_by.map(str::to_owned));
        self.model.variant.clone_from(&call.variant);
        // When a record is priced again, a call without a provider gets the provider in `model`. So `model` must not
        // get the provider of `call` if an earlier call of the same model names no provider. The variant is treated
        // in the same way.
        let mut same_model = self.trace.llm_calls.iter().filter(|earlier| earlier.model_name == call.model_name);
        if call.provider.is_some() && same_model.clone().any(|earlier| earlier.provider.is_none()) {
            self.model.provider = None;
        }
        if same_model.any(|earlier| earlier.variant.is_empty()) {
            self.model.variant.clear();
        }
    }

    /// Returns true if `entry` represents the whole execution. That is so if the record lists at most one call, and
    /// `entry` has no cost and lacks its input or output tokens.
    pub(crate) fn is_whole(&self, entry: &LlmCall) -> bool {
        self.trace.llm_calls.len() <= 1 && entry.call().is_none() && entry.exact_cost().is_none()
    }
}

impl LlmCall {
    /// Returns the cost with all recorded decimals; `None` if the cost is unknown.
    ///
    /// The cost is `cost.exact_usd` if `cost_usd` is `None` or equals the rounded `cost.exact_usd`. In all other cases,
    /// the cost is `cost_usd`.
    pub fn exact_cost(&self) -> Option<Usd> {
        match (self.cost_usd, self.cost.exact_usd) {
            (Some(cost), Some(exact)) if cost != exact.round_to_record() => Some(cost),
            (cost, exact) => exact.or(cost),
        }
    }

    /// Moves `cost.exact_usd` to `cost_usd`, because the `cost_usd` of a call is not limited to 8 decimals. Changes
    /// nothing if the two amounts contradict each other.
    pub fn keep_exact(&mut self) {
        let exact = self.exact_cost();
        if self.cost.exact_usd.is_none_or(|amount| Some(amount) == exact) {
            self.cost_usd = exact;
            self.cost.exact_usd = None;
        }
    }

    /// Returns this entry as a [`Call`], which can be priced again for the same time. Returns `None` if the input or
    /// output tokens are unknown.
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
