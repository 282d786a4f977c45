//! Promises about OTLP.
