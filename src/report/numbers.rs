//! Formats numbers for people. The JSON of a report has every digit.

use crate::metrics::{Timestamp, Usd};

/// Returns a count with a comma after each three digits, such as `1,234,567`.
pub(super) fn count(count: u64) -> String {
    with_commas(&count.to_string())
}

fn with_commas(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns an amount without its unit. An amount between −1 and 1 US dollar has four decimals, and any other amount has
/// two. An amount that is not 0 is never shown as 0.
pub(super) fn usd(amount: Usd) -> String {
    const DOLLAR: u128 = 10u128.pow(12);
    let magnitude = amount.pico().unsigned_abs();
    let decimals: u32 = if magnitude < DOLLAR { 4 } else { 2 };
    let unit = 10u128.pow(12 - decimals);
    let (floor, rest) = (magnitude / unit, magnitude % unit);
    let units = floor + u128::from(rest * 2 > unit || (rest * 2 == unit && floor % 2 == 1));
    let sign = if amount < Usd::ZERO { "-" } else { "" };
    if units == 0 && magnitude > 0 {
        return if sign.is_empty() { "<0.0001".to_owned() } else { ">-0.0001".to_owned() };
    }
    let whole = with_commas(&(units / 10u128.pow(decimals)).to_string());
    format!("{sign}{whole}.{:0width$}", units % 10u128.pow(decimals), width = decimals as usize)
}

/// Like [`usd`], but puts `≥` before an amount that is only a lower bound. If such an amount is too small to be shown,
/// returns `>0`.
pub(super) fn bounded(amount: Usd, is_lower_bound: bool) -> String {
    let text = usd(amount);
    match text.strip_prefix('<') {
        _ if !is_lower_bound => text,
        // The form <0.0001 is used for an amount between 0 and 0.0001, so the amount is certainly above 0.
        Some(_) => ">0".to_owned(),
        None => format!("≥{}", text.trim_start_matches('>')),
    }
}

/// Like [`bounded`], but in words, such as `at least 1.50 USD`.
pub(super) fn in_words(amount: Usd, is_lower_bound: bool) -> String {
    match bounded(amount, is_lower_bound).strip_prefix(['≥', '>']) {
        Some("0") => "more than 0 USD".to_owned(),
        Some(least) if is_lower_bound => format!("at least {least} USD"),
        _ => format!("{} USD", usd(amount)),
    }
}

/// Returns a mean amount without its unit. It has four significant digits, or two decimals from 100 US dollars on.
pub(super) fn mean_usd(amount: f64) -> String {
    let places = if amount == 0.0 { 4 } else { (3 - amount.abs().log10().floor() as i32).clamp(2, 15) };
    format!("{amount:.*}", places as usize)
}

/// Returns a share in percent with one decimal, such as `12.5 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Returns a round share in percent, with as few decimals as it needs, such as `5 %` or `2.5 %`.
pub(super) fn whole_percent(share: f64) -> String {
    let text = percent(share);
    text.replace(".0 %", " %")
}

/// Like [`percent`], but with a sign, unless the result is `0.0 %`.
pub(super) fn signed_percent(share: f64) -> String {
    let text = format!("{:+.1} %", share * 100.0);
    if matches!(text.as_str(), "+0.0 %" | "-0.0 %") { "0.0 %".to_owned() } else { text }
}

/// Returns a duration with its unit, such as `850 ms`, `3.2 s`, `12.0 min` or `5.5 h`.
pub(super) fn duration(ms: f64) -> String {
    match ms {
        ..1_000.0 if ms.fract() == 0.0 => format!("{ms:.0} ms"),
        ..100.0 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        ..59_950.0 => format!("{:.1} s", ms / 1_000.0),
        ..3_597_000.0 => format!("{:.1} min", ms / 60_000.0),
        _ => format!("{:.1} h", ms / 3_600_000.0),
    }
}

/// Returns a time without seconds, such as `2026-11-30 14:23 UTC`.
pub(super) fn minute(time: Timestamp) -> String {
    format!("{} UTC", time.to_string().replace('T', " ").chars().take(16).collect::<String>())
}

/// Returns `one` if the count is 1, and `many` otherwise.
pub(super) fn noun<'t>(count: u64, one: &'t str, many: &'t str) -> &'t str {
    if count == 1 { one } else { many }
}

/// Returns the count with `is` or `are`, such as `2 are`, or `none is` if the count is 0.
pub(super) fn none_or(count: u64) -> String {
    if count == 0 { "none is".to_owned() } else { are(count, "is", "are") }
}

/// Returns the count with `one` if the count is 1, and with `many` otherwise.
pub(super) fn are(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), noun(number, one, many))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_two_or_four_decimals() {
        for (amount, text) in [
            ("0", "0.0000"),
            ("0.00000001", "<0.0001"),
            ("-0.00000001", ">-0.0001"),
            ("0.00005", "<0.0001"),
            ("0.00015", "0.0002"),
            ("0.99995", "1.0000"),
            ("1.005", "1.00"),
            ("-1234567.895", "-1,234,567.90"),
        ] {
            assert_eq!(usd(amount.parse().unwrap()), text, "{amount}");
        }
    }

    #[test]
    fn a_lower_bound_is_marked() {
        let marked = ["0", "0.00000001", "-0.00000001", "1.5"].map(|amount| bounded(amount.parse().unwrap(), true));
        assert_eq!(marked, ["≥0.0000", ">0", "≥-0.0001", "≥1.50"]);
        assert_eq!(bounded("0.00000001".parse().unwrap(), false), "<0.0001");
        let words = ["0", "0.00000001", "-0.00000001", "1.5"];
        assert_eq!(
            words.map(|amount| in_words(amount.parse().unwrap(), true)),
            ["at least 0.0000 USD", "more than 0 USD", "at least -0.0001 USD", "at least 1.50 USD"]
        );
        assert_eq!(
            words.map(|amount| in_words(amount.parse().unwrap(), false)),
            ["0.0000 USD", "<0.0001 USD", ">-0.0001 USD", "1.50 USD"]
        );
    }

    #[test]
    fn a_mean_amount_has_four_digits_or_two_decimals() {
        let means = [0.0, 0.000_000_123_45, 0.034_56, 1.5, 1_234.567].map(mean_usd);
        assert_eq!(means, ["0.0000", "0.0000001235", "0.03456", "1.500", "1234.57"]);
    }

    #[test]
    fn counts_and_durations_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let durations = [0.0, 0.5, 850.0, 999.7, 1_000.0, 59_949.0, 59_950.0, 3_597_000.0].map(duration);
        assert_eq!(durations, ["0 ms", "0.5 ms", "850 ms", "1.0 s", "1.0 s", "59.9 s", "1.0 min", "1.0 h"]);
        assert_eq!([-0.0004, 0.0004, -0.001].map(signed_percent), ["0.0 %", "0.0 %", "-0.1 %"]);
        assert_eq!((percent(0.125), signed_percent(0.125)), ("12.5 %".to_owned(), "+12.5 %".to_owned()));
    }
}
