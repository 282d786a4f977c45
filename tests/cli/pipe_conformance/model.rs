//! The model: which answer each message gets, and what is in the ledger afterwards. This file does not use the code of
//! the library.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::expected::{COMPUTED, canonical, stored};

/// The answer to a message.
#[derive(Debug, PartialEq)]
pub(super) enum Expected {
    Durable,
    Duplicate,
    Begun,
    Noted,
    /// The kind of the error, if it is part of the promise, and a word that is in a reason.
    Refused(Option<&'static str>, String),
}

/// The ledger, and the executions that have begun.
#[derive(Default)]
pub(super) struct Model {
    /// The number of lines in the ledger.
    pub(super) lines: usize,
    /// The last record of each execution.
    pub(super) records: HashMap<String, Map<String, Value>>,
    open: HashMap<String, Open>,
}

#[derive(Clone)]
struct Open {
    /// The keys of the message that began the execution.
    begun: Map<String, Value>,
    steps: Vec<Value>,
    calls: Vec<Value>,
    /// True if the ledger had the record already when the execution began.
    is_recorded: bool,
}

/// Returns true if `later` has every value of `earlier`, at every depth. Missing, empty and null values are unknown.
fn completes(later: &Map<String, Value>, earlier: &Map<String, Value>) -> bool {
    earlier.iter().all(|(key, value)| match (value, later.get(key)) {
        (Value::Null, _) => true,
        (Value::String(text), _) if text.is_empty() => true,
        (Value::Array(list), _) if list.is_empty() => true,
        (Value::Object(earlier), later) => completes(later.and_then(Value::as_object).unwrap_or(&Map::new()), earlier),
        (value, later) => later == Some(value),
    })
}

/// Returns how much a record says about the end of its execution: a higher number is closer to a final record.
fn progress(record: &Map<String, Value>) -> u8 {
    match record.get("status").and_then(Value::as_str) {
        Some("interrupted") => 0,
        Some("paused") => 1,
        _ => 2,
    }
}

impl Model {
    /// Returns the answer to a whole record, which is in the form of [`stored`] and has the id `id`.
    pub(super) fn record(&mut self, id: &str, record: Map<String, Value>) -> Expected {
        if let Some(known) = self.records.get(id) {
            let is_completion = *known != record && completes(&record, known);
            if !is_completion && (*known == record || progress(&record) == 0 || progress(&record) < progress(known)) {
                return Expected::Duplicate;
            }
            if !is_completion && progress(&record) == progress(known) {
                return Expected::Refused(Some("conflict"), "has a different record".to_owned());
            }
        }
        self.lines += 1;
        self.records.insert(id.to_owned(), record);
        Expected::Durable
    }

    /// Returns the answer to a record without an id, which gets a new one.
    pub(super) fn anonymous(&mut self) -> Expected {
        self.lines += 1;
        Expected::Durable
    }

    pub(super) fn begin(&mut self, id: &str, begun: Map<String, Value>) -> Expected {
        if self.open.contains_key(id) {
            return Expected::Refused(None, "execution_id".to_owned());
        }
        let ended = self.records.get(id).filter(|record| progress(record) == 2);
        let answer = match ended {
            Some(recorded) => {
                let new = canonical(&begun);
                let differs = |key: &str| new.get(key).is_some_and(|value| recorded.get(key) != Some(value));
                if ["skill_name", "skill_version", "timestamp_start"].into_iter().any(differs) {
                    return Expected::Refused(Some("conflict"), "has the record of another".to_owned());
                }
                Expected::Duplicate
            }
            None => Expected::Begun,
        };
        let is_recorded = ended.is_some();
        self.open.insert(id.to_owned(), Open { begun, steps: Vec::new(), calls: Vec::new(), is_recorded });
        answer
    }

    pub(super) fn is_open(&self, id: &str) -> bool {
        self.open.contains_key(id)
    }

    pub(super) fn step(&mut self, id: &str, name: &str) -> Expected {
        let Some(open) = self.open.get_mut(id) else { return unknown() };
        open.steps.push(json!({"name": name, "time": COMPUTED, "duration_ms": COMPUTED}));
        Expected::Noted
    }

