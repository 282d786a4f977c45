//! Finds the escalations in the collected records.

use std::collections::BTreeMap;

use super::Escalations;
use super::costs::Costs;
use super::misuse::Misused;
use super::report::{
    Association, Escalation, EscalationReport, Evidence, Share, ShareTest, Statistic, Trigger, Unjudged,
};
use super::results::Counts;
use crate::baseline::{Proportion, Spread, Test, chi_squared, holm, is_exact, paired, significant, two_proportions};
use crate::governance::EscalationPolicy;
use crate::metrics::Usd;

pub(super) fn judge(mut all: Escalations) -> EscalationReport {
    all.results.settle();
    let mut judge = Judge { policy: &all.policy, escalations: Vec::new(), unjudged: Vec::new() };
    judge.missing_logs(&all);
    for (skill, costs) in &all.costs {
        judge.costs(skill, costs);
    }
    for (skill, misused) in &all.misuse.skills {
        judge.misuse(skill, misused);
    }
    judge.controls(&all);
    judge.drift(&all);
    judge.models(&all);
    let Judge { escalations, unjudged, .. } = judge;
    EscalationReport {
        since: all.since,
        until: all.until,
        reference_since: all.reference[0],
        reference_until: all.reference[1],
        executions: all.executions,
        escalations,
        unjudged,
    }
}

struct Judge<'p> {
    policy: &'p EscalationPolicy,
    escalations: Vec<Escalation>,
    unjudged: Vec<Unjudged>,
}

/// A question that a test answers: is `found`, a share of bad results, larger than the share `reference`?
struct Question {
    trigger: Trigger,
    subject: String,
    model: Option<String>,
    found: Share,
    reference: Share,
    evidence: Evidence,
    association: Option<Association>,
}

