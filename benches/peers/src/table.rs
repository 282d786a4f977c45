//! Prints the table as text.

use crate::peers;
use crate::samples::Samples;

pub(crate) struct Row {
    pub(crate) peer: &'static str,
    /// True if an acknowledged record survives a power cut.
    pub(crate) durable: bool,
    pub(crate) threads: usize,
    pub(crate) samples: Samples,
}

const HEADER: [&str; 10] = [
    "peer",
    "threads",
    "records/s",
    "p50 µs",
    "p95 µs",
    "p99 µs",
    "p99.9 µs",
    "durable",
    "rate/runledger",
    "p50/runledger",
];

/// Returns a header, and one line for each row. The ratios compare a row with runledger's row for the same number of
/// threads. A ratio is `-` if that row does not exist.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut text = line(HEADER.map(str::to_owned));
    for row in rows {
        let runledger = rows.iter().find(|other| other.peer == peers::RUNLEDGER && other.threads == row.threads);
        text += &line(cells(row, runledger.map(|row| &row.samples)));
    }
    text
}

fn cells(row: &Row, runledger: Option<&Samples>) -> [String; 10] {
    let samples = &row.samples;
    let [p50, p95, p99, p999] = [500, 950, 990, 999].map(|per_mille| samples.percentile_us(per_mille));
    let rate = samples.records_per_second();
    let microseconds = |time: f64| format!("{time:.1}");
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    [
        row.peer.to_owned(),
        row.threads.to_string(),
        format!("{rate:.0}"),
        microseconds(p50),
        microseconds(p95),
        microseconds(p99),
        microseconds(p999),
        if row.durable { "yes" } else { "no" }.to_owned(),
        ratio(runledger.map(|runledger| rate / runledger.records_per_second())),
        ratio(runledger.map(|runledger| p50 / runledger.percentile_us(500))),
    ]
}

fn line([peer, threads, rate, p50, p95, p99, p999, durable, rate_ratio, p50_ratio]: [String; 10]) -> String {
    format!(
        "{peer:<36} {threads:>7} {rate:>10} {p50:>9} {p95:>9} {p99:>9} {p999:>9} {durable:>8} {rate_ratio:>15} \
         {p50_ratio:>14}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(peer: &'static str, latencies_ns: Vec<u64>) -> Row {
        Row { peer, durable: true, threads: 4, samples: Samples::new(latencies_ns, Duration::from_secs(1)) }
    }

    #[test]
    fn ratios_are_to_runledger_or_absent() {
        let ratios = |rows: &[Row]| {
            let text = render(rows);
            let last: Vec<String> = text.lines().last().unwrap().split_whitespace().map(str::to_owned).collect();
            last[last.len() - 2..].to_vec()
        };
        assert_eq!(ratios(&[row("other", vec![3_000])]), ["-", "-"]);
        let both = [row(peers::RUNLEDGER, vec![2_000, 2_000]), row("other", vec![3_000])];
        assert_eq!(ratios(&both), ["0.50", "1.50"]);
    }
}
