//! The verdicts of a report in plain words.

use super::data::{ComparisonSummary, GateSummary, Integrity, LISTED_MAX, LedgerReport, QuotaBar};
use super::numbers::{are, count, duration, mean_usd, minute, none_or, noun, percent};
use crate::governance::{GateVerdict, NotJudged};

/// The tone of a verdict, which says how serious it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Everything is as it should be.
    Good,
    /// Someone should look.
    Warning,
    /// Something is wrong.
    Bad,
    /// The question could not be answered.
    Unknown,
}

impl Tone {
    /// Returns the word for this tone: `ok`, `look`, `bad` or `unknown`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "look",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

/// A verdict in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The tone, which says how serious the verdict is.
    pub tone: Tone,
    /// The verdict, in a sentence or two.
    pub text: String,
    /// Further lines, such as the faults that were found.
    pub details: Vec<String>,
}

impl Finding {
    fn new(tone: Tone, text: String) -> Self {
        Self { tone, text, details: Vec::new() }
    }
}

impl LedgerReport {
    /// Returns the title of the section with the verdicts.
    pub fn verdict_title(&self) -> String {
        let findings = self.findings();
        let count_of = |tone| findings.iter().filter(|finding| finding.tone == tone).count() as u64;
        match [Tone::Bad, Tone::Warning, Tone::Good].map(count_of) {
            [0, 0, 0] => "Nothing could be checked.".to_owned(),
            [0, 0, _] => "No check found a problem.".to_owned(),
            [0, ..] => "Someone should look at this ledger.".to_owned(),
            [1, ..] => "One check found a problem.".to_owned(),
            [bad, ..] => format!("{bad} checks found a problem."),
        }
    }

    /// Returns the verdicts. The first one says whether the ledger is damaged.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = vec![integrity(&self.integrity)];
        if self.malformed_lines > 0 {
            let text = format!(
                "{} The figures below do not include such lines.",
                are(
                    self.malformed_lines,
                    "line of the ledger is not a record.",
                    "lines of the ledger are not records."
                )
            );
            findings.push(Finding::new(Tone::Bad, text));
        }
        if let Some(last) = self.period.last.filter(|last| *last > self.generated_at) {
            let text = format!(
                "An execution began or ended at {}, but this report was made earlier, at {}. A clock was wrong, so days \
                 and latencies can be wrong too.",
                minute(last),
                minute(self.generated_at)
            );
            findings.push(Finding::new(Tone::Warning, text));
        }
        findings.push(self.gate.as_ref().map_or_else(|| Finding::new(Tone::Unknown, self.without_gate()), gate));
        findings.push(self.comparison.as_ref().map_or_else(
            || {
                let text =
                    "Nothing was compared, because no baseline is frozen. `runledger baseline freeze` freezes one.";
                Finding::new(Tone::Unknown, text.to_owned())
            },
            comparison,
        ));
        findings.extend(self.used_up());
        findings.extend(self.nearly_used_up());
        if self.spilled > 0 {
            let text = format!(
                "{} in the ledger yet, and not in the figures below. The next append adds such records to the ledger.",
                are(self.spilled, "record is not", "records are not")
            );
            findings.push(Finding::new(Tone::Warning, text));
        }
        if self.in_flight > 0 {
            let text = format!(
                "{} in flight, and not in the figures below. `runledger open` lists executions in flight.",
                are(self.in_flight, "execution is", "executions are")
            );
            findings.push(Finding::new(Tone::Unknown, text));
        }
        findings
    }

    /// Returns the verdict on the quotas that are used up.
    fn used_up(&self) -> Option<Finding> {
        let number = self.quotas_used_up;
        let text = format!("{} used up.", are(number, "limit is", "limits are"));
        let finding = Finding { details: self.details_of(number, true), ..Finding::new(Tone::Bad, text) };
        (number > 0).then_some(finding)
    }

    /// Returns the verdict on the quotas with the level RED that are not used up.
    fn nearly_used_up(&self) -> Option<Finding> {
        let number = self.quotas_red;
        let text = format!("{} RED: at least 80 % is used or held.", are(number, "limit is", "limits are"));
        let finding = Finding { details: self.details_of(number, false), ..Finding::new(Tone::Warning, text) };
        (number > 0).then_some(finding)
    }

    /// Returns lines about the listed quotas with the level RED. If `used_up` is true, they are about the quotas that
    /// are used up, and otherwise about the others. `number` is the number of all such quotas, listed or not.
    fn details_of(&self, number: u64, used_up: bool) -> Vec<String> {
        let wanted = self.quotas.iter().filter(|quota| quota.is_red() && quota.is_used_up == used_up);
        let mut details: Vec<_> = wanted.take(LISTED_MAX).map(of_quota).collect();
        let listed = details.len() as u64;
        if number > listed {
            details.push(format!("and {} more, which `runledger quota` lists", count(number - listed)));
        }
        details
    }

    fn without_gate(&self) -> String {
        if matches!(self.integrity, Integrity::NotVerified { .. }) {
            return "The gate has judged no run, because the ledger could not be verified.".to_owned();
        }
        format!("The gate has judged no run: none of the last {} records has a run_id.", count(Self::RUN_SOUGHT_MAX))
    }
}

