//! The keys of a record in JSON, with the type and the meaning of each value.

/// The keys of an object, in the order in which they are written.
pub(super) struct Keys {
    keys: &'static [Key],
    /// One line for each key, in the same order: the type of the value, a space, and the meaning of the value. Every
    /// program that links the crate contains these lines, and one text for all keys takes less space than a text for
    /// each key.
    facts: &'static str,
}

/// A key, and the keys of the objects in its value. The value can be an object or a list of objects. The keys are
/// `None` if the value contains no objects, or if the objects may have any key.
struct Key(&'static str, Option<&'static Keys>);

/// The description of a key.
pub(super) struct Fact {
    pub(super) key: &'static str,
    /// The type of the value: a word that [`schema`](super::schema) defines. It ends with `!` if the key is required,
    /// and with `?` if the value may be null.
    pub(super) kind: &'static str,
    /// The meaning of the value. The text is empty for a part of a usage.
    pub(super) about: &'static str,
    /// The keys of the objects in the value.
    pub(super) below: Option<&'static Keys>,
}

impl Keys {
    /// Returns the index of the key `name`, and the keys of the objects in its value. Returns `None` if the object
    /// has no such key. The index is less than 64. The search begins with the key at the index `place`, because most
    /// lines have the keys in the order of this table.
    pub(super) fn find(&self, name: &str, place: usize) -> Option<(usize, Option<&'static Keys>)> {
        let is = |key: &Key| key.0 == name;
        let place = match self.keys.get(place) {
            Some(key) if is(key) => place,
            _ => self.keys.iter().position(is)?,
        };
        Some((place, self.keys[place].1))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.0)
    }

    /// Returns the description of each key.
    pub(super) fn facts(&self) -> impl Iterator<Item = Fact> {
        self.keys.iter().zip(self.facts.lines()).map(|(&Key(key, below), line)| {
            let (kind, about) = line.split_once(' ').unwrap_or((line, ""));
            Fact { key, kind, about, below }
        })
    }

    /// Returns the path of the key `name`, such as `run.run_id` for `run_id`. The name can also be a whole path in one
    /// word, such as `model_name` for `model.name`. If several keys match, returns the first of the least nested keys.
    pub(super) fn path_of(&self, name: &str) -> Option<String> {
        let word = |path: &str| path.replace(|c: char| !c.is_alphanumeric(), "").to_lowercase();
        let whole = word(name);
        let is_it = |(path, key): &(String, &str)| *key == name || word(path) == whole;
        self.paths().into_iter().find(is_it).map(|(path, _)| path)
    }

    /// Returns the path and the name of each key, the least nested keys first.
    pub(super) fn paths(&self) -> Vec<(String, &'static str)> {
        let (mut paths, mut level) = (Vec::new(), vec![(String::new(), self)]);
        while !level.is_empty() {
            let mut below = Vec::new();
            for (parent, keys) in level {
                for Key(key, value) in keys.keys {
                    let path = format!("{parent}{key}");
                    below.extend(value.map(|keys| (format!("{path}."), keys)));
                    paths.push((path, *key));
                }
            }
            level = below;
        }
        paths
    }
}

/// Defines the keys of an object. Each key is followed by the type and the meaning of its value, and by the keys of the
/// objects in the value.
macro_rules! keys {
    ($($key:literal: $kind:literal $about:literal $($below:ident)?;)+) => {
        Keys {
            keys: &[$(Key($key, keys!(@below $($below)?))),+],
            facts: concat!($($kind, " ", $about, "\n"),+),
        }
    };
    (@below) => { None };
    (@below $below:ident) => { Some(&$below) };
}

/// Defines the keys of an object that has the parts of a usage between its other keys.
macro_rules! keys_with_usage_parts {
    ({$($before:tt)+} {$($after:tt)*}) => {
        keys! {
            $($before)+
            "cache_read": "count?" "";
            "cache_write": "count?" "";
            "cache_write_1h": "count?" "";
            "input_audio": "count?" "";
            "input_image": "count?" "";
            "input_video": "count?" "";
            "cache_read_audio": "count?" "";
            "cache_read_image": "count?" "";
            "reasoning": "count?" "";
            "citation": "count?" "";
            "output_audio": "count?" "";
            "output_image": "count?" "";
            "output_video": "count?" "";
            "requests": "count?" "";
            "web_searches": "count?" "";
            "file_searches": "count?" "";
            "audio_ms": "count?" "";
            "video_ms": "count?" "";
            "deployment_ms": "count?" "";
            "characters": "count?" "";
            "messages": "count?" "";
            "pages": "count?" "";
            "annotated_pages": "count?" "";
            $($after)*
        }
    };
}

