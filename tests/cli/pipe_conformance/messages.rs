//! Random messages, each with the answer that the model gives.

use serde_json::{Map, Value, json};

use super::broken;
use super::expected::{stored, succeeded};
use super::model::{Expected, Model};
use super::random::Random;
use super::values::{amount, object, pico, time, usd, value};

/// A line of the input.
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    /// `None` if the line gets no answer.
    pub(super) expected: Option<Expected>,
    /// The record of a line that has no id. The answer to the line has the id.
    pub(super) anonymous: Option<Map<String, Value>>,
}

/// An execution that is recorded from its messages.
#[derive(Clone)]
struct Script {
    id: String,
    /// The messages that are not sent yet, the last one first.
    rest: Vec<Value>,
    all: Vec<Value>,
}

pub(super) struct Messages {
    pub(super) random: Random,
    pub(super) model: Model,
    schema: Value,
    scripts: Vec<Script>,
    ended: Vec<Script>,
    /// Whole records that were accepted.
    accepted: Vec<Map<String, Value>>,
}

impl Messages {
    pub(super) fn new(seed: u64, schema: Value) -> Self {
        let (scripts, ended, accepted) = (Vec::new(), Vec::new(), Vec::new());
        Self { random: Random(seed), model: Model::default(), schema, scripts, ended, accepted }
    }

    pub(super) fn next(&mut self) -> Sent {
        match self.random.below(20) {
            0..6 => self.whole(),
            6..8 => self.again(),
            8..14 => self.step_of_a_script(),
            14..19 => self.broken(),
            _ => Sent {
                bytes: self.random.pick(&["", " ", "\t \r"]).as_bytes().to_vec(),
                expected: None,
                anonymous: None,
            },
        }
    }

    /// Prepares the messages of the next input, and returns the number of executions that are interrupted.
    pub(super) fn input_ends(&mut self) -> usize {
        for mut script in std::mem::take(&mut self.scripts) {
            // In the next input, the messages are sent from the beginning, or only the last one.
            script.rest = if self.random.one_in(2) { script.all.clone() } else { vec![script.all[0].clone()] };
            if script.rest.len() == 1 && !self.model.records.contains_key(&script.id) {
                continue;
            }
            self.scripts.push(script);
        }
        self.model.input_ends()
    }

    fn sent(&mut self, value: &Value, expected: Expected) -> Sent {
        // Blanks around a message change nothing.
        let blanks = *self.random.pick(&["", "", "", " "]);
        Sent { bytes: format!("{blanks}{value}{blanks}").into(), expected: Some(expected), anonymous: None }
    }

    /// Returns a message that is a whole record.
    fn whole(&mut self) -> Sent {
        let mut record = self.record();
        if self.random.one_in(8) {
            record.remove("execution_id");
            let stored = stored(&record);
            let expected = self.model.anonymous();
            return Sent { anonymous: Some(stored), ..self.sent(&record.into(), expected) };
        }
        self.accepted.push(record.clone());
        self.known_record(record)
    }

    fn known_record(&mut self, record: Map<String, Value>) -> Sent {
        let id = record["execution_id"].as_str().unwrap().to_owned();
        let expected = self.model.record(&id, stored(&record));
        let spelled = self.spelled(record);
        self.sent(&spelled.into(), expected)
    }

    /// Returns a record whose id the ledger has already, with the same content or another.
    fn again(&mut self) -> Sent {
        if self.accepted.is_empty() {
            return self.whole();
        }
        let mut record = self.random.pick(&self.accepted).clone();
        match self.random.below(5) {
            0 => _ = record.insert("skill_name".into(), "another".into()),
            1 => {
                for key in ["execution_succeeded", "execution_failed", "error_reason"] {
                    record.remove(key);
                }
                let status = *self.random.pick(&["success", "failed", "interrupted", "paused"]);
                record.insert("status".into(), status.into());
                if record.get("timestamp_end").is_none_or(Value::is_null) {
                    record.insert("timestamp_end".into(), time(&mut self.random, 2).into());
                }
            }
            _ => {}
        }
        self.known_record(record)
    }

