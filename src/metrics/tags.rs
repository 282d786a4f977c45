//! Checks that tags and variants can be read back from JSON unchanged. A variant says how a call of a model was served.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::ExecutionMetrics;
use super::faults::Faults;
use super::text::shortened;

/// The maximum depth of nested arrays and objects in a tag.
///
/// `serde_json` reads at most 127 levels. Three of these levels can be around the tag: the record, its `tags`, and an
/// object that contains the record. A record is in such an object while its execution is in flight, and while the
/// record cannot be appended to the ledger.
pub(super) const TAG_DEPTH_MAX: usize = 124;

/// The prefix of the keys that mark internal types of `serde_json`. If an object begins with such a key, `serde_json`
/// reads it back as a different value.
const RESERVED_KEY: &str = "$serde_json::private::";

impl ExecutionMetrics {
    /// Adds a fault for each tag and each variant that would not be read back unchanged.
    pub(super) fn check_tags(&self, faults: &mut Faults) {
        for (key, value) in &self.tags {
            let Err(fault) = check_tag(value, TAG_DEPTH_MAX) else { continue };
            let key = shortened(key);
            let field = format_args!("tags[{key}]");
            match fault {
                Unreadable::TooDeep => {
                    let expected = format_args!("at most {TAG_DEPTH_MAX} nested arrays and objects");
                    faults.add(field, expected, "more");
                }
                Unreadable::ReservedKey => {
                    faults.add(field, format_args!("no object whose first key begins with {RESERVED_KEY}"), "one");
                }
            }
        }
        self.check_variants(faults);
    }

    /// Checks the variants. The keys of variants come from the caller, like the keys of tags. So any key can occur.
    fn check_variants(&self, faults: &mut Faults) {
        let mut check = |field: &dyn fmt::Display, variant: &BTreeMap<String, String>| {
            if variant.keys().any(|key| key.starts_with(RESERVED_KEY)) {
                faults.add(field, format_args!("no key that begins with {RESERVED_KEY}"), "one");
            }
        };
        check(&"model.variant", &self.model.variant);
        for (at, call) in self.trace.llm_calls.iter().enumerate() {
            check(&format_args!("trace.llm_calls[{at}].variant"), &call.variant);
        }
    }
}

/// The reason why a tag would not be read back unchanged.
enum Unreadable {
    TooDeep,
    ReservedKey,
}

/// Checks at most `depth` levels, so that deep nesting cannot exhaust the stack.
fn check_tag(value: &Value, depth: usize) -> Result<(), Unreadable> {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => Err(Unreadable::TooDeep),
        Value::Array(items) => items.iter().try_for_each(|inner| check_tag(inner, depth - 1)),
        // `serde_json` looks only at the first key of an object.
        Value::Object(object) if object.keys().next().is_some_and(|key| key.starts_with(RESERVED_KEY)) => {
            Err(Unreadable::ReservedKey)
        }
        Value::Object(object) => object.values().try_for_each(|inner| check_tag(inner, depth - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}
