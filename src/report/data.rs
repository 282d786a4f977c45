//! The data of a report.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::costs::{CostOverTime, SkillCosts, range};
use super::latency::Latencies;
use super::names::{name, shown};
use super::numbers::{count, noun};
use super::observed::{ExecutionRow, Failures, Observations};
use crate::baseline::{Baseline, Baselines, Comparison, Metric, Verdict};
use crate::governance::{GateReason, GateReport, GateVerdict, NotJudged};
use crate::metrics::{ExecutionMetrics, Status, Timestamp};
use crate::quota::{Amount, QuotaStatus, WarningLevel};

/// The largest number of characters of a reason or a fault.
const TEXT_CHARS_MAX: usize = 300;
/// A verdict lists at most this many faults, reasons of the gate, or quotas.
pub(super) const LISTED_MAX: usize = 8;
/// The largest number of quotas.
const QUOTAS_MAX: usize = 20;
/// The largest number of metrics that are listed as worse.
const METRICS_MAX: usize = 12;

/// All data of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LedgerReport {
    /// The path of the ledger.
    pub ledger: String,
    /// The time at which the report was made, UTC.
    pub generated_at: Timestamp,
    /// The period of the executions in the report.
    pub period: ReportedPeriod,
    /// The number of executions in the period.
    pub executions: u64,
    /// The number of executions that have begun and not ended. No other figure includes them.
    pub in_flight: u64,
    /// The number of spilled records: records that could not be appended to the ledger so far, and are stored in a
    /// separate file. No other figure includes them.
    pub spilled: u64,
    /// The number of sessions that a hook of a coding agent recorded, and whose costs are unknown because the sessions
    /// were not imported. No cost includes them.
    pub not_imported: u64,
    /// The number of lines of the ledger that are not records.
    pub malformed_lines: u64,
    /// Whether lines of the ledger are damaged or missing.
    pub integrity: Integrity,
    /// The verdict of the gate, which checks whether the latest run is fully logged. `None` if none of the last
    /// [`RUN_SOUGHT_MAX`](Self::RUN_SOUGHT_MAX) records has a `run_id`, or if the ledger could not be verified.
    pub gate: Option<GateSummary>,
    /// The comparison with the latest frozen baselines, or `None` if no baselines are frozen.
    pub comparison: Option<ComparisonSummary>,
    /// The cost by day, week or month.
    pub cost: CostOverTime,
    /// The most expensive skills.
    pub skills: SkillCosts,
    /// The latency of skills, now and in the frozen baselines.
    pub latency: Latencies,
    /// The executions that failed or were cancelled.
    pub failures: Failures,
    /// The quotas that are in use.
    pub quotas: Vec<QuotaBar>,
    /// The number of quotas that have a limit, but are not in use.
    pub quotas_unused: u64,
    /// The number of quotas in use that are left out because the list is full. They have used no larger shares of their
    /// limits than the listed quotas.
    pub quotas_left_out: u64,
    /// The number of quotas that are used up, whether or not they are listed.
    pub quotas_used_up: u64,
    /// The number of other quotas with the level RED, whether or not they are listed.
    pub quotas_red: u64,
    /// The number of unknown values of each figure.
    pub unknown: Vec<UnknownCount>,
    /// The executions with the highest latencies.
    pub slowest: Vec<ExecutionRow>,
    /// The executions with the highest costs.
    pub dearest: Vec<ExecutionRow>,
}

