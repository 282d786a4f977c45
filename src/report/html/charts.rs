//! The charts as inline SVG.
//!
//! The crate plotters is not used, because its SVG backend writes fixed colours and sizes, without classes and
//! titles. Its charts could not be dark in dark mode, and would shrink their text on a narrow screen. In these
//! charts, positions are in percent of the width, colours are classes, and texts are HTML next to the drawing.

use std::fmt::Write;

use super::markup::escape;
use crate::baseline::Verdict;
use crate::metrics::Usd;
use crate::report::costs::CostOverTime;
use crate::report::latency::LatencyRow;
use crate::report::numbers::{bounded, count, noun};

/// The height of the chart of costs in pixels.
const HEIGHT: f64 = 220.0;
/// The largest number of horizontal lines of a chart, not counting the line of 0.
const LINES_MAX: f64 = 4.0;
/// The widest bar, in percent of the chart.
const BAR_MAX: f64 = 6.0;
/// The height in pixels of the dashed mark. A bar has this mark if some of its costs are unknown or lower bounds.
const OPEN_HEIGHT: f64 = 7.0;
/// The largest change that the scale of the intervals can show.
const CHANGE_MAX: f64 = 2.0;

/// Returns the bars of the cost over time, with their axes. `zone` is the time zone of the days, and `title`
/// describes the chart to a reader who cannot see it. A bar has a dashed mark on top if some of its costs are unknown
/// or lower bounds.
pub(super) fn costs(cost: &CostOverTime, zone: &str, title: &str) -> String {
    let highest = cost.slices.iter().filter_map(|slice| slice.cost).max().map_or(0.0, dollars);
    let step = step(highest / LINES_MAX);
    let top = (highest / step).ceil().max(1.0) * step;
    let y = |value: f64| HEIGHT * (1.0 - value / top);
    let (mut labels, mut drawn) = (String::new(), String::new());
    for line in 0..=(top / step).round() as u32 {
        let value = f64::from(line) * step;
        let text = label(value, step);
        let _ = write!(labels, "<span style=\"bottom:{:.2}%\">{text}</span><b>{text}</b>", 100.0 * value / top);
        let class = if line == 0 { "zero" } else { "grid" };
        let _ = write!(drawn, "<line class=\"{class}\" x1=\"0\" x2=\"100%\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>", y(value));
    }
    let slot = 100.0 / cost.slices.len().max(1) as f64;
    let width = (slot * 0.82).min(BAR_MAX);
    drawn += "<g class=\"bars\">";
    for (at, slice) in cost.slices.iter().enumerate() {
        let is_bound = slice.lower_bounds > 0;
        let known =
            slice.cost.map_or_else(|| "cost unknown".to_owned(), |cost| format!("{} USD", bounded(cost, is_bound)));
        let unpriced = match slice.unpriced {
            0 => String::new(),
            unpriced => format!(", {} of unknown cost", count(unpriced)),
        };
        let unpriced = match slice.lower_bounds {
            0 => unpriced,
            bounds => format!("{unpriced}, {} whose cost is a lower bound", count(bounds)),
        };
        let n = format!("{} {}", count(slice.executions), noun(slice.executions, "execution", "executions"));
        let _ = write!(drawn, "<g><title>{}: {}, {n}{unpriced}</title>", escape(&slice.start), escape(&known));
        let x = slot * (at as f64 + 0.5) - width / 2.0;
        let mut below = 0.0;
        let others = slice.others.map(|others| (5, others));
        for (series, part) in
            slice.parts.iter().enumerate().filter_map(|(series, part)| Some((series, (*part)?))).chain(others)
        {
            let height = HEIGHT * dollars(part) / top;
            if height < 0.05 {
                continue;
            }
            let _ = write!(
                drawn,
                "<rect class=\"s{series}\" x=\"{x:.2}%\" width=\"{width:.2}%\" y=\"{:.1}\" height=\"{height:.1}\"/>",
                y(below) - height
            );
            below += dollars(part);
        }
        if slice.unpriced > 0 || is_bound {
            let _ = write!(
                drawn,
                "<rect class=\"open\" x=\"{x:.2}%\" width=\"{width:.2}%\" y=\"{:.1}\" height=\"{OPEN_HEIGHT}\"/>",
                y(below) - OPEN_HEIGHT
            );
        }
        drawn += "</g>";
    }
    drawn += "</g>";
    format!(
        "<div class=\"chart\"><div class=\"unit\">USD per {} ({})</div><div class=\"ys\" aria-hidden=\"true\">{labels}</div>\
         <svg height=\"{HEIGHT}\" role=\"img\" aria-label=\"{}\">{drawn}</svg><div class=\"xs\">{}</div></div>",
        cost.slice,
        escape(zone),
        escape(title),
        times(cost, slot)
    )
}

