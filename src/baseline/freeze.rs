//! Baselines that are frozen for a week.

use serde::{Deserialize, Serialize};

use super::accumulator::Accumulator;
use super::baselines::Baselines;
use super::time_range::TimeRange;
use super::week::week_start;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, Timestamp};

/// The baselines with which the executions of a week are compared. The baselines are computed only from executions that
/// started before the week.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FrozenBaselines {
    /// The start of the week, Monday 00:00 UTC. The baselines come from executions that started before this time.
    pub week_start: Timestamp,
    /// The records from which the baselines were computed.
    pub computed_from: ComputedFrom,
    /// The baselines.
    pub baselines: Baselines,
    /// The counts and sums from which the baselines were computed. A comparison tests recent executions against them.
    #[serde(with = "text")]
    pub(super) samples: Accumulator,
}

/// Writes the [bytes](Accumulator::to_bytes) of an accumulator as text, and reads the text back. The first byte is the
/// version, and is written as two hex digits. The other bytes are written in base64 without padding (RFC 4648, section
/// 4). Version 2 used hex digits for all bytes.
mod text {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Accumulator;

    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    pub(super) fn serialize<S: Serializer>(samples: &Accumulator, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = samples.clone().to_bytes();
        let (version, rest) = bytes.split_first().map_or((0, &[][..]), |(version, rest)| (*version, rest));
        let mut text = format!("{version:02x}");
        for part in rest.chunks(3) {
            let joined =
                (0..3).fold(0_usize, |joined, at| joined << 8 | usize::from(part.get(at).map_or(0, |byte| *byte)));
            // A part of n bytes becomes n + 1 base64 digits.
            text.extend((0..=part.len()).map(|at| char::from(DIGITS[joined >> (18 - 6 * at) & 63])));
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Accumulator, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let (version, rest) = text.as_bytes().split_at(text.len().min(2));
        let expected = || D::Error::custom("expected two hex digits and then base64, found other text");
        let mut bytes = of_hex(version).ok_or_else(expected)?;
        let rest = if bytes == [2] { of_hex(rest) } else { of_base64(rest) };
        bytes.extend(rest.ok_or_else(expected)?);
        Accumulator::from_bytes(&bytes).map_err(D::Error::custom)
    }

    fn of_hex(text: &[u8]) -> Option<Vec<u8>> {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = |pair: &[u8]| match *pair {
            [high, low] => Some((digit(high)? * 16 + digit(low)?) as u8),
            _ => None,
        };
        text.chunks(2).map(byte).collect()
    }

    fn of_base64(text: &[u8]) -> Option<Vec<u8>> {
        let mut values = [None; 256];
        DIGITS.iter().zip(0_u32..).for_each(|(&digit, value)| values[usize::from(digit)] = Some(value));
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
        for part in text.chunks(4) {
            let mut joined = 0;
            for at in 0..4 {
                joined = joined << 6 | part.get(at).map_or(Some(0), |&digit| values[usize::from(digit)])?;
            }
            let [_, decoded @ ..] = joined.to_be_bytes();
            let (kept, unused) = decoded.split_at(part.len() - 1);
            if kept.is_empty() || unused.iter().any(|byte| *byte != 0) {
                return None;
            }
            bytes.extend(kept);
        }
        Some(bytes)
    }
}

/// The records from which frozen baselines were computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComputedFrom {
    /// The number of records, of all skills together.
    pub records: u64,
    /// The number of lines that were skipped because they are not records. The time of such a line is unknown. So this
    /// number can include lines that were written after the start of the week.
    pub skipped: u64,
    /// The time that the records cover; `None` if there are no records.
    pub period: Option<TimeRange>,
}

impl Baselines {
    /// Computes the baselines for the week that contains `moment`. Only executions that started before that week are
    /// included. So every moment of a week gives the same baselines.
    ///
    /// The caller decides how far back the records go, and may pass only the records of a few weeks. An execution that
    /// started before the week is included, even if the execution ended within the week. However, the record of an
    /// execution is written only when the execution ends. If the baselines are frozen before that, the record is
    /// missing.
    ///
    /// # Errors
    /// Fails with the first error in `records` whose kind is not [`ErrorKind::Malformed`]. The records that could not
    /// be read could change any baseline.
    pub fn frozen(
        moment: Timestamp,
        records: impl IntoIterator<Item = Result<ExecutionMetrics>>,
    ) -> Result<FrozenBaselines> {
        let week_start = week_start(moment);
        let samples = Accumulator::new().collect(records, |record| record.timestamp_start < week_start)?;
        Ok(FrozenBaselines::of(week_start, samples))
    }
}

impl ComputedFrom {
    fn of(baselines: &Baselines) -> Self {
        let period = baselines.iter().map(|(_, baseline)| baseline.period).reduce(|mut all, period| {
            all.extend(period);
            all
        });
        let records = baselines.iter().map(|(_, baseline)| baseline.sample_size).sum();
        Self { records, skipped: baselines.skipped().count(), period }
    }
}

/// Returns true if a newer version of this crate wrote the samples in the line.
fn is_newer(line: &str) -> bool {
    #[derive(Deserialize)]
    struct Versioned {
        samples: String,
    }
    // The version is the first byte of the samples. This byte is written as two hex digits.
    let version = |line: Versioned| u8::from_str_radix(line.samples.get(..2)?, 16).ok();
    serde_json::from_str(line).ok().and_then(version).is_some_and(|version| version > Accumulator::VERSION)
}

impl FrozenBaselines {
    /// Returns the baselines for the week that begins at `week_start`. `before` has the executions that started before
    /// the week, grouped by skill. [`Baselines::frozen`] returns the same baselines for the same records.
    pub fn of(week_start: Timestamp, before: Accumulator) -> Self {
        let baselines = before.clone().finish();
        let computed_from = ComputedFrom::of(&baselines);
        Self { week_start, computed_from, baselines, samples: before.condensed() }
    }

    /// Returns the frozen baselines as one line of JSON, without a line feed. The same records give the same bytes.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] if a value cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|source| Error::new(ErrorKind::Invalid, "write frozen baselines as JSON").source(source))
    }

    /// Reads the frozen baselines from a line of JSON. Unknown keys are ignored.
    ///
    /// # Errors
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the line.
    /// - [`ErrorKind::Malformed`] if the text is not one JSON object with the fields of this type.
    pub fn from_json(line: &str) -> Result<Self> {
        serde_json::from_str(line).map_err(|error| {
            let kind = if is_newer(line) { ErrorKind::Newer } else { ErrorKind::Malformed };
            Error::new(kind, "read frozen baselines from JSON").of_line(line, &error)
        })
    }
}
