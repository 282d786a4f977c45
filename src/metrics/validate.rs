//! Checks that a record has the required fields, and that its values are possible and do not contradict each other.

use std::fmt::Display;

use super::faults::Faults;
use super::text::shortened;
use super::usage::{Excess, excesses};
use super::{ExecutionMetrics, Meter, Status, Timestamp, Usage, UsageParts, Usd};
use crate::error::Result;

impl ExecutionMetrics {
    /// Checks the record and reports every fault at once. A ledger refuses a record that breaks one of the rules below,
    /// and so does each command that records executions. Reading a record does not check the rules, so old records stay
    /// readable.
    ///
    /// - Words: a value with a fixed list of words, such as `status`, is one of these words. A reader also accepts
    ///   other words, because a newer version may have written them.
    /// - Presence: `execution_id` is not nil. `skill_name` and `skill_version` are not blank, and `timestamp_end` is
    ///   present. Only an interrupted execution may lack `timestamp_end`.
    /// - Order: the end is not before the start, and the `call_sequence` of the `llm_calls` is 1, 2, 3, …
    /// - Outcome: `execution_succeeded` and `execution_failed` are each other's inverse or both null, and they match
    ///   `status`. An execution that succeeded has no `error_reason`.
    /// - Length: `error_reason` has at most [`ERROR_REASON_CHARS_MAX`](Self::ERROR_REASON_CHARS_MAX) characters.
    /// - Range: percentages are 0–100 and scores 0–1. `duration_s` and amounts are at least 0. No number is NaN or
    ///   infinite.
    /// - Precision: `cost_usd` is a multiple of 10⁻⁸ USD. If there is a `cost.exact_usd`, `cost_usd` is this amount,
    ///   rounded by [`Usd::round_to_record`]. In a call, `cost_usd` can also be the exact amount.
    /// - Sums: `tokens_used` is the sum of input and output. If only one of them is known, `tokens_used` is at least
    ///   that number. In a usage, no part exceeds its whole. For example, the cached input does not exceed the whole
    ///   input; see [`Usage`]. The same rules apply to the usage of each call.
    /// - Form: a hash consists of 64 lower-case hex digits. A trace id consists of 32 lower-case hex digits, and a span
    ///   id of 16. Neither id is all zeros, as [W3C Trace Context](https://www.w3.org/TR/trace-context/) requires.
    /// - Tags: JSON can represent every tag unchanged. [`to_json`](Self::to_json) lists the values that JSON cannot
    ///   represent.
    ///
    /// The durations of the steps are not compared with `total_latency_ms`.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`](crate::ErrorKind::Invalid). [`details`](crate::Error::details) has one entry
    /// for each fault, with the field, the expected value and the value that was found.
    ///
    /// ```
    /// use runledger::{ExecutionMetrics, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "", "0.1.0", "2026-02-14T14:23:00Z".parse()?);
    /// record.confidence_score = Some(1.5);
    /// let error = record.validate().unwrap_err();
    /// assert_eq!(error.details(), [
    ///     "skill_name: expected a name, found \"\"",
    ///     "timestamp_end: expected a time, found null",
    ///     "confidence_score: expected 0 to 1, found 1.5",
    /// ]);
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn validate(&self) -> Result<()> {
        let mut faults = Faults::default();
        self.check_words(&mut faults);
        self.check_identity(&mut faults);
        self.check_outcome(&mut faults);
        self.check_tokens(&mut faults);
        self.check_amounts(&mut faults);
        self.check_floats(&mut faults);
        self.check_digits(&mut faults);
        self.check_call_sequence(&mut faults);
        self.check_tags(&mut faults);
        faults.into_result("accept a record")
    }

    fn check_identity(&self, faults: &mut Faults) {
        if self.execution_id.is_nil() {
            faults.add("execution_id", "a UUID other than nil", self.execution_id);
        }
        for (field, name) in [("skill_name", &self.skill_name), ("skill_version", &self.skill_version)] {
            if name.trim().is_empty() {
                faults.add(field, "a name", shortened(name));
            }
        }
        match self.timestamp_end {
            Some(end) => self.check_end(end, faults),
            None if self.status == Some(Status::Interrupted) => {}
            None => faults.add("timestamp_end", "a time", "null"),
        }
    }