/// Returns the labels of the horizontal axis. Only the first and the last one are shown on a narrow screen.
fn times(cost: &CostOverTime, slot: f64) -> String {
    let last = cost.slices.len().saturating_sub(1);
    let labels = last.min(4);
    let mut out = String::new();
    for label in 0..=labels {
        let at = (label * last).checked_div(labels).unwrap_or(0);
        let Some(slice) = cost.slices.get(at) else { continue };
        let (class, left) = match label {
            0 if last > 6 => ("first", 0.0),
            _ if at == last && last > 6 => ("last", 100.0),
            _ if label == 0 || at == last => ("end", slot * (at as f64 + 0.5)),
            _ => ("inner", slot * (at as f64 + 0.5)),
        };
        let _ = write!(out, "<span class=\"{class}\" style=\"left:{left:.2}%\">{}</span>", escape(&slice.start));
    }
    out
}

/// Returns the names of the parts of the bars.
pub(super) fn legend(cost: &CostOverTime) -> String {
    let mut out = "<ul class=\"legend\">".to_owned();
    let mut item = |class: usize, name: &str, known: Option<Usd>, is_bound: bool| {
        let known = known.map_or_else(|| "unknown".to_owned(), |known| format!("{} USD", bounded(known, is_bound)));
        let swatch =
            format!("<svg aria-hidden=\"true\"><rect class=\"s{class}\" width=\"10\" height=\"10\" rx=\"2\"/></svg>");
        let _ = write!(out, "<li>{swatch}{} <span>{}</span></li>", escape(name), escape(&known));
    };
    for (at, series) in cost.series.iter().enumerate() {
        item(at, series.name.as_deref().unwrap_or("unknown model"), series.cost, series.lower_bounds > 0);
    }
    if let Some(others) = cost.others() {
        item(5, &format!("all other {}s", cost.by.name()), Some(others), cost.others_are_bounds);
    }
    let open = match (cost.unpriced, cost.lower_bounds) {
        (0, 0) => return out + "</ul>",
        (_, 0) => "some costs are unknown",
        (0, _) => "some costs are lower bounds",
        _ => "some costs are unknown or lower bounds",
    };
    let _ = write!(
        out,
        "<li><svg aria-hidden=\"true\"><rect class=\"open\" width=\"10\" height=\"10\"/></svg>{open}, not to scale</li>"
    );
    out + "</ul>"
}

/// Returns a small line chart of costs. An unknown cost is a gap. A known cost between two gaps is a dot.
pub(super) fn spark(costs: &[Option<Usd>], title: &str) -> String {
    let highest = costs.iter().flatten().max().map_or(0.0, |cost| dollars(*cost));
    let scale = if highest > 0.0 { 25.0 / highest } else { 0.0 };
    let across = 100.0 / costs.len().saturating_sub(1).max(1) as f64;
    let (mut line, mut area, mut is_open) = (String::new(), String::new(), false);
    let mut last = 0.0;
    for (at, cost) in costs.iter().enumerate() {
        let x = across * at as f64;
        let Some(cost) = cost else {
            if is_open {
                let _ = write!(area, "V27Z");
            }
            is_open = false;
            continue;
        };
        let y = 26.5 - dollars(*cost) * scale;
        if is_open {
            let _ = write!(line, "L{x:.1} {y:.1}");
            let _ = write!(area, "L{x:.1} {y:.1}");
        } else {
            let is_alone = costs.get(at + 1).is_none_or(Option::is_none);
            let _ = write!(line, "M{x:.1} {y:.1}{}", if is_alone { "h0" } else { "" });
            let _ = write!(area, "M{x:.1} 27V{y:.1}");
        }
        is_open = true;
        last = y;
    }
    if is_open {
        area += "V27Z";
    }
    if costs.len() == 1 && is_open {
        line = format!("M0 {last:.1}H100");
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 100 28\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
         <path class=\"area\" d=\"{area}\"/><path d=\"{line}\"/></svg>",
        escape(title)
    )
}

