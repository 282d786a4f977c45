//! What an escalation says.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use crate::baseline::Test;
use crate::metrics::{Timestamp, Usd, shortened};

/// Who is to hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Recipient {
    /// A person.
    Human,
    /// The skill that decides how much is spent on what.
    CostOptimizer,
    /// The skill that chooses models.
    ModelRouter,
}

impl fmt::Display for Recipient {
    /// `human`, `cost-optimizer` or `model-router`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Human => "human",
            Self::CostOptimizer => "cost-optimizer",
            Self::ModelRouter => "model-router",
        })
    }
}

/// What somebody is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// Executions without an end: interrupted, or in flight for too long; or records that were lost.
    RepeatedMissingLogs,
    /// A skill's costs are not what was estimated.
    CostDiscrepancy,
    /// A model or a tier was used that the policy does not allow there.
    ModelMisuse,
    /// Quality controls reject more than in the weeks before.
    QcFailureSpike,
    /// What models of one tier make drifts more often than what those of the others make.
    DriftWithTier,
    /// A model fails more often than the others of its skill.
    ModelUnderperforms,
}

impl Trigger {
    /// Who hears of it.
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
    /// In words, such as `repeated missing logs`.
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

/// The executions that show it: all counted, some named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// How many there are.
    pub count: u64,
    /// Those that were known first, at most [`EXECUTIONS_MAX`](Self::EXECUTIONS_MAX).
    pub executions: Vec<Uuid>,
}

impl Evidence {
    /// How many are named.
    pub const EXECUTIONS_MAX: usize = 20;

    pub(super) fn add(&mut self, execution: Uuid) {
        self.count += 1;
        if self.executions.len() < Self::EXECUTIONS_MAX {
            self.executions.push(execution);
        }
    }
}

/// Some of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// How many are meant.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

impl fmt::Display for Share {
    /// Such as `15 of 40 (37.5 %)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, whole } = *self;
        write!(f, "{part} of {whole}")?;
        if whole > 0 { write!(f, " ({:.1} %)", part as f64 * 100.0 / whole as f64) } else { Ok(()) }
    }
}

/// What supports an escalation. Shares, probabilities and intervals are estimates, to 9 significant digits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "form", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Statistic {
    /// A share, and by Wilson's method (1927) where the true one is with 99 % confidence.
    Share {
        /// The share.
        found: Share,
        /// From 0 to 1.
        interval: [f64; 2],
    },
    /// Two shares, and whether they differ by more than chance.
    Shares(ShareTest),
    /// Costs and estimates, over the executions that have both: exact sums, and by Student's paired t-test (1908) whether
    /// the costs are off on one side by more than chance.
    Costs {
        /// How many have both.
        compared: u64,
        /// The sum of the estimates, in US dollars.
        estimated_usd: Usd,
        /// The sum of the costs, in US dollars.
        actual_usd: Usd,
        /// The costs less the estimates as a share of the estimates; `None`: these add up to 0.
        relative: Option<f64>,
        /// Where the mean of cost less estimate is with 99 % confidence, in US dollars; `None` with fewer than two, or when
        /// the sum of their squares leaves its range.
        interval_usd: Option<[f64; 2]>,
        /// The probability of such a mean by chance; `None` together with the interval.
        p_value: Option<f64>,
    },
}

/// A test of whether two shares differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShareTest {
    /// [`Test::TwoProportionZ`], or [`Test::FisherExact`] where fewer than 5 are expected in some cell.
    pub test: Test,
    /// The share that was found.
    pub found: Share,
    /// What it is compared with.
    pub reference: Share,
    /// The share found less the other.
    pub delta: f64,
    /// Where the true difference is with 99 % confidence, by Newcombe's method (1998).
    pub interval: [f64; 2],
    /// The probability of such a difference by chance.
    pub p_value: f64,
    /// The same in view of all the tests of the trigger, by Holm's method (1979): what the escalation stands on.
    pub p_adjusted: f64,
    /// Of drift, how it is associated with the tiers altogether; `None`: too few are expected of some tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub association: Option<Association>,
}

/// How drift is associated with the tiers, by Pearson's χ² test (1900).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Association {
    /// χ².
    pub chi_squared: f64,
    /// Its degrees of freedom: the tiers less one.
    pub degrees: u64,
    /// The probability of as much by chance.
    pub p_value: f64,
    /// How strong it is, by Cramér (1946): 0 where all tiers drift alike, 1 where the tier tells the drift.
    pub cramers_v: f64,
}

/// One thing that somebody is to be told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Escalation {
    /// Who is to hear of it.
    pub recipient: Recipient,
    /// What it is.
    pub trigger: Trigger,
    /// The skill, or of drift the tier; `None`: the window as a whole.
    pub subject: Option<String>,
    /// The model, where it is one that underperforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Why, in words. Texts of records in it are quoted and escaped.
    pub why: String,
    /// What supports it.
    pub statistic: Statistic,
    /// The executions that show it.
    pub evidence: Evidence,
}

/// What could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unjudged {
    /// What was to be judged.
    pub trigger: Trigger,
    /// As of an [`Escalation`].
    pub subject: Option<String>,
    /// As of an [`Escalation`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Why it could not be.
    pub why: String,
}

impl fmt::Display for Escalation {
    /// In one line, without the statistic and the evidence: `human: cost discrepancy "draw": it cost …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.recipient)?;
        write_line(f, self.trigger, [&self.subject, &self.model], &self.why)
    }
}

impl fmt::Display for Unjudged {
    /// In one line: `QC failure rate spikes "qc-grader": 40 and 29 are known; …`.
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

/// Who must be told what of a window of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EscalationReport {
    /// When the window begins, UTC.
    pub since: Timestamp,
    /// When it ends, UTC, that moment left out; `None`: it goes on.
    pub until: Option<Timestamp>,
    /// From when on quality controls are the reference, UTC.
    pub reference_since: Timestamp,
    /// When the reference ends, UTC: the start of the week in which the window begins.
    pub reference_until: Timestamp,
    /// How many executions of the window have a record.
    pub executions: u64,
    /// Who is to be told what; in the order of [`Trigger`], then of the subjects.
    pub escalations: Vec<Escalation>,
    /// What too little is known of, in the same order.
    pub unjudged: Vec<Unjudged>,
}
