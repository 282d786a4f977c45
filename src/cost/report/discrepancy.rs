//! Compares estimates that were made before executions with the actual costs.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::parts::Parts;
use super::sum::{overflow, sum};
use crate::error::Result;
use crate::metrics::{ExecutionMetrics, Usd};

/// Compares the costs of executions with their estimates, by model, by skill and in total. The sums are exact and
/// computed in one pass. They do not depend on the order of the records.
///
/// An estimate is for a whole execution, so an execution that used several models is counted under the model `None`.
/// Executions that lack both an estimate and a cost are ignored.
///
/// ```
/// use runledger::cost::Discrepancies;
/// use runledger::{ExecutionMetrics, Uuid};
///
/// let mut found = Discrepancies::default();
/// for (id, estimated, actual) in [(1, "0.05", "0.06"), (2, "0.05", "0.03")] {
///     let start = "2026-11-20T12:00:00Z".parse()?;
///     let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "summarize", "1.0.0", start);
///     record.cost.estimated_usd = Some(estimated.parse()?);
///     record.cost_usd = Some(actual.parse()?);
///     found.add(&record)?;
/// }
/// let (_, skill) = found.skills().next().unwrap();
/// assert_eq!((skill.compared, skill.estimated, skill.actual), (2, Some("0.1".parse()?), Some("0.09".parse()?)));
/// assert_eq!((skill.difference(), skill.relative()), (Some("-0.01".parse()?), Some(-0.1)));
/// let excess = skill.largest_excess.unwrap();
/// assert_eq!((excess.execution_id, excess.amount), (Uuid::from_u128(1), "0.01".parse()?));
/// # Ok::<(), runledger::Error>(())
/// ```
///
/// As JSON, a `Discrepancies` is an object with three keys: the lists `models` and `skills`, and the object `totals`.
/// Each entry of a list has the key `model` or `skill`. Each entry and the totals have the fields of [`Discrepancy`]
/// under the keys `compared`, `estimatedCost`, `actualCost`, `difference`, `relativeDifference`, `largestExcess` (with
/// `executionId` and `amount`), `estimateOnly` and `actualOnly`. Amounts are numbers with all their digits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discrepancies {
    models: BTreeMap<Option<String>, Discrepancy>,
    skills: BTreeMap<String, Discrepancy>,
    totals: Discrepancy,
}

impl Discrepancies {
    /// Adds one execution.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum exceeds the range of [`Usd`]. After an
    /// error, do not use these `Discrepancies`: they include only a part of the execution.
    pub fn add(&mut self, record: &ExecutionMetrics) -> Result<()> {
        if record.cost.estimated_usd.is_none() && record.exact_cost().is_none() {
            return Ok(());
        }
        let parts = Parts::of(record);
        let model = match parts.as_ref().map(|parts| parts.models.as_slice()) {
            Some([one]) => one.model.map(str::to_owned),
            _ => None,
        };
        self.totals.add(record)?;
        self.models.entry(model).or_default().add(record)?;
        self.skills.entry(record.skill_name.clone()).or_default().add(record)
    }

    /// Adds the sums of `other`. The result is the same as if all executions had been added here.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if a sum exceeds the range of [`Usd`]. After an
    /// error, do not use these `Discrepancies`: they include only a part of `other`.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        self.totals.merge(other.totals)?;
        other.models.into_iter().try_for_each(|(name, sums)| self.models.entry(name).or_default().merge(sums))?;
        other.skills.into_iter().try_for_each(|(name, sums)| self.skills.entry(name).or_default().merge(sums))
    }

    /// Returns the sums by model, sorted by name. The entry `None` collects the executions whose model is unknown or
    /// that used several models.
    pub fn models(&self) -> impl Iterator<Item = (Option<&str>, &Discrepancy)> {
        self.models.iter().map(|(name, sums)| (name.as_deref(), sums))
    }

    /// Returns the sums by skill, sorted by name.
    pub fn skills(&self) -> impl Iterator<Item = (&str, &Discrepancy)> {
        self.skills.iter().map(|(name, sums)| (name.as_str(), sums))
    }

    /// Returns the sums of all executions.
    pub fn totals(&self) -> &Discrepancy {
        &self.totals
    }
}