    /// Returns the answer to a call of a model, whose keys are those of a call in a record.
    pub(super) fn usage(&mut self, id: &str, mut call: Map<String, Value>) -> Expected {
        let Some(open) = self.open.get_mut(id) else { return unknown() };
        call.insert("call_sequence".into(), (open.calls.len() + 1).into());
        open.calls.push(call.into());
        Expected::Noted
    }

    /// Returns the answer to the message that ends an execution. `fields` are the keys of the message.
    pub(super) fn end(&mut self, id: &str, fields: &Map<String, Value>) -> Expected {
        let Some(open) = self.open.get(id) else {
            let Some(known) = self.records.get(id).cloned() else { return unknown() };
            return match progress(&known) {
                0 => {
                    let mut base = known;
                    ["error_reason", "error_category", "status"].into_iter().for_each(|key| _ = base.remove(key));
                    base.insert("timestamp_end".into(), COMPUTED.into());
                    self.record(id, merged(&base, fields))
                }
                // The test only sends the same end again.
                _ => Expected::Duplicate,
            };
        };
        let mut base = open.record();
        base.entry("timestamp_end").or_insert(COMPUTED.into());
        let answer = self.record(id, merged(&base, fields));
        if !matches!(answer, Expected::Refused(..)) {
            self.open.remove(id);
        }
        answer
    }

    /// Ends the input, and returns the number of executions that are interrupted.
    pub(super) fn input_ends(&mut self) -> usize {
        let mut interrupted = 0;
        for (id, open) in std::mem::take(&mut self.open) {
            if open.is_recorded {
                continue;
            }
            interrupted += 1;
            let mut record = open.record();
            record.insert("status".into(), "interrupted".into());
            record.insert("error_reason".into(), "the input of `runledger pipe` ended before the execution did".into());
            // The durations are unknown, like the end.
            record.insert("total_latency_ms".into(), "unknown".into());
            let mut record = stored(&record);
            record.remove("total_latency_ms");
            self.record(&id, record);
        }
        interrupted
    }
}

fn unknown() -> Expected {
    Expected::Refused(Some("unknown_execution"), "execution_id".to_owned())
}

/// Returns the record of an execution with the keys of its last message.
fn merged(base: &Map<String, Value>, fields: &Map<String, Value>) -> Map<String, Value> {
    let mut record = base.clone();
    for (key, value) in fields {
        match (record.get_mut(key), value) {
            (Some(Value::Object(own)), Value::Object(new)) => own.extend(new.clone()),
            _ => _ = record.insert(key.clone(), value.clone()),
        }
    }
    stored(&record)
}

impl Open {
    /// Returns the record so far.
    fn record(&self) -> Map<String, Value> {
        let mut record = self.begun.clone();
        record.entry("timestamp_start").or_insert(COMPUTED.into());
        let skill = record.get("skill_path_in_dag").filter(|path| !path.is_null()).unwrap_or(&record["skill_name"]);
        let path = self.steps.iter().fold(skill.as_str().unwrap().to_owned(), |path, step| {
            format!("{path} -> {}", step["name"].as_str().unwrap())
        });
        let mut trace = Map::new();
        if !self.steps.is_empty() {
            record.insert("skill_path_in_dag".into(), path.into());
            trace.insert("steps".into(), self.steps.clone().into());
        }
        if let Some(last) = self.calls.last() {
            let sum = |key: &str| self.calls.iter().map(|call| call[key].as_u64().unwrap_or(0)).sum::<u64>();
            for key in ["tokens_input", "tokens_output"] {
                record.insert(key.into(), sum(key).into());
            }
            let mut model = json!({"name": last["model_name"], "provider": last["provider"]});
            if self.calls.iter().any(|call| !call["cache_read"].is_null()) {
                model["cache_read"] = sum("cache_read").into();
            }
            record.insert("model".into(), model);
            let mut calls = self.calls.clone();
            if calls.iter().all(|call| !call["cost_usd"].is_null()) {
                record.insert("cost".into(), json!({"source": "reported"}));
                if let [only] = &mut calls[..] {
                    only["cost"] = Value::Null;
                }
            }
            trace.insert("llm_calls".into(), calls.into());
        }
        if !trace.is_empty() {
            record.insert("trace".into(), trace.into());
        }
        record
    }
}
