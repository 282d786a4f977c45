//! The counts and sums of records, from which the baselines are computed.

use std::collections::HashMap;

use super::baselines::Baselines;
use super::by::BaselineBy;
use super::bytes::{Reader, Writer};
use super::names::NameHash;
use super::observation::{self, Observation};
use super::sample::Sample;
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Fields};

/// [`Accumulator::from_bytes`] can read bytes of this version or later. In version 2, a sum has at most 128 bits.
/// Version 2 has no exact counts of latencies of 2³² ms or more, and lacks the [detail](super::detail) for comparisons.
/// Version 4 stores the times of executions in microseconds, and earlier versions in milliseconds.
const VERSION_MIN: u8 = 2;

/// A group of frozen baselines counts its latencies exactly if it has at most this number of different latencies. The
/// limit keeps the baselines of hundreds of skills short enough for one line of JSON.
const FROZEN_DISTINCT_MAX: usize = 512;

/// Collects records, in any order, and yields their [`Baselines`].
///
/// Several threads can each collect a part of a file. Merging their accumulators gives the same baselines, byte for
/// byte, as one accumulator for the whole file. An accumulator keeps only counts and sums, including a count for each
/// different latency. Whatever the number of records, each group usually takes less than 400 KiB of memory, and never
/// more than 7 MiB. To collect the records of a ledger on all cores, pass `Accumulator::new`,
/// [`add_fields`](Self::add_fields) and [`merge`](Self::merge) to [`Scan::fold`](crate::Scan::fold).
///
/// ```
/// use runledger::baseline::Accumulator;
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", "2026-02-14T14:23:00Z".parse()?);
/// record.total_latency_ms = Some(40);
/// let (mut first, mut second) = (Accumulator::new(), Accumulator::new());
/// first.add(&record);
/// record.total_latency_ms = Some(45);
/// second.add(&record);
/// first.merge(second);
/// assert_eq!(first.finish().get("publish").and_then(|baseline| baseline.latency_p50_ms), Some(42.5));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    by: BaselineBy,
    /// The sample of each group, by the group's name. This map is not sorted, because finding the sample of a record in
    /// a sorted map would take four or five comparisons of names.
    samples: HashMap<String, Sample, NameHash>,
    skipped: Skipped,
    /// True if new groups are created without the detail that comparisons need.
    is_summary: bool,
}

impl Accumulator {
    /// The version of the bytes that [`to_bytes`](Self::to_bytes) returns.
    pub(super) const VERSION: u8 = 4;

    /// Creates an empty accumulator that groups records by skill, for baselines and for
    /// [comparisons](super::FrozenBaselines::compare).
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty accumulator that groups records by `by`. The accumulator is meant for baselines and not for
    /// [comparisons](super::FrozenBaselines::compare). So the accumulator is faster and smaller than one that
    /// [`new`](Self::new) creates. A comparison that uses this accumulator treats its executions as statistically
    /// independent, and does not compare costs and tokens.
    pub fn by(by: BaselineBy) -> Self {
        Self { by, is_summary: true, ..Self::default() }
    }

    /// Adds the records that `wanted` accepts, and counts malformed lines as skipped.
    pub(super) fn collect(
        mut self,
        records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
        wanted: impl Fn(&ExecutionMetrics) -> bool,
    ) -> Result<Self> {
        for record in records {
            match record {
                Ok(record) if wanted(&record) => self.add(&record),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Malformed => self.skip(error),
                Err(error) => return Err(error),
            }
        }
        Ok(self)
    }

    /// Adds a record to its group. Leaves out [statements](ExecutionMetrics::is_statement) of redactions.
    pub fn add(&mut self, record: &ExecutionMetrics) {
        self.add_fields(&Fields::of(record));
    }

    /// Like [`add`](Self::add), but takes only the [`Fields`] of a record.
    pub fn add_fields(&mut self, fields: &Fields<'_>) {
        if fields.is_statement() {
            return;
        }
        let (labels, observation) = observation::of(fields);
        self.observe(&labels.key(self.by), &observation);
    }

    #[inline]
    pub(super) fn observe(&mut self, key: &str, observation: &Observation) {
        if let Some(sample) = self.samples.get_mut(key) {
            sample.add(observation);
        } else {
            let mut sample = Sample::new(observation.period(), !self.is_summary);
            sample.add(observation);
            self.samples.insert(key.to_owned(), sample);
        }
    }

    /// Counts a line that is not a record. Keeps the errors of only the first [`Skipped::ERRORS_MAX`] of these lines.
    pub fn skip(&mut self, error: Error) {
        self.skipped.add(error);
    }

    /// Adds the count and the errors of lines that other code skipped.
    pub fn skip_all(&mut self, skipped: Skipped) {
        self.skipped.merge(skipped);
    }