    fn check_end(&self, end: Timestamp, faults: &mut Faults) {
        let start = self.timestamp_start;
        if end < start {
            faults.add("timestamp_end", format_args!("no earlier than timestamp_start {start}"), end);
        }
    }

    fn check_outcome(&self, faults: &mut Faults) {
        let (succeeded, failed) = (self.execution_succeeded, self.execution_failed);
        if failed != succeeded.map(|yes| !yes) {
            let found = format!("{} and {}", or_null(succeeded), or_null(failed));
            faults.add("execution_succeeded, execution_failed", "one true and one false, or both null", found);
        }
        match self.status.as_ref().map(|status| Status::from(status.as_str())) {
            // Without a known status, there is nothing to compare.
            None | Some(Status::Other(_)) => {}
            Some(status) if status.succeeded() == succeeded => {}
            Some(status) => faults.add(
                "execution_succeeded",
                format_args!("{}, as the status is {status}", or_null(status.succeeded())),
                or_null(succeeded),
            ),
        }
        let reason = self.error_reason.as_deref().unwrap_or_default();
        if self.success() == Some(true) && !reason.is_empty() {
            faults.add("error_reason", "null, as the execution succeeded", shortened(reason));
        }
        let chars = reason.chars().count();
        if chars > Self::ERROR_REASON_CHARS_MAX {
            let expected = format_args!("at most {} characters", Self::ERROR_REASON_CHARS_MAX);
            faults.add("error_reason", expected, format_args!("{chars}"));
        }
    }

    fn check_tokens(&self, faults: &mut Faults) {
        let (used, input, output) = (self.tokens_used, self.tokens_input, self.tokens_output);
        match (used, input, output) {
            (Some(used), Some(input), Some(output)) => {
                // Any sum of counts fits in 128 bits.
                let sum = u128::from(input) + u128::from(output);
                if u128::from(used) != sum {
                    faults.add("tokens_used", format_args!("tokens_input + tokens_output = {sum}"), used);
                }
            }
            (Some(used), Some(part), None) | (Some(used), None, Some(part)) if part > used => {
                faults.add("tokens_used", format_args!("at least its known part {part}"), used);
            }
            _ => {}
        }
        faults.check_parts(self.model.parts, (input, output), |meter| match meter {
            Meter::Input => "tokens_input".to_owned(),
            Meter::Output => "tokens_output".to_owned(),
            part => format!("model.{part}"),
        });
        for (at, call) in self.trace.llm_calls.iter().enumerate() {
            faults.check_parts(call.parts, (call.tokens_input, call.tokens_output), |meter| match meter {
                Meter::Input => format!("trace.llm_calls[{at}].tokens_input"),
                Meter::Output => format!("trace.llm_calls[{at}].tokens_output"),
                part => format!("trace.llm_calls[{at}].{part}"),
            });
        }
    }

    fn check_amounts(&self, faults: &mut Faults) {
        if let Some(cost) = self.cost_usd {
            faults.check_amount("cost_usd", cost);
            if cost.round_to_record() != cost {
                faults.add("cost_usd", "at most 8 decimals, with all decimals in cost.exact_usd", cost);
            }
        }
        if let Some(exact) = self.cost.exact_usd {
            faults.check_amount("cost.exact_usd", exact);
        }
        if let Some(exact) = self.cost.exact_usd
            && self.cost_usd != Some(exact.round_to_record())
        {
            let rounded = exact.round_to_record();
            faults.add("cost_usd", format_args!("{rounded}, as cost.exact_usd is {exact}"), or_null(self.cost_usd));
        }
        if let Some(estimate) = self.cost.estimated_usd {
            faults.check_amount("cost.estimated_usd", estimate);
        }
        for (at, call) in self.trace.llm_calls.iter().enumerate() {
            let field = format_args!("trace.llm_calls[{at}].cost_usd");
            if let Some(cost) = call.cost_usd {
                faults.check_amount(field, cost);
            }
            if let Some(exact) = call.cost.exact_usd {
                faults.check_amount(format_args!("trace.llm_calls[{at}].cost.exact_usd"), exact);
            }
            if let Some(estimate) = call.cost.estimated_usd {
                faults.check_amount(format_args!("trace.llm_calls[{at}].cost.estimated_usd"), estimate);
            }
            if let (Some(cost), Some(exact)) = (call.cost_usd, call.cost.exact_usd)
                && cost != exact
                && cost != exact.round_to_record()
            {
                faults.add(field, format_args!("{exact}, as cost.exact_usd is {exact}"), cost);
            }
        }
    }

