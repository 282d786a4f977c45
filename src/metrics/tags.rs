//! Which tags and variants JSON gives back as they are.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::ExecutionMetrics;
use super::faults::{Faults, shortened};

/// How many arrays and objects a tag may be inside each other. `serde_json` reads at most 127; the record, `tags`, and
/// the object that holds a record in flight or spilled are three.
pub(super) const TAG_DEPTH_MAX: usize = 124;

/// Keys by which `serde_json` passes on its own types. An object that begins with one is read back as something else.
const RESERVED_KEY: &str = "$serde_json::private::";

impl ExecutionMetrics {
    /// Names each tag and each variant that would not be read back as it is.
    pub(super) fn check_tags(&self, faults: &mut Faults) {
        for (key, value) in &self.tags {
            let Err(fault) = check_tag(value, TAG_DEPTH_MAX) else { continue };
            let key = shortened(key);
            let field = format_args!("tags[{key}]");
            match fault {
                Unreadable::TooDeep => {
                    let expected = format_args!("at most {TAG_DEPTH_MAX} arrays and objects inside each other");
                    faults.add(field, expected, "more");
                }
                Unreadable::ReservedKey => {
                    faults.add(field, format_args!("no object whose first key begins with {RESERVED_KEY}"), "one");
                }
            }
        }
        self.check_variants(faults);
    }

    /// As tags: their keys are the caller's own.
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

/// Why a tag would not be read back as it is.
enum Unreadable {
    TooDeep,
    ReservedKey,
}

/// Looks no deeper than `depth` levels, so that no nesting exhausts the stack.
fn check_tag(value: &Value, depth: usize) -> Result<(), Unreadable> {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => Err(Unreadable::TooDeep),
        Value::Array(items) => items.iter().try_for_each(|inner| check_tag(inner, depth - 1)),
        // Only the first key decides how an object is read.
        Value::Object(object) if object.keys().next().is_some_and(|key| key.starts_with(RESERVED_KEY)) => {
            Err(Unreadable::ReservedKey)
        }
        Value::Object(object) => object.values().try_for_each(|inner| check_tag(inner, depth - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}