impl LedgerReport {
    /// Returns a report without a gate, a comparison and quotas. `skills` are the baselines of the skills of the
    /// period. `costs` is the result of [`costs`](super::costs()) for the same executions.
    pub fn new(
        ledger: &str,
        generated_at: Timestamp,
        period: ReportedPeriod,
        integrity: Integrity,
        skills: &Baselines,
        observed: &Observations,
        (cost, by_skill): (CostOverTime, SkillCosts),
    ) -> Self {
        let (first, last) = range(skills).unzip();
        let failures = observed.failures();
        let executions = skills.iter().map(|(_, baseline)| baseline.sample_size).sum();
        let unknown = |count: fn(&Baseline) -> u64| skills.iter().map(|(_, baseline)| count(baseline)).sum();
        let without_category = failures.categories.iter().find(|(category, _)| category.is_none());
        let unknown = vec![
            UnknownCount::new("cost", cost.unpriced, cost.executions, "executions that used a model"),
            UnknownCount::new("outcome", failures.outcome_unknown, executions, "executions"),
            UnknownCount::new(LATENCY, unknown(|baseline| baseline.latency_unknown), executions, "executions"),
            UnknownCount::new("tokens", unknown(|baseline| baseline.tokens_unknown), executions, "executions"),
            UnknownCount::new(
                "category of the error",
                without_category.map_or(0, |(_, n)| *n),
                failures.failed,
                "failures",
            ),
        ];
        Self {
            ledger: shown(ledger, TEXT_CHARS_MAX),
            generated_at,
            period: ReportedPeriod { first, last, ..period },
            executions,
            in_flight: 0,
            spilled: 0,
            not_imported: 0,
            malformed_lines: 0,
            integrity,
            gate: None,
            comparison: None,
            cost,
            skills: by_skill,
            latency: Latencies::new(skills, None),
            failures,
            quotas: Vec::new(),
            quotas_unused: 0,
            quotas_left_out: 0,
            quotas_used_up: 0,
            quotas_red: 0,
            unknown,
            slowest: observed.slowest(),
            dearest: observed.dearest(),
        }
    }

    /// Adds the comparison of recent executions with the baselines of the week from `week_start`.
    pub fn compare(&mut self, week_start: Timestamp, comparison: &Comparison, skills: &Baselines) {
        self.comparison = Some(ComparisonSummary::new(week_start, comparison));
        self.latency = Latencies::new(skills, Some(comparison));
    }

    /// Returns the ids of the listed executions.
    pub fn listed(&self) -> BTreeSet<Uuid> {
        self.slowest.iter().chain(&self.dearest).map(|row| row.execution_id).collect()
    }

    /// Adds to each listed execution what only its whole record says. `records` are the records of these executions. A
    /// record can be missing if it is no longer in the ledger.
    pub fn add_records(&mut self, records: &BTreeMap<Uuid, ExecutionMetrics>) {
        for row in self.slowest.iter_mut().chain(&mut self.dearest) {
            let record = records.get(&row.execution_id);
            row.is_lower_bound = record.is_some_and(ExecutionMetrics::is_lower_bound);
            // A status that this version does not know can be any text.
            let is_known = |status: &Status| Status::KNOWN.contains(&status.as_str());
            row.status = record.and_then(|record| record.status.clone()).filter(is_known);
        }
    }

    /// Adds the quotas. Lists the quotas that have used the largest shares of their limits, and counts all other
    /// quotas.
    pub fn add_quotas(&mut self, mut quotas: Vec<QuotaBar>) {
        let all = quotas.len();
        quotas.retain(|quota| quota.is_used);
        let used = quotas.len();
        let red = quotas.iter().filter(|quota| quota.is_red()).count();
        let used_up = quotas.iter().filter(|quota| quota.is_used_up).count();
        quotas.sort_by(|one, other| other.pct_used.total_cmp(&one.pct_used).then_with(|| one.name.cmp(&other.name)));
        quotas.truncate(QUOTAS_MAX);
        self.quotas_unused = (all - used) as u64;
        self.quotas_left_out = (used - quotas.len()) as u64;
        (self.quotas_used_up, self.quotas_red) = (used_up as u64, (red - used_up) as u64);
        for quota in &quotas {
            let figure = format!("amount of calls of {}", quota.name);
            // The number of calls with a known amount is not stored.
            if quota.amount_unknown > 0 {
                self.unknown
                    .push(UnknownCount { of: None, ..UnknownCount::new(figure, quota.amount_unknown, 0, "calls") });
            }
        }
        self.quotas = quotas;
    }
}

/// The period of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReportedPeriod {
    /// The report has only executions that started at or after this time, or on or after this day. `None` if there is
    /// no such limit.
    pub since: Option<String>,
    /// The report has only executions that started before this time, or on or before this day. `None` if there is no
    /// such limit.
    pub until: Option<String>,
    /// The time zone in which days begin and end.
    pub zone: String,
    /// The earliest start of an execution, or `None` if there are no executions.
    pub first: Option<Timestamp>,
    /// The latest start or end of an execution, or `None` if there are no executions.
    pub last: Option<Timestamp>,
}

