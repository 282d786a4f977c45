//! The counts and sums of one group.

use super::baselines::Baseline;
use super::bytes::{Reader, Writer};
use super::detail::Detail;
use super::latencies::Latencies;
use super::observation::Observation;
use super::stats::{self, Moments};
use super::time_range::TimeRange;
use crate::error::Result;
use crate::metrics::{Timestamp, Usd};

/// The counts and sums of a group. The group's [`Baseline`] is computed from these counts and sums, and so is the
/// comparison of two samples.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) period: TimeRange,
    executions: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) latencies: Latencies,
    pub(super) latency_ms: Moments,
    pub(super) cost_pico: Moments,
    pub(super) tokens: Moments,
    /// The additional data that comparisons need. `None` if the sample is not for comparisons, or if an earlier version
    /// wrote the sample.
    pub(super) detail: Option<Box<Detail>>,
}

impl Sample {
    /// Creates an empty sample that covers `period`. `detail` says whether the sample collects the
    /// [detail](super::detail) for comparisons.
    pub(super) fn new(period: TimeRange, detail: bool) -> Self {
        Self {
            period,
            executions: 0,
            succeeded: 0,
            failed: 0,
            latencies: Latencies::default(),
            latency_ms: Moments::default(),
            cost_pico: Moments::default(),
            tokens: Moments::default(),
            detail: detail.then(Box::default),
        }
    }

    #[inline]
    pub(super) fn add(&mut self, observation: &Observation) {
        self.period.extend(observation.period());
        self.executions += 1;
        match observation.succeeded {
            Some(true) => self.succeeded += 1,
            Some(false) => self.failed += 1,
            None => {}
        }
        if let Some(latency) = observation.latency_ms {
            self.latencies.add(latency);
            self.latency_ms.add(latency.into());
        }
        if let Some(cost) = observation.cost {
            self.cost_pico.add(cost.pico());
        }
        if let Some(tokens) = observation.tokens {
            self.tokens.add(tokens.into());
        }
        if let Some(detail) = &mut self.detail {
            detail.add(observation);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.period.extend(other.period);
        self.executions += other.executions;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.latencies.merge(other.latencies);
        self.latency_ms.merge(&other.latency_ms);
        self.cost_pico.merge(&other.cost_pico);
        self.tokens.merge(&other.tokens);
        // If either sample has no detail, the result has none, because the detail of only some of the values would be
        // wrong.
        self.detail = self.detail.take().zip(other.detail).map(|(mut detail, other)| {
            detail.merge(*other);
            detail
        });
    }

    pub(super) fn settle(&mut self) {
        self.latencies.settle();
        self.detail.iter_mut().for_each(|detail| detail.settle());
    }

    /// Returns how many values of each metric of the [detail](Detail) are known.
    fn known(&self) -> [u64; 4] {
        [self.succeeded + self.failed, self.latency_ms.count(), self.cost_pico.count(), self.tokens.count()]
    }

    /// Computes the baseline. The latencies must be [sorted](Latencies::sort).
    pub(super) fn baseline(&self) -> Baseline {
        let ended = self.succeeded + self.failed;
        let count = self.latency_ms.count();
        let [p50, p95, p99] = stats::percentiles(|rank| self.latencies.doubled_at(rank, count), count, [50, 95, 99]);
        Baseline {
            sample_size: self.executions,
            period: self.period,
            success_rate: stats::rate(self.succeeded, ended),
            success_rate_std_dev: stats::rate_standard_error(self.succeeded, ended),
            latency_p50_ms: p50,
            latency_p95_ms: p95,
            latency_p99_ms: p99,
            latency_mean_ms: thousandths(&self.latency_ms),
            latency_std_dev_ms: self.latency_ms.std_dev().map(|ms| stats::round_to(ms, 1_000.0)),
            cost_mean_usd: self.cost_pico.mean_in(RECORD_STEP_PICO, 1).and_then(from_record_steps),
            cost_std_dev_usd: self.cost_pico.std_dev().and_then(deviation_usd),
            tokens_mean: thousandths(&self.tokens),
            outcome_unknown: self.executions - ended,
            latency_unknown: self.executions - self.latency_ms.count(),
            cost_unknown: self.executions - self.cost_pico.count(),
            tokens_unknown: self.executions - self.tokens.count(),
            latency_precision: self.latencies.precision(),
        }
    }

    /// Writes the sample, which must be [settled](Self::settle).
    pub(super) fn write(&self, out: &mut Writer) {
        out.signed(self.period.start.unix_us().into());
        out.signed(self.period.end.unix_us().into());
        [self.executions, self.succeeded, self.failed].into_iter().for_each(|count| out.number(count.into()));
        self.latency_ms.write(out);
        self.latencies.write(out);
        self.cost_pico.write(out);
        self.tokens.write(out);
        out.byte(self.detail.is_some().into());
        self.detail.iter().for_each(|detail| detail.write(out));
    }

    /// Reads a sample from bytes of [version 2](super::accumulator) or later.
    pub(super) fn read(from: &mut Reader<'_>, version: u8) -> Result<Self> {
        let mut time = || {
            let number = i64::try_from(from.signed()?).ok();
            let time = number.and_then(if version < 4 { Timestamp::from_unix_ms } else { Timestamp::from_unix_us });
            time.ok_or_else(|| from.malformed())
        };
        let period = TimeRange { start: time()?, end: time()? };
        let executions = from.at_most(u64::MAX)?;
        let succeeded = from.at_most(executions)?;
        let failed = from.at_most(executions - succeeded)?;
        let latency_ms = Moments::read(from, version, executions)?;
        let latencies = Latencies::read(from, version, latency_ms.count())?;
        let cost_pico = Moments::read(from, version, executions)?;
        let tokens = Moments::read(from, version, executions)?;
        let mut sample =
            Self { period, executions, succeeded, failed, latencies, latency_ms, cost_pico, tokens, detail: None };
        if version > 2 && from.flag()? {
            sample.detail = Some(Box::new(Detail::read(from, version, sample.known())?));
        }
        Ok(sample)
    }
}

/// The precision of a cost in a record, 10⁻⁸ USD, in units of 10⁻¹² USD.
const RECORD_STEP_PICO: u32 = 10_000;

fn from_record_steps(steps: i128) -> Option<Usd> {
    steps.checked_mul(RECORD_STEP_PICO.into()).map(Usd::from_pico)
}

fn deviation_usd(pico: f64) -> Option<Usd> {
    // A deviation is at most 2¹²⁸, the square root of the largest sum of squares. So the quotient fits in an `i128`.
    from_record_steps((pico / f64::from(RECORD_STEP_PICO)).round_ties_even() as i128)
}

/// Returns the mean with 3 decimals.
fn thousandths(moments: &Moments) -> Option<f64> {
    moments.mean_in(1, 1_000).map(|mean| mean as f64 / 1_000.0)
}
