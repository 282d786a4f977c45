//! Converts a record that another program wrote into the form in which a ledger stores records.

use super::{ExecutionMetrics, LlmCall, Status, Usd};

impl ExecutionMetrics {
    /// Converts values that other programs write in a different form. `runledger pipe` and `runledger import` call this
    /// method.
    ///
    /// - The status `error` becomes `failed`.
    /// - An `error_reason` that is too long is shortened by [`set_error_reason`](Self::set_error_reason).
    /// - `cost_usd` is rounded by [`Usd::round_to_record`]. If rounding changes the amount, `cost.exact_usd` keeps the
    ///   exact amount. If only `cost.exact_usd` is known, `cost_usd` becomes this amount, rounded. Two amounts that
    ///   contradict each other are kept.
    /// - In a call, `cost_usd` becomes the [exact cost](LlmCall::exact_cost), with all decimals.
    ///
    /// All other missing values stay missing. Call [`derive_missing`](Self::derive_missing) to derive some of them.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Uuid, metrics::Status};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1.0.0", "2026-11-20T12:00:00Z".parse()?);
    /// record.status = Some("error".into());
    /// record.cost_usd = Some("0.123456789".parse()?);
    /// record.adapt();
    /// assert_eq!((record.status, record.cost_usd), (Some(Status::Failed), Some("0.12345679".parse()?)));
    /// assert_eq!(record.cost.exact_usd, Some("0.123456789".parse()?));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn adapt(&mut self) {
        if self.status.as_ref().is_some_and(|status| status.as_str() == Self::STATUS_ERROR) {
            self.status = Some(Status::Failed);
        }
        if let Some(reason) = self.error_reason.take() {
            self.set_error_reason(reason);
        }
        self.trace.llm_calls.iter_mut().for_each(LlmCall::keep_exact);
        let rounded = |amount: Usd| Some(amount.round_to_record());
        match (self.cost_usd, self.cost.exact_usd) {
            (Some(cost), None) if rounded(cost) != Some(cost) => {
                self.cost.exact_usd = Some(cost);
                self.cost_usd = rounded(cost);
            }
            (Some(cost), Some(exact)) if cost == exact => self.cost_usd = rounded(exact),
            (None, Some(exact)) => self.cost_usd = rounded(exact),
            _ => {}
        }
    }

    /// Another word for the status `failed`, which `runledger complete` and other programs use.
    const STATUS_ERROR: &str = "error";
}
