//! Finds models that were used against the policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::results::Counts;
use crate::cost::Pattern;
use crate::governance::{AllowedModels, field};
use crate::metrics::{ExecutionMetrics, Kind, shortened};

/// The executions to which at least one rule about allowed models applies, by skill.
#[derive(Debug, Default)]
pub(super) struct Misuse {
    rules: Arc<[Rule]>,
    pub(super) skills: BTreeMap<String, Misused>,
}

/// The executions of one skill to which a rule applies.
#[derive(Debug, Default)]
pub(super) struct Misused {
    /// The number of these executions, and the executions that used a forbidden model or tier.
    pub(super) counts: Counts,
    /// The forbidden models and tiers that the skill used first, quoted; at most `NAMES_MAX`.
    pub(super) names: Vec<String>,
}

impl Misused {
    fn add_names(&mut self, names: Vec<String>) {
        for name in names {
            if self.names.len() < NAMES_MAX && !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}

const NAMES_MAX: usize = 5;

/// One entry of [`AllowedModels`], with its patterns parsed.
#[derive(Debug)]
struct Rule {
    skills: Vec<Pattern>,
    kinds: Vec<Kind>,
    models: Vec<Pattern>,
    tiers: Vec<Pattern>,
}

impl Misuse {
    pub(super) fn new(allowed: &[AllowedModels]) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        let rule = |allowed: &AllowedModels| Rule {
            skills: patterns(&allowed.skills),
            kinds: allowed.kinds.clone(),
            models: patterns(&allowed.models),
            tiers: patterns(&allowed.tiers),
        };
        Self { rules: allowed.iter().map(rule).collect(), skills: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, record: &ExecutionMetrics) {
        let models = models(record);
        let tier = field::tier(record);
        if models.is_empty() && tier.is_none() {
            return;
        }
        let skill = record.skill_name.to_lowercase();
        let about =
            |rule: &&Rule| is_any(&rule.skills, &skill) && (rule.kinds.is_empty() || rule.kinds.contains(&record.kind));
        let rules: Vec<&Rule> = self.rules.iter().filter(about).collect();
        if rules.is_empty() {
            return;
        }
        // Only names that the record contains are checked. So an execution whose model and tier are unknown never
        // counts as misuse.
        let forbidden = |patterns: fn(&Rule) -> &[Pattern], name: &&str| {
            let name = name.to_lowercase();
            !rules.iter().all(|rule| is_any(patterns(rule), &name))
        };
        let models = models.into_iter().filter(|model| forbidden(|rule| &rule.models, model));
        let tiers = tier.into_iter().filter(|tier| forbidden(|rule| &rule.tiers, tier));
        let names: Vec<String> = models.chain(tiers).map(shortened).collect();
        let misused = self.skills.entry(record.skill_name.clone()).or_default();
        misused.counts.add(record.execution_id, !names.is_empty());
        misused.add_names(names);
    }

    /// Returns a `Misuse` with the same rules and without executions.
    pub(super) fn empty(&self) -> Self {
        Self { rules: Arc::clone(&self.rules), skills: BTreeMap::new() }
    }

    /// Adds the executions of a later part of the ledger.
    pub(super) fn merge(&mut self, later: Self) {
        for (skill, Misused { counts, names }) in later.skills {
            let misused = self.skills.entry(skill).or_default();
            misused.counts.merge(counts);
            misused.add_names(names);
        }
    }
}

/// Returns true if one of the patterns matches the name, or if there are no patterns. The name must be in lower case.
fn is_any(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

/// Returns every model that the record names.
fn models(record: &ExecutionMetrics) -> Vec<&str> {
    let calls = record.trace.llm_calls.iter().map(|call| &call.model_name);
    record.model.name.iter().chain(calls).map(String::as_str).collect()
}
