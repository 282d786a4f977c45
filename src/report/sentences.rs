//! The sentences of a report, which the page and the text share.

use super::data::{ComparisonSummary, GateSummary, Integrity, LedgerReport};
use super::numbers::{count, duration, mean_usd, minute, noun, percent, usd};
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
    /// The number of newest records in which the report looks for the latest run.
    pub const RUN_SOUGHT_MAX: u64 = 1_000;

    /// Returns true if the ledger has no executions in the period.
    pub fn is_empty(&self) -> bool {
        self.executions == 0
    }

    /// Returns a sentence that says which executions the report is about.
    pub fn scope(&self) -> String {
        let period = &self.period;
        let bounds = [("since", &period.since), ("until", &period.until)];
        let bounds: Vec<_> =
            bounds.iter().filter_map(|(word, bound)| Some(format!("{word} {}", bound.as_ref()?))).collect();
        let selected = if bounds.is_empty() { String::new() } else { format!(", {}", bounds.join(" ")) };
        let found = match (period.first, period.last) {
            (Some(first), Some(last)) => format!(" from {} to {}", minute(first), minute(last)),
            _ => String::new(),
        };
        let executions = noun(self.executions, "execution", "executions");
        format!("{} {executions}{found}{selected}. Days are in {}.", count(self.executions), period.zone)
    }

    /// Returns a sentence that says what to do if the period has no executions.
    pub fn next_step(&self) -> String {
        if self.period.since.is_some() || self.period.until.is_some() {
            "No execution started in this period. Leave out --since and --until to see all executions, or run \
             `runledger list` to see the last ones."
                .to_owned()
        } else if self.in_flight > 0 {
            format!(
                "No execution has ended yet. {} in flight: `runledger open` lists them.",
                are(self.in_flight, "execution is", "executions are")
            )
        } else {
            "The ledger has no executions yet. Record the first one with `runledger run --skill NAME -- COMMAND`, and \
             make this report again."
                .to_owned()
        }
    }

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
                "An execution began or ended at {}, after this report was made at {}. A clock was wrong, so days and \
                 latencies can be wrong too.",
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
        if self.spilled > 0 {
            let text = format!(
                "{} in the ledger yet, and not in the figures below. The next append moves spilled records to the ledger.",
                are(self.spilled, "record is not", "records are not")
            );
            findings.push(Finding::new(Tone::Warning, text));
        }
        if self.in_flight > 0 {
            let text = format!(
                "{} in flight, and not in the figures below. `runledger open` lists them.",
                are(self.in_flight, "execution is", "executions are")
            );
            findings.push(Finding::new(Tone::Unknown, text));
        }
        findings
    }

    fn without_gate(&self) -> String {
        if matches!(self.integrity, Integrity::NotVerified { .. }) {
            return "The gate has judged no run, because the ledger could not be verified.".to_owned();
        }
        format!("The gate has judged no run: none of the last {} records has a run_id.", count(Self::RUN_SOUGHT_MAX))
    }

    /// Returns the title of the chart of the cost over time.
    pub fn cost_title(&self) -> String {
        let cost = &self.cost;
        let Some(total) = cost.cost else {
            return if cost.executions == 0 {
                "No execution used a model, so there is no cost.".to_owned()
            } else {
                "The cost of every execution is unknown.".to_owned()
            };
        };
        let first = cost.series.first().and_then(|first| {
            let share = super::costs::share(first.cost, cost.cost)?;
            let name = first.name.as_deref().unwrap_or("an unknown model");
            Some(format!(" {} of this cost is for {name}.", percent(share)))
        });
        let least = if cost.lower_bounds > 0 { "at least " } else { "" };
        format!("Executions cost {least}{} USD.{}", usd(total), first.unwrap_or_default())
    }

    /// Returns a note that says what the chart of the cost over time counts.
    pub fn cost_note(&self) -> String {
        let cost = &self.cost;
        let mut note = format!("US dollars by {} and {}. ", cost.slice, cost.by.name());
        note += &format!("n = {} that used a model", executions(cost.executions));
        note += &match cost.unpriced {
            0 => "; every cost is known.".to_owned(),
            unpriced => format!("; the cost of {} is unknown and not in the bars.", count(unpriced)),
        };
        if cost.lower_bounds > 0 {
            note += &format!(
                " The cost of {} is a lower bound, because the final usage of a call was not reported.",
                count(cost.lower_bounds)
            );
        }
        if cost.without_model > 0 {
            note += &format!(" {} used no model.", capital(&executions(cost.without_model)));
        }
        if let Some(amount) = cost.at_standard_cost {
            let of = are(cost.at_standard, "execution was", "executions were");
            note += &format!(" {of} priced at standard prices: {} USD, which may be too low or too high.", usd(amount));
        }
        if cost.slices_left_out > 0 {
            note += &format!(" {} earlier bars are left out.", count(cost.slices_left_out));
        }
        note
    }

    /// Returns the title of the table of the most expensive skills.
    pub fn skills_title(&self) -> String {
        let all = self.skills.rows.len() as u64 + self.skills.others;
        match self.skills.rows.first() {
            Some(first) if first.cost.is_some() && all > 1 => {
                let share = first
                    .share
                    .map_or_else(String::new, |share| format!(", with {} of the known cost", percent(share)));
                format!("{} is the most expensive of {} skills{share}.", first.skill, count(all))
            }
            Some(first) if first.cost.is_some() => format!("{} is the only skill.", first.skill),
            _ => "No skill has a known cost.".to_owned(),
        }
    }

    /// Returns a note on the skills that the table leaves out, or `None` if the table has all skills.
    pub fn skills_note(&self) -> Option<String> {
        let skills = &self.skills;
        let unknown = match skills.others_unpriced {
            0 => String::new(),
            unpriced => format!(", and the cost of {} of their executions is unknown", count(unpriced)),
        };
        let text = match skills.others_cost {
            Some(cost) => {
                format!(
                    "{} {} USD together{unknown}.",
                    are(skills.others, "other skill cost", "other skills cost"),
                    usd(cost)
                )
            }
            None => format!("{} no known cost{unknown}.", are(skills.others, "other skill has", "other skills have")),
        };
        (skills.others > 0).then_some(text)
    }

    /// Returns the title of the table of latencies.
    pub fn latency_title(&self) -> String {
        let latency = &self.latency;
        match (&self.comparison, latency.judged) {
            (None, _) => {
                "These are the latencies of each skill; no baseline is frozen to compare them with.".to_owned()
            }
            (Some(_), 0) => "No skill has enough executions to compare its latency with the baseline.".to_owned(),
            (Some(_), judged) => {
                let (worse, verb, its) = match latency.worse {
                    0 => ("None".to_owned(), "is", "its"),
                    1 => ("1".to_owned(), "is", "its"),
                    worse => (count(worse), "are", "their"),
                };
                let better = are(latency.better, "is", "are");
                format!(
                    "{worse} of {} judged skills {verb} slower than {its} baseline, and {better} faster.",
                    count(judged)
                )
            }
        }
    }

    /// Returns a note that explains the values in the table of latencies.
    pub fn latency_note(&self) -> String {
        let left_out = match self.latency.left_out {
            0 => String::new(),
            left_out => format!(" {} left out.", are(left_out, "other skill is", "other skills are")),
        };
        let Some(comparison) = &self.comparison else {
            return format!(
                "The median and the 95th percentile of the period, interpolated between two values (definition 7 of \
                 Hyndman and Fan). n is the number of known latencies.{left_out}"
            );
        };
        let week = comparison.week_start.to_string().chars().take(10).collect::<String>();
        format!(
            "The change is the geometric mean of the latencies since {week}, compared with the frozen baseline, in \
             percent. Its 99 % confidence interval is Welch's, computed from the logarithms. Medians are interpolated \
             (definition 7 of Hyndman and Fan). n is the number of known latencies.{left_out}"
        )
    }

    /// Returns the title of the section on failures.
    pub fn failures_title(&self) -> String {
        let failures = &self.failures;
        if failures.known == 0 {
            return "The outcome of every execution is unknown.".to_owned();
        }
        if failures.failed == 0 {
            return format!("None of {} with a known outcome failed.", executions(failures.known));
        }
        let most = match failures.categories.first() {
            Some((Some(category), _)) if category != "other categories" => {
                format!(", most often with the category {category}")
            }
            Some((None, _)) => ", most often without a category".to_owned(),
            _ => String::new(),
        };
        let rate = failures.failed as f64 / failures.known as f64;
        let failed = count(failures.failed);
        format!("{failed} of {} failed ({}){most}.", executions(failures.known), percent(rate))
    }

    /// Returns a note on the executions that the failures do not include.
    pub fn failures_note(&self) -> String {
        let unknown = match self.failures.outcome_unknown {
            0 => "every outcome is known".to_owned(),
            unknown => {
                format!("the outcome of {} is unknown, for example after an interruption", executions(unknown))
            }
        };
        format!("n = {} with a known outcome; {unknown}.", executions(self.failures.known))
    }

    /// Returns the title of the section on quotas.
    pub fn quotas_title(&self) -> String {
        let highest = self.quotas.iter().max_by(|one, other| one.pct_used.total_cmp(&other.pct_used));
        match highest {
            Some(quota) => format!("{} has used {:.1} % of its limit.", quota.name, quota.pct_used),
            None => "No quota is in use.".to_owned(),
        }
    }

    /// Returns a note on the quotas that are left out, or `None` if nothing is left out.
    pub fn quotas_note(&self) -> Option<String> {
        let (unused, left_out) = (self.quotas_unused, self.quotas_left_out);
        let others = [
            (unused, format!("{} not in use", are(unused, "other limit is", "other limits are"))),
            (left_out, format!("{} in use and left out", are(left_out, "other limit is", "other limits are"))),
        ];
        let others: Vec<_> = others.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
        (!others.is_empty()).then(|| format!("{}. `runledger quota` lists all limits.", others.join(", and ")))
    }

    /// Returns the title of the section on unknown values.
    pub fn unknown_title(&self) -> String {
        let unknown = self.unknown.iter().filter(|figure| figure.unknown > 0).count() as u64;
        match unknown {
            0 => "Every value of the figures above is known.".to_owned(),
            _ => format!(
                "{} of {} figures {} unknown values, which are counted and never taken as 0.",
                count(unknown),
                count(self.unknown.len() as u64),
                noun(unknown, "has", "have")
            ),
        }
    }

    /// Returns a note on the lists of executions.
    pub fn executions_note(&self) -> String {
        let bounds = if self.cost.lower_bounds > 0 { ", and whether its cost is a lower bound" } else { "" };
        format!("`runledger show ID` shows an execution{bounds}.")
    }

    /// Returns the title of the list of the slowest executions.
    pub fn slowest_title(&self) -> String {
        match self.slowest.first().and_then(|slowest| Some((slowest, slowest.latency_ms?))) {
            Some((slowest, ms)) => format!("The slowest execution ({}) took {}.", slowest.skill, duration(ms as f64)),
            None => "No latency is known.".to_owned(),
        }
    }

    /// Returns the title of the list of the dearest executions.
    pub fn dearest_title(&self) -> String {
        match self.dearest.first().and_then(|dearest| Some((dearest, dearest.cost_usd?))) {
            Some((dearest, cost)) => format!("The dearest execution ({}) cost {} USD.", dearest.skill, usd(cost)),
            None => "No cost is known.".to_owned(),
        }
    }
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
        "Compared with the baselines of the week from {week}, {} of {} judged metrics {} worse and {} better; no change was shown for {}.{too_few}",
        count(found.worse),
        count(judged),
        noun(found.worse, "is", "are"),
        count(found.better),
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

fn executions(number: u64) -> String {
    are(number, "execution", "executions")
}

/// Returns the count with `one` if the count is 1, and with `many` otherwise.
fn are(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), noun(number, one, many))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
