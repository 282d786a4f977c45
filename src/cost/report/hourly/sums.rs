//! Adds up executions by hour. A row is the sum of the executions of one skill that began in one hour, at one
//! [`Place`](super::Place).

use std::collections::BTreeMap;

use super::key::{Key, Spot};
use super::names::{Names, Numbered};
use super::pages::{PageRows, pages};
use super::row::named;
use super::small::SmallSum;
use crate::cost::report::parts::{Cached, Part, Parts};
use crate::cost::report::sum::Sum;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::ExecutionMetrics;

/// The largest memory that sums may use, in bytes. It is enough for about 100,000 rows. A segment of
/// 256 MiB usually has about 50,000 rows.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Sums of executions by hour, skill and model.
///
/// All sums are exact. Sums that are too large are an error. In a row, the limits are 9.2 million USD for a cost,
/// `u64::MAX` for a token count, and `u32::MAX` for a number of executions. The limit for the memory of all sums is
/// [`BYTES_MAX`]. After an error, do not use the sums, because they can include only a part of an execution.
#[derive(Debug, Default)]
pub(crate) struct HourlySums {
    names: Numbered,
    /// Each sum is boxed to save memory, because up to half of the slots in a B-tree can be empty.
    rows: BTreeMap<Key, Box<SmallSum>>,
}

impl HourlySums {
    /// Adds one execution.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`] if a sum is too large.
    pub(crate) fn add(&mut self, record: &ExecutionMetrics) -> Result<()> {
        let skill = self.number(&record.skill_name)?;
        let key = |spot| Key::new(record.timestamp_start, skill, spot);
        let Some(Parts { models, cached }) = Parts::of(record) else {
            return self.add_row(key(Spot::WITHOUT_MODEL), &SmallSum::without_model());
        };
        let is_one = models.len() == 1 && cached.is_none();
        if !is_one {
            self.add_row(key(Spot::WHOLE), &sum_of(&models, cached)?)?;
        }
        for part in &models {
            let model = part.model.map(|name| self.number(name)).transpose()?;
            self.add_row(key(Spot::of_model(model, is_one)), &sum_of(std::slice::from_ref(part), None)?)?;
        }
        Ok(())
    }

    /// Adds `later`. In the ledger, the executions of `later` come after the executions of these sums. The result is
    /// the same as if all executions had been added here, in the order of the ledger.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`] if a sum is too large.
    pub(crate) fn merge(&mut self, later: Self) -> Result<()> {
        let numbers = later.names.names().iter().map(|name| self.number(name)).collect::<Result<Vec<_>>>()?;
        // Every number in `later.rows` is the index of a name, so the default is never used.
        let of = |number: u32| numbers.get(number as usize).copied().unwrap_or_default();
        for (mut key, sum) in later.rows {
            key.skill = of(key.skill);
            if let Some((model, in_whole)) = key.spot.model() {
                key.spot = Spot::of_model(model.map(of), in_whole);
            }
            self.add_row(key, &sum)?;
        }
        Ok(())
    }

    /// Returns the names of skills and models as bytes.
    pub(crate) fn names(&self) -> Vec<u8> {
        self.names.names().encode()
    }

    /// Returns pages of at most `page_bytes`, which must be at least 1024. Each page has the hour of its first row.
    /// The rows are sorted by hour. Each page can be read without the other pages.
    pub(crate) fn pages(&self, page_bytes: usize) -> impl Iterator<Item = (i64, Vec<u8>)> {
        pages(self.rows.iter().map(|(key, sum)| (key, &**sum)), page_bytes)
    }

    /// Reads the bytes that [`names`](Self::names) and [`pages`](Self::pages) returned. Returns `None` if a name or a
    /// row cannot be read.
    pub(crate) fn from_pages<'b>(names: &[u8], pages: impl IntoIterator<Item = &'b [u8]>) -> Option<Self> {
        let mut sums = Self { names: Names::decode(names)?.into(), rows: BTreeMap::new() };
        for row in pages.into_iter().flat_map(PageRows::of) {
            let (key, sum) = row?;
            named(key, sums.names.names())?;
            sums.add_row(key, &sum).ok()?;
        }
        Some(sums)
    }

    /// Returns the approximate memory use, in bytes. A row needs at most 160 bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.rows.len() * 160 + self.names.memory_bytes()
    }

    fn number(&mut self, name: &str) -> Result<u32> {
        self.names.number(name).ok_or_else(too_large)
    }

    fn add_row(&mut self, key: Key, sum: &SmallSum) -> Result<()> {
        if self.memory_bytes() > BYTES_MAX {
            return Err(too_large());
        }
        self.rows.entry(key).or_default().merge(sum).ok_or_else(too_large)
    }
}

fn sum_of(models: &[Part<'_>], cached: Option<Cached>) -> Result<SmallSum> {
    let mut sum = Sum::default();
    sum.add(models, cached)?;
    SmallSum::of(&sum).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::new(ErrorKind::Overflow, "sum up the usage of an hour")
        .detail("a sum exceeds 64 bits, or the sums need too much memory")
}
