//! The words of a record, such as its status. A reader accepts every word, but a ledger records only known words.

use std::fmt::Display;

use super::faults::Faults;
use super::text::shortened;
use super::{CostSource, CostTier, Environment, ErrorCategory, ExecutionMetrics, Kind, QcOutcome, Status};

impl ExecutionMetrics {
    /// Adds a fault for each word that is not in the list of its field.
    pub(super) fn check_words(&self, faults: &mut Faults) {
        let mut check = |field: &dyn Display, word: Option<&str>, known: &[&str]| {
            if let (Some(word), [others @ .., last]) = (word.filter(|word| !known.contains(word)), known) {
                faults.add(field, format_args!("{} or {last}", others.join(", ")), shortened(word));
            }
        };
        check(&"status", self.status.as_ref().map(Status::as_str), Status::KNOWN);
        check(&"kind", Some(self.kind.as_str()), Kind::KNOWN);
        check(&"environment", Some(self.environment.as_str()), Environment::KNOWN);
        check(&"error_category", self.error_category.as_ref().map(ErrorCategory::as_str), ErrorCategory::KNOWN);
        check(&"cost_tier", self.cost_tier.as_ref().map(CostTier::as_str), CostTier::KNOWN);
        check(&"cost.source", self.cost.source.as_ref().map(CostSource::as_str), CostSource::KNOWN);
        let outcome = self.production.outcome.as_ref().map(QcOutcome::as_str);
        check(&"production.outcome", outcome, QcOutcome::KNOWN);
        for (at, call) in self.trace.llm_calls.iter().enumerate() {
            let field = format_args!("trace.llm_calls[{at}].cost.source");
            check(&field, call.cost.source.as_ref().map(CostSource::as_str), CostSource::KNOWN);
        }
    }

    /// Replaces each word that is not in the list of its field by the default of the field. If this removes `status`,
    /// the outcome becomes unknown too. Removes the `error_reason` of an execution that succeeded. The rest of the
    /// record does not depend on these fields, so it can still be stored.
    pub(crate) fn leave_out_words(&mut self) {
        if self.status.as_ref().is_some_and(|status| !Status::KNOWN.contains(&status.as_str())) {
            (self.status, self.execution_succeeded, self.execution_failed) = (None, None, None);
        }
        if !Kind::KNOWN.contains(&self.kind.as_str()) {
            self.kind = Kind::default();
        }
        if !Environment::KNOWN.contains(&self.environment.as_str()) {
            self.environment = Environment::default();
        }
        self.error_category.take_if(|word| !ErrorCategory::KNOWN.contains(&word.as_str()));
        self.cost_tier.take_if(|word| !CostTier::KNOWN.contains(&word.as_str()));
        self.production.outcome.take_if(|word| !QcOutcome::KNOWN.contains(&word.as_str()));
        let costs = self.trace.llm_calls.iter_mut().map(|call| &mut call.cost).chain([&mut self.cost]);
        for cost in costs {
            cost.source.take_if(|word| !CostSource::KNOWN.contains(&word.as_str()));
        }
        if self.success() == Some(true) {
            self.error_reason = None;
        }
    }
}
