//! The keys of a record in JSON.

/// The keys of an object, in the order in which they are written.
pub(super) struct Keys(&'static [Key]);

/// A key and, if its value is an object or a list of objects, the keys of these objects. The keys are `None` if the
/// value contains no objects, or if the objects may have any key.
struct Key(&'static str, Option<&'static Keys>);

impl Keys {
    /// Returns the index of the key `name`, and the keys of the objects in its value. Returns `None` if the object has
    /// no such key. The index is less than 64. The key at the index `place` is tried first, because keys usually occur
    /// in this order.
    pub(super) fn find(&self, name: &str, place: usize) -> Option<(usize, Option<&'static Keys>)> {
        let is = |key: &Key| key.0 == name;
        let place = match self.0.get(place) {
            Some(key) if is(key) => place,
            _ => self.0.iter().position(is)?,
        };
        Some((place, self.0[place].1))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|key| key.0)
    }

    /// Returns the path of the key `name`, such as `run.run_id` for `run_id`. The name can also be a whole path in one
    /// word, such as `model_name` for `model.name`. If several keys match, returns the first of the least nested keys.
    pub(super) fn path_of(&self, name: &str) -> Option<String> {
        let word = |path: &str| path.replace(|c: char| !c.is_alphanumeric(), "").to_lowercase();
        let whole = word(name);
        let mut level = vec![(String::new(), self)];
        while !level.is_empty() {
            let mut below = Vec::new();
            for (parent, keys) in level {
                for Key(key, value) in keys.0 {
                    let path = format!("{parent}{key}");
                    if *key == name || word(&path) == whole {
                        return Some(path);
                    }
                    below.extend(value.map(|keys| (format!("{path}."), keys)));
                }
            }
            level = below;
        }
        None
    }
}

pub(super) static RECORD: Keys = Keys(&[
    Key("execution_id", None),
    Key("skill_name", None),
    Key("skill_version", None),
    Key("orchestrator_version", None),
    Key("timestamp_start", None),
    Key("timestamp_end", None),
    Key("operator", None),
    Key("environment", None),
    Key("execution_succeeded", None),
    Key("execution_failed", None),
    Key("error_category", None),
    Key("error_code", None),
    Key("error_reason", None),
    Key("total_latency_ms", None),
    Key("wall_clock_time_ms", None),
    Key("tokens_used", None),
    Key("tokens_input", None),
    Key("tokens_output", None),
    Key("cost_usd", None),
    Key("cost_tier", None),
    Key("free_tier_quota_remaining", None),
    Key("free_tier_quota_pct_used", None),
    Key("output_correct", None),
    Key("confidence_score", None),
    Key("decision_made", None),
    Key("input_hash", None),
    Key("output_hash", None),
    Key("skill_path_in_dag", None),
    Key("tags", None),
    Key("status", None),
    Key("kind", None),
    Key("run", Some(&RUN)),
    Key("model", Some(&MODEL)),
    Key("cost", Some(&COST)),
    Key("production", Some(&PRODUCTION)),
    Key("progress", Some(&PROGRESS)),
    Key("quality_score", None),
    Key("trace", Some(&TRACE)),
    // A ledger adds these three keys to each line.
    Key("seq", None),
    Key("prev", None),
    Key("hash", None),
]);

static RUN: Keys = Keys(&[
    Key("run_id", None),
    Key("parent_run_id", None),
    Key("parent_execution_id", None),
    Key("session_id", None),
    Key("correlation_id", None),
    Key("agent_name", None),
    Key("task_id", None),
    Key("description", None),
    Key("mode", None),
    Key("trace_id", None),
    Key("span_id", None),
]);

/// Keys of an object with the parts of a usage between other keys.
macro_rules! with_usage_parts {
    ([$($before:literal),+], [$($after:expr),*]) => {
        Keys(&[
            $(Key($before, None),)+
            Key("cache_read", None),
            Key("cache_write", None),
            Key("cache_write_1h", None),
            Key("input_audio", None),
            Key("input_image", None),
            Key("input_video", None),
            Key("cache_read_audio", None),
            Key("cache_read_image", None),
            Key("reasoning", None),
            Key("citation", None),
            Key("output_audio", None),
            Key("output_image", None),
            Key("output_video", None),
            Key("requests", None),
            Key("web_searches", None),
            Key("file_searches", None),
            Key("audio_ms", None),
            Key("video_ms", None),
            Key("deployment_ms", None),
            Key("characters", None),
            Key("messages", None),
            Key("pages", None),
            Key("annotated_pages", None),
            $($after,)*
        ])
    };
}

