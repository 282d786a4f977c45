//! Writes the sections of the page.

use std::fmt::Write;

use super::charts;
use super::markup::{Cell, Heading, UNKNOWN, escape, table};
use crate::baseline::Verdict;
use crate::metrics::Usd;
use crate::quota::WarningLevel;
use crate::report::costs::SkillRow;
use crate::report::data::{LedgerReport, QuotaBar};
use crate::report::latency::LatencyRow;
use crate::report::numbers::{are, bounded, count, duration, minute, percent, signed_percent, whole_percent};
use crate::report::observed::ExecutionRow;

/// Writes all sections. The first one has the verdicts, and the last ones list single executions.
pub(super) fn write(report: &LedgerReport, out: &mut String) {
    let mut body = findings(report);
    if report.is_empty() {
        let _ = write!(body, "<p class=\"next\">{}</p>", code(&escape(&report.next_step())));
    } else {
        body += &figures(report);
    }
    section(out, "Verdict", &report.verdict_title(), None, &body);
    if !report.is_empty() {
        costs(report, out);
        skills(report, out);
        latency(report, out);
        failures(report, out);
    }
    quotas(report, out);
    if report.is_empty() {
        return;
    }
    unknown(report, out);
    let note = report.executions_note();
    executions(out, "Slowest executions", &report.slowest_title(), &note, &report.slowest);
    executions(out, "Dearest executions", &report.dearest_title(), &note, &report.dearest);
}

/// Writes a section. Its title is a sentence.
fn section(out: &mut String, eyebrow: &str, title: &str, note: Option<&str>, body: &str) {
    let note = note.map_or_else(String::new, |note| format!("<p class=\"note\">{}</p>", code(&escape(note))));
    let _ = write!(
        out,
        "<section>\n<p class=\"eyebrow\">{eyebrow}</p>\n<h2>{}</h2>\n{note}{body}\n</section>\n",
        escape(title)
    );
}

/// Returns `html` with each command between backquotes marked as code. Other backquotes are part of names, and stay.
fn code(html: &str) -> String {
    let (mut out, mut rest) = (String::new(), html);
    while let Some((before, from)) = rest.split_once('`') {
        let inner = from.split_once('`').filter(|(inner, _)| inner.starts_with("runledger ") || *inner == "≥");
        out += before;
        match inner {
            Some((inner, after)) => {
                out += &format!("<code>{inner}</code>");
                rest = after;
            }
            None => {
                out.push('`');
                rest = from;
            }
        }
    }
    out + rest
}

fn findings(report: &LedgerReport) -> String {
    let mut out = "<ul class=\"findings\">".to_owned();
    for finding in report.findings() {
        let word = finding.tone.word();
        let _ =
            write!(out, "<li><span class=\"tone {word}\">{word}</span><div><p>{}</p>", code(&escape(&finding.text)));
        if !finding.details.is_empty() {
            let details: String =
                finding.details.iter().map(|detail| format!("<li>{}</li>", code(&escape(detail)))).collect();
            let _ = write!(out, "<ul>{details}</ul>");
        }
        out += "</div></li>";
    }
    out + "</ul>"
}

/// Returns the figures that most readers want first.
fn figures(report: &LedgerReport) -> String {
    let mut out = "<dl class=\"figures\">".to_owned();
    let mut figure = |name: &str, value: Option<String>, small: &str| {
        let value = value.unwrap_or_else(|| UNKNOWN.to_owned());
        let _ = write!(out, "<div><dt>{name}</dt><dd>{value}<small>{small}</small></dd></div>");
    };
    let skills = report.skills.rows.len() as u64 + report.skills.others;
    figure("Executions", Some(count(report.executions)), &format!("of {}", are(skills, "skill", "skills")));
    let cost = &report.cost;
    figure(
        "Cost in USD",
        cost.cost.map(|known| escape(&bounded(known, report.is_cost_bound()))),
        &format!("unknown for {} of {}", count(cost.unpriced), count(cost.executions)),
    );
    let failures = &report.failures;
    let rate = (failures.known > 0).then(|| percent(failures.failed as f64 / failures.known as f64));
    figure(
        "Failed or cancelled",
        rate,
        &format!(
            "{} of {}; unknown for {}",
            count(failures.failed),
            count(failures.known),
            count(failures.outcome_unknown)
        ),
    );
    out + "</dl>"
}

fn costs(report: &LedgerReport, out: &mut String) {
    let title = report.cost_title();
    let body = if report.cost.cost.is_some() && !report.cost.slices.is_empty() {
        charts::costs(&report.cost, &report.period.zone, &title) + &charts::legend(&report.cost)
    } else {
        String::new()
    };
    section(out, "Cost over time", &title, Some(&report.cost_note()), &body);
}

const fn heading(text: &'static str, class: &'static str) -> Heading {
    Heading { text, class }
}

