//! Formats the values of a comparison.

use runledger::baseline::{Metric, Verdict};

use crate::term::short;

/// Returns the function that formats the values of a metric.
pub(super) fn number_of(metric: &str) -> fn(f64) -> String {
    if metric == "success_rate" { short::percent } else { four_digits }
}

/// Returns the interval in percent of the baseline, or `None` if the baseline is 0 or unknown, or if there is no
/// interval.
pub(super) fn interval(metric: &Metric) -> Option<String> {
    let baseline = metric.baseline.filter(|baseline| *baseline != 0.0)?;
    let [low, high] = metric.interval?.map(|end| short::percent(end / baseline.abs()));
    Some(format!("{low} … {high}"))
}

/// Returns the number with four significant digits, but at most eight decimals, and without trailing zeros after the
/// point. If the number has more than four digits before the point, all of these digits are kept. A number without
/// decimals that would need more than eight characters is written like `1.23e8`. A number that is not 0 is never shown
/// as 0.
fn four_digits(number: f64) -> String {
    let places = match number.abs() {
        0.0 => 0,
        magnitude => (3 - magnitude.log10().floor() as i32).clamp(0, 8),
    };
    let text = format!("{number:.*}", places as usize);
    if number != 0.0 && text.trim_matches(['-', '0', '.']).is_empty() {
        if number > 0.0 { "<0.00000001".to_owned() } else { ">-0.00000001".to_owned() }
    } else if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else if text.len() > 8 {
        format!("{number:.2e}")
    } else {
        text
    }
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NoChangeShown => "no change shown",
        Verdict::TooFew => "too few",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits_or_all_digits_before_the_point() {
        for (number, text) in [
            (0.0, "0"),
            (0.979_59, "0.9796"),
            (1.0, "1"),
            (0.034_500_25, "0.0345"),
            (0.000_000_75, "0.00000075"),
            (0.000_000_006, "0.00000001"),
            (0.000_000_004, "<0.00000001"),
            (-0.000_000_004, ">-0.00000001"),
            (3_229.5, "3230"),
            (45_000.25, "45000"),
            (12_345_678.0, "12345678"),
            (-123_456_789.0, "-1.23e8"),
        ] {
            assert_eq!(four_digits(number), text);
        }
        assert_eq!(
            [0.0, 0.000_099, 0.0001, 0.05, 1.0].map(short::probability),
            ["<0.0001", "<0.0001", "0.0001", "0.0500", "1.0000"]
        );
    }
}