pub(super) static RECORD: Keys = keys! {
    "execution_id": "id!" "The unique id of the execution.";
    "skill_name": "name!" "The kind of work, such as git-push-autonomous.";
    "skill_version": "name!" "The version of the skill, such as 1.2.0.";
    "orchestrator_version": "text?" "The version of the program that started the execution.";
    "timestamp_start": "time!" "When the execution began.";
    "timestamp_end": "time?" "When the execution ended. Null only if the status is interrupted.";
    "operator": "text" "Who requested the execution: human, or the name of a system or an agent. Missing means human.";
    "environment": "environment" "Where the execution ran. Missing means prod.";
    "execution_succeeded": "bool?" "True for the status success, and false for failed, cancelled and panicked. Null if \
        the execution was interrupted or is paused.";
    "execution_failed": "bool?" "The inverse of execution_succeeded. Null if execution_succeeded is null.";
    "error_category": "error_category?" "The category of the error that ended the execution.";
    "error_code": "integer?" "The exit code, or the error code of an API.";
    "error_reason": "reason?" "The message of the error, with at most 500 characters.";
    "total_latency_ms": "count?" "The sum of the durations of the steps. If there are no steps, or in an import, the \
        time from the start to the end.";
    "wall_clock_time_ms": "count?" "The time from the start to the end.";
    "tokens_used": "count?" "The sum of tokens_input and tokens_output.";
    "tokens_input": "count?" "All input tokens, including tokens that were read from a cache or written to a cache.";
    "tokens_output": "count?" "All output tokens, including reasoning.";
    "cost_usd": "usd?" "The cost in US dollars, stored with at most 8 decimals. Null if the cost is unknown, which does \
        not mean free.";
    "cost_tier": "cost_tier?" "The price tier of the model. Null if no model was used, or if the cost was not computed.";
    "free_tier_quota_remaining": "count?" "The quota that remained after the execution, in the unit of the quota.";
    "free_tier_quota_pct_used": "percent?" "How much of the quota was used when the execution ended, in percent.";
    "output_correct": "bool?" "Whether a check found the output correct. Null if the output was not checked.";
    "confidence_score": "score?" "The confidence of the system in its output.";
    "decision_made": "text?" "The decision of the skill, such as APPROVE, BLOCK or PARTIAL.";
    "input_hash": "sha256?" "The SHA-256 of the input in lower-case hex digits.";
    "output_hash": "sha256?" "The SHA-256 of the output in lower-case hex digits.";
    "skill_path_in_dag": "text?" "The path through the skills, such as orchestrator -> executor.";
    "tags": "open" "Any other values, by any key.";
    "status": "status?" "How the execution ended, or that it is paused.";
    "kind": "kind" "The kind of event. Missing means skill.";
    "run": "object" "The run and the session to which the execution belongs, and its parents." RUN;
    "model": "object" "The model that was used, and the parts of its usage." MODEL;
    "cost": "object" "Where the cost comes from." COST;
    "production": "object" "What the execution produced, such as a shot of a film, and its quality control." PRODUCTION;
    "progress": "object?" "The progress that was reported last." PROGRESS;
    "quality_score": "score?" "The quality of the result in the judgement of the agent.";
    "trace": "object" "What happened in the execution. Each list is in chronological order." TRACE;
    "redactions": "count?" "The number of secrets that the ledger replaced by markers. Missing if it found none.";
    "seq": "count" "The number of the line. A ledger adds seq, prev and hash to each line. In input, they are skipped.";
    "prev": "sha256" "The hash of the line before.";
    "hash": "sha256" "The SHA-256 of the line.";
};

static RUN: Keys = keys! {
    "run_id": "text?" "The id of the run.";
    "parent_run_id": "text?" "The id of the run that started this run.";
    "parent_execution_id": "uuid?" "The id of the execution that started this execution.";
    "session_id": "text?" "The id of the session of the agent.";
    "correlation_id": "text?" "An id that related executions in several systems have in common.";
    "agent_name": "text?" "The name of the agent.";
    "task_id": "text?" "The number of the task in its plan, such as 1.1.";
    "description": "text?" "The task in words.";
    "mode": "text?" "The mode of the run.";
    "trace_id": "trace_id?" "The trace id of W3C Trace Context, not all zeros.";
    "span_id": "span_id?" "The parent id of W3C Trace Context, not all zeros.";
};

static MODEL: Keys = keys_with_usage_parts! {
    {
        "name": "text?" "The model, as its vendor names it.";
        "provider": "text?" "The provider that served the model.";
        "tier": "text?" "The class of models for which a router chose the model.";
        "variant": "strings" "How the vendor served the model, if that changes the price, such as processing: batch.";
    }
    {}
};

pub(super) static COST: Keys = keys! {
    "estimated_usd": "usd?" "The estimate before the call, in US dollars.";
    "source": "cost_source?" "Reported by the vendor, computed from the usage and a price table, or unknown.";
    "table": "text?" "The version of the price table.";
    "provider": "text?" "The provider whose prices were used.";
    "matched": "text?" "The row of the price table that was used.";
    "tier_above": "count?" "The prices apply only to calls with more input tokens than this number.";
    "variant": "text?" "The part of the variant that has its own prices, such as processing=batch.";
    "variant_unpriced": "text?" "The part of the variant without prices of its own. Standard prices were used.";
    "region_unpriced": "text?" "The region without prices of its own. Standard prices were used.";
    "part_unpriced": "text?" "The parts of the usage without a price of their own. The price of the whole was used.";
    "matched_by": "text?" "The rules that led from the name of the model to the row.";
    "exact_usd": "usd?" "The amount with all its decimals, if it has more than 8.";
    "at": "time?" "The time of the call, which decides the prices.";
};

