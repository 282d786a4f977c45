//! The messages of OTLP in their JSON form. Ids are hex digits, 64-bit integers are strings, and enums are numbers.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::ids::{SpanId, TraceId};
use crate::metrics::Timestamp;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) enum AnyValue<'r> {
    #[serde(rename = "stringValue")]
    String(Cow<'r, str>),
    #[serde(rename = "boolValue")]
    Bool(bool),
    #[serde(rename = "intValue", serialize_with = "as_text")]
    Int(i64),
    #[serde(rename = "doubleValue")]
    Double(f64),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct KeyValue<'r> {
    key: &'static str,
    value: AnyValue<'r>,
}

/// The attributes of a span or a point. An unknown value is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Attributes<'r>(Vec<KeyValue<'r>>);

impl<'r> Attributes<'r> {
    fn add(&mut self, key: &'static str, value: AnyValue<'r>) {
        self.0.push(KeyValue { key, value });
    }

    /// Adds a text if it is known and not empty.
    pub(super) fn text(&mut self, key: &'static str, value: Option<impl Into<Cow<'r, str>>>) {
        let value = value.map(Into::into).filter(|value: &Cow<'_, str>| !value.is_empty());
        value.into_iter().for_each(|value| self.add(key, AnyValue::String(value)));
    }

    /// Adds a count if it is known. OTLP has no integers above `i64::MAX`, so a higher count is left out.
    pub(super) fn count(&mut self, key: &'static str, value: Option<u64>) {
        self.int(key, value.and_then(|value| value.try_into().ok()));
    }

    pub(super) fn int(&mut self, key: &'static str, value: Option<i64>) {
        value.into_iter().for_each(|value| self.add(key, AnyValue::Int(value)));
    }

    pub(super) fn double(&mut self, key: &'static str, value: Option<f64>) {
        value.into_iter().filter(|value| value.is_finite()).for_each(|value| self.add(key, AnyValue::Double(value)));
    }

    /// Adds a fact if it is true.
    pub(super) fn fact(&mut self, key: &'static str, is_true: bool) {
        if is_true {
            self.add(key, AnyValue::Bool(true));
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span<'r> {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_span_id: Option<SpanId>,
    pub(super) name: String,
    pub(super) kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_time_unix_nano: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_time_unix_nano: Option<Nanos>,
    pub(super) attributes: Attributes<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) links: Option<[Link; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<Status<'r>>,
}

/// `SPAN_KIND_INTERNAL`
pub(super) const INTERNAL: u8 = 1;
/// `SPAN_KIND_CLIENT`
pub(super) const CLIENT: u8 = 3;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) attributes: Attributes<'static>,
}

#[derive(Debug, Serialize)]
pub(super) struct Status<'r> {
    pub(super) code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<&'r str>,
}

/// `STATUS_CODE_OK`
pub(super) const OK: u8 = 1;
/// `STATUS_CODE_ERROR`
pub(super) const ERROR: u8 = 2;

/// The nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nanos(pub(super) u64);

impl Nanos {
    /// Returns `None` for a moment before 1970 or after 2554, which OTLP cannot represent.
    pub(super) fn of(time: Timestamp) -> Option<Self> {
        u64::try_from(time.unix_us()).ok()?.checked_mul(1_000).map(Self)
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_text(&self.0, serializer)
    }
}

/// Writes a 64-bit integer as a string.
pub(super) fn as_text<S: Serializer>(number: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// What comes before and after the spans or metrics of a message.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
}

impl Frame {
    /// Returns the frame of a message: `resourceSpans`, `scopeSpans` and `spans`, or the same names for metrics.
    pub(super) fn new(names: [&str; 3], service: &str, schema_url: &str) -> Result<Self, serde_json::Error> {
        let [resources, scopes, items] = names;
        let mut service_name = Attributes::default();
        service_name.text("service.name", Some(service));
        let service_name = serde_json::to_string(&service_name)?;
        let version = env!("CARGO_PKG_VERSION");
        let head = format!(
            r#"{{"{resources}":[{{"resource":{{"attributes":{service_name}}},"{scopes}":[{{"scope":{{"name":"runledger","version":"{version}"}},"{items}":["#
        );
        let tail = format!(r#"],"schemaUrl":"{schema_url}"}}]}}]}}"#);
        Ok(Self { head: head.into_bytes(), tail: tail.into_bytes() })
    }
}
