//! Records the execution of a command: in the ledger or, if the ledger cannot be used, in a fallback directory.

use runledger::ledger::{Execution, FallbackExecution};
use runledger::metrics::{ErrorCategory, QcOutcome, Status};
use runledger::{Error, ExecutionMetrics, Skill, Uuid};

use super::agent_stream;
use super::outcome::Outcome;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::price_table::OwnPrices;
use crate::record_args::Fields;
use crate::record_fields::price;
use crate::redaction::redactor;
use crate::term::output;
use crate::warnings::warn;
use crate::{clock, fallback, ledger};

/// Where the execution is recorded. The command runs even if the ledger cannot be used.
pub(super) enum Recording {
    Ledger(Execution),
    /// The execution is recorded in a fallback directory, because the ledger's directory cannot be used.
    Elsewhere(FallbackExecution),
    /// The execution is not recorded, because no directory can be used, or because the user's rules for secrets cannot.
    Nowhere,
}

impl Recording {
    pub(super) fn begin(skill: Skill, global: &Global) -> Self {
        match ledger::open(global) {
            Ok(ledger) => Self::Ledger(ledger.begin(skill)),
            Err(error) => Self::elsewhere(&skill, &error, global),
        }
    }

    fn elsewhere(skill: &Skill, error: &Error, global: &Global) -> Self {
        for fallback in fallback::all() {
            match fallback.begin(&global.ledger, skill.clone()) {
                Ok(execution) => {
                    let text = format!(
                        "the record is stored in {} until a later command can open the ledger: {}",
                        execution.path().display(),
                        failure::text(error)
                    );
                    output::warning(&text, failure::kind(error), global.style());
                    return Self::Elsewhere(execution);
                }
                Err(error) => warn("a record cannot be stored in another directory", &error, global.style()),
            }
        }
        warn("the command is not recorded", error, global.style());
        Self::Nowhere
    }

    /// Does not record the execution, because of `failure`.
    pub(super) fn nowhere(failure: &Failure, global: &Global) -> Self {
        let text = format!("the command is not recorded: {}", failure::text(failure));
        output::warning(&text, failure.kind(), global.style());
        Self::Nowhere
    }

    pub(super) fn id(&self) -> Option<Uuid> {
        match self {
            Self::Ledger(execution) => Some(execution.id()),
            Self::Elsewhere(execution) => Some(execution.id()),
            Self::Nowhere => None,
        }
    }

    fn record_mut(&mut self) -> Option<&mut ExecutionMetrics> {
        match self {
            Self::Ledger(execution) => Some(execution.record_mut()),
            Self::Elsewhere(execution) => Some(execution.record_mut()),
            Self::Nowhere => None,
        }
    }

    pub(super) fn stop_clock(&mut self) {
        match self {
            Self::Ledger(execution) => execution.stop_clock(),
            Self::Elsewhere(execution) => execution.stop_clock(),
            Self::Nowhere => {}
        }
    }

    pub(super) fn finish(mut self, outcome: Outcome, fields: &Fields, own: &OwnPrices, global: &Global) {
        let Some(record) = self.record_mut() else { return };
        fields.apply(record, clock::now());
        if let Some(agent) = outcome.agent {
            agent_stream::add_to(record, agent);
        }
        if let Err(failure) = price(record, own, global) {
            let text = format!("the cost is not computed: {}", failure::text(&failure));
            output::warning(&text, failure.kind(), global.style());
        }
        record.output_hash = outcome.output_hash;
        if outcome.status != Status::Success {
            if record.production.outcome == Some(QcOutcome::Pass) {
                record.production.outcome = None;
            }
            record.error_code = Some(outcome.code.code().into());
            record.error_category = Some(ErrorCategory::Unknown);
        }
        if let Some(reason) = outcome.error_reason {
            record.redact_error_reason(&reason, redactor());
        }
        match self {
            Self::Ledger(execution) => ledger::warn_of(&execution.finish(outcome.status), global),
            Self::Elsewhere(execution) => {
                if let Err(error) = execution.finish(outcome.status) {
                    warn(
                        "the outcome could not be stored, so the ledger will say that the execution was interrupted",
                        &error,
                        global.style(),
                    );
                }
            }
            Self::Nowhere => {}
        }
    }
}
