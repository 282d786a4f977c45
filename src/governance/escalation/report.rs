//! The report of the escalations in a time window.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::baseline::Test;
use crate::metrics::{Timestamp, Usd, shortened};

/// The recipient of an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Recipient {
    /// A person.
    Human,
    /// The skill that decides how the budget is spent.
    CostOptimizer,
    /// The skill that chooses models.
    ModelRouter,
}

impl fmt::Display for Recipient {
    /// Writes `human`, `cost-optimizer` or `model-router`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Human => "human",
            Self::CostOptimizer => "cost-optimizer",
            Self::ModelRouter => "model-router",
        })
    }
}

/// The reason for an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// Executions were interrupted or have been in flight for too long, or records were lost.
    RepeatedMissingLogs,
    /// A skill's costs differ from their estimates.
    CostDiscrepancy,
    /// An execution used a model or tier that the policy does not allow for this execution.
    ModelMisuse,
    /// A skill's quality controls accept a smaller share of artifacts than in the reference, which is an earlier
    /// period.
    QcFailureSpike,
    /// The artifacts of one tier's models drift (deviate from the request) more often than the artifacts of all other
    /// tiers.
    DriftWithTier,
    /// A model fails more often than the skill's other models.
    ModelUnderperforms,
}

impl Trigger {
    /// All triggers, in the order of a report.
    pub const ALL: [Self; 6] = [
        Self::RepeatedMissingLogs,
        Self::CostDiscrepancy,
        Self::ModelMisuse,
        Self::QcFailureSpike,
        Self::DriftWithTier,
        Self::ModelUnderperforms,
    ];

    /// Returns the name that JSON uses, such as `cost_discrepancy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RepeatedMissingLogs => "repeated_missing_logs",
            Self::CostDiscrepancy => "cost_discrepancy",
            Self::ModelMisuse => "model_misuse",
            Self::QcFailureSpike => "qc_failure_spike",
            Self::DriftWithTier => "drift_with_tier",
            Self::ModelUnderperforms => "model_underperforms",
        }
    }

    /// Returns the recipient of escalations with this trigger.
    pub fn recipient(self) -> Recipient {
        match self {
            Self::RepeatedMissingLogs | Self::CostDiscrepancy | Self::ModelMisuse | Self::QcFailureSpike => {
                Recipient::Human
            }
            Self::DriftWithTier => Recipient::CostOptimizer,
            Self::ModelUnderperforms => Recipient::ModelRouter,
        }
    }
}

impl fmt::Display for Trigger {
    /// Writes the reason in words, such as `repeated missing logs`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RepeatedMissingLogs => "repeated missing logs",
            Self::CostDiscrepancy => "cost discrepancy",
            Self::ModelMisuse => "model misuse",
            Self::QcFailureSpike => "QC failure rate spikes",
            Self::DriftWithTier => "drift correlated with a tier",
            Self::ModelUnderperforms => "model underperforms",
        })
    }
}

/// The executions that caused an escalation. All executions are counted, but only the first ones are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The number of executions.
    pub count: u64,
    /// The executions that were added first, at most [`EXECUTIONS_MAX`](Self::EXECUTIONS_MAX).
    pub executions: Vec<Uuid>,
}

impl Evidence {
    /// The maximum number of executions that are listed.
    pub const EXECUTIONS_MAX: usize = 20;

    pub(super) fn add(&mut self, execution: Uuid) {
        self.count += 1;
        if self.executions.len() < Self::EXECUTIONS_MAX {
            self.executions.push(execution);
        }
    }

    /// Adds the executions of a later part of the ledger.
    pub(super) fn merge(&mut self, later: Self) {
        self.count += later.count;
        let room = Self::EXECUTIONS_MAX.saturating_sub(self.executions.len());
        self.executions.extend(later.executions.into_iter().take(room));
    }
}

/// A share: a number of cases, out of all cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// The number of cases in the share.
    pub part: u64,
    /// The number of all cases.
    pub whole: u64,
}

impl fmt::Display for Share {
    /// Writes a text such as `15 of 40 (37.5 %)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, whole } = *self;
        write!(f, "{part} of {whole}")?;
        if whole > 0 { write!(f, " ({:.1} %)", part as f64 * 100.0 / whole as f64) } else { Ok(()) }
    }
}