fn skills(report: &LedgerReport, out: &mut String) {
    let title = report.skills_title();
    if report.skills.rows.is_empty() {
        return section(out, "Most expensive skills", &title, report.skills_note().as_deref(), "");
    }
    let headings = [
        heading("skill", "name"),
        heading("cost over time", "line"),
        heading("USD", "num"),
        heading("of known", "num"),
        heading("with a model", "num"),
        heading("cost unknown", "num"),
        heading("success", "num long"),
    ];
    let rows = report.skills.rows.iter().map(|row| {
        let line = charts::spark(&row.slices, &format!("cost of {} by {}", row.skill, report.cost.slice));
        vec![
            Cell::text(&row.skill),
            Cell::html(line),
            amount(row.cost, row.lower_bounds > 0),
            Cell::number(row.share, || percent(row.share.unwrap_or_default())),
            whole(row.executions),
            whole(row.unpriced),
            Cell::number(row.success_rate, || success(row)),
        ]
    });
    let body = table(&title, &headings, rows.collect())
        + "<p class=\"note\">Each line has a scale of its own, from 0 to its highest value. An unknown cost is a gap. USD is \
           the known cost of the executions with a model. Success is a share of the executions with a known outcome.</p>";
    section(out, "Most expensive skills", &title, report.skills_note().as_deref(), &body);
}

/// Returns the success rate, with the numbers of executions whose outcome is known and unknown.
fn success(row: &SkillRow) -> String {
    let rate = format!("{} of {}", percent(row.success_rate.unwrap_or_default()), count(row.outcome_known));
    match row.outcome_unknown {
        0 => rate,
        unknown => format!("{rate}, {} unknown", count(unknown)),
    }
}

fn amount(cost: Option<Usd>, is_bound: bool) -> Cell {
    let text = || cost.map(|cost| bounded(cost, is_bound)).unwrap_or_default();
    Cell::number(cost.map(|cost| cost.pico() as f64), text)
}

fn whole(number: u64) -> Cell {
    Cell::number(Some(number as f64), || count(number))
}

fn time(ms: Option<f64>) -> Cell {
    Cell::number(ms, || ms.map(duration).unwrap_or_default())
}

fn latency(report: &LedgerReport, out: &mut String) {
    let title = report.latency_title();
    let rows = &report.latency.rows;
    let body = if report.comparison.is_some() {
        compared(report, &title)
    } else {
        let headings = [
            heading("skill", "name"),
            heading("median", "num"),
            heading("p95", "num"),
            heading("n", "num"),
            heading("unknown", "num"),
        ];
        let rows = rows.iter().map(|row| {
            vec![Cell::text(&row.skill), time(row.p50_ms), time(row.p95_ms), whole(row.samples), whole(row.unknown)]
        });
        table(&title, &headings, rows.collect())
    };
    section(out, "Latency", &title, Some(&report.latency_note()), &body);
}

fn compared(report: &LedgerReport, title: &str) -> String {
    let scale = charts::change_scale(&report.latency.rows);
    let headings = [
        heading("skill", "name"),
        heading("baseline median", "num"),
        heading("baseline n", "num"),
        heading("median now", "num"),
        heading("n now", "num"),
        heading("change", "num"),
        heading("interval", "wide"),
        heading("verdict", "level"),
    ];
    let row = |row: &LatencyRow| {
        let (words, class) = match row.verdict {
            Some(Verdict::Worse) => ("slower", "bad"),
            Some(Verdict::Better) => ("faster", "ok"),
            Some(Verdict::NoChangeShown) => ("no change shown", ""),
            Some(Verdict::TooFew) => ("too few", "unknown"),
            None => ("no baseline", "unknown"),
        };
        let drawn = charts::interval(
            row,
            scale,
            if class == "bad" {
                "worse"
            } else if class == "ok" {
                "better"
            } else {
                "same"
            },
        );
        let ends = row.interval.map(|ends| ends.map(signed_percent).join(" to "));
        let interval = match (drawn, ends) {
            (Some(drawn), Some(ends)) => Cell {
                html: format!("<div>{drawn}<small>{}</small></div>", escape(&ends)),
                key: row.change.map(|change| change.to_string()),
            },
            _ => Cell::number(None, String::new),
        };
        vec![
            Cell::text(&row.skill),
            time(row.baseline_p50_ms),
            whole(row.baseline_samples),
            time(row.recent_p50_ms),
            whole(row.recent_samples),
            Cell::number(row.change, || row.change.map(signed_percent).unwrap_or_default()),
            interval,
            Cell { html: format!("<span class=\"{class}\">{words}</span>"), key: None },
        ]
    };
    let scale_note = match report.latency.rows.iter().any(|row| row.interval.is_some()) {
        true => format!(
            "<p class=\"note\">The line in the middle of an interval means no change, and each end of its scale means a \
             change of {}. Intervals beyond the scale are cut.</p>",
            whole_percent(scale)
        ),
        false => String::new(),
    };
    table(title, &headings, report.latency.rows.iter().map(row).collect()) + &scale_note
}