/// Returns what is used of a limit, and when it resets.
fn of_quota(quota: &QuotaBar) -> String {
    let QuotaBar { name, held, period, .. } = quota;
    let held = if held == "0" { String::new() } else { format!(", and {held} held") };
    let resets = match quota.resets_at {
        Some(at) => format!("; it resets on {}", minute(at)),
        None if period == "total" => "; it never resets".to_owned(),
        None => String::new(),
    };
    let unknown = match quota.amount_unknown {
        0 => String::new(),
        unknown => format!(". The amount of {} is unknown and not included", are(unknown, "call", "calls")),
    };
    format!("{name}: {} are used{held}{resets}{unknown}", quota.used_of_limit())
}

fn integrity(integrity: &Integrity) -> Finding {
    match integrity {
        Integrity::Intact { lines: 0, .. } => {
            Finding::new(Tone::Good, "The ledger is intact and has no lines.".to_owned())
        }
        Integrity::Intact { lines, every_line } => {
            let how = if *every_line {
                "every hash was computed again"
            } else {
                "lines that were verified when an index was built were not read again"
            };
            let lines = format!("{} {} in one chain", count(*lines), noun(*lines, "line", "lines"));
            Finding::new(Tone::Good, format!("The ledger is intact: {lines} ({how})."))
        }
        Integrity::Damaged { fault_count, faults } => {
            let listed = faults.len() as u64;
            let mut details = faults.clone();
            if *fault_count > listed {
                details.push(format!("and {} more, which `runledger verify` lists", count(*fault_count - listed)));
            }
            let found = format!("{} {}", count(*fault_count), noun(*fault_count, "fault was", "faults were"));
            let text = format!("The ledger is damaged: {found} found. The figures below may be incomplete.");
            Finding { tone: Tone::Bad, text, details }
        }
        Integrity::NotVerified { reason } => {
            Finding::new(Tone::Unknown, format!("The ledger could not be verified: {reason}"))
        }
    }
}

fn gate(gate: &GateSummary) -> Finding {
    let GateSummary { run_id, verdict, executions: of_run, reason_count, reasons, not_judged } = gate;
    if *verdict == GateVerdict::Pass {
        let mut text = format!(
            "The latest run, {run_id}, passes its gate: {} logged.",
            are(*of_run, "execution is", "executions are")
        );
        if not_judged.contains(&NotJudged::ExpectedExecutions) {
            text += " Whether other executions are missing was not judged; `runledger gate --expect` judges this.";
        }
        if not_judged.contains(&NotJudged::Costs) {
            text += " The costs of the run are unknown; `runledger import` adds them.";
        }
        return Finding::new(Tone::Good, text);
    }
    let mut details = reasons.clone();
    let listed = reasons.len() as u64;
    if *reason_count > listed {
        details.push(format!("and {} more, which `runledger gate` lists", count(*reason_count - listed)));
    }
    let reasons = format!("{} {}", count(*reason_count), noun(*reason_count, "reason", "reasons"));
    Finding { tone: Tone::Bad, text: format!("The latest run, {run_id}, fails its gate for {reasons}."), details }
}

fn comparison(found: &ComparisonSummary) -> Finding {
    let judged = found.worse + found.better + found.no_change_shown;
    let week = found.week_start.to_string().chars().take(10).collect::<String>();
    let too_few = match found.too_few {
        0 => String::new(),
        too_few => format!(" {} too few executions for a verdict.", are(too_few, "metric had", "metrics had")),
    };
    if judged == 0 {
        let text = format!("Compared with the baselines of the week from {week}, no metric could be judged.{too_few}");
        return Finding::new(Tone::Unknown, text);
    }
    let text = format!(
        "Compared with the baselines of the week from {week}, {} worse and {} better of {}; no change was shown for {}.{too_few}",
        none_or(found.worse),
        none_or(found.better),
        are(judged, "judged metric", "judged metrics"),
        count(found.no_change_shown),
    );
    let mut details: Vec<_> = found
        .worst
        .iter()
        .map(|metric| {
            let value = |value: Option<f64>| {
                value.map_or_else(|| "unknown".to_owned(), |value| of_metric(metric.metric, value))
            };
            let [from, to] = [metric.baseline, metric.recent].map(value);
            format!(
                "{}: {} went from {from} to {to} (n = {})",
                metric.skill,
                words(metric.metric),
                count(metric.recent_samples)
            )
        })
        .collect();
    let listed = found.worst.len() as u64;
    if found.worse > listed {
        details.push(format!("and {} more, which `runledger compare` lists", count(found.worse - listed)));
    }
    Finding { tone: if found.worse > 0 { Tone::Bad } else { Tone::Good }, text, details }
}

/// Returns the name of a metric in words.
fn words(metric: &str) -> &str {
    match metric {
        "success_rate" => "the success rate",
        "latency_ms" => "the median latency",
        "cost_mean_usd" => "the mean cost",
        "tokens_mean" => "the mean number of tokens",
        other => other,
    }
}

fn of_metric(metric: &str, value: f64) -> String {
    match metric {
        "success_rate" => percent(value),
        "latency_ms" => duration(value),
        "cost_mean_usd" => format!("{} USD", mean_usd(value)),
        _ => format!("{value:.0}"),
    }
}