/// The statistic behind an escalation. Shares, p-values and intervals are rounded to 9 significant digits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "form", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistic {
    /// A share, and the 99 % confidence interval of the true share by Wilson's method (1927).
    Share {
        /// The share.
        found: Share,
        /// The interval; both bounds are from 0 to 1.
        interval: [f64; 2],
    },
    /// Two shares, and a test of whether they differ significantly.
    Shares(ShareTest),
    /// The exact sums of costs and estimates, over the executions that have both a cost and an estimate. Student's
    /// paired t-test (1908) shows whether the costs deviate systematically from the estimates.
    Costs {
        /// The number of executions that have both a cost and an estimate.
        compared: u64,
        /// The sum of the estimates, in US dollars.
        estimated_usd: Usd,
        /// The sum of the costs, in US dollars.
        actual_usd: Usd,
        /// The costs minus the estimates, as a share of the estimates. `None` if the sum of the estimates is not above
        /// 0.
        relative: Option<f64>,
        /// The 99 % confidence interval of the mean difference between cost and estimate, in US dollars. `None` for
        /// fewer than two executions, or if the sum of squares overflows.
        interval_usd: Option<[f64; 2]>,
        /// The p-value: the probability of a mean difference at least this large if the true mean is 0. `None` if
        /// `interval_usd` is `None`.
        p_value: Option<f64>,
    },
}

/// A test of whether two shares differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShareTest {
    /// The test: [`Test::TwoProportionZ`], or [`Test::FisherExact`] if an expected count is below 5 in the 2 × 2 table
    /// of the two shares.
    pub test: Test,
    /// The share that was found.
    pub found: Share,
    /// The share with which `found` is compared.
    pub reference: Share,
    /// `found` minus `reference`.
    pub delta: f64,
    /// The 99 % confidence interval of the true difference, by Newcombe's method (1998).
    pub interval: [f64; 2],
    /// The p-value: the probability of a difference at least this large if the true shares are equal.
    pub p_value: f64,
    /// The p-value, adjusted by Holm's method (1979) for all tests of the trigger. This value and `delta` decide
    /// whether the problem is escalated.
    pub p_adjusted: f64,
    /// For [`Trigger::DriftWithTier`], the association of drift with the tiers. `None` for other triggers, or if an
    /// expected count in the table of drift by tier is below 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub association: Option<Association>,
}

/// The association of drift with the tiers, by Pearson's χ² test (1900).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Association {
    /// χ².
    pub chi_squared: f64,
    /// The degrees of freedom: the number of tiers minus one.
    pub degrees: u64,
    /// The p-value of the test.
    pub p_value: f64,
    /// The strength of the association, by Cramér (1946): 0 if all tiers drift alike, 1 if the tier determines the
    /// drift.
    pub cramers_v: f64,
}

/// A problem, and the recipient to notify of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Escalation {
    /// The recipient.
    pub recipient: Recipient,
    /// The reason for the escalation.
    pub trigger: Trigger,
    /// The skill, or the tier for [`Trigger::DriftWithTier`]. `None` if the escalation is about the window as a whole.
    pub subject: Option<String>,
    /// The model, if a model underperforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The explanation in words. Texts from records are quoted and escaped.
    pub why: String,
    /// The statistic on which the escalation is based.
    pub statistic: Statistic,
    /// The executions that caused the escalation.
    pub evidence: Evidence,
}

/// A comparison for which there are too few results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unjudged {
    /// The trigger that could not be judged.
    pub trigger: Trigger,
    /// The subject, as in [`Escalation::subject`].
    pub subject: Option<String>,
    /// The model, as in [`Escalation::model`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The reason why the trigger could not be judged.
    pub why: String,
}

impl fmt::Display for Escalation {
    /// Writes one line without the statistic and the evidence, such as `human: cost discrepancy "draw": it cost …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.recipient)?;
        write_line(f, self.trigger, [&self.subject, &self.model], &self.why)
    }
}

impl fmt::Display for Unjudged {
    /// Writes one line, such as `QC failure rate spikes "qc-grader": results: 40, results to compare with: 29; …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_line(f, self.trigger, [&self.subject, &self.model], &self.why)
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, trigger: Trigger, names: [&Option<String>; 2], why: &str) -> fmt::Result {
    write!(f, "{trigger}")?;
    for name in names.into_iter().flatten() {
        write!(f, " {}", shortened(name))?;
    }
    write!(f, ": {why}")
}

/// The escalations of a time window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EscalationReport {
    /// The start of the window, UTC.
    pub since: Timestamp,
    /// The end of the window, UTC, exclusive, or `None` if the window has no end.
    pub until: Option<Timestamp>,
    /// The start, UTC, of the reference (the earlier period with which quality controls are compared).
    pub reference_since: Timestamp,
    /// The end of the reference, UTC: the start of the week in which the window begins.
    pub reference_until: Timestamp,
    /// The number of executions of the window that have a record.
    pub executions: u64,
    /// The escalations, sorted by [`Trigger`] and then by subject.
    pub escalations: Vec<Escalation>,
    /// The comparisons that were not made because there are too few results, sorted like `escalations`.
    pub unjudged: Vec<Unjudged>,
}