/// Returns a horizontal bar for a share from 0 to 1. A share above 1 fills the bar.
pub(super) fn bar(share: f64, class: &str) -> String {
    let width = (share * 100.0).clamp(0.0, 100.0);
    format!(
        "<svg height=\"10\" aria-hidden=\"true\"><rect class=\"track\" width=\"100%\" height=\"10\" rx=\"2\"/>\
         <rect class=\"{class}\" width=\"{width:.2}%\" height=\"10\" rx=\"2\"/></svg>"
    )
}

/// Returns the largest change on the scale that the intervals of these rows share.
pub(super) fn change_scale(rows: &[LatencyRow]) -> f64 {
    // Metrics with too few executions have very wide intervals. These intervals do not set the scale, because the
    // other intervals would then look like dots.
    let is_judged = |row: &&LatencyRow| row.verdict != Some(Verdict::TooFew);
    let has_judged = rows.iter().any(|row| is_judged(&row));
    let rows = rows.iter().filter(|row| !has_judged || is_judged(row));
    let highest = rows.filter_map(|row| row.interval).flatten().map(f64::abs).fold(0.05, f64::max).min(CHANGE_MAX);
    step(highest / 2.0) * 2.0
}

/// Draws the interval of a change. The middle of the drawing means no change. Returns `None` if the row has no
/// interval.
pub(super) fn interval(row: &LatencyRow, scale: f64, class: &str) -> Option<String> {
    let [low, high] = row.interval?;
    let x = |change: f64| 50.0 + 48.0 * (change / scale).clamp(-1.0, 1.0);
    let dot = row.change.map_or_else(String::new, |change| {
        format!("<circle class=\"dot\" cx=\"{:.2}%\" cy=\"10\" r=\"4\"/>", x(change))
    });
    Some(format!(
        "<svg height=\"20\" class=\"{class}\" aria-hidden=\"true\"><line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"10\" y2=\"10\"/>\
         <line class=\"zero\" x1=\"50%\" x2=\"50%\" y1=\"1\" y2=\"19\"/>\
         <line class=\"whisker\" x1=\"{:.2}%\" x2=\"{:.2}%\" y1=\"10\" y2=\"10\"/>{dot}</svg>",
        x(low),
        x(high)
    ))
}

fn dollars(amount: Usd) -> f64 {
    amount.pico().max(0) as f64 / 1e12
}

/// Returns the smallest round step that is at least `least`. A round step is 1, 2, 2.5 or 5 times a power of ten.
/// Returns 1 if `least` is 0.
fn step(least: f64) -> f64 {
    if least <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    let found = [1.0, 2.0, 2.5, 5.0].into_iter().map(|times| times * power).find(|step| *step >= least * 0.999_999);
    found.unwrap_or(10.0 * power)
}

/// The largest number of decimals of a value on an axis. An amount has at most twelve decimals, and a step of a
/// quarter adds two.
const DECIMALS_MAX: i32 = 15;

/// Returns a value of the axis, with the decimals that `step` needs.
fn label(value: f64, step: f64) -> String {
    if step >= 1.0 && step.fract() == 0.0 {
        return count(value.round() as u64);
    }
    let decimals = (0..DECIMALS_MAX).find(|decimals| {
        let scaled = step * 10f64.powi(*decimals);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    format!("{value:.*}", decimals.unwrap_or(DECIMALS_MAX) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_values() {
        assert_eq!([0.0, 0.3, 1.0, 2.1, 26.0, 51.0].map(step), [1.0, 0.5, 1.0, 2.5, 50.0, 100.0]);
        assert_eq!(label(2500.0, 500.0), "2,500");
        assert_eq!(label(7.5, 2.5), "7.5");
        assert_eq!(label(0.075, 0.025), "0.075");
        assert_eq!(label(0.0, 0.000_2), "0.0000");
        assert_eq!(label(2.5e-13, 2.5e-13), "0.00000000000025");
    }

    #[test]
    fn an_unknown_cost_is_a_gap_in_the_line() {
        let usd = |cost: i128| Some(Usd::from_pico(cost));
        let svg = spark(&[usd(0), usd(50), None, usd(25), usd(100)], "t");
        assert!(svg.contains("<path d=\"M0.0 26.5L25.0 14.0M75.0 20.2L100.0 1.5\"/>"), "{svg}");
        let svg = spark(&[usd(100), None, usd(50), None, None], "t");
        assert!(svg.contains("<path d=\"M0.0 1.5h0M50.0 14.0h0\"/>"), "{svg}");
    }
}
