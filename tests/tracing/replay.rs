//! Promise: the spans of agent libraries become the records in `records/`. `tests/traced` recorded the spans in
//! `spans/` from the libraries themselves. With UPDATE_GOLDEN=1, the test writes the records instead of comparing with
//! them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use runledger::ExecutionMetrics;
use serde_json::{Map, Value, json};
use tracing::callsite::{Callsite, Identifier};
use tracing::field::{Field, FieldSet, debug};
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Span};

use crate::support::{Place, traced};

/// The place in the code from which a span comes, made while the test runs.
struct Site(OnceLock<Metadata<'static>>);

impl Callsite for Site {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0.get().unwrap()
    }
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn leak_text(value: &Value) -> &'static str {
    leak(value.as_str().unwrap().to_owned())
}

/// Returns the metadata of a span with any fields.
fn metadata(line: &Value) -> &'static Metadata<'static> {
    let names: Vec<&'static str> = line["fields"].as_array().unwrap().iter().map(leak_text).collect();
    let site = leak(Site(OnceLock::new()));
    let fields = FieldSet::new(leak(names), Identifier(site));
    let (name, target) = (leak_text(&line["name"]), leak_text(&line["target"]));
    let new = Metadata::new(name, target, Level::INFO, None, None, None, fields, Kind::SPAN);
    assert!(site.0.set(new).is_ok());
    site.0.get().unwrap()
}

fn value(value: &Value) -> Box<dyn tracing::Value> {
    match value {
        Value::Bool(flag) => Box::new(*flag),
        Value::String(text) => Box::new(text.clone()),
        Value::Number(number) if number.is_i64() => Box::new(number.as_i64().unwrap()),
        Value::Number(number) if number.is_u64() => Box::new(number.as_u64().unwrap()),
        Value::Number(number) => Box::new(number.as_f64().unwrap()),
        other => Box::new(debug(Bare(other["debug"].as_str().unwrap().to_owned()))),
    }
}

/// A text whose debug form is the text itself.
struct Bare(String);

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opens a span with the values of its creation.
fn open(metadata: &'static Metadata<'static>, parent: Option<&Span>, values: &Map<String, Value>) -> Span {
    const MOST: usize = 16;
    let values: Vec<(Field, Box<dyn tracing::Value>)> =
        values.iter().map(|(name, given)| (metadata.fields().field(name).unwrap(), value(given))).collect();
    assert!(values.len() <= MOST, "more values than a test may set");
    let any = metadata.fields().iter().next().unwrap();
    let padded: [(&Field, Option<&dyn tracing::Value>); MOST] = std::array::from_fn(|at| match values.get(at) {
        Some((field, value)) => (field, Some(&**value)),
        None => (&any, None),
    });
    let values = metadata.fields().value_set(&padded);
    match parent {
        Some(parent) => Span::child_of(parent, metadata, &values),
        None => Span::new_root(metadata, &values),
    }
}

/// Emits the spans of a file.
pub(crate) fn replay(text: &str) {
    let mut spans: HashMap<u64, Span> = HashMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let number = |key: &str| line[key].as_u64();
        if let Some(span) = number("open") {
            let parent = number("parent").map(|parent| &spans[&parent]);
            let opened = open(metadata(&line), parent, line["values"].as_object().unwrap());
            spans.insert(span, opened);
        } else if let Some(span) = number("record") {
            for (name, given) in line["values"].as_object().unwrap() {
                spans[&span].record(name.as_str(), &*value(given));
            }
        } else {
            spans.remove(&number("close").unwrap()).unwrap();
        }
    }
    assert!(spans.is_empty(), "{spans:?}");
}

/// Returns the records as JSON without what differs from run to run. Ids become their rank, times become `TIME`, the
/// times of calls are removed, and durations become 0.
fn normalised(records: &[ExecutionMetrics]) -> String {
    let ids: Vec<_> = records.iter().map(|record| record.execution_id.to_string()).collect();
    let mut text = String::new();
    for record in records {
        let mut json: Value = serde_json::from_str(&record.to_json().unwrap()).unwrap();
        normalise(&mut json, &ids);
        json.as_object_mut().unwrap().retain(|_, value| !value.is_null() && *value != json!({}));
        text += &(serde_json::to_string_pretty(&json).unwrap() + "\n");
    }
    text
}

fn normalise(json: &mut Value, ids: &[String]) {
    match json {
        Value::Object(object) => {
            // The times of several calls may be equal or not.
            object.remove("at");
            for (key, value) in object {
                if key.ends_with("_ms") && value.is_number() {
                    *value = 0.into();
                }
                normalise(value, ids);
            }
        }
        Value::Array(array) => array.iter_mut().for_each(|value| normalise(value, ids)),
        Value::String(text) => {
            if let Some(rank) = ids.iter().position(|id| id == text) {
                *text = format!("execution {rank}");
            } else if text.len() == 24 && text.starts_with("20") && text.ends_with('Z') {
                "TIME".clone_into(text);
            }
        }
        _ => {}
    }
}

/// Compares the records of a file of spans with the expected ones.
#[track_caller]
fn check(name: &str, content: bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tracing");
    let spans = std::fs::read_to_string(folder.join("spans").join(format!("{name}.jsonl"))).unwrap();
    let place = Place::new();
    traced(&place.layer().with_content(content), || replay(&spans));
    assert_eq!(place.warnings(), [""; 0], "{name}");
    let found = normalised(&place.records());
    let end = if content { "-content" } else { "" };
    let path: PathBuf = folder.join("records").join(format!("{name}{end}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == golden, "{}: found\n{found}", path.display());
}

#[test]
fn genai() {
    check("genai-0.7.2", false);
    check("genai-0.7.2", true);
}

#[test]
fn rig() {
    check("rig-0.44.0", false);
    check("rig-0.44.0", true);
}