static PRODUCTION: Keys = keys! {
    "scene_id": "text?" "The id of the scene.";
    "shot_id": "text?" "The id of the shot.";
    "shot_type": "text?" "The type of the shot.";
    "duration_s": "seconds?" "The duration of the generated media in seconds.";
    "outcome": "qc_outcome?" "The result of the quality control.";
    "regen_count": "count?" "The number of earlier attempts, which is 0 for the first attempt.";
    "artifact": "text?" "The name and the version of the product.";
    "qc_violations": "texts" "The violations that the quality control found.";
    "drift_category": "text?" "How the product differs from the request, as a category.";
    "notes": "text?" "Any notes.";
};

static PROGRESS: Keys = keys! {
    "stage": "text!" "The current stage.";
    "percent": "percent?" "The progress in percent.";
    "updated_at": "time!" "When the progress was reported.";
};

static TRACE: Keys = keys! {
    "steps": "list" "The steps." STEP;
    "decisions": "list" "The decisions." DECISION;
    "errors": "list" "The errors, including resolved ones." TRACED_ERROR;
    "llm_calls": "list" "The calls of models." CALL;
    "human_feedback": "object?" "The feedback of a person to a paused execution." FEEDBACK;
};

static STEP: Keys = keys! {
    "name": "text!" "The name of the step.";
    "time": "time!" "When the step began.";
    "action": "text?" "The action that was attempted.";
    "api_call": "text?" "The call that was made, with its most important parameters.";
    "result": "text?" "The result.";
    "notes": "text?" "Any observations.";
    "duration_ms": "count?" "The duration. Null if the step did not end.";
};

static DECISION: Keys = keys! {
    "what": "text!" "The subject of the decision.";
    "decision": "text!" "The decision.";
    "reason": "text?" "The reason.";
    "trigger": "text?" "The cause that made the decision necessary.";
    "confidence": "text?" "The confidence as a text, such as HIGH or 0.9.";
};

static TRACED_ERROR: Keys = keys! {
    "time": "time!" "When the error occurred.";
    "error": "text!" "The message.";
    "context": "text?" "The operation that failed.";
    "resolution": "text?" "How the error was resolved. Null if it was not resolved.";
    "registry_id": "text?" "The number of the error in the error registry, such as ERR-001.";
};

static CALL: Keys = keys_with_usage_parts! {
    {
        "call_sequence": "place!" "The number of the call in the execution: 1, 2, 3, …";
        "model_name": "text!" "The model, as its vendor names it.";
        "provider": "text?" "The provider that served the model.";
        "prompt": "text?" "The whole prompt. Null if it was not stored.";
        "completion": "text?" "The whole completion. Null if it was not stored.";
        "tokens_input": "count?" "All input tokens, including cached ones.";
        "tokens_output": "count?" "All output tokens, including reasoning.";
    }
    {
        "variant": "strings" "How the vendor served the call, if that changes the price.";
        "cost_usd": "usd?" "The cost in US dollars. Null if it is unknown.";
        "cost": "object" "Where the cost comes from. Empty if this is the only call, since the record has the same values." COST;
    }
};

static FEEDBACK: Keys = keys! {
    "type": "text!" "The type of the interaction, such as HIL-Approval.";
    "content": "text!" "The feedback.";
    "timestamp_utc": "time!" "When the feedback was given.";
};

#[cfg(test)]
mod tests {
    use crate::metrics::{ExecutionMetrics, Meter};

    use super::*;

    const BY_A_LEDGER: [&str; 3] = ["seq", "prev", "hash"];

    #[test]
    fn an_object_has_at_most_64_keys() {
        for keys in [&RECORD, &CALL, &MODEL, &COST, &RUN] {
            assert!(keys.keys.len() <= 64);
        }
    }

    #[test]
    fn there_is_one_fact_for_each_key() {
        fn check(keys: &Keys) {
            assert_eq!(keys.keys.len(), keys.facts.lines().count(), "{}", keys.facts);
            keys.keys.iter().filter_map(|key| key.1).for_each(check);
        }
        check(&RECORD);
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
        for Fact { key: name, below, .. } in keys.facts() {
            let before = format!("{before}\"{name}\":");
            check(name, before.clone(), after.to_owned());
            let Some(below) = below else { continue };
            let (open, close) = match name {
                "steps" | "decisions" | "errors" => ("[{", "}]"),
                // The required keys come first, because the parts of a usage are read only if the required keys are
                // present.
                "llm_calls" => ("[{\"call_sequence\":1,\"model_name\":\"m\",", "}]"),
                _ => ("{", "}"),
            };
            each(below, &format!("{before}{open}"), &format!("{close}{after}"), check);
        }
    }

    /// Gives each key in turn the value `[[[]]]`, which no field can have. If `from_json` reads the key, it fails at
    /// this value. It skips only the keys that a ledger adds, and then fails because of a missing field.
    #[test]
    fn every_key_is_read_except_those_of_a_ledger() {
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