    /// Returns a valid record with an id.
    fn record(&mut self) -> Map<String, Value> {
        let random = &mut self.random;
        let times = *random.pick(&[1, 2, 4, 12]);
        let mut record = object(random, &self.schema, times);
        record.insert("timestamp_start".into(), time(random, 0).into());
        record.insert("timestamp_end".into(), time(random, 2).into());
        let status = record.get("status").cloned().unwrap_or_default();
        if status == "interrupted" && random.one_in(2) {
            record.insert("timestamp_end".into(), Value::Null);
        }
        let mut yes = succeeded(&status);
        if status.is_null() {
            yes = *random.pick(&[None, Some(true), Some(false)]);
        }
        for key in ["execution_succeeded", "execution_failed"] {
            record.remove(key);
        }
        if let Some(yes) = yes.filter(|_| !random.one_in(3)) {
            let both = random.below(3);
            if both != 0 {
                record.insert("execution_succeeded".into(), yes.into());
            }
            if both != 1 {
                record.insert("execution_failed".into(), (!yes).into());
            }
        }
        if yes == Some(true) || status == "success" {
            record.remove("error_reason");
        }
        let count = |key: &str| record.get(key).and_then(Value::as_u64);
        let (input, output) = (count("tokens_input"), count("tokens_output"));
        if count("tokens_used").is_some() && (input, output) != (None, None) {
            let more = if input.is_some() && output.is_some() { 0 } else { 5 };
            let used = input.unwrap_or(0) + output.unwrap_or(0) + more;
            record.insert("tokens_used".into(), used.into());
        }
        self.agree_on_costs(&mut record);
        record
    }

    /// Makes the amounts of a record match each other.
    fn agree_on_costs(&mut self, record: &mut Map<String, Value>) {
        let random = &mut self.random;
        let calls = record.get_mut("trace").and_then(|trace| trace.get_mut("llm_calls")?.as_array_mut());
        let mut all_known = calls.is_some();
        for (call, number) in calls.into_iter().flatten().zip(1..) {
            call["call_sequence"] = number.into();
            let exact = call.get("cost").map_or(Value::Null, |cost| cost["exact_usd"].clone());
            if !exact.is_null() {
                call["cost_usd"] = if random.one_in(2) { exact.clone() } else { Value::Null };
            }
            all_known &= !(exact.is_null() && call.get("cost_usd").is_none_or(Value::is_null));
        }
        let exact = record.get("cost").map_or(Value::Null, |cost| cost["exact_usd"].clone());
        if !exact.is_null() {
            record.insert("cost_usd".into(), if random.one_in(2) { exact.clone() } else { Value::Null });
        }
        let is_known = !exact.is_null() || record.get("cost_usd").is_some_and(|cost| !cost.is_null());
        if all_known && !is_known {
            // The cost is the sum of the costs of the calls, and the provenance of the sum is what the calls share,
            // which is nothing here.
            record.remove("cost");
            for call in record["trace"]["llm_calls"].as_array_mut().unwrap() {
                let cost = call.get("cost").map_or(Value::Null, |cost| cost["exact_usd"].clone());
                if !cost.is_null() {
                    call["cost_usd"] = usd(pico(&cost)).into();
                }
                call.as_object_mut().unwrap().remove("cost");
            }
        }
    }

    /// Returns the same record with `error` in place of `failed`, and with columns of a run log in place of grouped
    /// keys.
    fn spelled(&mut self, mut record: Map<String, Value>) -> Map<String, Value> {
        if record.get("status") == Some(&json!("failed")) && self.random.one_in(2) {
            record.insert("status".into(), "error".into());
        }
        let columns =
            [("run_id", "run", "run_id"), ("outcome", "production", "outcome"), ("scene_id", "production", "scene_id")];
        for (column, group, key) in columns {
            let group = record.get_mut(group).and_then(Value::as_object_mut);
            if self.random.one_in(4)
                && let Some(value) = group.and_then(|group| group.remove(key))
            {
                record.insert(column.into(), value);
            }
        }
        record
    }

    /// Returns random values of some keys that the first and the last message of an execution can set.
    fn some_keys(&mut self, times: usize) -> Map<String, Value> {
        const KEYS: [&str; 12] = [
            "operator",
            "environment",
            "kind",
            "run",
            "production",
            "progress",
            "tags",
            "quality_score",
            "confidence_score",
            "decision_made",
            "input_hash",
            "free_tier_quota_remaining",
        ];
        let mut keys = Map::new();
        for key in KEYS {
            if self.random.one_in(times) {
                keys.insert(key.into(), value(&mut self.random, key, &self.schema["properties"][key]));
            }
        }
        keys
    }

