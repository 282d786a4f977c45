//! Metrics: histograms and sums that agree with the records.

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric, NumberDataPoint};
use runledger::ExecutionMetrics;
use runledger::export::otlp::{Dialect, OtlpOptions, OtlpSignal};
use runledger::metrics::{ErrorCategory, Status};

use crate::support::{metrics, metrics_of, nanos, record, text, time, with_calls, written};

const DELTA: i32 = 1;

fn named<'m>(metrics: &'m [Metric], name: &str) -> &'m Metric {
    let mut found = metrics.iter().filter(|metric| metric.name == name);
    let metric = found.next().unwrap_or_else(|| panic!("{name} is missing: {metrics:#?}"));
    assert!(found.next().is_none(), "{name} is there twice");
    metric
}

fn histogram<'m>(metrics: &'m [Metric], name: &str, unit: &str) -> &'m [HistogramDataPoint] {
    let metric = named(metrics, name);
    let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{metric:?}") };
    assert_eq!((histogram.aggregation_temporality, metric.unit.as_str()), (DELTA, unit));
    for point in &histogram.data_points {
        assert_eq!((point.bucket_counts.len(), point.explicit_bounds.len()), (15, 14));
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
    }
    &histogram.data_points
}

fn sum<'m>(metrics: &'m [Metric], name: &str, unit: &str) -> &'m [NumberDataPoint] {
    let metric = named(metrics, name);
    let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic, metric.unit.as_str()), (DELTA, true, unit));
    &sum.data_points
}

/// Three executions of one skill, of which one failed.
fn records() -> Vec<ExecutionMetrics> {
    let mut failed = record(9, "research");
    failed.set_status(Status::Failed);
    failed.error_category = Some(ErrorCategory::Network);
    failed.timestamp_end = Some(time("2026-02-14T14:23:00.260Z"));
    vec![with_calls(7), with_calls(8), failed]
}

#[test]
fn the_names_of_version_1_41() {
    let metrics = metrics_of(&records(), OtlpOptions::new());
    assert_eq!(metrics.len(), 4, "{metrics:#?}");
    let tokens = histogram(&metrics, "gen_ai.client.token.usage", "{token}");
    assert_eq!(tokens.len(), 3); // the output of new-model is unknown
    let of = |model: &str, kind: &str| {
        let is = |point: &&HistogramDataPoint| {
            text(&point.attributes, "gen_ai.request.model") == Some(model)
                && text(&point.attributes, "gen_ai.token.type") == Some(kind)
        };
        tokens.iter().find(is).unwrap()
    };
    let input = of("claude-opus-4-5", "input");
    assert_eq!((input.count, input.sum, input.min, input.max), (2, Some(2_000.0), Some(1_000.0), Some(1_000.0)));
    assert_eq!(input.bucket_counts[5], 2); // from 256 to 1,024
    assert_eq!(text(&input.attributes, "gen_ai.provider.name"), Some("anthropic"));
    assert_eq!(text(&input.attributes, "gen_ai.operation.name"), Some("chat"));
    assert_eq!(of("claude-opus-4-5", "output").sum, Some(1_000.0));
    assert_eq!(of("new-model", "input").sum, Some(20.0));
    assert_eq!(text(&of("new-model", "input").attributes, "gen_ai.provider.name"), None);

    let durations = histogram(&metrics, "gen_ai.client.operation.duration", "s");
    let [succeeded, failed] = durations else { panic!("{durations:?}") };
    assert_eq!((succeeded.count, succeeded.sum, succeeded.bucket_counts[8]), (2, Some(5.0), 2)); // from 1.28 to 2.56 s
    assert_eq!(text(&failed.attributes, "error.type"), Some("Network"));
    // 10 ms are in the first bucket, whose upper limit is 0.01.
    assert_eq!((failed.sum, failed.bucket_counts[0]), (Some(0.01), 1));
    let times = (succeeded.start_time_unix_nano, succeeded.time_unix_nano);
    assert_eq!(times, (nanos("2026-02-14T14:23:00.250Z"), nanos("2026-02-14T14:23:02.750Z")));

    let costs = sum(&metrics, "runledger.cost", "{USD}");
    assert_eq!((costs.len(), costs[0].value), (1, Some(Value::AsDouble(0.035))));
    let unknown = sum(&metrics, "runledger.cost.unknown", "{call}");
    assert_eq!((unknown.len(), unknown[0].value), (1, Some(Value::AsInt(2))));
    assert_eq!(text(&unknown[0].attributes, "runledger.skill"), Some("research"));
}

#[test]
fn the_names_of_the_latest_dialect() {
    let metrics = metrics_of(&records(), OtlpOptions::new().dialect(Dialect::Latest));
    for (name, points) in
        [("gen_ai.client.inference.operation.input_tokens", 2), ("gen_ai.client.inference.operation.output_tokens", 1)]
    {
        let found = histogram(&metrics, name, "{token}");
        assert_eq!(found.len(), points);
        assert!(found.iter().all(|point| text(&point.attributes, "gen_ai.token.type").is_none()));
    }
    assert_eq!(histogram(&metrics, "gen_ai.execute_tool.duration", "s").len(), 2);
}

#[test]
fn an_execution_without_a_known_duration_or_cost_counts_as_unknown_and_not_as_zero() {
    let mut begun = record(7, "s");
    begun.timestamp_end = None;
    begun.set_status(Status::Interrupted);
    let found = metrics_of(&[begun], OtlpOptions::new());
    assert_eq!(found.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>(), ["runledger.cost.unknown"]);
    // A generated clip has a price and no tokens.
    let mut clip = record(8, "clip");
    clip.cost_usd = Some("0.5".parse().unwrap());
    let found = metrics_of(&[clip], OtlpOptions::new());
    assert_eq!(sum(&found, "runledger.cost", "{USD}")[0].value, Some(Value::AsDouble(0.5)));
    assert_eq!(found.len(), 2);
}

#[test]
fn a_message_covers_at_most_one_hour() {
    let mut later = record(8, "s");
    (later.timestamp_start, later.timestamp_end) = (time("2026-02-14T14:59:59Z"), Some(time("2026-02-14T15:00:00Z")));
    let lines = written(&[record(7, "s"), later], &OtlpOptions::new().signal(OtlpSignal::Metrics));
    let messages: Vec<_> = lines.lines().map(metrics).collect();
    assert_eq!(messages.len(), 2);
    let durations = histogram(&messages[1], "gen_ai.client.operation.duration", "s");
    assert_eq!(durations[0].time_unix_nano, nanos("2026-02-14T15:00:00Z"));
}
