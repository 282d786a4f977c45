//! The sentences of a report, which the page and the text share.

use super::data::{LATENCY, LedgerReport};
use super::numbers::{are, bounded, count, duration, in_words, minute, none_or, noun, percent, usd};

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
        let selected = if bounds.is_empty() { String::new() } else { format!(" (selected: {})", bounds.join(" ")) };
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
                "No execution has ended yet. {} in flight. `runledger open` lists executions in flight.",
                are(self.in_flight, "execution is", "executions are")
            )
        } else {
            "The ledger has no executions yet. Record the first one with `runledger run --skill NAME -- COMMAND`, and \
             make this report again."
                .to_owned()
        }
    }

    /// Returns the title of the chart of the cost over time.
    pub fn cost_title(&self) -> String {
        let cost = &self.cost;
        let Some(total) = cost.cost else {
            return if cost.executions == 0 && self.not_imported > 0 {
                "The costs of the agents' sessions are unknown.".to_owned()
            } else if cost.executions == 0 {
                "No execution used a model, so there is no cost.".to_owned()
            } else {
                "The cost of every execution is unknown.".to_owned()
            };
        };
        let first = cost.series.first().and_then(|first| {
            let share = super::costs::share(first.cost, cost.cost)?;
            let name = first.name.as_deref().unwrap_or("an unknown model");
            let of = if cost.unpriced > 0 { "the known cost" } else { "this cost" };
            Some(format!(" {} of {of} is for {name}.", percent(share)))
        });
        // An unknown cost adds to the known ones.
        let least = self.is_cost_bound() || cost.unpriced > 0;
        format!("Executions cost {}.{}", in_words(total, least), first.unwrap_or_default())
    }

    /// Returns true if the known cost is only a lower bound, because the final usage of a call was not reported, or
    /// because sessions of agents were not imported.
    pub(super) fn is_cost_bound(&self) -> bool {
        self.cost.lower_bounds + self.not_imported > 0
    }

    /// Returns a note that says what the chart of the cost over time counts.
    pub fn cost_note(&self) -> String {
        let cost = &self.cost;
        let mut note = format!("US dollars by {} and {}. ", cost.slice, cost.by.name());
        note += &format!("n = {} that used a model", executions(cost.executions));
        note += &match cost.unpriced {
            0 if self.not_imported > 0 || cost.executions == 0 => ".".to_owned(),
            0 => "; every cost is known.".to_owned(),
            unpriced => format!("; the cost of {} is unknown and not in the bars.", count(unpriced)),
        };
        if cost.lower_bounds > 0 {
            note += &format!(
                " The cost of {} is a lower bound, because the final usage of a call was not reported.",
                count(cost.lower_bounds)
            );
        }
        if self.not_imported > 0 {
            note += &format!(
                " A hook recorded {} whose cost is unknown and not in the bars; `runledger import` adds it.",
                are(self.not_imported, "session", "sessions")
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
            note += &format!(" {} left out.", are(cost.slices_left_out, "earlier bar is", "earlier bars are"));
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
            unpriced => {
                let whose = noun(skills.others, "its", "their");
                format!(", and the cost of {} of {whose} executions is unknown", count(unpriced))
            }
        };
        let text = match skills.others_cost {
            Some(cost) => {
                format!(
                    "{} {} USD{}{unknown}.",
                    are(skills.others, "other skill cost", "other skills cost"),
                    bounded(cost, skills.others_lower_bounds > 0),
                    noun(skills.others, "", " together")
                )
            }
            None => format!("{} no known cost{unknown}.", are(skills.others, "other skill has", "other skills have")),
        };
        // Without rows, the title says that no skill has a known cost.
        (skills.others > 0 && !skills.rows.is_empty()).then_some(text)
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
                let better = none_or(latency.better);
                format!("{worse} of {} {verb} slower than {its} baseline, and {better} faster.", judged_skills(judged))
            }
        }
    }

    /// Returns a note that explains the values in the table of latencies.
    pub fn latency_note(&self) -> String {
        let unknown = self.unknown.iter().find(|figure| figure.figure == LATENCY).map_or(0, |figure| figure.unknown);
        let mut left_out = match unknown {
            0 => String::new(),
            unknown => format!(" The latency of {} is unknown.", executions(unknown)),
        };
        if self.latency.left_out > 0 {
            let left = are(self.latency.left_out, "other skill is", "other skills are");
            left_out += &format!(" {left} left out.");
        }
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
            return format!("None of {} with a known outcome failed or was cancelled.", executions(failures.known));
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
        let verb = noun(failures.failed, "failed or was cancelled", "failed or were cancelled");
        format!("{failed} of {} {verb} ({}){most}.", executions(failures.known), percent(rate))
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
        let bounds = if self.slowest.iter().chain(&self.dearest).any(|row| row.is_lower_bound) {
            " `≥` marks a cost that is a lower bound, because the final usage of a call was not reported."
        } else {
            ""
        };
        format!("`runledger show ID` shows an execution.{bounds}")
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
            Some((dearest, cost)) => {
                format!("The dearest execution ({}) cost {}.", dearest.skill, in_words(cost, dearest.is_lower_bound))
            }
            None => "No cost is known.".to_owned(),
        }
    }
}

fn judged_skills(number: u64) -> String {
    are(number, "judged skill", "judged skills")
}

fn executions(number: u64) -> String {
    are(number, "execution", "executions")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
