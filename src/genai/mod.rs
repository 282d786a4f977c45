//! The names of OpenTelemetry for generative AI, and other conventions. The layer that records spans reads them, and
//! the export of OTLP writes them. Other files look up attributes only by [`Attribute`].

#[cfg(feature = "otlp")]
mod dialect;
mod names;
#[cfg(feature = "tracing")]
mod read;
#[cfg(feature = "otlp")]
mod write;

#[cfg(feature = "otlp")]
pub use dialect::Dialect;
pub(crate) use names::Attribute;
#[cfg(feature = "tracing")]
pub(crate) use read::{attribute, provider};
#[cfg(feature = "otlp")]
pub(crate) use write::{
    COST_AMOUNT, COST_CURRENCY, COST_SOURCE, TOKEN_TYPE, TokenMetrics, duration_metric, name_of, provider_name,
    token_metrics,
};
