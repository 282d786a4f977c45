//! Replaces the secrets in the texts of a record.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ExecutionMetrics;
use super::text::{cut, cut_between_secrets};
use crate::redaction::Redactor;

/// Passes each text of a record to the methods of `$texts`: by reference, or with `mut` by mutable reference.
macro_rules! each_text {
    ($record:expr, $texts:expr $(, $mut:tt)?) => {{
        let (record, texts) = ($record, $texts);
        texts.all([&$($mut)? record.skill_name, &$($mut)? record.skill_version, &$($mut)? record.operator]);
        texts.known([
            &$($mut)? record.orchestrator_version,
            &$($mut)? record.error_reason,
            &$($mut)? record.decision_made,
            &$($mut)? record.skill_path_in_dag,
        ]);
        texts.members(&$($mut)? record.tags);
        let run = &$($mut)? record.run;
        texts.known([
            &$($mut)? run.run_id,
            &$($mut)? run.parent_run_id,
            &$($mut)? run.session_id,
            &$($mut)? run.correlation_id,
            &$($mut)? run.agent_name,
            &$($mut)? run.task_id,
            &$($mut)? run.description,
            &$($mut)? run.mode,
        ]);
        let model = &$($mut)? record.model;
        texts.known([&$($mut)? model.name, &$($mut)? model.provider, &$($mut)? model.tier]);
        texts.variant(&$($mut)? model.variant);
        each_text_of_cost!(&$($mut)? record.cost, texts $(, $mut)?);
        let production = &$($mut)? record.production;
        texts.known([
            &$($mut)? production.scene_id,
            &$($mut)? production.shot_id,
            &$($mut)? production.shot_type,
            &$($mut)? production.artifact,
            &$($mut)? production.drift_category,
            &$($mut)? production.notes,
        ]);
        texts.all(&$($mut)? production.qc_violations);
        if let Some(progress) = &$($mut)? record.progress {
            texts.all([&$($mut)? progress.stage]);
        }
        let trace = &$($mut)? record.trace;
        for step in &$($mut)? trace.steps {
            texts.all([&$($mut)? step.name]);
            texts.known([
                &$($mut)? step.action,
                &$($mut)? step.api_call,
                &$($mut)? step.result,
                &$($mut)? step.notes,
            ]);
        }
        for decision in &$($mut)? trace.decisions {
            texts.all([&$($mut)? decision.what, &$($mut)? decision.decision]);
            texts.known([&$($mut)? decision.reason, &$($mut)? decision.trigger, &$($mut)? decision.confidence]);
        }
        for error in &$($mut)? trace.errors {
            texts.all([&$($mut)? error.error]);
            texts.known([&$($mut)? error.context, &$($mut)? error.resolution, &$($mut)? error.registry_id]);
        }
        for call in &$($mut)? trace.llm_calls {
            texts.all([&$($mut)? call.model_name]);
            texts.known([&$($mut)? call.provider, &$($mut)? call.prompt, &$($mut)? call.completion]);
            texts.variant(&$($mut)? call.variant);
            each_text_of_cost!(&$($mut)? call.cost, texts $(, $mut)?);
        }
        if let Some(feedback) = &$($mut)? trace.human_feedback {
            texts.all([&$($mut)? feedback.feedback_type, &$($mut)? feedback.content]);
        }
    }};
}

macro_rules! each_text_of_cost {
    ($cost:expr, $texts:expr $(, $mut:tt)?) => {{
        let cost = $cost;
        $texts.known([
            &$($mut)? cost.table,
            &$($mut)? cost.provider,
            &$($mut)? cost.matched,
            &$($mut)? cost.variant,
            &$($mut)? cost.variant_unpriced,
            &$($mut)? cost.region_unpriced,
            &$($mut)? cost.part_unpriced,
            &$($mut)? cost.matched_by,
        ]);
    }};
}