    fn new_script(&mut self) -> Script {
        let id = self.random.id();
        let mut begin = self.some_keys(3);
        let has_start = self.random.one_in(3);
        if has_start {
            begin.insert("timestamp_start".into(), time(&mut self.random, 0).into());
        }
        begin.extend(
            [("execution_id", &*id), ("skill_name", "draft"), ("skill_version", "1")]
                .map(|(key, value)| (key.to_owned(), value.into())),
        );
        let mut all = vec![json!({"begin": begin})];
        let has_provider = self.random.one_in(2);
        for number in 0..self.random.below(4) {
            if self.random.one_in(2) {
                all.push(json!({"step": {"execution_id": id, "name": format!("step {number}")}}));
                continue;
            }
            let mut usage = json!({"execution_id": id, "model": format!("m-{number}")});
            usage["input_tokens"] = (100 + self.random.below(100)).into();
            usage["output_tokens"] = self.random.below(100).into();
            if self.random.one_in(2) {
                usage["cache_read_tokens"] = self.random.below(100).into();
            }
            if has_provider {
                usage["provider"] = "p".into();
            }
            if !self.random.one_in(3) {
                usage["cost_usd"] = amount(&mut self.random);
            }
            all.push(json!({"usage": usage}));
        }
        let mut end = self.some_keys(4);
        let status = *self.random.pick(&["success", "failed", "error", "cancelled", "panicked", "paused"]);
        if has_start && self.random.one_in(2) {
            end.insert("timestamp_end".into(), time(&mut self.random, 2).into());
        }
        if status == "error" {
            end.insert("error_reason".into(), "it failed".into());
        }
        end.extend([("execution_id".to_owned(), id.clone().into()), ("status".to_owned(), status.into())]);
        all.push(json!({"end": end}));
        all.reverse();
        Script { id, rest: all.clone(), all }
    }

    /// Returns the next message of an execution that has begun, the first message of another one, or a message that was
    /// sent already.
    fn step_of_a_script(&mut self) -> Sent {
        if self.scripts.is_empty() || self.random.one_in(5) {
            let script = match self.ended.len() {
                count @ 1.. if self.random.one_in(3) => {
                    let mut script = self.ended.swap_remove(self.random.below(count));
                    script.rest = if self.random.one_in(2) { script.all.clone() } else { vec![script.all[0].clone()] };
                    script
                }
                _ => self.new_script(),
            };
            self.scripts.push(script);
        }
        let at = self.random.below(self.scripts.len());
        let message = self.scripts[at].rest.pop().unwrap();
        if self.scripts[at].rest.is_empty() {
            let script = self.scripts.swap_remove(at);
            self.ended.push(script);
        }
        let expected = self.answer_to(&message);
        self.sent(&message, expected)
    }

    /// Gives a message to the model, and returns the expected answer.
    fn answer_to(&mut self, message: &Value) -> Expected {
        let (kind, fields) = message.as_object().unwrap().iter().next().unwrap();
        let mut fields = fields.as_object().unwrap().clone();
        let id = fields["execution_id"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "begin" => self.model.begin(&id, fields),
            "step" => self.model.step(&id, fields["name"].as_str().unwrap()),
            "usage" => {
                fields.remove("execution_id");
                let names = [
                    ("model", "model_name"),
                    ("input_tokens", "tokens_input"),
                    ("output_tokens", "tokens_output"),
                    ("cache_read_tokens", "cache_read"),
                ];
                for (sent, stored) in names {
                    fields.remove(sent).into_iter().for_each(|value| _ = fields.insert(stored.into(), value));
                }
                if fields.contains_key("cost_usd") {
                    fields.insert("cost".into(), json!({"source": "reported"}));
                }
                self.model.usage(&id, fields)
            }
            _ => self.model.end(&id, &fields),
        }
    }

    /// Returns a line that is refused.
    fn broken(&mut self) -> Sent {
        let mut record = self.record();
        if self.random.one_in(4) {
            record.remove("execution_id");
        }
        let (bytes, kind, about) = match self.scripts.last() {
            Some(script) if self.random.one_in(4) => {
                let is_open = self.model.is_open(&script.id);
                broken::message(&mut self.random, &script.id, is_open)
            }
            _ => broken::record(&mut self.random, record),
        };
        Sent { bytes, expected: Some(Expected::Refused(kind, about)), anonymous: None }
    }
}