impl Judge<'_> {
    fn missing_logs(&mut self, all: &Escalations) {
        let Escalations { interrupted, overdue, lost, .. } = *all;
        let (part, whole) = (interrupted + overdue, all.executions + overdue);
        // A lost record may belong to one of the unfinished executions. So the number of lost records is not added to
        // the number of unfinished executions.
        if part.max(lost) < self.policy.missing_logs_min {
            return;
        }
        let hours = self.policy.in_flight_hours_max;
        let lost = if lost > 0 { format!("; records lost: {lost}") } else { String::new() };
        let why = format!(
            "{part} of {whole} executions did not finish: {interrupted} interrupted, {overdue} in flight for over {hours} h{lost}"
        );
        self.escalate(Trigger::RepeatedMissingLogs, None, why, share(part, whole), all.endless.clone());
    }

    fn costs(&mut self, skill: &str, costs: &Costs) {
        let Costs { estimated, actual, ref differences, ref off } = *costs;
        // The subtraction can overflow only if one of the two sums is negative. The skill is then not escalated.
        let Some(difference) = actual.checked_sub(estimated) else { return };
        let magnitude = difference.pico().unsigned_abs();
        let most = estimated.pico() as f64 * self.policy.cost_relative_max;
        if magnitude < self.policy.cost_difference_usd_min.pico().unsigned_abs() || magnitude as f64 <= most {
            return;
        }
        let relative = (estimated > Usd::ZERO).then(|| difference.pico() as f64 / estimated.pico() as f64);
        let compared = off.whole;
        let percent = relative.map_or_else(String::new, |relative| format!(" ({:+.1} %)", relative * 100.0));
        let why = format!("it cost {actual} USD where {estimated} USD were estimated{percent}; executions: {compared}");
        let found = differences.mean_and_variance().map(|(mean, variance)| {
            let found = paired(Spread { count: differences.count(), mean, variance });
            (found.interval.map(|end| significant(end / 1e12)), significant(found.p_value))
        });
        let statistic = Statistic::Costs {
            compared,
            estimated_usd: estimated,
            actual_usd: actual,
            relative: relative.map(significant),
            interval_usd: found.map(|(interval, _)| interval),
            p_value: found.map(|(_, p_value)| p_value),
        };
        self.escalate(Trigger::CostDiscrepancy, Some(skill), why, statistic, off.bad.clone());
    }

    fn misuse(&mut self, skill: &str, Misused { counts, names }: &Misused) {
        let Counts { whole, bad } = counts;
        if bad.count < self.policy.misuse_min {
            return;
        }
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.sort_unstable();
        let why = format!(
            "{} of {whole} executions used a model or tier that is not allowed: {}",
            bad.count,
            names.join(", ")
        );
        self.escalate(Trigger::ModelMisuse, Some(skill), why, share(bad.count, *whole), bad.clone());
    }

    fn controls(&mut self, all: &Escalations) {
        let mut questions = Vec::new();
        for (skill, [before, now]) in all.controls.iter().filter(|(_, [_, now])| now.whole > 0) {
            questions.push(Question {
                trigger: Trigger::QcFailureSpike,
                subject: skill.clone(),
                model: None,
                found: now.share(),
                reference: before.share(),
                evidence: now.bad.clone(),
                association: None,
            });
        }
        self.ask(questions, |found, before| {
            format!("{found} controls did not accept the artifact, compared with {before} in the reference")
        });
    }

    fn drift(&mut self, all: &Escalations) {
        let tiers = &all.results.drift;
        let proportions: Vec<Proportion> = tiers.values().map(|counts| counts.share().into()).collect();
        let association = chi_squared(&proportions).map(|found| Association {
            chi_squared: significant(found.chi_squared),
            degrees: found.degrees,
            p_value: significant(found.p_value),
            cramers_v: significant(found.cramers_v),
        });
        let questions = against_others(tiers, |tier, found, reference, evidence| Question {
            trigger: Trigger::DriftWithTier,
            subject: tier.to_owned(),
            model: None,
            found,
            reference,
            evidence,
            association,
        });
        self.ask(questions, |found, others| {
            format!("{found} controlled artifacts drifted, compared with {others} for all other tiers")
        });
    }

    fn models(&mut self, all: &Escalations) {
        let mut questions = Vec::new();
        for (skill, models) in &all.results.failures {
            questions.extend(against_others(models, |model, found, reference, evidence| Question {
                trigger: Trigger::ModelUnderperforms,
                subject: skill.to_owned(),
                model: Some(model.to_owned()),
                found,
                reference,
                evidence,
                association: None,
            }));
        }
        self.ask(questions, |found, others| {
            format!(
                "{found} executions failed or had an artifact that was not accepted, compared with {others} for the \
                 skill's other models"
            )
        });
    }

    /// Tests all questions of one trigger together. Escalates each question in which the share `found` is significantly
    /// larger than the share `reference`.
    fn ask(&mut self, questions: Vec<Question>, why: impl Fn(String, String) -> String) {
        let samples_min = self.policy.samples_min;
        let (mut asked, mut p_values) = (Vec::new(), Vec::new());
        for question in questions {
            let (found, reference) = (question.found, question.reference);
            if found.whole.min(reference.whole) < samples_min {
                let Question { trigger, subject, model, .. } = question;
                let why = format!(
                    "results: {}, results to compare with: {}; at least {samples_min} of each are needed",
                    found.whole, reference.whole
                );
                self.unjudged.push(Unjudged { trigger, subject: Some(subject), model, why });
                continue;
            }
            let test = two_proportions(reference.into(), found.into());
            p_values.push(test.p_value);
            asked.push((question, test));
        }
        for ((question, test), p_adjusted) in asked.into_iter().zip(holm(&p_values)) {
            if p_adjusted > self.policy.alpha || test.delta < self.policy.share_difference_min {
                continue;
            }
            let Question { trigger, subject, model, found, reference, evidence, association } = question;
            let exact = is_exact(reference.into(), found.into());
            self.escalations.push(Escalation {
                recipient: trigger.recipient(),
                trigger,
                subject: Some(subject),
                model,
                why: why(found.to_string(), reference.to_string()),
                statistic: Statistic::Shares(ShareTest {
                    test: if exact { Test::FisherExact } else { Test::TwoProportionZ },
                    found,
                    reference,
                    delta: significant(test.delta),
                    interval: test.interval.map(significant),
                    p_value: significant(test.p_value),
                    p_adjusted: significant(p_adjusted),
                    association,
                }),
                evidence,
            });
        }
    }

    fn escalate(
        &mut self,
        trigger: Trigger,
        skill: Option<&str>,
        why: String,
        statistic: Statistic,
        evidence: Evidence,
    ) {
        let (recipient, subject) = (trigger.recipient(), skill.map(str::to_owned));
        self.escalations.push(Escalation { recipient, trigger, subject, model: None, why, statistic, evidence });
    }
}

/// Returns one question for each group. The question asks whether the group's share of bad results is larger than the
/// share of all other groups together. If there is only one group, returns an empty list.
fn against_others(
    groups: &BTreeMap<String, Counts>,
    question: impl Fn(&str, Share, Share, Evidence) -> Question,
) -> Vec<Question> {
    let all = groups
        .values()
        .map(Counts::share)
        .fold(Share::default(), |sum, share| Share { part: sum.part + share.part, whole: sum.whole + share.whole });
    let several = groups.len() > 1;
    let ask = |(name, counts): (&String, &Counts)| {
        let found = counts.share();
        let others = Share { part: all.part - found.part, whole: all.whole - found.whole };
        question(name, found, others, counts.bad.clone())
    };
    groups.iter().filter(|_| several).map(ask).collect()
}

impl Counts {
    fn share(&self) -> Share {
        Share { part: self.bad.count, whole: self.whole }
    }
}

impl From<Share> for Proportion {
    fn from(Share { part, whole }: Share) -> Self {
        Self { part, whole }
    }
}

fn share(part: u64, whole: u64) -> Statistic {
    let found = Share { part, whole };
    // Without any results, the true share can have any value.
    let interval = if whole == 0 { [0.0, 1.0] } else { Proportion::from(found).interval().map(significant) };
    Statistic::Share { found, interval }
}
