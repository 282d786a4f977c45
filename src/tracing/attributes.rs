//! Collects the attributes of a span. A program sets them when it creates the span, or later with `Span::record`.

use std::fmt;

use tracing_core::field::{Field, Visit};

use crate::digest::hash_bytes;
use crate::genai::{Attribute, attribute};

/// What is stored of a span's content, which is the span's input (such as a prompt) and the span's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    Hash,
    /// The text and its hash.
    Text,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Whole(i128),
    Real(f64),
    Content(Content),
}

/// The part of an input or an output that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) hash: String,
    /// The content itself, or `None` if only its hash is kept.
    pub(super) text: Option<String>,
}

/// The attributes of a span that are known so far. A later value of an attribute replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Attributes(Vec<(Attribute, Value)>);

impl Attributes {
    /// Collects the attributes that `record` passes to its visitor.
    pub(super) fn collect(keep: Keep, record: impl FnOnce(&mut dyn Visit)) -> Self {
        let mut collector = Collector { keep, attributes: Self::default() };
        record(&mut collector);
        collector.attributes
    }

    /// Adds later values.
    pub(super) fn merge(&mut self, later: Self) {
        if self.0.is_empty() {
            *self = later;
        } else {
            later.0.into_iter().for_each(|(attribute, value)| self.set(attribute, value));
        }
    }

    fn set(&mut self, attribute: Attribute, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == attribute) {
            Some((_, old)) => *old = value,
            None => self.0.push((attribute, value)),
        }
    }

    fn get(&self, attribute: Attribute) -> Option<&Value> {
        self.0.iter().find_map(|(known, value)| (*known == attribute).then_some(value))
    }

    /// Returns the text of an attribute, or `None` if the attribute is missing, blank or not a text.
    pub(super) fn text(&self, attribute: Attribute) -> Option<&str> {
        match self.get(attribute)? {
            Value::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// Returns a count, or `None` if the attribute is missing or not a whole number in the range of `u64`. A float must
    /// be at most 2⁵³.
    pub(super) fn count(&self, attribute: Attribute) -> Option<u64> {
        match self.get(attribute)? {
            Value::Whole(count) => u64::try_from(*count).ok(),
            // The limit is 2⁵³, up to which a float represents every whole number.
            Value::Real(count) if count.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(count) => {
                Some(*count as u64)
            }
            Value::Text(text) => text.trim().parse().ok(),
            Value::Real(_) | Value::Content(_) => None,
        }
    }

    /// Like [`text`](Self::text), but also returns a whole number as text.
    pub(super) fn shown(&self, attribute: Attribute) -> Option<String> {
        match self.get(attribute)? {
            Value::Whole(count) => Some(count.to_string()),
            _ => self.text(attribute).map(str::to_owned),
        }
    }

    pub(super) fn content(&self, attribute: Attribute) -> Option<&Content> {
        match self.get(attribute)? {
            Value::Content(content) => Some(content),
            _ => None,
        }
    }

    /// Returns true if one of the attributes can change the name, the version or the run of an execution.
    pub(super) fn names_a_skill(&self) -> bool {
        self.0.iter().any(|(attribute, _)| attribute.is_name())
    }

    pub(super) fn set_text(&mut self, attribute: Attribute, text: String) {
        self.set(attribute, Value::Text(text));
    }
}

/// Collects the values that a span passes to a visitor. Copies only the values of attributes that this module uses.
struct Collector {
    keep: Keep,
    attributes: Attributes,
}

impl Collector {
    fn add_text(&mut self, field: &Field, text: impl AsRef<str> + Into<String>) {
        match attribute(field.name()) {
            Some(content @ (Attribute::Input | Attribute::Output)) if self.keep != Keep::Nothing => {
                let hash = hash_bytes(text.as_ref());
                let text = (self.keep == Keep::Text).then(|| text.into());
                self.attributes.set(content, Value::Content(Content { hash, text }));
            }
            None | Some(Attribute::Input | Attribute::Output) => {}
            Some(attribute) => self.attributes.set(attribute, Value::Text(text.into())),
        }
    }

    /// Adds a value that is not a text. Ignores the value of an input or an output, because content is always a text.
    fn add(&mut self, field: &Field, value: Value) {
        if let Some(attribute) = attribute(field.name())
            && !matches!(attribute, Attribute::Input | Attribute::Output)
        {
            self.attributes.set(attribute, value);
        }
    }
}

impl Visit for Collector {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if attribute(field.name()).is_some() {
            let text = format!("{value:?}");
            // A text that was recorded with `?` is in quotes.
            let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            match bare.filter(|bare| !bare.contains(['"', '\\'])) {
                Some(bare) => self.add_text(field, bare),
                None => self.add_text(field, text),
            }
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Whole(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Whole(value.into()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.add(field, Value::Whole(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::Real(value));
    }

    fn record_bool(&mut self, _: &Field, _: bool) {}

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add_text(field, value.to_string());
    }
}
