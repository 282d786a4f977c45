//! Sums records up as metrics. Each message has only the records since the message before it: its temporality is delta.

use std::collections::BTreeMap;

use serde::Serialize;

use super::call;
use super::json::{Attributes, Nanos, as_text};
use super::span;
use crate::genai::{
    Attribute, Dialect, TOKEN_TYPE, TokenMetrics, duration_metric, name_of, provider_name, token_metrics,
};
use crate::metrics::{ExecutionMetrics, Usd};

/// The upper limits of the buckets of tokens, from version 1.41 of the conventions.
const TOKEN_BOUNDS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// The upper limits of the buckets of durations in seconds, from version 1.41 of the conventions.
const SECOND_BOUNDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// `AGGREGATION_TEMPORALITY_DELTA`
const DELTA: u8 = 1;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// The metrics of some records.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    series: BTreeMap<&'static str, BTreeMap<Labels, Sum>>,
    pub(super) points: u64,
    records: u64,
    /// The hour in which the executions ended.
    hour: Option<i64>,
    start: Option<Nanos>,
    end: Option<Nanos>,
}

type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
enum Sum {
    Histogram(Histogram),
    Dollars(Usd),
    Count(u64),
}

/// A histogram of whole numbers.
#[derive(Debug)]
struct Histogram {
    scale: Scale,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
    buckets: [u64; 15],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Tokens,
    /// The numbers are milliseconds.
    Seconds,
}

impl Scale {
    fn bounds(self) -> [f64; 14] {
        match self {
            Self::Tokens => TOKEN_BOUNDS,
            Self::Seconds => SECOND_BOUNDS,
        }
    }

    fn value(self, number: u128) -> f64 {
        match self {
            Self::Tokens => number as f64,
            Self::Seconds => number as f64 / 1000.0,
        }
    }
}

impl Histogram {
    fn add(&mut self, number: u64) {
        let value = self.scale.value(number.into());
        let bucket = self.scale.bounds().iter().take_while(|bound| value > **bound).count();
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += u128::from(number);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }
}

impl Metrics {
    /// Returns true if the execution ended in another hour than those that were added. It needs a message of its own.
    pub(super) fn is_other_hour(&self, record: &ExecutionMetrics) -> bool {
        self.hour.is_some_and(|hour| hour != hour_of(record))
    }

    /// Returns true if there are no records.
    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Adds a record. The statement of a redaction is not work of an agent, so it is left out.
    pub(super) fn add(&mut self, record: &ExecutionMetrics, dialect: Dialect) {
        if record.is_statement() {
            return;
        }
        self.records += 1;
        self.hour = Some(hour_of(record));
        let start = Nanos::of(record.timestamp_start);
        self.start = self.start.into_iter().chain(start).min();
        self.end = self.end.max(Nanos::of(span::end(record)));
        let name = |attribute| name_of(attribute, dialect);
        if let Some(ms) = record.duration_ms() {
            let operation = span::operation(record);
            let mut labels = vec![(name(Attribute::Operation), operation.to_owned())];
            labels.push((name(Attribute::ToolName), record.skill_name.clone()));
            labels.extend(span::error_type(record).map(|kind| (name(Attribute::ErrorType), kind.into_owned())));
            self.number(duration_metric(operation, dialect), labels, Scale::Seconds, ms);
        }
        let TokenMetrics { input, output } = token_metrics(dialect);
        let calls = call::calls(record);
        // The cost of an execution without calls, such as the price of a generated clip.
        let whole = calls.is_empty().then(|| (Labels::new(), record.exact_cost())).filter(|_| record.has_cost());
        let mut costs = Vec::from_iter(whole);
        for call in calls {
            let mut labels = vec![(name(Attribute::Operation), span::call_operation(record, &call).to_owned())];
            let provider = call.provider.as_deref().map(provider_name);
            labels.extend(provider.map(|provider| (name(Attribute::Provider), provider.to_owned())));
            labels.push((name(Attribute::RequestModel), call.model.clone()));
            for (metric, kind, tokens) in [(input, "input", call.tokens_input), (output, "output", call.tokens_output)]
            {
                let Some(tokens) = tokens else { continue };
                let mut labels = labels.clone();
                if input == output {
                    labels.push((TOKEN_TYPE, kind.to_owned()));
                }
                self.number(metric, labels, Scale::Tokens, tokens);
            }
            costs.push((labels, call.cost));
        }
        for (mut labels, cost) in costs {
            labels.push((name(Attribute::Skill), record.skill_name.clone()));
            match cost {
                Some(cost) => match self.sum("runledger.cost", labels, || Sum::Dollars(Usd::ZERO)) {
                    Sum::Dollars(sum) => *sum = sum.checked_add(cost).unwrap_or(*sum),
                    Sum::Histogram(_) | Sum::Count(_) => {}
                },
                None => match self.sum("runledger.cost.unknown", labels, || Sum::Count(0)) {
                    Sum::Count(count) => *count += 1,
                    Sum::Histogram(_) | Sum::Dollars(_) => {}
                },
            }
        }
    }

