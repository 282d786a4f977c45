//! Shows a record to people: a line for each known value, and the names of the unknown ones.

use std::fmt;
use std::io::Write;

use runledger::ExecutionMetrics;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::term::{paragraph, width};

/// Writes the values of a record in the order of the record. The key of a value in an object is the path to the value,
/// such as `model.name` or `trace.llm_calls[0].model_name`.
pub(super) fn write(record: &ExecutionMetrics, out: &mut impl Write) -> Result<(), Failure> {
    let mut values = Values::default();
    values.add(String::new(), &record.to_json()?);
    let widest = values.known.iter().map(|(key, _)| width(key)).max().unwrap_or(0);
    for (key, value) in &values.known {
        let blanks = " ".repeat(widest - width(key));
        paragraph(&format!("{key}{blanks}  {value}"), [0, widest.min(KEY_COLUMNS_MAX) + 2], out)?;
    }
    if !values.unknown.is_empty() {
        paragraph(&format!("unknown: {}", values.unknown.join(", ")), [0, 2], out)?;
    }
    Ok(paragraph("`--json` prints the record as JSON, and so does a pipe.", [0, 2], out)?)
}

/// The second line of a value is indented by 2 columns more than the widest key. A wider key counts as this many
/// columns.
const KEY_COLUMNS_MAX: usize = 30;

/// The values of a record, each with its path.
#[derive(Default)]
struct Values {
    known: Vec<(String, String)>,
    /// The paths of the values that are null. Values in lists are left out.
    unknown: Vec<String>,
}

impl Values {
    fn add(&mut self, key: String, json: &str) {
        if let Ok(Members(members)) = serde_json::from_str(json) {
            for (name, value) in members {
                let path = if key.is_empty() { name } else { format!("{key}.{name}") };
                self.add(path, value.get());
            }
        } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) {
            if items.iter().all(|item| !item.get().starts_with(['{', '['])) && !items.is_empty() {
                let texts: Vec<_> = items.iter().map(|item| text(item.get())).collect();
                self.known.push((key, texts.join(", ")));
            } else {
                items.iter().enumerate().for_each(|(at, item)| self.add(format!("{key}[{at}]"), item.get()));
            }
        } else if json == "null" {
            self.unknown.extend(Some(key).filter(|key| !key.contains('[')));
        } else {
            self.known.push((key, text(json)));
        }
    }
}

/// Returns a string without its quotes, and any other value as it is.
fn text(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// The members of an object in their order. Numbers keep all their digits.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_its_path_and_numbers_keep_their_digits() {
        let mut values = Values::default();
        let json = r#"{"b":0.000000000001,"a":"x \"y\"","n":null,"o":{"p":true,"q":{}},"l":[],"s":["t",2],"c":[{"d":1,"e":null},{"d":[3]}]}"#;
        values.add(String::new(), json);
        let known: Vec<_> = values.known.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(known, ["b=0.000000000001", "a=x \"y\"", "o.p=true", "s=t, 2", "c[0].d=1", "c[1].d=3"]);
        assert_eq!(values.unknown, ["n"]);
    }
}