impl ReportedPeriod {
    /// Returns a period without executions.
    pub fn new(since: Option<String>, until: Option<String>, zone: String) -> Self {
        Self { since, until, zone, first: None, last: None }
    }
}

/// Whether lines of the ledger are damaged or missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
#[non_exhaustive]
pub enum Integrity {
    /// No line is damaged or missing.
    Intact {
        /// The number of lines.
        lines: u64,
        /// True if every line was verified for this report. False if the report trusts the lines that were verified
        /// when an index was built.
        every_line: bool,
    },
    /// Lines are damaged or missing.
    Damaged {
        /// The number of faults.
        fault_count: u64,
        /// The first faults.
        faults: Vec<String>,
    },
    /// The ledger could not be verified.
    NotVerified {
        /// The reason why the ledger could not be verified.
        reason: String,
    },
}

impl Integrity {
    /// Returns the value for a damaged ledger. Keeps only the first `faults`.
    pub fn damaged(fault_count: u64, faults: impl IntoIterator<Item = String>) -> Self {
        let faults = faults.into_iter().take(LISTED_MAX).map(|fault| shown(&fault, TEXT_CHARS_MAX)).collect();
        Self::Damaged { fault_count, faults }
    }

    /// Returns the value for a ledger that could not be verified.
    pub fn not_verified(reason: &str) -> Self {
        Self::NotVerified { reason: shown(reason, TEXT_CHARS_MAX) }
    }
}

/// The verdict of the gate on one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GateSummary {
    /// The id of the run.
    pub run_id: String,
    /// Whether the run is fully logged.
    pub verdict: GateVerdict,
    /// The number of the run's executions that have a record.
    pub executions: u64,
    /// The number of reasons why the run fails.
    pub reason_count: u64,
    /// The first reasons.
    pub reasons: Vec<String>,
    /// The questions that the gate did not judge.
    pub not_judged: Vec<NotJudged>,
}

impl From<&GateReport> for GateSummary {
    fn from(report: &GateReport) -> Self {
        Self {
            run_id: name(&report.run_id),
            verdict: report.verdict,
            executions: report.executions,
            reason_count: report.reasons.len() as u64,
            reasons: report.reasons.iter().take(LISTED_MAX).map(reason).collect(),
            not_judged: report.not_judged.clone(),
        }
    }
}

/// Returns a reason without the values that the gate found, because a line that is not a record can contain any text.
fn reason(reason: &GateReason) -> String {
    let skill = reason.skill.as_ref().map_or_else(String::new, |skill| format!(": {}", name(skill)));
    let executions = match reason.executions.len() as u64 {
        0 => String::new(),
        n => format!(" ({} {})", count(n), noun(n, "execution", "executions")),
    };
    format!("{}{skill}{executions}", reason.rule)
}

/// The comparison of recent executions with frozen baselines, which are computed once for a week and then never change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComparisonSummary {
    /// The start of the frozen week, which is also the start of the recent executions.
    pub week_start: Timestamp,
    /// The number of metrics that are worse than their baseline.
    pub worse: u64,
    /// The number of metrics that are better than their baseline.
    pub better: u64,
    /// The number of metrics for which no change is shown.
    pub no_change_shown: u64,
    /// The number of metrics with too few executions for a verdict.
    pub too_few: u64,
    /// The first metrics that are worse than their baseline.
    pub worst: Vec<WorseMetric>,
}

/// A metric of a skill that is worse than its baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorseMetric {
    /// The skill.
    pub skill: String,
    /// The key of the metric, such as `latency_ms`.
    pub metric: &'static str,
    /// The value of the baseline, or `None` if it is unknown.
    pub baseline: Option<f64>,
    /// The recent value, or `None` if it is unknown.
    pub recent: Option<f64>,
    /// The number of executions from which the recent value was computed.
    pub recent_samples: u64,
}

