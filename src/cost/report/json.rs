//! Reports as JSON. The documentation of [`Report`] says which keys have the names that ccusage uses.

use std::collections::BTreeSet;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{CostBy, Count, Group, Report, Sum};

impl CostBy {
    /// Returns two keys: one for the array of groups, and one for the name of a group.
    fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Day => ("daily", "date"),
            Self::Week => ("weekly", "week"),
            Self::Month => ("monthly", "month"),
            Self::Model => ("models", "model"),
            Self::Skill => ("skills", "skill"),
            Self::Run => ("runs", "run"),
            Self::Scene => ("scenes", "scene"),
            Self::Agent => ("agents", "agent"),
        }
    }
}

impl<Z> Serialize for Report<Z> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (groups_key, name_key) = self.by().keys();
        let rows: Vec<_> = self.groups().map(|(name, group)| Row { name_key, name, group }).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(groups_key, &rows)?;
        map.serialize_entry("totals", &Totals(self))?;
        map.serialize_entry("withoutModel", &self.without_model())?;
        map.end()
    }
}

struct Row<'r> {
    name_key: &'static str,
    name: Option<&'r str>,
    group: &'r Group,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let models = &self.group.models;
        let breakdowns: Vec<_> = models.iter().map(|(name, sum)| Breakdown { name, sum }).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.name_key, &self.name)?;
        fields(&mut map, "totalCost", &self.group.sum)?;
        map.serialize_entry("modelsUsed", &models.keys().flatten().collect::<Vec<_>>())?;
        map.serialize_entry("modelBreakdowns", &breakdowns)?;
        map.end()
    }
}

struct Totals<'r, Z>(&'r Report<Z>);

impl<Z> Serialize for Totals<'_, Z> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let models = self.0.groups().flat_map(|(_, group)| &group.models);
        let unpriced = models.filter(|(_, sum)| sum.unpriced > 0).filter_map(|(name, _)| name.as_ref());
        let unpriced: BTreeSet<_> = unpriced.collect();
        let mut map = serializer.serialize_map(None)?;
        fields(&mut map, "totalCost", self.0.totals())?;
        if !unpriced.is_empty() {
            map.serialize_entry("unpricedModels", &unpriced)?;
        }
        map.end()
    }
}

struct Breakdown<'r> {
    name: &'r Option<String>,
    sum: &'r Sum,
}

impl Serialize for Breakdown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("modelName", self.name)?;
        fields(&mut map, "cost", self.sum)?;
        if self.sum.unpriced > 0 {
            map.serialize_entry("missingPricing", &true)?;
        }
        map.end()
    }
}

/// Writes the fields of a sum. The key of the cost is a parameter, because ccusage names the cost differently in
/// breakdowns.
fn fields<M: SerializeMap>(map: &mut M, cost_key: &'static str, sum: &Sum) -> Result<(), M::Error> {
    for (key, count) in counts(sum) {
        map.serialize_entry(key, &count.known)?;
    }
    map.serialize_entry(cost_key, &sum.cost)?;
    map.serialize_entry("executions", &sum.executions)?;
    map.serialize_entry("unpriced", &sum.unpriced)?;
    map.serialize_entry("atStandard", &sum.at_standard)?;
    map.serialize_entry("atStandardCost", &sum.at_standard_cost)?;
    map.serialize_entry("lowerBounds", &sum.lower_bounds)?;
    map.serialize_entry("unreported", &Unreported(sum))
}

struct Unreported<'r>(&'r Sum);

impl Serialize for Unreported<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(counts(self.0).map(|(key, count)| (key, count.unknown)))
    }
}

fn counts(sum: &Sum) -> [(&'static str, &Count); 5] {
    [
        ("inputTokens", &sum.input_uncached),
        ("outputTokens", &sum.output),
        ("cacheCreationTokens", &sum.cache_write),
        ("cacheReadTokens", &sum.cache_read),
        ("totalTokens", &sum.total),
    ]
}
