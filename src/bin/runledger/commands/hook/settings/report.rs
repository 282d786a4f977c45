//! Reports what a change of the settings did.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::edit::Change;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::{output, printable, quoted};

pub(super) struct Report<'a> {
    pub(super) dry_run: bool,
    /// The path of the settings file.
    pub(super) path: &'a Path,
    /// The installed command, and a text that says what the user has to do next. `None` if the hook is removed.
    pub(super) command: Option<(&'a str, &'a str)>,
    pub(super) changes: &'a [(String, Change)],
    /// The path of the copy of the settings before the change; `None` if there is no copy.
    pub(super) copy: Option<&'a Path>,
    /// Texts that the user should read about the change.
    pub(super) notes: &'a [String],
}

impl Report<'_> {
    pub(super) fn write(&self, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
        let Self { dry_run, path, command, changes, copy, notes } = self;
        let path = path.display().to_string();
        let copy = copy.map(|copy| copy.display().to_string());
        if global.json {
            let changes: Vec<_> =
                changes.iter().map(|(event, change)| json!({"event": event, "change": change.word()})).collect();
            let command = command.map(|(command, _)| command);
            let line = json!({"dry_run": dry_run, "settings": path, "command": command, "changes": changes, "copy": copy,
                "notes": notes});
            return Ok(output::json_line(out, &line)?);
        }
        let mut lines = Vec::new();
        if changes.is_empty() {
            lines.push(format!("{path} stays as it is"));
        } else {
            lines.push(format!("{} {path}", if *dry_run { "would change" } else { "changed" }));
        }
        lines.extend(changes.iter().map(|(event, change)| format!("{} the hook of {event}", change.word())));
        lines.extend(command.map(|(command, _)| format!("the hook is: {command}")));
        let ledger = std::path::absolute(&global.ledger).unwrap_or_else(|_| global.ledger.clone());
        if command.is_some() {
            let ledger = quoted(&ledger.display().to_string());
            lines.push(format!("what it records: runledger list --ledger {ledger}"));
            lines.push(format!(
                "what it costs: runledger import --ledger {ledger}, then runledger cost --by day --ledger {ledger}"
            ));
        }
        lines.extend(copy.map(|copy| format!("the old settings are in {copy}")));
        lines.extend(notes.iter().map(|note| format!("note: {note}")));
        lines.extend(command.filter(|_| !dry_run).map(|(_, next)| format!("next: {next}")));
        for line in lines {
            writeln!(out, "{}", printable(&line))?;
        }
        Ok(())
    }
}
