//! Writes the comparison as Markdown.

use runledger::baseline::{Metric, Verdict};

use super::answer::{Answer, NotJudged};
use super::cells::{interval, number_of, verdict};
use crate::baselines::of_lower_bounds;
use crate::markdown::{Align, Markdown, code};
use crate::term::{cell, short};

/// The verdicts in the order of the rows.
const VERDICTS: [Verdict; 4] = [Verdict::Worse, Verdict::Better, Verdict::NoChangeShown, Verdict::TooFew];

/// Returns the document. `samples_min` is the number of values that the baseline and the recent executions each need
/// for the verdict `no change shown`.
pub(super) fn document(answer: &Answer<'_>, samples_min: u64) -> Markdown {
    let metrics = || {
        let skills = answer.comparison.skills.iter();
        skills.flat_map(|(skill, compared)| compared.metrics().map(|(name, metric)| (skill, name, metric)))
    };
    let counts = VERDICTS.map(|wanted| {
        let count = metrics().filter(|(.., metric)| metric.verdict == wanted).count();
        format!("{count} {}", verdict(wanted))
    });
    let mut document = Markdown::new(&format!("Metrics of skills: {}", counts.join(", ")));
    document.paragraph(&format!(
        "Compared with the baselines of the week from {}. Judged: {} of {}.",
        answer.week_start, answer.judged, answer.metrics
    ));
    if let Some(text) = of_lower_bounds(answer.lower_bounds) {
        document.paragraph(&format!("Recent executions: {text}."));
    }
    let columns = [
        ("verdict", Align::Left),
        ("skill", Align::Left),
        ("metric", Align::Left),
        ("baseline", Align::Right),
        ("recent", Align::Right),
        ("change, 99 % interval", Align::Right),
        ("p", Align::Right),
        ("values", Align::Right),
        ("needed for a verdict", Align::Left),
    ];
    let rows = VERDICTS.into_iter().flat_map(|wanted| {
        metrics().filter(move |(.., metric)| metric.verdict == wanted).map(|(skill, name, metric)| {
            let number = number_of(name);
            [
                verdict(metric.verdict).to_owned(),
                code(skill),
                code(name),
                cell(metric.baseline.map(number)),
                cell(metric.recent.map(number)),
                cell(interval(&metric)),
                cell(metric.p_adjusted.map(short::probability)),
                format!("{} / {}", metric.baseline_samples, metric.recent_samples),
                needed(&metric, samples_min),
            ]
        })
    });
    document.table(columns, rows.collect::<Vec<_>>());
    document.paragraph("`values` shows the number of known values in the baseline, and in the recent executions.");
    if !answer.required_not_judged.is_empty() {
        document.paragraph("Required and not judged:");
        document.list(
            answer
                .required_not_judged
                .iter()
                .map(|NotJudged { skill, metric }| format!("{} of {}", code(metric), code(skill))),
        );
    }
    document
}

/// Returns a text that says how many more values a metric needs to be judged. The text is empty if the metric is
/// judged.
fn needed(metric: &Metric, samples_min: u64) -> String {
    if metric.is_judged() {
        return String::new();
    }
    let lacks =
        |what: &str, samples: u64| (samples < samples_min).then(|| format!("{} more {what}", samples_min - samples));
    let lacking = [lacks("in the baseline", metric.baseline_samples), lacks("recent", metric.recent_samples)];
    let lacking = lacking.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if lacking.is_empty() { "baselines that are frozen again".to_owned() } else { lacking }
}