impl ComparisonSummary {
    /// Returns a summary of a comparison with the baselines of the week from `week_start`.
    pub fn new(week_start: Timestamp, comparison: &Comparison) -> Self {
        let count = |verdict| comparison.metrics().filter(|metric| metric.verdict == verdict).count() as u64;
        let all = comparison.skills.iter().flat_map(|(skill, compared)| {
            compared.metrics().into_iter().map(move |(key, metric)| (skill, key, metric))
        });
        let worst = all.filter(|(_, _, metric)| metric.verdict == Verdict::Worse).take(METRICS_MAX).map(
            |(skill, metric, Metric { baseline, recent, recent_samples, .. })| WorseMetric {
                skill: name(skill),
                metric,
                baseline,
                recent,
                recent_samples,
            },
        );
        Self {
            week_start,
            worse: count(Verdict::Worse),
            better: count(Verdict::Better),
            no_change_shown: count(Verdict::NoChangeShown),
            too_few: count(Verdict::TooFew),
            worst: worst.collect(),
        }
    }
}

/// The state of a quota in its current window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuotaBar {
    /// The name of the API or the budget.
    pub name: String,
    /// `tokens`, `calls` or `usd`.
    pub unit: String,
    /// The limit as text, in its unit.
    pub limit: String,
    /// The used amount, in the unit.
    pub consumed: String,
    /// The reserved amount, in the unit.
    pub held: String,
    /// The amount that can still be reserved, in the unit.
    pub remaining: String,
    /// The used amount in percent of the limit.
    pub pct_used: f64,
    /// The warning level.
    pub level: WarningLevel,
    /// The period of the limit, such as `day`.
    pub period: String,
    /// The time zone that decides when a period begins.
    pub zone: String,
    /// The end of the window. `None` if the window never ends or has not begun.
    pub resets_at: Option<Timestamp>,
    /// The number of finished calls whose amount is unknown. `consumed` does not include them.
    pub amount_unknown: u64,
    /// The number of finished calls whose amount is assumed. `consumed` includes these amounts.
    pub amount_assumed: u64,
    /// True if an amount, known or unknown, is used or reserved.
    #[serde(skip)]
    pub(super) is_used: bool,
    /// True if the used amount is at least the limit.
    #[serde(skip)]
    pub(super) is_used_up: bool,
}

impl QuotaBar {
    /// Returns true if at least 80 % is used or held.
    pub(super) fn is_red(&self) -> bool {
        self.level == WarningLevel::Red
    }

    /// Returns the used amount and the limit with its period, such as `60 of 100 calls per day`.
    pub(super) fn used_of_limit(&self) -> String {
        let Self { consumed, limit, unit, period, .. } = self;
        let per = if period == "total" { "in total".to_owned() } else { format!("per {period}") };
        format!("{consumed} of {limit} {unit} {per}")
    }
}

impl<A: Amount> From<&QuotaStatus<A>> for QuotaBar {
    fn from(status: &QuotaStatus<A>) -> Self {
        Self {
            name: name(&status.api_name),
            unit: status.unit.to_string(),
            limit: status.limit.to_string(),
            consumed: status.consumed.to_string(),
            held: status.held.to_string(),
            remaining: status.remaining.to_string(),
            pct_used: status.pct_used,
            level: status.warning_level,
            period: status.period.to_string(),
            zone: status.zone.name().to_owned(),
            resets_at: status.resets_at,
            amount_unknown: status.unknown,
            amount_assumed: status.assumed,
            is_used: status.remaining != status.limit
                || status.pct_used > 0.0
                || status.unknown + status.assumed + status.unknown_held > 0,
            is_used_up: status.has_reached(100),
        }
    }
}

/// The name of the figure that counts unknown latencies.
pub(super) const LATENCY: &str = "latency";

/// The number of unknown values of a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnknownCount {
    /// The name of the figure.
    pub figure: String,
    /// The number of unknown values.
    pub unknown: u64,
    /// The number of all values, known or not. `None` if this number is unknown.
    pub of: Option<u64>,
    /// The things that are counted, such as `executions`.
    pub what: &'static str,
}

impl UnknownCount {
    /// Returns a count of unknown values.
    pub fn new(figure: impl Into<String>, unknown: u64, of: u64, what: &'static str) -> Self {
        Self { figure: figure.into(), unknown, of: Some(of), what }
    }
}