impl ExecutionMetrics {
    /// Replaces the secrets in all texts of the record, and adds their number to [`redactions`](Self::redactions).
    /// Returns the number. UUIDs, trace ids, hashes, times, numbers and words of fixed lists do not change. A ledger
    /// does this before it writes a record.
    ///
    /// ```
    /// use runledger::redaction::Redactor;
    /// use runledger::{ExecutionMetrics, Timestamp, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", Timestamp::UNIX_EPOCH);
    /// record.set_error_reason("no access to https://bot:hunter2@example.com");
    /// assert_eq!(record.redact(&Redactor::new()), 1);
    /// assert_eq!(record.error_reason.as_deref(), Some("no access to https://bot:[redacted:url-password:f52f]@example.com"));
    /// assert_eq!(record.redactions, Some(1));
    /// ```
    pub fn redact(&mut self, redactor: &Redactor) -> u64 {
        let mut texts = Replaced { redactor, count: 0 };
        each_text!(&mut *self, &mut texts, mut);
        if texts.count > 0 {
            self.redactions = Some(self.redactions.unwrap_or(0).saturating_add(texts.count));
            // A marker can be longer than the secret.
            self.error_reason = self.error_reason.take().map(|reason| cut(reason, Self::ERROR_REASON_CHARS_MAX));
        }
        texts.count
    }

    /// Returns true if a text of the record has a secret.
    ///
    /// ```
    /// use runledger::redaction::Redactor;
    /// use runledger::{ExecutionMetrics, Timestamp, Uuid};
    ///
    /// let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "publish", "1.0.0", Timestamp::UNIX_EPOCH);
    /// record.set_error_reason("no access to https://example.com");
    /// assert!(!record.has_secret(&Redactor::new()));
    /// record.set_error_reason("no access to https://bot:hunter2@example.com");
    /// assert!(record.has_secret(&Redactor::new()));
    /// ```
    pub fn has_secret(&self, redactor: &Redactor) -> bool {
        let mut texts = Searched { redactor, has_secret: false };
        each_text!(self, &mut texts);
        texts.has_secret
    }

    /// Sets `error_reason`, shortened to [`ERROR_REASON_CHARS_MAX`](Self::ERROR_REASON_CHARS_MAX) characters. A
    /// shortened text ends in `…`. It does not have the beginning of a secret whose end was cut off, because the
    /// built-in rules of a [`Redactor`](crate::redaction::Redactor) could not recognise the secret then.
    pub fn set_error_reason(&mut self, reason: impl Into<String>) {
        self.error_reason = Some(cut_between_secrets(reason.into(), Self::ERROR_REASON_CHARS_MAX));
    }

    /// Like [`set_error_reason`](Self::set_error_reason), but first replaces the secrets in `reason`, and adds their
    /// number to [`redactions`](Self::redactions). The secrets are replaced before `reason` is shortened, because a
    /// rule can miss a secret that was cut.
    pub fn redact_error_reason(&mut self, reason: &str, redactor: &Redactor) {
        let redacted = redactor.redact(reason);
        if redacted.count > 0 {
            self.redactions = Some(self.redactions.unwrap_or(0).saturating_add(redacted.count));
        }
        self.set_error_reason(redacted.text);
    }
}

/// Searches texts until one has a secret.
struct Searched<'r> {
    redactor: &'r Redactor,
    has_secret: bool,
}

