//! What is kept of the records while they pass.

use std::collections::HashMap;

use super::baselines::Baselines;
use super::by::BaselineBy;
use super::bytes::{Reader, Writer};
use super::names::NameHash;
use super::observation::{self, Observation};
use super::sample::Sample;
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::metrics::{ExecutionMetrics, Fields};

/// The form of [`Accumulator::to_bytes`].
const VERSION: u8 = 2;

/// How many different latencies a group of frozen baselines may have and still be exact, so that the baselines of hundreds
/// of skills fit a line.
const FROZEN_DISTINCT_MAX: usize = 4096;

/// Collects records, in any order, and yields the [`Baselines`] of them.
///
/// Parts of a file can be collected apart, by several threads, and merged: the result is the same, byte for byte. Of a
/// record only counts and sums are kept, and latencies are counted: at most 680 KiB a group, however many records there
/// are, and as a rule a third of that. All cores collect the records of a ledger by [`Scan::fold`](crate::Scan::fold) with
/// `Accumulator::new`, [`add_fields`](Self::add_fields) and [`merge`](Self::merge).
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
    /// BaselineBy the group's name. Looked up for each record: a sorted map would compare four or five names.
    samples: HashMap<String, Sample, NameHash>,
    skipped: Skipped,
}

impl Accumulator {
    /// An accumulator of no records, by skill.
    pub fn new() -> Self {
        Self::default()
    }

    /// An accumulator of no records, by what is told.
    pub fn by(by: BaselineBy) -> Self {
        Self { by, ..Self::default() }
    }

    /// Collects the records that `wanted` chooses.
    pub(super) fn collect(
        records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
        wanted: impl Fn(&ExecutionMetrics) -> bool,
    ) -> Result<Self> {
        let mut accumulator = Self::new();
        for record in records {
            match record {
                Ok(record) if wanted(&record) => accumulator.add(&record),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Malformed => accumulator.skip(error),
                Err(error) => return Err(error),
            }
        }
        Ok(accumulator)
    }

    /// Takes a record in, under its group and whatever its kind.
    pub fn add(&mut self, record: &ExecutionMetrics) {
        self.add_fields(&Fields::of(record));
    }

    /// As [`add`](Self::add), of a record of which only the fields were read.
    pub fn add_fields(&mut self, fields: &Fields<'_>) {
        let (labels, observation) = observation::of(fields);
        self.observe(&labels.key(self.by), &observation);
    }

    #[inline]
    pub(super) fn observe(&mut self, key: &str, observation: &Observation) {
        if let Some(sample) = self.samples.get_mut(key) {
            sample.add(observation);
        } else {
            let mut sample = Sample::new(observation.period());
            sample.add(observation);
            self.samples.insert(key.to_owned(), sample);
        }
    }

    /// Counts a line that is no record, and keeps its error if it is among the first
    /// [`Skipped::ERRORS_MAX`].
    pub fn skip(&mut self, error: Error) {
        self.skipped.add(error);
    }

    /// Takes in lines that were passed over elsewhere.
    pub fn skip_all(&mut self, skipped: Skipped) {
        self.skipped.merge(skipped);
    }

    /// Takes in what another accumulator collected; by the same, or the groups of both stand side by side.
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

    /// The baselines of everything that was collected.
    pub fn finish(mut self) -> Baselines {
        self.samples.values_mut().for_each(|sample| sample.latencies.sort());
        let groups = self.samples.iter().map(|(key, sample)| (key.clone(), sample.baseline())).collect();
        Baselines::new(groups, self.skipped)
    }

    pub(super) fn settle(&mut self) {
        self.samples.values_mut().for_each(|sample| sample.latencies.settle());
    }

    /// The same in at most some 20 kilobytes a group: latencies are in buckets where they are of more than
    /// [`FROZEN_DISTINCT_MAX`] values.
    pub(super) fn condensed(mut self) -> Self {
        self.settle();
        for sample in self.samples.values_mut() {
            if sample.latencies.distinct() > FROZEN_DISTINCT_MAX {
                sample.latencies.bound();
            }
        }
        self
    }

    pub(super) fn samples(&self) -> &HashMap<String, Sample, NameHash> {
        &self.samples
    }

    /// All that was collected but the lines that were [skipped](Self::skip), to be read back and merged with what comes
    /// later. The same records give the same bytes, in whatever order they came: 2 or 3 bytes for each latency that
    /// occurs, as a rule, and about 100 a group besides.
    pub fn to_bytes(&mut self) -> Vec<u8> {
        self.settle();
        let mut out = Writer::default();
        out.byte(VERSION);
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

    /// What [`to_bytes`](Self::to_bytes) wrote. Whether it was changed since is for a checksum to tell: only what cannot
    /// be is refused.
    ///
    /// # Errors
    /// [`ErrorKind::Newer`] for a form that this version does not know, [`ErrorKind::Malformed`] for bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut from = Reader::new(bytes);
        let version = from.byte()?;
        if version > VERSION {
            return Err(Error::new(ErrorKind::Newer, "read what a baseline was computed from")
                .detail(format!("expected form {VERSION}, found {version}; a newer runledger wrote it")));
        }
        if version != VERSION {
            return Err(from.malformed());
        }
        let by = from.text()?.parse()?;
        // Each group takes more than a byte.
        let groups: u64 = from.at_most(bytes.len() as u64)?;
        let mut samples = HashMap::default();
        let mut last = None;
        for _ in 0..groups {
            let key = from.text()?;
            if last.is_some_and(|last: &str| last >= key) {
                return Err(from.malformed());
            }
            last = Some(key);
            samples.insert(key.to_owned(), Sample::read(&mut from)?);
        }
        match from.is_empty() {
            true => Ok(Self { by, samples, skipped: Skipped::default() }),
            false => Err(from.malformed()),
        }
    }
}

impl Baselines {
    /// The baselines of `records`, by skill, which may come in any order.
    ///
    /// An item that is an error of [`ErrorKind::Malformed`], a line that is no record, is passed over and counted in
    /// [`skipped`](Self::skipped).
    ///
    /// # Errors
    /// The first error of any other kind: what could not be read may be anything, and a baseline of half the records
    /// would not be one.
    pub fn compute(records: impl IntoIterator<Item = Result<ExecutionMetrics>>) -> Result<Self> {
        Ok(Accumulator::collect(records, |_| true)?.finish())
    }
}
