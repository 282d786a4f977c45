//! Reports what an import of sessions found and appended.

use std::io::Write;

use runledger::import::ImportCounts;
use serde_json::json;

use super::append::Appender;
use super::find::Found;
use super::transcripts::Transcripts;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::short::several;
use crate::term::{output, printable};

pub(super) struct Report<'a> {
    pub(super) found: &'a Found,
    pub(super) transcripts: &'a Transcripts,
    pub(super) counts: &'a ImportCounts,
    pub(super) appender: &'a Appender<'a>,
}

impl Report<'_> {
    /// Returns true if something was imported or refused.
    pub(super) fn is_news(&self) -> bool {
        self.appender.appended.executions > 0 || self.appender.has_refused()
    }

    pub(super) fn write(&self, dry_run: bool, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
        if global.json { self.write_json(dry_run, out) } else { self.write_text(dry_run, out) }
    }

    fn write_json(&self, dry_run: bool, out: &mut impl Write) -> Result<(), Failure> {
        let Self { found, transcripts, counts, appender } = self;
        let appended = &appender.appended;
        let sources = found.sources.iter().map(|source| {
            json!({"format": source.agent.name(), "path": source.path.display().to_string(), "files": source.files})
        });
        let sources: Vec<_> = sources.collect();
        let compressed: Vec<_> = found.compressed.iter().map(|path| path.display().to_string()).collect();
        let skipped: Vec<_> = transcripts.skipped.iter().map(|path| path.display().to_string()).collect();
        let line = json!({
            "dry_run": dry_run, "found": sources, "sessions": counts.sessions, "executions": appended.executions,
            "calls": appended.calls, "cost_usd": appended.usd, "executions_without_cost": appended.unpriced,
            "models_without_price": appended.unpriced_models,
            "lower_bound_calls": counts.lower_bounds, "repeated_lines": counts.repeated_lines,
            "turns_without_usage": counts.without_usage, "results_without_messages": counts.results_without_messages,
            "larger_copies": counts.larger_copies, "larger_copies_tokens": counts.larger_tokens,
            "waiting": counts.waiting, "torn_lines": transcripts.torn, "duplicates": appended.duplicates,
            "refused": appended.refused, "unreadable_lines": counts.unreadable_lines, "skipped_files": skipped,
            "compressed_files": compressed,
            "unknown_kinds": counts.unknown_kinds, "other_unknown_kinds": counts.other_unknown,
        });
        Ok(output::json_line(out, &line)?)
    }

    fn write_text(&self, dry_run: bool, out: &mut impl Write) -> Result<(), Failure> {
        let Self { found, transcripts, counts, appender } = self;
        let appended = &appender.appended;
        let mut lines = Vec::new();
        if found.sources.is_empty() {
            let searched = found.searched().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            lines.push(format!("found no sessions of claude-code, codex or gemini in {searched}"));
        }
        lines.extend(found.sources.iter().map(|source| {
            let files = several(source.files, "file", "files");
            format!("found {files} of {} in {}", source.agent.name(), source.path.display())
        }));
        let (would, nothing) = if dry_run { ("would import", "; nothing was written") } else { ("imported", "") };
        lines.push(format!(
            "{would} {} of {}: {}, {} USD{nothing}",
            several(appended.executions, "execution", "executions"),
            several(counts.sessions, "session", "sessions"),
            several(appended.calls, "call", "calls"),
            appended.usd.round_to_record(),
        ));
        let models = appended.unpriced_models.iter();
        let models = models.map(|name| match name.as_str() {
            "" => "no model is named".to_owned(),
            name => format!("no price of {name} (see --prices)"),
        });
        let models: Vec<_> = models.collect();
        let unpriced = format!("with an unknown cost, which the sum leaves out: {}", models.join(", "));
        let unreadable = transcripts.unreadable.iter().map(|path| format!(", the first in {}", path.display()));
        let unreadable = format!("that could not be read{}", unreadable.collect::<String>());
        let larger = format!(
            "imported earlier, whose copy now has more usage; the records do not change, so {} not counted",
            if counts.larger_tokens == 1 {
                "1 token is".to_owned()
            } else {
                format!("{} tokens are", counts.larger_tokens)
            }
        );
        let notes = [
            (appended.unpriced, "execution", "executions", &*unpriced),
            (
                counts.lower_bounds,
                "call",
                "calls",
                "without a final usage: the number of output tokens is a lower bound",
            ),
            (counts.without_usage, "turn", "turns", "left out, because the agent wrote no usage"),
            (
                counts.results_without_messages,
                "result",
                "results",
                "left out, because the output has no message of the turn; `runledger import claude-code` reads the transcript",
            ),
            (counts.larger_copies, "call", "calls", &*larger),
            (counts.waiting, "turn", "turns", "without an end, left for the next import"),
            (transcripts.torn, "file", "files", "with an incomplete last line, left for the next import"),
            (counts.repeated_lines, "line that repeats", "lines that repeat", "a call; each call counts once"),
            (appended.duplicates, "execution", "executions", "that the ledger had already"),
            (appended.refused, "execution", "executions", "that the ledger refused"),
            (counts.unreadable_lines, "line", "lines", &*unreadable),
        ];
        let notes = notes.into_iter().filter(|(count, ..)| *count > 0);
        lines.extend(notes.map(|(count, one, more, what)| format!("{} {what}", several(count, one, more))));
        let compressed = found.compressed.iter();
        lines.extend(
            compressed.map(|path| format!("skipped {}: it is compressed; decompress it first", path.display())),
        );
        lines.extend(transcripts.skipped.iter().map(|path| format!("skipped {}: it is not a session", path.display())));
        if !counts.unknown_kinds.is_empty() {
            let mut kinds: Vec<_> =
                counts.unknown_kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            kinds.extend((counts.other_unknown > 0).then(|| format!("others {}", counts.other_unknown)));
            lines.push(format!("lines of unknown kinds: {}", kinds.join(", ")));
        }
        for line in lines {
            writeln!(out, "{}", printable(&line))?;
        }
        Ok(())
    }
}