    fn number(&mut self, metric: &'static str, labels: Labels, scale: Scale, number: u64) {
        let new = || Histogram { scale, count: 0, sum: 0, min: u64::MAX, max: 0, buckets: [0; 15] };
        if let Sum::Histogram(histogram) = self.sum(metric, labels, || Sum::Histogram(new())) {
            histogram.add(number);
        }
    }

    fn sum(&mut self, metric: &'static str, mut labels: Labels, new: impl FnOnce() -> Sum) -> &mut Sum {
        labels.retain(|(_, value)| !value.is_empty());
        let points = &mut self.points;
        self.series.entry(metric).or_default().entry(labels).or_insert_with(|| {
            *points += 1;
            new()
        })
    }

    /// Returns the metrics as JSON, separated by commas.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::new();
        for (name, points) in &self.series {
            if !json.is_empty() {
                json.push(b',');
            }
            serde_json::to_writer(&mut json, &Metric::new(name, points, (self.start, self.end)))?;
        }
        Ok(json)
    }
}

fn hour_of(record: &ExecutionMetrics) -> i64 {
    span::end(record).unix_ms().div_euclid(HOUR_MS)
}

#[derive(Serialize)]
struct Metric<'s> {
    name: &'static str,
    description: &'static str,
    unit: &'static str,
    #[serde(flatten)]
    data: Data<'s>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Data<'s> {
    Histogram { data_points: Vec<Point<'s>>, aggregation_temporality: u8 },
    Sum { data_points: Vec<Point<'s>>, aggregation_temporality: u8, is_monotonic: bool },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Point<'s> {
    attributes: Attributes<'s>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time_unix_nano: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_unix_nano: Option<Nanos>,
    #[serde(flatten)]
    value: Value,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Value {
    Histogram {
        #[serde(serialize_with = "as_text")]
        count: u64,
        sum: f64,
        bucket_counts: Vec<String>,
        explicit_bounds: [f64; 14],
        min: f64,
        max: f64,
    },
    Double {
        as_double: f64,
    },
    Int {
        #[serde(serialize_with = "as_text")]
        as_int: u64,
    },
}

impl<'s> Metric<'s> {
    fn new(name: &'static str, points: &'s BTreeMap<Labels, Sum>, times: (Option<Nanos>, Option<Nanos>)) -> Self {
        let point = |(labels, sum): (&'s Labels, &Sum)| {
            let mut attributes = Attributes::default();
            labels.iter().for_each(|(key, value)| attributes.text(key, Some(value.as_str())));
            Point { attributes, start_time_unix_nano: times.0, time_unix_nano: times.1, value: value(sum) }
        };
        let data_points = points.iter().map(point).collect();
        let sum = |data_points| Data::Sum { data_points, aggregation_temporality: DELTA, is_monotonic: true };
        let (description, unit, data) = match points.values().next() {
            Some(Sum::Dollars(_)) => ("The known costs of calls", "{USD}", sum(data_points)),
            Some(Sum::Count(_)) => ("The number of calls whose cost is unknown", "{call}", sum(data_points)),
            Some(Sum::Histogram(Histogram { scale, .. })) => {
                let (description, unit) = match scale {
                    Scale::Tokens => ("The number of tokens of a call", "{token}"),
                    Scale::Seconds => ("The duration of an execution", "s"),
                };
                (description, unit, Data::Histogram { data_points, aggregation_temporality: DELTA })
            }
            None => ("", "", sum(data_points)),
        };
        Self { name, description, unit, data }
    }
}

fn value(sum: &Sum) -> Value {
    match sum {
        // Only a number that no price leads to has no nearest floating-point number.
        Sum::Dollars(amount) => Value::Double { as_double: call::dollars(*amount).unwrap_or_default() },
        Sum::Count(count) => Value::Int { as_int: *count },
        Sum::Histogram(histogram) => {
            let Histogram { scale, count, sum, min, max, buckets } = histogram;
            Value::Histogram {
                count: *count,
                sum: scale.value(*sum),
                bucket_counts: buckets.iter().map(u64::to_string).collect(),
                explicit_bounds: scale.bounds(),
                min: scale.value((*min).into()),
                max: scale.value((*max).into()),
            }
        }
    }
}