    /// Adds the records of another accumulator. If the two accumulators group records by different properties, the
    /// result has the groups of both accumulators. Groups with the same name become one group, even if one is a skill
    /// and the other is a model.
    pub fn merge(&mut self, other: Self) {
        self.skipped.merge(other.skipped);
        for (key, sample) in other.samples {
            if let Some(mine) = self.samples.get_mut(&key) {
                mine.merge(sample);
            } else {
                self.samples.insert(key, sample);
            }
        }
    }

    /// Returns the baselines of all records that were added.
    pub fn finish(mut self) -> Baselines {
        self.samples.values_mut().for_each(|sample| sample.latencies.sort());
        let groups = self.samples.iter().map(|(key, sample)| (key.clone(), sample.baseline())).collect();
        Baselines::new(groups, self.skipped)
    }

    pub(super) fn settle(&mut self) {
        self.samples.values_mut().for_each(Sample::settle);
    }

    /// Shrinks the accumulator, so that its bytes have at most about 6 KB per group. If a group has more than
    /// [`FROZEN_DISTINCT_MAX`] different latencies, its latencies are counted in [buckets](super::buckets) from then
    /// on.
    pub(super) fn condensed(mut self) -> Self {
        self.settle();
        for sample in self.samples.values_mut() {
            if sample.latencies.distinct() > FROZEN_DISTINCT_MAX {
                sample.latencies.bound();
            }
            sample.detail.iter_mut().for_each(|detail| detail.condense());
        }
        self
    }

    pub(super) fn samples(&self) -> &HashMap<String, Sample, NameHash> {
        &self.samples
    }

    /// Returns the accumulator as bytes, without the [skipped](Self::skip) lines. [`from_bytes`](Self::from_bytes)
    /// restores the accumulator, and further records can then be added to it. Groups that are added to a restored
    /// accumulator always have the data that a comparison needs.
    ///
    /// The same records give the same bytes, in any order. Each different latency usually takes 2 or 3 bytes, and each
    /// group about 100 bytes more. If the accumulator was created by [`new`](Self::new), the data for comparisons takes
    /// some kilobytes more per group. Then each different cost and token count also takes 2 or 3 bytes.
    pub fn to_bytes(&mut self) -> Vec<u8> {
        self.settle();
        let mut out = Writer::default();
        out.byte(Self::VERSION);
        out.text(self.by.name());
        out.number(self.samples.len() as u128);
        let mut samples: Vec<_> = self.samples.iter().collect();
        samples.sort_unstable_by_key(|(key, _)| *key);
        for (key, sample) in samples {
            out.text(key);
            sample.write(&mut out);
        }
        out.into_bytes()
    }

    /// Restores an accumulator from the bytes of [`to_bytes`](Self::to_bytes). This function detects only impossible
    /// values. To detect other changes of the bytes, use a checksum.
    ///
    /// The groups lack data that a comparison needs if the accumulator was created by [`by`](Self::by), or if the bytes
    /// have version 2. The missing data are the sums by blocks of time, and the counts that say how often each cost and
    /// each number of tokens occurred.
    ///
    /// # Errors
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the bytes.
    /// - [`ErrorKind::Malformed`] if the bytes do not encode an accumulator.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut from = Reader::new(bytes);
        let version = from.byte()?;
        if version > Self::VERSION {
            return Err(Error::new(ErrorKind::Newer, "read an accumulator of baselines").detail(format!(
                "found version {version}; expected at most {}. Use a newer runledger",
                Self::VERSION
            )));
        }
        if version < VERSION_MIN {
            return Err(from.malformed());
        }
        let by = from.text()?.parse()?;
        // Each group takes at least one byte.
        let groups: u64 = from.at_most(bytes.len() as u64)?;
        let mut samples = HashMap::default();
        let mut last = None;
        for _ in 0..groups {
            let key = from.text()?;
            if last.is_some_and(|last: &str| last >= key) {
                return Err(from.malformed());
            }
            last = Some(key);
            samples.insert(key.to_owned(), Sample::read(&mut from, version)?);
        }
        let all = Self { by, samples, skipped: Skipped::default(), is_summary: false };
        if from.is_empty() { Ok(all) } else { Err(from.malformed()) }
    }
}

impl Baselines {
    /// Computes the baselines of `records`, by skill. The records may come in any order.
    ///
    /// An error of [`ErrorKind::Malformed`] in `records` means that a line is not a record. Such a line is skipped and
    /// counted in [`skipped`](Self::skipped).
    ///
    /// # Errors
    /// Fails with the first error in `records` whose kind is not [`ErrorKind::Malformed`]. The records that could not
    /// be read could change any baseline, so no baseline is returned.
    pub fn compute(records: impl IntoIterator<Item = Result<ExecutionMetrics>>) -> Result<Self> {
        Ok(Accumulator::by(BaselineBy::Skill).collect(records, |_| true)?.finish())
    }
}
