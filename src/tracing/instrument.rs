//! Recognises the event of a function that is marked with `#[instrument(err)]` and has returned an error.

use std::fmt;

use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Metadata};

use super::attributes::Attributes;
use crate::genai::Attribute;

/// Returns the failure that `event` reports about the function of the span. Returns `None` for any other event.
///
/// The attribute `#[instrument(err)]` creates the span and the event, so both name the same line of the source code.
pub(super) fn returned_error(event: &Event<'_>, span: &Metadata<'_>) -> Option<Attributes> {
    let metadata = event.metadata();
    let is_same = metadata.file() == span.file() && metadata.line() == span.line() && metadata.line().is_some();
    if !is_same || metadata.fields().len() != 1 {
        return None;
    }
    let mut error = ErrorText(None);
    event.record(&mut error);
    let mut attributes = Attributes::default();
    attributes.set_text(Attribute::StatusCode, "error".to_owned());
    attributes.set_text(Attribute::ErrorMessage, error.0?);
    Some(attributes)
}

/// The text of the field `error`.
struct ErrorText(Option<String>);

impl Visit for ErrorText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "error" {
            self.0 = Some(format!("{value:?}"));
        }
    }
}
