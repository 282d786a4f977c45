//! The names of OpenTelemetry for generative AI, and other conventions. The layer that records spans reads them, and
//! the export of OTLP writes them. Other files look up attributes only by [`Attribute`].

mod names;
#[cfg(feature = "tracing")]
mod read;
#[cfg(feature = "otlp")]
mod write;

pub(crate) use names::Attribute;
#[cfg(feature = "tracing")]
pub(crate) use read::{attribute, provider};
#[cfg(feature = "otlp")]
pub(crate) use write::{
    COST_AMOUNT, COST_CURRENCY, COST_SOURCE, TOKEN_TYPE, TokenMetrics, duration_metric, name_of, provider_name,
    token_metrics,
};

/// The version of OpenTelemetry's conventions for generative AI whose names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// The names of version 1.41, which most collectors and libraries know.
    #[default]
    V1_41,
    /// The names of the main branch of the conventions, which are still in development, and the proposed names of costs.
    Latest,
}
