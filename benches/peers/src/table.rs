//! Prints the table as text.

use crate::samples::Samples;

pub(crate) struct Row {
    pub(crate) peer: &'static str,
    /// True if an acknowledged record survives a power cut.
    pub(crate) durable: bool,
    /// The number of threads or tasks.
    pub(crate) callers: usize,
    pub(crate) samples: Samples,
}

const HEADER: [&str; 10] = [
    "peer",
    "callers",
    "records/s",
    "p50 µs",
    "p95 µs",
    "p99 µs",
    "p99.9 µs",
    "durable",
    "rate/runledger",
    "p50/runledger",
];

/// Returns a header, and one line for each row. The ratios compare a row with the first row for the same number of
/// callers. This first row is always one of runledger.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut text = line(HEADER.map(str::to_owned));
    for row in rows {
        let first = rows.iter().find(|other| other.callers == row.callers).unwrap_or(row);
        text += &line(cells(row, &first.samples));
    }
    text
}

fn cells(row: &Row, runledger: &Samples) -> [String; 10] {
    let samples = &row.samples;
    let [p50, p95, p99, p999] = [500, 950, 990, 999].map(|per_mille| samples.percentile_us(per_mille));
    let rate = samples.records_per_second();
    let microseconds = |time: f64| format!("{time:.1}");
    [
        row.peer.to_owned(),
        row.callers.to_string(),
        format!("{rate:.0}"),
        microseconds(p50),
        microseconds(p95),
        microseconds(p99),
        microseconds(p999),
        if row.durable { "yes" } else { "no" }.to_owned(),
        format!("{:.2}", rate / runledger.records_per_second()),
        format!("{:.2}", p50 / runledger.percentile_us(500)),
    ]
}

fn line([peer, callers, rate, p50, p95, p99, p999, durable, rate_ratio, p50_ratio]: [String; 10]) -> String {
    format!(
        "{peer:<36} {callers:>7} {rate:>10} {p50:>9} {p95:>9} {p99:>9} {p999:>9} {durable:>8} {rate_ratio:>15} \
         {p50_ratio:>14}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(callers: usize, latencies_ns: Vec<u64>) -> Row {
        let samples = Samples::new(latencies_ns, Duration::from_secs(1));
        Row { peer: "peer", durable: true, callers, samples }
    }

    #[test]
    fn ratios_are_to_the_first_row_of_the_same_number_of_callers() {
        let text = render(&[row(4, vec![2_000, 2_000]), row(64, vec![1_000]), row(4, vec![3_000])]);
        let ratios: Vec<Vec<&str>> =
            text.lines().skip(1).map(|line| line.split_whitespace().rev().take(2).collect()).collect();
        assert_eq!(ratios, [["1.00", "1.00"], ["1.00", "1.00"], ["1.50", "0.50"]]);
    }
}