/// Sums of the estimates and the costs of some executions, and the number of executions that lack one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Discrepancy {
    /// The number of executions with both an estimate and a cost. The sums include only these executions.
    pub compared: u64,
    /// The exact sum of the estimates of these executions, in US dollars; `None` if there are no such executions.
    pub estimated: Option<Usd>,
    /// The exact sum of the costs of these executions, in US dollars; `None` if there are no such executions.
    pub actual: Option<Usd>,
    /// The execution that exceeded its estimate most, with the excess. If several executions have the same largest
    /// excess, this is the execution with the smallest id. `None` if no execution cost more than its estimate.
    pub largest_excess: Option<Excess>,
    /// The number of executions with an estimate and without a cost.
    pub estimate_only: u64,
    /// The number of executions with a cost and without an estimate.
    pub actual_only: u64,
}

/// An execution that cost more than its estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Excess {
    /// The id of the execution.
    pub execution_id: Uuid,
    /// The excess in US dollars, above 0.
    pub amount: Usd,
}

impl Discrepancy {
    fn add(&mut self, record: &ExecutionMetrics) -> Result<()> {
        match (record.cost.estimated_usd, record.exact_cost()) {
            (None, None) => {}
            (Some(_), None) => self.estimate_only += 1,
            (None, Some(_)) => self.actual_only += 1,
            (Some(estimated), Some(actual)) => {
                self.compared += 1;
                self.estimated = sum(self.estimated, Some(estimated))?;
                self.actual = sum(self.actual, Some(actual))?;
                let amount = actual.checked_sub(estimated).ok_or_else(overflow)?;
                let excess = Excess { execution_id: record.execution_id, amount };
                self.exceed((amount > Usd::ZERO).then_some(excess));
            }
        }
        Ok(())
    }

    fn exceed(&mut self, excess: Option<Excess>) {
        let of_both = self.largest_excess.into_iter().chain(excess);
        self.largest_excess = of_both.max_by_key(|excess| (excess.amount, Reverse(excess.execution_id)));
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.compared += other.compared;
        self.estimate_only += other.estimate_only;
        self.actual_only += other.actual_only;
        self.estimated = sum(self.estimated, other.estimated)?;
        self.actual = sum(self.actual, other.actual)?;
        self.exceed(other.largest_excess);
        Ok(())
    }

    /// Returns the costs minus the estimates, in US dollars. The difference is positive if the executions cost more
    /// than estimated. Returns `None` if nothing was compared, or if the difference exceeds the range of [`Usd`].
    pub fn difference(&self) -> Option<Usd> {
        self.actual?.checked_sub(self.estimated?)
    }

    /// Returns the difference as a share of the sum of the estimates. For example, 0.1 means that the executions cost
    /// a tenth more. Returns `None` if the difference is `None`, or if the estimates add up to 0.
    pub fn relative(&self) -> Option<f64> {
        let estimated = self.estimated.filter(|&estimated| estimated != Usd::ZERO)?;
        Some(self.difference()?.pico() as f64 / estimated.pico() as f64)
    }
}

impl Serialize for Discrepancies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("models", &Rows { name_key: "model", groups: &self.models })?;
        map.serialize_entry("skills", &Rows { name_key: "skill", groups: &self.skills })?;
        map.serialize_entry("totals", &self.totals)?;
        map.end()
    }
}

struct Rows<'d, K> {
    name_key: &'static str,
    groups: &'d BTreeMap<K, Discrepancy>,
}

impl<K: Serialize> Serialize for Rows<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.groups.iter().map(|(name, sums)| Row { name_key: self.name_key, name, sums }))
    }
}

struct Row<'d, K> {
    name_key: &'static str,
    name: &'d K,
    sums: &'d Discrepancy,
}

impl<K: Serialize> Serialize for Row<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.name_key, self.name)?;
        fields(&mut map, self.sums)?;
        map.end()
    }
}

impl Serialize for Discrepancy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        fields(&mut map, self)?;
        map.end()
    }
}

fn fields<M: SerializeMap>(map: &mut M, sums: &Discrepancy) -> Result<(), M::Error> {
    map.serialize_entry("compared", &sums.compared)?;
    map.serialize_entry("estimatedCost", &sums.estimated)?;
    map.serialize_entry("actualCost", &sums.actual)?;
    map.serialize_entry("difference", &sums.difference())?;
    map.serialize_entry("relativeDifference", &sums.relative())?;
    map.serialize_entry("largestExcess", &sums.largest_excess)?;
    map.serialize_entry("estimateOnly", &sums.estimate_only)?;
    map.serialize_entry("actualOnly", &sums.actual_only)
}