fn failures(report: &LedgerReport, out: &mut String) {
    let failures = &report.failures;
    let title = report.failures_title();
    let headings = [
        heading("category", "name"),
        heading("share of the failures", "wide"),
        heading("failures", "num"),
        heading("share", "num"),
    ];
    let rows = failures.categories.iter().map(|(category, number)| {
        let share = *number as f64 / failures.failed.max(1) as f64;
        vec![
            Cell::text(category.as_deref().unwrap_or("no category recorded")),
            Cell { html: charts::bar(share, "accent-bar"), key: Some(share.to_string()) },
            whole(*number),
            Cell::number(Some(share), || percent(share)),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let body = if rows.is_empty() { String::new() } else { table(&title, &headings, rows) };
    section(out, "Failures", &title, Some(&report.failures_note()), &body);
}

fn quotas(report: &LedgerReport, out: &mut String) {
    let title = report.quotas_title();
    let headings = [
        heading("limit", "name"),
        heading("used", "wide"),
        heading("%", "num"),
        heading("used and limit", "num long"),
        heading("held", "num"),
        heading("resets", "long"),
        heading("level", "level"),
    ];
    let row = |quota: &QuotaBar| {
        let (bar, tone) = match quota.level {
            WarningLevel::Green => ("ok-bar", "ok"),
            WarningLevel::Yellow => ("look-bar", "look"),
            WarningLevel::Red => ("bad-bar", "bad"),
        };
        let resets = match quota.resets_at {
            Some(time) => Cell { html: escape(&minute(time)), key: Some(time.to_string()) },
            None => Cell::number(None, String::new),
        };
        vec![
            Cell::text(&quota.name),
            Cell { html: charts::bar(quota.pct_used / 100.0, bar), key: Some(quota.pct_used.to_string()) },
            Cell::number(Some(quota.pct_used), || format!("{:.1}", quota.pct_used)),
            Cell { html: escape(&used(quota)), key: Some(quota.consumed.clone()) },
            Cell { html: escape(&quota.held), key: Some(quota.held.clone()) },
            resets,
            Cell { html: format!("<span class=\"{tone}\">{}</span>", quota.level), key: None },
        ]
    };
    let body = if report.quotas.is_empty() {
        String::new()
    } else {
        table(&title, &headings, report.quotas.iter().map(row).collect())
    };
    section(out, "Quotas", &title, report.quotas_note().as_deref(), &body);
}

/// Returns what is used of the limit, with the number of calls whose amount is unknown.
fn used(quota: &QuotaBar) -> String {
    match quota.amount_unknown {
        0 => quota.used_of_limit(),
        unknown => format!("{}; {}", quota.used_of_limit(), are(unknown, "call is unknown", "calls are unknown")),
    }
}

fn unknown(report: &LedgerReport, out: &mut String) {
    let title = report.unknown_title();
    let headings =
        [heading("figure", "name"), heading("unknown", "num"), heading("of", "num"), heading("what", "long")];
    let rows = report.unknown.iter().map(|figure| {
        vec![
            Cell::text(&figure.figure),
            whole(figure.unknown),
            Cell::number(figure.of.map(|of| of as f64), || figure.of.map(count).unwrap_or_default()),
            Cell::text(figure.what),
        ]
    });
    section(out, "What is unknown", &title, None, &table(&title, &headings, rows.collect()));
}

fn executions(out: &mut String, eyebrow: &str, title: &str, note: &str, rows: &[ExecutionRow]) {
    if rows.is_empty() {
        return section(out, eyebrow, title, None, "");
    }
    let headings = [
        heading("skill", "name"),
        heading("start", "when"),
        heading("latency", "num"),
        heading("USD", "num"),
        heading("outcome", "level"),
        heading("id", "id"),
    ];
    let rows = rows.iter().map(|row| {
        let outcome = match (row.outcome(), row.succeeded) {
            (Some(word), Some(true)) => format!("<span class=\"ok\">{}</span>", escape(word)),
            (Some(word), Some(false)) => format!("<span class=\"bad\">{}</span>", escape(word)),
            _ => UNKNOWN.to_owned(),
        };
        vec![
            Cell::text(&row.skill),
            Cell { html: escape(&minute(row.start)), key: Some(row.start.to_string()) },
            time(row.latency_ms.map(|ms| ms as f64)),
            amount(row.cost_usd, row.is_lower_bound),
            Cell::html(outcome),
            Cell::text(&row.execution_id.to_string()),
        ]
    });
    section(out, eyebrow, title, Some(note), &table(title, &headings, rows.collect()));
}
