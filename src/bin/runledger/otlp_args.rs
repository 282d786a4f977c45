//! The arguments that `export otlp` and `ship otlp` have in common.

use clap::builder::NonEmptyStringValueParser;
use runledger::export::otlp::{Dialect, OtlpOptions, OtlpSignal};

use crate::argument::one_of;

/// What is exported, and under which names.
#[derive(Debug, clap::Args)]
pub(crate) struct OtlpArgs {
    /// Send metrics instead of spans: histograms of tokens and durations, and sums of costs
    #[arg(long)]
    metrics: bool,
    /// The version of OpenTelemetry's conventions for generative AI whose names are written. `latest` is the main branch
    /// of the conventions, which are still in development, with the proposed names of costs
    #[arg(long, value_name = "VERSION", default_value = "1.41", value_parser = one_of::<String>(["1.41", "latest"]))]
    dialect: String,
    /// The attribute service.name of the resource
    #[arg(long, value_name = "NAME", env = "OTEL_SERVICE_NAME", hide_env_values = true)]
    #[arg(default_value = "runledger", value_parser = NonEmptyStringValueParser::new())]
    service: String,
}

impl OtlpArgs {
    pub(crate) fn signal(&self) -> OtlpSignal {
        if self.metrics { OtlpSignal::Metrics } else { OtlpSignal::Traces }
    }

    pub(crate) fn options(&self) -> OtlpOptions {
        let dialect = if self.dialect == "latest" { Dialect::Latest } else { Dialect::V1_41 };
        OtlpOptions::new().signal(self.signal()).dialect(dialect).service(&self.service)
    }

    /// Returns the name of what is counted.
    pub(crate) fn items(&self) -> &'static str {
        if self.metrics { "points" } else { "spans" }
    }
}
