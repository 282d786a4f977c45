//! Sums up usage and costs for a report. Most of the sums come from the indexes, which store the sums of each hour.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::TimeZone;

use super::{Scan, Scanned, Superseded};
use crate::cost::{Report, rows};
use crate::error::Result;
use crate::journal::read::blocks::Block;
use crate::ledger::index::{Hour, hour_of};
use crate::ledger::reader::segments::Segment;
use crate::ledger::reader::starts::parts;
use crate::metrics::{ExecutionMetrics, Timestamp};

const HOUR_US: i64 = 3_600_000_000;

/// The report so far, and the hours of the current segment whose lines have to be read.
struct SumUp<Z> {
    report: Result<Report<Z>>,
    hours: HashSet<i64>,
}

impl Scan {
    /// Adds each execution whose start time `counts` accepts to `report`.
    ///
    /// The [index](crate::LedgerReader::find) of a segment stores the sums of each hour, so most lines do not have to
    /// be read. The lines of an hour are read if `counts` excludes a part of it, or if the hour belongs to two groups
    /// of the report. They are also read if a later line has the same execution as one of them, or if no index covers
    /// them. For a report by run, scene or agent, all lines are read.
    ///
    /// If the lines of an hour are not read, `counts` is called only with the first and the last microsecond of the
    /// hour. So if `counts` accepts both, it must accept every time between them.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a segment cannot be read;
    /// [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum exceeds the range of [`Usd`](crate::Usd);
    /// [`ErrorKind::Abandoned`](crate::ErrorKind::Abandoned) if `counts` panicked on a thread that this call started.
    ///
    /// ```
    /// use runledger::cost::{CostBy, Report};
    /// use runledger::{Ledger, Skill, Usage};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("execution_metrics.jsonl");
    /// let ledger = Ledger::open(&path)?;
    /// let mut execution = ledger.begin(Skill::new("summarize", "1.0.0"));
    /// execution.record_usage("gpt-4o-mini", Usage::new(1_000, 500));
    /// assert!(execution.succeed().is_durable());
    /// let found = ledger.reader().scan().sum_up(Report::new(CostBy::Skill), |_| true)?;
    /// assert_eq!(found.value.totals().cost, Some("0.00045".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sum_up<Z>(&self, report: Report<Z>, counts: impl Fn(Timestamp) -> bool + Sync) -> Result<Scanned<Report<Z>>>
    where
        Z: TimeZone + Send + Sync,
    {
        let has = |start: Timestamp| self.starts.has(start) && counts(start);
        let empty = report.emptied();
        let init = || Ok(empty.clone());
        let merge = |all: &mut _, later: Result<_>| add(all, |report: &mut Report<Z>| report.merge(later?));
        let mut progress = self.progress();
        let superseded = Arc::clone(&progress.superseded);
        let mut all = SumUp { report: Ok(report), hours: HashSet::new() };
        let by_sums = |segment: &mut Segment<'_>, all: &mut SumUp<Z>| {
            let (found, hours, parts) = self.by_sums(segment, &superseded, &empty, has)?;
            all.hours = hours;
            add(&mut all.report, |report| report.merge(found));
            Some(parts)
        };
        self.each_stretch((&mut progress, &mut all), by_sums, |stretch, (progress, all)| {
            let SumUp { report, hours } = all;
            let take = |report: &mut _, record: &ExecutionMetrics| {
                let start = record.timestamp_start;
                if has(start) && (!stretch.is_covered || hours.contains(&hour_of(start))) {
                    add(report, |report: &mut Report<Z>| report.add(record));
                }
            };
            self.fold_stretch::<ExecutionMetrics, _>(stretch.block, (progress, report), init, take, merge)
        })?;
        Ok(Scanned { value: all.report?, end: progress.end(), skipped: progress.into_skipped() })
    }

    /// Adds up the sums that the index has for the hours of a segment. Uses the sums of an hour only if all its lines
    /// count, and belong to one group of the report. Returns the sums, the other hours of the period, and the parts of
    /// the segment that have the lines of these other hours. Returns `None` if the index has no sums, or if the report
    /// cannot use them.
    fn by_sums<Z: TimeZone>(
        &self,
        segment: &mut Segment<'_>,
        superseded: &Superseded,
        empty: &Report<Z>,
        has: impl Fn(Timestamp) -> bool,
    ) -> Option<(Report<Z>, HashSet<i64>, Vec<Block>)> {
        if !empty.has_rows() || !segment.index_file()?.has_sums() {
            return None;
        }
        let (first, last) = self.starts.hours();
        // Ask for all three at once, so that they come from the same index. If a page is damaged, `ask` replaces the
        // index and asks again.
        let (hours, names, pages) = segment.ask(|index| {
            let answers = (index.hours(first, last)?, index.names()?, index.sums(first, last)?);
            Ok(match answers {
                (Some(hours), Some(names), Some(pages)) => Some((hours, names, pages)),
                _ => None,
            })
        })?;
        let counts = |hour: i64| {
            let first = hour.checked_mul(HOUR_US)?;
            let ends = [first, first.checked_add(HOUR_US - 1)?];
            Some(ends.into_iter().all(|end| Timestamp::from_unix_us(end).is_some_and(&has)))
        };
        let is_summed = |hour: i64| counts(hour).unwrap_or(false) && empty.is_in_one_group(hour);
        // The sums include superseded lines. So if the hour has such a line, its sums cannot be used.
        let counts_all = |hour: &Hour| !superseded.is_in(segment.block.segment, &hour.lines);
        let (summed, others): (Vec<_>, Vec<_>) =
            hours.into_iter().partition(|hour| is_summed(hour.hour) && counts_all(hour));
        let summed: HashSet<i64> = summed.into_iter().map(|hour| hour.hour).collect();
        let mut report = empty.clone();
        for row in pages.iter().flat_map(|page| rows(&names, page)) {
            let row = row?;
            if summed.contains(&row.hour) {
                report.add_row(&row).ok()?;
            }
        }
        let read = others.iter().map(|hour| hour.hour).collect();
        Some((report, read, parts(&segment.block, others)))
    }
}

/// Changes the value in `all`, unless `all` is an error. If `change` fails, its error is stored in `all`.
fn add<T>(all: &mut Result<T>, change: impl FnOnce(&mut T) -> Result<()>) {
    if let Ok(value) = all
        && let Err(error) = change(value)
    {
        *all = Err(error);
    }
}