    fn check_floats(&self, faults: &mut Faults) {
        for Float { field, value, max } in self.floats() {
            let Some(value) = value else { continue };
            if !(0.0..=max).contains(&value) {
                let expected = match max {
                    f64::MAX => "a finite number of at least 0".to_owned(),
                    max => format!("0 to {max}"),
                };
                faults.add(field, expected, value);
            }
        }
    }

    /// Returns every float in the fields of the record. Leaves out the floats in `tags`, which cannot be NaN or
    /// infinite.
    pub(super) fn floats(&self) -> [Float; 5] {
        let percent = self.progress.as_ref().and_then(|progress| progress.percent);
        [
            Float { field: "free_tier_quota_pct_used", value: self.free_tier_quota_pct_used, max: 100.0 },
            Float { field: "confidence_score", value: self.confidence_score, max: 1.0 },
            Float { field: "production.duration_s", value: self.production.duration_s, max: f64::MAX },
            Float { field: "progress.percent", value: percent, max: 100.0 },
            Float { field: "quality_score", value: self.quality_score, max: 1.0 },
        ]
    }

    fn check_digits(&self, faults: &mut Faults) {
        for (field, hash) in [("input_hash", &self.input_hash), ("output_hash", &self.output_hash)] {
            if let Some(hash) = hash
                && !is_lower_hex(hash, 64)
            {
                faults.add(field, "64 lower-case hex digits", shortened(hash));
            }
        }
        for (field, id, digits) in [("run.trace_id", &self.run.trace_id, 32), ("run.span_id", &self.run.span_id, 16)] {
            if let Some(id) = id
                && !is_trace_id(id, digits)
            {
                faults.add(field, format_args!("{digits} lower-case hex digits, not all zeros"), shortened(id));
            }
        }
    }

    fn check_call_sequence(&self, faults: &mut Faults) {
        for (at, (call, expected)) in self.trace.llm_calls.iter().zip(1..).enumerate() {
            if call.call_sequence != expected {
                let field = format_args!("trace.llm_calls[{at}].call_sequence");
                faults.add(field, expected, call.call_sequence);
            }
        }
    }
}

/// A float in a record. The float must be from 0 to `max`. `max` is `f64::MAX` if the float has no upper limit.
pub(super) struct Float {
    pub(super) field: &'static str,
    pub(super) value: Option<f64>,
    max: f64,
}

impl Faults {
    /// Checks that no parts of a usage exceed their whole. `field` names the field of a count.
    fn check_parts(
        &mut self,
        parts: UsageParts,
        (input, output): (Option<u64>, Option<u64>),
        field: impl Fn(Meter) -> String,
    ) {
        let mut counts = Usage { parts, ..Usage::default() }.counts_with_wholes();
        counts[Meter::Input as usize] = input;
        counts[Meter::Output as usize] = output;
        for Excess { parts, sum, whole, whole_count } in excesses(&counts) {
            let fields: Vec<_> = parts.into_iter().map(&field).collect();
            self.add(fields.join(" + "), format_args!("at most {} = {whole_count}", field(whole)), sum);
        }
    }

    fn check_amount(&mut self, field: impl Display, amount: Usd) {
        if amount < Usd::ZERO {
            self.add(field, "an amount of at least 0", amount);
        }
    }
}

fn or_null<T: Display>(value: Option<T>) -> String {
    value.map_or("null".to_owned(), |value| value.to_string())
}

fn is_lower_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns true if `id` has the form that W3C Trace Context requires: this number of lower-case hex digits, not all
/// zeros.
pub(super) fn is_trace_id(id: &str, digits: usize) -> bool {
    is_lower_hex(id, digits) && id.bytes().any(|digit| digit != b'0')
}