static MODEL: Keys = with_usage_parts!(["name", "provider", "tier", "variant"], []);

static COST: Keys = Keys(&[
    Key("estimated_usd", None),
    Key("source", None),
    Key("table", None),
    Key("provider", None),
    Key("matched", None),
    Key("tier_above", None),
    Key("variant", None),
    Key("variant_unpriced", None),
    Key("region_unpriced", None),
    Key("part_unpriced", None),
    Key("matched_by", None),
    Key("exact_usd", None),
    Key("at", None),
]);

static PRODUCTION: Keys = Keys(&[
    Key("scene_id", None),
    Key("shot_id", None),
    Key("shot_type", None),
    Key("duration_s", None),
    Key("outcome", None),
    Key("regen_count", None),
    Key("artifact", None),
    Key("qc_violations", None),
    Key("drift_category", None),
    Key("notes", None),
]);

static PROGRESS: Keys = Keys(&[Key("stage", None), Key("percent", None), Key("updated_at", None)]);

static TRACE: Keys = Keys(&[
    Key("steps", Some(&STEP)),
    Key("decisions", Some(&DECISION)),
    Key("errors", Some(&TRACED_ERROR)),
    Key("llm_calls", Some(&CALL)),
    Key("human_feedback", Some(&FEEDBACK)),
]);

static STEP: Keys = Keys(&[
    Key("name", None),
    Key("time", None),
    Key("action", None),
    Key("api_call", None),
    Key("result", None),
    Key("notes", None),
    Key("duration_ms", None),
]);

static DECISION: Keys = Keys(&[
    Key("what", None),
    Key("decision", None),
    Key("reason", None),
    Key("trigger", None),
    Key("confidence", None),
]);

static TRACED_ERROR: Keys = Keys(&[
    Key("time", None),
    Key("error", None),
    Key("context", None),
    Key("resolution", None),
    Key("registry_id", None),
]);

static CALL: Keys = with_usage_parts!(
    ["call_sequence", "model_name", "provider", "prompt", "completion", "tokens_input", "tokens_output"],
    [Key("variant", None), Key("cost_usd", None), Key("cost", Some(&COST))]
);

static FEEDBACK: Keys = Keys(&[Key("type", None), Key("content", None), Key("timestamp_utc", None)]);

#[cfg(test)]
mod tests {
    use crate::metrics::{ExecutionMetrics, Meter};

    use super::*;

    const BY_A_LEDGER: [&str; 3] = ["seq", "prev", "hash"];

    #[test]
    fn an_object_has_at_most_64_keys() {
        for keys in [&RECORD, &CALL, &MODEL, &COST, &RUN] {
            assert!(keys.0.len() <= 64);
        }
    }

    #[test]
    fn a_model_and_a_call_have_a_key_for_each_part_of_a_usage() {
        let parts = Meter::ALL.into_iter().filter(|meter| !matches!(meter, Meter::Input | Meter::Output));
        for part in parts {
            assert!([&MODEL, &CALL].iter().all(|keys| keys.find(part.name(), 0).is_some()), "{part}");
        }
    }

    /// Calls `check` for each key of an object and of the objects in it. Passes the key, the text before its value, and
    /// the text after its value.
    fn each(keys: &Keys, before: &str, after: &str, check: &mut impl FnMut(&str, String, String)) {
        for Key(name, below) in keys.0 {
            let before = format!("{before}\"{name}\":");
            check(name, before.clone(), after.to_owned());
            let Some(below) = below else { continue };
            let (open, close) = match *name {
                "steps" | "decisions" | "errors" => ("[{", "}]"),
                // The required keys come first, because the parts of a usage are read only if the required keys are
                // present.
                "llm_calls" => ("[{\"call_sequence\":1,\"model_name\":\"m\",", "}]"),
                _ => ("{", "}"),
            };
            each(below, &format!("{before}{open}"), &format!("{close}{after}"), check);
        }
    }

    /// Each key in turn gets the value `[[[]]]`, which no field can have. So `from_json` fails at this value if it
    /// reads the key. If it skipped the key, it would fail because of a missing field.
    #[test]
    fn every_key_is_read() {
        let mut count = 0;
        each(&RECORD, "{", "}", &mut |name, before, after| {
            let line = format!("{before}[[[]]]{after}");
            assert!(ExecutionMetrics::unknown_keys(&line).is_empty(), "{line}");
            let error = ExecutionMetrics::from_json(&line).unwrap_err().cause().unwrap().to_string();
            assert_eq!(error.contains("expected a value, found none"), BY_A_LEDGER.contains(&name), "{line}: {error}");
            count += 1;
        });
        assert!(count > 150, "{count}");
    }
}
