//! Short forms of numbers for tables. A number halfway between two short forms is rounded to an even last digit.

use runledger::Usd;

/// Returns a count in at most 7 characters. A count below 10,000 has all its digits. A count of 10,000 or more is
/// rounded to three digits, such as `12.3M`.
pub(crate) fn count(count: u128) -> String {
    match count {
        0..10_000 => count.to_string(),
        _ => three_digits(count, 0),
    }
}

/// Returns a count with all its digits, and its noun in the singular or the plural, such as `1 file` or `2 files`.
pub(crate) fn several(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Returns a duration in its largest unit, rounded down, such as `59s`, `3h` or `12d`.
pub(crate) fn age(ms: u64) -> String {
    match ms / 1000 {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ ..3_600 => format!("{}m", seconds / 60),
        seconds @ ..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Returns a duration in its two largest units, rounded down, such as `59m`, `1h59m`, `2h` or `2d23h`.
pub(crate) fn remaining(ms: u64) -> String {
    let minutes = ms / 60_000;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, 0) => format!("{hours}h"),
        (days @ 1.., 0, _) => format!("{days}d"),
        (0, hours, minutes) => format!("{hours}h{minutes:02}m"),
        (days, hours, _) => format!("{days}d{hours:02}h"),
    }
}

/// Returns a percentage as a bar of ten cells. Each cell represents 10 %, and the number of full cells is rounded.
pub(crate) fn bar(percent: f64) -> String {
    const CELLS: usize = 10;
    let full = (percent.clamp(0.0, 100.0) / CELLS as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(CELLS - full))
}

/// Returns an amount in US dollars in at most 10 characters. An amount below 1 has four decimals, an amount below a
/// million has two, and any other amount has three digits. An amount that is not 0 is never shown as 0.
pub(crate) fn usd(amount: Usd) -> String {
    const DECIMALS: u32 = 12;
    const DOLLAR: u128 = 10u128.pow(DECIMALS);
    let magnitude = amount.pico().unsigned_abs();
    let text = match magnitude {
        0 => "0.0000".to_owned(),
        1..DOLLAR => match half_even(magnitude, DOLLAR / 10_000) {
            0 => return if amount > Usd::ZERO { "<0.0001".to_owned() } else { ">-0.0001".to_owned() },
            units => format!("{}.{:04}", units / 10_000, units % 10_000),
        },
        _ => match half_even(magnitude, DOLLAR / 100) {
            cents @ ..100_000_000 => format!("{}.{:02}", cents / 100, cents % 100),
            _ => three_digits(magnitude, DECIMALS),
        },
    };
    if amount < Usd::ZERO { format!("-{text}") } else { text }
}

/// Returns `text`, the short form of a number. If the number is only a lower bound, puts `≥` before the short form.
pub(crate) fn bounded(text: String, is_lower_bound: bool) -> String {
    match text.strip_prefix('<') {
        _ if !is_lower_bound => text,
        // The form <0.0001 is used for a number between 0 and 0.0001, so the value is certainly above 0.
        Some(_) => ">0".to_owned(),
        None => format!("≥{}", text.trim_start_matches('>')),
    }
}

/// Returns a share in percent with one decimal, such as `-12.5%`. If this text has more than 8 characters, returns two
/// significant digits and an exponent instead, such as `1.0e5%`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = format!("{percent:.1}%");
    if text.len() <= 8 { text } else { format!("{percent:.1e}%") }
}

/// Returns a p-value with four decimals. A p-value below 0.0001 is `<0.0001`.
pub(crate) fn probability(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}

/// Returns `value` × 10^−`decimals` with three digits, such as `123k`, `1.23M`, `12.3B` or `123T`. The product must be
/// at least 1. From 10¹⁵ on, the text has an exponent, as in `1.23e15`.
fn three_digits(value: u128, decimals: u32) -> String {
    let places = value.checked_ilog10().unwrap_or(0);
    let (digits, places) = match half_even(value, 10u128.pow(places.saturating_sub(2))) {
        1000 => (100, places + 1),
        digits => (digits, places),
    };
    let exponent = places.saturating_sub(decimals);
    let with_point = |after: u32| match 10u128.pow(after) {
        1 => digits.to_string(),
        unit => format!("{}.{:0width$}", digits / unit, digits % unit, width = after as usize),
    };
    match ["", "k", "M", "B", "T"].get(exponent as usize / 3) {
        Some(suffix) => with_point(2 - exponent % 3) + suffix,
        None => format!("{}e{exponent}", with_point(2)),
    }
}

