//! Makes a schema from a template.

use super::templates;
use crate::metrics::keys::{COST, Fact, Keys, RECORD};
use crate::metrics::{CostSource, CostTier, Environment, ErrorCategory, Kind, Meter, QcOutcome, Status};

/// A schema that is being written.
///
/// A line of a template that begins with `*` is replaced as follows:
///
/// - `*describe TEXT`: a description that consists of the text and [`RULES`](templates::RULES);
/// - `*keys`: all keys of a record;
/// - `*aliases`: the other names of these keys;
/// - `*required KEY …`: each of these keys is required, under any of its names;
/// - `*whole KEY …`: like `*required`, and also the rule [`END`](templates::END);
/// - `*usage`: the keys of a usage;
/// - `*message KEY` to `*done`: an object whose only key is `KEY`. The schema of the value is between these two lines;
/// - `*vendor KEY`: a call with the usage of a vendor under this key;
/// - `*answer`: the template [`ANSWER`](templates::ANSWER).
pub(super) struct Writer<'a> {
    text: String,
    /// The number of objects and lists around the current line.
    depth: usize,
    /// True if the schema is for the input of `pipe`, which accepts some values in more than one form.
    is_input: bool,
    aliases: &'a [(&'a str, &'a str)],
}

impl<'a> Writer<'a> {
    pub(super) fn new(is_input: bool, aliases: &'a [(&'a str, &'a str)]) -> Self {
        Self { text: String::with_capacity(1 << 15), depth: 0, is_input, aliases }
    }

    /// Returns the schema of a template.
    pub(super) fn fill(mut self, template: &str) -> String {
        self.add(template);
        self.text.push('\n');
        self.text
    }

    fn add(&mut self, template: &str) {
        for line in template.lines().map(str::trim_start) {
            if let Some(fact) = line.strip_prefix('@') {
                let (key, fact) = split(fact);
                let (kind, about) = split(fact);
                self.key(key, kind, about, None);
            } else if let Some(part) = line.strip_prefix('*') {
                let (part, rest) = split(part);
                self.part(part, rest);
            } else {
                self.line(&[line]);
            }
        }
    }

    fn part(&mut self, part: &str, rest: &str) {
        match part {
            "describe" => self.line(&["\"description\": \"", rest, " ", templates::RULES, "\""]),
            "keys" => self.keys(&RECORD),
            "aliases" => self.aliases(),
            "required" => self.required(rest, Vec::new()),
            "whole" => self.required(rest, vec![templates::END.to_owned()]),
            "usage" => self.usage(),
            "message" => {
                self.line(&["\"", rest, "\": {"]);
                self.line(&["\"type\": \"object\""]);
                self.line(&["\"additionalProperties\": false"]);
                self.line(&["\"required\": [\"", rest, "\"]"]);
                self.line(&["\"properties\": {"]);
                self.line(&["\"", rest, "\": {"]);
            }
            "done" => (0..3).for_each(|_| self.line(&["}"])),
            "vendor" => {
                let names = "execution_id model provider variant at cost_usd ".to_owned() + rest;
                let names = quoted(&names.split(' ').collect::<Vec<_>>());
                self.line(&["{\"required\": [\"", rest, "\"], \"propertyNames\": {\"enum\": ", &names, "}}"]);
            }
            _ => self.add(templates::ANSWER),
        }
    }

    /// Adds a line. Adds a comma to the previous line if necessary. A line that ends in an opening bracket begins an
    /// object or a list, and a line that begins with a closing bracket ends it.
    fn line(&mut self, parts: &[&str]) {
        if parts.first().is_some_and(|first| first.starts_with(['}', ']'])) {
            self.depth = self.depth.saturating_sub(1);
        } else if !self.text.is_empty() && !self.text.ends_with(['{', '[']) {
            self.text.push(',');
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        (0..self.depth).for_each(|_| self.text.push_str("  "));
        parts.iter().for_each(|part| self.text.push_str(part));
        self.depth += usize::from(self.text.ends_with(['{', '[']));
    }

    fn keys(&mut self, keys: &Keys) {
        for Fact { key, kind, about, below } in keys.facts() {
            self.key(key, kind, about, below);
        }
    }

    /// Adds a key. `kind` is the type of its value, and `below` has the keys of the objects in the value.
    fn key(&mut self, key: &str, kind: &str, about: &str, below: Option<&Keys>) {
        let about = if about.is_empty() { meaning(key) } else { about };
        let (kind, may_be_null) = match kind.strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (kind.trim_end_matches('!'), false),
        };
        let Some(keys) = below else {
            let values = self.values(kind, may_be_null);
            return self.line(&["\"", key, "\": {", &values, ", \"description\": \"", about, "\"}"]);
        };
        self.line(&["\"", key, "\": {"]);
        self.line(&["\"description\": \"", about, "\""]);
        let is_list = kind == "list";
        if is_list {
            self.line(&["\"type\": \"array\""]);
            self.line(&["\"items\": {"]);
        }
        self.line(&["\"type\": ", &types(&["object"], may_be_null)]);
        self.line(&["\"additionalProperties\": false"]);
        let required: Vec<_> = keys.facts().filter(|fact| fact.kind.ends_with('!')).map(|fact| fact.key).collect();
        if !required.is_empty() {
            self.line(&["\"required\": ", &quoted(&required)]);
        }
        self.line(&["\"properties\": {"]);
        self.keys(keys);
        (0..2 + usize::from(is_list)).for_each(|_| self.line(&["}"]));
    }

