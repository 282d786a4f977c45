//! Summarizes an import of files of records.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::failure::Failure;
use crate::global::Global;
use crate::term::{Style, output, printable};

/// The largest number of different unknown keys that are named.
const NAMES_MAX: usize = 100;

#[derive(Default)]
pub(super) struct Summary {
    pub(super) imported: u64,
    pub(super) duplicates: u64,
    pub(super) refused: u64,
    /// The files with the refused lines.
    pub(super) refused_files: Vec<PathBuf>,
    /// The unknown keys, each with the number of times that it was found.
    unknown: BTreeMap<String, u64>,
    /// The number of times that another unknown key was found, when `unknown` was already full.
    unnamed: u64,
}

impl Summary {
    pub(super) fn add_unknown(&mut self, keys: Vec<String>) {
        for key in keys {
            if self.unknown.len() < NAMES_MAX || self.unknown.contains_key(&key) {
                *self.unknown.entry(key).or_default() += 1;
            } else {
                self.unnamed += 1;
            }
        }
    }

    pub(super) fn write(&self, dry_run: bool, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
        let Self { imported, duplicates, refused, refused_files, unknown, unnamed } = self;
        let files: Vec<_> = refused_files.iter().map(|file| file.display().to_string()).collect();
        if global.json {
            let line = json!({
                "dry_run": dry_run, "imported": imported, "duplicates": duplicates, "refused": refused,
                "refused_files": files, "unknown_keys": unknown, "unnamed_unknown_keys": unnamed,
            });
            return Ok(output::json_line(out, &line)?);
        }
        let places = if files.is_empty() { String::new() } else { format!(" ({})", files.join(", ")) };
        let (would, nothing) = if dry_run { ("would import", "; nothing was written") } else { ("imported", "") };
        let text = format!("{would} {imported}, duplicates {duplicates}, refused {refused}{places}{nothing}");
        writeln!(out, "{}", printable(&text))?;
        if *refused > 0 && imported + duplicates == 0 {
            let text = "found no record; to import a session of a coding agent, name the agent, such as \
                        `runledger import claude-code FILE`";
            output::note(text, "no_record", global.style());
        }
        if !unknown.is_empty() {
            let mut names: Vec<_> = unknown.iter().map(|(key, count)| format!("{key} {count}")).collect();
            names.extend((*unnamed > 0).then(|| format!("others {unnamed}")));
            writeln!(out, "{}", printable(&format!("unknown keys that became tags: {}", names.join(", "))))?;
        }
        Ok(())
    }
}

/// Reports that the import stopped at a line because the record of the line could not be appended.
pub(super) fn report_stop(input: &str, number: u64, style: Style) {
    let text = format!("the import stopped at line {number} of {input}. Run the same command again to import the rest");
    output::error(&text, "io", style);
}