/// Returns `value` / `unit` as a whole number. A value halfway between two numbers is rounded to the even one.
fn half_even(value: u128, unit: u128) -> u128 {
    let floor = value / unit;
    let rest = value % unit;
    floor + u128::from(rest > unit - rest || (rest == unit - rest && floor % 2 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_1_is_singular() {
        assert_eq!(
            [0, 1, 2, 10_000].map(|n| several(n, "file", "files")),
            ["0 files", "1 file", "2 files", "10000 files"]
        );
    }

    #[test]
    fn an_age_is_in_its_largest_unit() {
        let ages = [0, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000, u64::MAX].map(age);
        assert_eq!(ages, ["0s", "59s", "1m", "59m", "1h", "23h", "1d", "213503982334d"]);
    }

    #[test]
    fn a_bar_always_has_ten_cells() {
        let bars = [-1.0, 0.0, 4.9, 5.0, 55.0, 99.0, 100.0, 250.0].map(bar);
        let full = bars.map(|bar| (bar.chars().filter(|&cell| cell == '█').count(), bar.chars().count()));
        assert_eq!(full, [(0, 10), (0, 10), (0, 10), (1, 10), (6, 10), (10, 10), (10, 10), (10, 10)]);
    }

    #[test]
    fn counts_keep_three_digits() {
        for (value, text) in [
            (0, "0"),
            (9999, "9999"),
            (10_000, "10.0k"),
            (10_050, "10.0k"),
            (10_051, "10.1k"),
            (10_150, "10.2k"),
            (99_949, "99.9k"),
            (99_950, "100k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (12_345_678, "12.3M"),
            (1_000_000_000, "1.00B"),
            (u128::from(u64::MAX), "1.84e19"),
            (999_499_999_999_999, "999T"),
            (999_500_000_000_000, "1.00e15"),
            (u128::MAX, "3.40e38"),
        ] {
            assert_eq!(count(value), text, "{value}");
        }
    }

    #[test]
    fn amounts_have_two_or_four_decimals_or_three_digits() {
        for (amount, text) in [
            ("0", "0.0000"),
            ("0.000000000001", "<0.0001"),
            ("-0.00005", ">-0.0001"),
            ("0.00005", "<0.0001"),
            ("0.000050000001", "0.0001"),
            ("0.00015", "0.0002"),
            ("0.00025", "0.0002"),
            ("0.03450025", "0.0345"),
            ("0.99995", "1.0000"),
            ("1", "1.00"),
            ("1.005", "1.00"),
            ("1.015", "1.02"),
            ("-12.346", "-12.35"),
            ("999999.994", "999999.99"),
            ("-999999.994", "-999999.99"),
            ("999999.995", "1.00M"),
            ("1234567.891", "1.23M"),
            ("98765432109876.12", "98.8T"),
        ] {
            assert_eq!(usd(amount.parse().unwrap()), text, "{amount}");
        }
        assert_eq!(usd(Usd::from_pico(i128::MAX)), "1.70e26");
        assert_eq!(usd(Usd::from_pico(i128::MIN)), "-1.70e26");
    }

    #[test]
    fn shares_are_written_in_percent() {
        for (share, text) in [
            (0.0, "0.0%"),
            (-0.125, "-12.5%"),
            (999.999, "99999.9%"),
            (1000.0, "1.0e5%"),
            (-99.99, "-9999.0%"),
            (-100.0, "-1.0e4%"),
            (-1e30, "-1.0e32%"),
        ] {
            assert_eq!(percent(share), text, "{share}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_short_form_never_exceeds_its_maximum_width(value: u128, shift in 0u32..128, share: f64) {
            let value = value >> shift;
            proptest::prop_assert!(count(value).len() <= 7);
            let amount = Usd::from_pico(value.cast_signed());
            proptest::prop_assert!(usd(amount).len() <= 10, "{}", amount);
            // The ratio of two amounts is at most 10⁴⁰.
            let share = share.clamp(-1e40, 1e40);
            proptest::prop_assert!(percent(share).len() <= 8);
        }
    }
}