    /// Returns the schema keywords for values of a type.
    fn values(&self, kind: &str, may_be_null: bool) -> String {
        if let Some(words) = words(kind) {
            let error = if self.is_input && kind == "status" { ", \"error\"" } else { "" };
            let null = if may_be_null { ", null" } else { "" };
            return ["\"enum\": ", quoted(words).trim_end_matches(']'), error, null, "]"].concat();
        }
        let (found, keywords): (&[&str], &str) = match kind {
            "bool" => (&["boolean"], ""),
            "count" => (&["integer"], r#", "minimum": 0, "maximum": 18446744073709551615"#),
            "place" => (&["integer"], r#", "minimum": 1, "maximum": 18446744073709551615"#),
            "integer" => (&["integer"], r#", "minimum": -9223372036854775808, "maximum": 9223372036854775807"#),
            "percent" => (&["number"], r#", "minimum": 0, "maximum": 100"#),
            "score" => (&["number"], r#", "minimum": 0, "maximum": 1"#),
            "seconds" => (&["number"], r#", "minimum": 0"#),
            "usd" | "digits" if self.is_input => {
                (&["number", "string"], r#", "minimum": 0, "pattern": "^[0-9]+(\\.[0-9]{1,12})?$""#)
            }
            "usd" => (&["number"], r#", "minimum": 0"#),
            "texts" => (&["array"], r#", "items": {"type": "string"}"#),
            "open" => (&["object"], ""),
            "strings" => (&["object"], r#", "additionalProperties": {"type": "string"}"#),
            kind => (&["string"], self.form(kind)),
        };
        ["\"type\": ", &types(found, may_be_null), keywords].concat()
    }

    /// Returns the schema keywords for strings of a type.
    fn form(&self, kind: &str) -> &'static str {
        match kind {
            "id" => {
                r#", "format": "uuid", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$", "not": {"const": "00000000-0000-0000-0000-000000000000"}"#
            }
            "uuid" => r#", "format": "uuid", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$""#,
            "time" => {
                r#", "format": "date-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})$""#
            }
            "name" => r#", "pattern": "\\S""#,
            "digits" => r#", "pattern": "^[0-9]+(\\.[0-9]{1,12})?$""#,
            "sha256" => r#", "pattern": "^[0-9a-f]{64}$""#,
            "trace_id" => r#", "pattern": "^[0-9a-f]{32}$", "not": {"const": "00000000000000000000000000000000"}"#,
            "span_id" => r#", "pattern": "^[0-9a-f]{16}$", "not": {"const": "0000000000000000"}"#,
            "reason" if !self.is_input => r#", "maxLength": 500"#,
            _ => "",
        }
    }

    /// Adds the rule that each of these keys is required, under any of its names. Also adds `rules`.
    ///
    /// The rules are in `allOf`, because the validator ajv 8 refuses all keys of a schema that has both `anyOf` and
    /// `unevaluatedProperties`.
    fn required(&mut self, keys: &str, mut rules: Vec<String>) {
        let mut always = Vec::new();
        for key in keys.split(' ') {
            let mut names = vec![key];
            names.extend(self.aliases.iter().filter(|(_, path)| *path == key).map(|(alias, _)| *alias));
            if names.len() == 1 {
                always.push(key);
            } else {
                let names = names.join("\"]}, {\"required\": [\"");
                rules.push(["{\"anyOf\": [{\"required\": [\"", &names, "\"]}]}"].concat());
            }
        }
        self.line(&["\"required\": ", &quoted(&always)]);
        if !rules.is_empty() {
            self.line(&["\"allOf\": [", &rules.join(", "), "]"]);
        }
    }

    fn aliases(&mut self) {
        for (alias, path) in self.aliases {
            let pointer = path.replace('.', "/properties/");
            let about = ["\", \"description\": \"Another name of ", path, ".\"}"].concat();
            self.line(&["\"", alias, "\": {\"$ref\": \"#/$defs/keys/properties/", &pointer, &about]);
        }
    }

    /// Adds the keys of a usage, in which durations are in seconds.
    fn usage(&mut self) {
        for meter in Meter::ALL {
            let (key, about) = (meter.usage_key(), meaning(meter.name()));
            match key.strip_suffix("_ms") {
                Some(name) => self.key(&[name, "_seconds"].concat(), "seconds?", about, None),
                None => self.key(key, "count?", about, None),
            }
        }
    }
}

/// Returns the two texts around the first space.
fn split(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

/// Returns the meaning of a kind of usage, or of a key of the `cost` of a record.
fn meaning(name: &str) -> &'static str {
    let usage = templates::USAGE.lines().map(split).find(|(found, _)| *found == name).map(|(_, about)| about);
    usage.or_else(|| COST.facts().find(|fact| fact.key == name).map(|fact| fact.about)).unwrap_or("")
}

/// Returns a list of texts in JSON.
fn quoted(texts: &[&str]) -> String {
    if texts.is_empty() { "[]".to_owned() } else { ["[\"", &texts.join("\", \""), "\"]"].concat() }
}

/// Returns the value of the keyword `type`.
fn types(found: &[&str], may_be_null: bool) -> String {
    let mut all = found.to_vec();
    all.extend(may_be_null.then_some("null"));
    let list = quoted(&all);
    if all.len() == 1 { list.trim_matches(['[', ']']).to_owned() } else { list }
}

/// Returns the words that are allowed for a type. Returns `None` if the type is not a list of words.
fn words(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "status" => Status::KNOWN,
        "kind" => Kind::KNOWN,
        "environment" => Environment::KNOWN,
        "error_category" => ErrorCategory::KNOWN,
        "cost_tier" => CostTier::KNOWN,
        "cost_source" => CostSource::KNOWN,
        "qc_outcome" => QcOutcome::KNOWN,
        _ => return None,
    })
}