impl Searched<'_> {
    fn text(&mut self, text: &str) {
        self.has_secret = self.has_secret || self.redactor.redact(text).count > 0;
    }

    /// Searches `text`, which is the value of the key `name`. The key can show that the value is a secret.
    fn value(&mut self, name: &str, text: &str) {
        self.has_secret = self.has_secret || self.redactor.redact_value(name, text).count > 0;
    }

    fn all<'t>(&mut self, texts: impl IntoIterator<Item = &'t String>) {
        texts.into_iter().for_each(|text| self.text(text));
    }

    fn known<'t>(&mut self, texts: impl IntoIterator<Item = &'t Option<String>>) {
        texts.into_iter().flatten().for_each(|text| self.text(text));
    }

    fn variant(&mut self, variant: &BTreeMap<String, String>) {
        for (name, value) in variant {
            self.text(name);
            self.value(name, value);
        }
    }

    fn members(&mut self, members: &Map<String, Value>) {
        for (name, value) in members {
            self.text(name);
            self.json(name, value);
        }
    }

    /// Searches all texts in a value. The tags of a valid record have a limited depth, so the recursion is limited too.
    fn json(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) => self.value(name, text),
            Value::Array(items) => items.iter().for_each(|item| self.json(name, item)),
            Value::Object(members) => self.members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Replaces the secrets in texts, and counts them.
struct Replaced<'r> {
    redactor: &'r Redactor,
    count: u64,
}

impl Replaced<'_> {
    fn text(&mut self, text: &mut String) {
        let redacted = self.redactor.redact(text);
        if redacted.count > 0 {
            self.count += redacted.count;
            *text = redacted.text.into_owned();
        }
    }

    /// Redacts `text`, which is the value of the key `name`. The key can show that the value is a secret.
    fn value(&mut self, name: &str, text: &mut String) {
        let redacted = self.redactor.redact_value(name, text);
        if redacted.count > 0 {
            self.count += redacted.count;
            *text = redacted.text.into_owned();
        }
    }

    fn all<'t>(&mut self, texts: impl IntoIterator<Item = &'t mut String>) {
        texts.into_iter().for_each(|text| self.text(text));
    }

    fn known<'t>(&mut self, texts: impl IntoIterator<Item = &'t mut Option<String>>) {
        texts.into_iter().flatten().for_each(|text| self.text(text));
    }

    fn variant(&mut self, variant: &mut BTreeMap<String, String>) {
        variant.iter_mut().for_each(|(name, value)| self.value(name, value));
        if variant.keys().any(|name| self.redactor.redact(name).count > 0) {
            *variant = std::mem::take(variant).into_iter().map(|(name, value)| (self.key(name), value)).collect();
        }
    }

    fn key(&mut self, mut key: String) -> String {
        self.text(&mut key);
        key
    }

    fn members(&mut self, members: &mut Map<String, Value>) {
        members.iter_mut().for_each(|(name, value)| self.json(name, value));
        if members.keys().any(|name| self.redactor.redact(name).count > 0) {
            *members = std::mem::take(members).into_iter().map(|(name, value)| (self.key(name), value)).collect();
        }
    }

    /// Redacts all texts in a value. The tags of a valid record have a limited depth, so the recursion is limited too.
    fn json(&mut self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) => self.value(name, text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(name, item)),
            Value::Object(members) => self.members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Timestamp;
    use uuid::Uuid;

    const SECRET: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

    /// Wherever the text is cut, six characters from inside the secret are not left after the redaction.
    #[test]
    fn a_reason_that_is_shortened_does_not_reveal_a_secret() {
        let max = ExecutionMetrics::ERROR_REASON_CHARS_MAX;
        let mut kept = 0;
        for secret in
            [SECRET, "https://bot:x9-Kd_2q!uvw@example.com/path", "Authorization: Bearer x9Kd2qLpRt7WnB4mYcA1dFgH"]
        {
            let part = &secret[secret.len() - 28..secret.len() - 22];
            for before in max - 2 * secret.len()..max + 3 {
                let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", Timestamp::UNIX_EPOCH);
                record.set_error_reason(format!("{} {secret} {}", "é".repeat(before), "z ".repeat(300)));
                record.redact(&Redactor::new());
                let reason = record.error_reason.unwrap();
                assert!(reason.chars().count() <= max && !reason.contains(part), "{before}: {reason}");
                kept += usize::from(reason.contains("[redacted:"));
            }
        }
        assert!(kept > 30, "{kept}");
    }
}
