//! Writes a run log as Markdown.

use std::fmt::{self, Display, Write};

use super::text::{UNKNOWN, code, escape_markdown, or_unknown};
use super::{LogStatus, RunLog, minute};
use crate::cost::Count;
use crate::metrics::{Decision, Feedback, Step, Timestamp, TracedError, Usd, cut};

pub(super) const TITLE: &str = "# Run Log:";
pub(super) const STEP: &str = "## Step ";
pub(super) const DECISION: &str = "## Decision:";
pub(super) const FEEDBACK: &str = "## Feedback:";
pub(super) const ERROR: &str = "## Error:";
pub(super) const ERRORS: &str = "## Errors Encountered";
pub(super) const ERRORS_HEAD: [&str; 2] =
    ["| Time | Error | Context | Resolution |", "|------|-------|---------|------------|"];
pub(super) const FINAL_STATUS: &str = "## Final Status";
pub(super) const TOKEN_USAGE: &str = "## Token Usage";
pub(super) const USAGE_HEAD: [&str; 2] = ["| Metric | Count |", "|--------|-------|"];
/// The horizontal rule between two sections.
pub(super) const RULE: &str = "---";
/// Separates a decision from its reason.
pub(super) const BECAUSE: &str = " - ";
/// The text in place of a resolution, if an error has none.
pub(super) const PENDING: &str = "PENDING";
/// The text for an empty list.
pub(super) const NONE: &str = "none";
pub(super) const NO_MODEL: &str = "*No model was used, as far as the records tell*";

impl RunLog {
    /// Returns the log as Markdown. Texts of the records are escaped, so that they are displayed literally and cannot
    /// end a line or a table cell. A line feed becomes `<br>`, a control character becomes a numeric entity, and a
    /// backslash is put before markup.
    ///
    /// Times are UTC, as `HH:MM`. A time on another day than the start of the run also has its date. An unknown count
    /// is written as `-`, and the resolution of an unresolved error as `PENDING`. If the counts of some executions are
    /// unknown, the sum of the known counts is followed by the number of executions without a count. An unknown value
    /// of a step or a decision is left out.
    ///
    /// Each error is written twice: as an entry after the steps, and as a row of the table of errors. The heading of
    /// the entry is the number of the error and the first line of its message, shortened to 60 characters.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        heading(out, TITLE, &self.title)?;
        field(out, "Started", Some(minute::text(self.started)))?;
        field(out, "Mode", Some(or_unknown(self.mode.as_deref(), UNKNOWN)))?;
        field(out, "Status", Some(self.status.as_str()))?;
        field(out, "Run", Some(code(&self.run)))?;
        for (step, number) in self.steps.iter().zip(1u64..) {
            section(out)?;
            write_step(out, number, step, self.started)?;
        }
        for error in &self.errors {
            section(out)?;
            write_error(out, error, self.started)?;
        }
        for decision in &self.decisions {
            section(out)?;
            write_decision(out, decision)?;
        }
        for feedback in &self.feedback {
            section(out)?;
            write_feedback(out, feedback, self.started)?;
        }
        section(out)?;
        self.write_errors(out)?;
        section(out)?;
        self.write_final_status(out)?;
        section(out)?;
        self.write_usage(out)
    }

    fn write_errors(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{ERRORS}\n{}", ERRORS_HEAD.join("\n"))?;
        for error in &self.errors {
            let TracedError { time, context, resolution, .. } = error;
            let time = minute::text_after(self.started, *time);
            let context = or_unknown(context.as_deref(), UNKNOWN);
            let resolution = or_unknown(resolution.as_deref(), PENDING);
            let message = numbered(error, &error.error);
            writeln!(out, "| {time} | {message} | {context} | {resolution} |")?;
        }
        Ok(())
    }

    fn write_final_status(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{FINAL_STATUS}")?;
        field(out, "Completed", Some(if self.status == LogStatus::Completed { "Yes" } else { "No" }))?;
        field(out, "Conversations Processed", Some(count(self.conversations_processed.map(u128::from))))?;
        field(out, "Messages Sent", Some(count(self.messages_sent.map(u128::from))))?;
        if list(out, "Changes Made", self.changes_made.as_deref())? {
            // Without a blank line, Markdown would add the next line to the last item of the list.
            writeln!(out)?;
        }
        list(out, "Issues to Address", self.issues_to_address.as_deref())?;
        Ok(())
    }

    fn write_usage(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{TOKEN_USAGE}\n{}", USAGE_HEAD.join("\n"))?;
        for (name, sum) in [
            ("Input Tokens", self.tokens_input),
            ("Output Tokens", self.tokens_output),
            ("Total Tokens", self.tokens_total),
        ] {
            let Count { known, unknown } = sum;
            writeln!(out, "| {name} | {}{} |", count(known), note_of_unknown(unknown))?;
        }
        let cost = self.cost.map_or_else(|| UNKNOWN.to_owned(), dollars);
        writeln!(out, "| Estimated Cost | {cost}{} |", note_of_unknown(self.unpriced))?;
        for price in &self.prices {
            writeln!(out, "\n{}", price.to_markdown())?;
        }
        if self.prices.is_empty() {
            writeln!(out, "\n{NO_MODEL}")?;
        }
        Ok(())
    }
}

fn section(out: &mut String) -> fmt::Result {
    writeln!(out, "\n{RULE}\n")
}

fn heading(out: &mut String, begin: impl Display, text: &str) -> fmt::Result {
    writeln!(out, "{}", format!("{begin} {}", escape_markdown(text)).trim_end())
}

/// Writes the line of a field. Writes nothing if `value` is `None`.
fn field(out: &mut String, label: &str, value: Option<impl Display>) -> fmt::Result {
    match value {
        Some(value) => writeln!(out, "{}", format!("**{label}:** {value}").trim_end()),
        None => Ok(()),
    }
}

/// Writes the line of a field whose value is a text. Writes nothing if `value` is `None` or empty.
fn text(out: &mut String, label: &str, value: Option<&String>) -> fmt::Result {
    field(out, label, value.filter(|text| !text.is_empty()).map(|text| escape_markdown(text)))
}

fn write_step(out: &mut String, number: u64, step: &Step, started: Timestamp) -> fmt::Result {
    heading(out, format_args!("{STEP}{number}:"), &step.name)?;
    field(out, "Time", Some(minute::text_after(started, step.time)))?;
    text(out, "Action", step.action.as_ref())?;
    field(out, "API Call", step.api_call.as_deref().filter(|call| !call.is_empty()).map(code))?;
    text(out, "Result", step.result.as_ref())?;
    text(out, "Notes", step.notes.as_ref())
}

fn write_error(out: &mut String, error: &TracedError, started: Timestamp) -> fmt::Result {
    const TITLE_CHARS_MAX: usize = 60;
    let TracedError { time, context, resolution, .. } = error;
    let title = cut(error.error.lines().next().unwrap_or_default().to_owned(), TITLE_CHARS_MAX);
    writeln!(out, "{}", format!("{ERROR} {}", numbered(error, &title)).trim_end())?;
    field(out, "Time", Some(minute::text_after(started, *time)))?;
    field(out, "Error", Some(code(&error.error)))?;
    field(out, "Context", Some(or_unknown(context.as_deref(), UNKNOWN)))?;
    field(out, "Resolution", Some(or_unknown(resolution.as_deref(), PENDING)))
}

fn write_decision(out: &mut String, decision: &Decision) -> fmt::Result {
    heading(out, DECISION, &decision.what)?;
    text(out, "Trigger", decision.trigger.as_ref())?;
    let reason = decision.reason.as_ref().filter(|reason| !reason.is_empty());
    let reason = reason.map_or_else(String::new, |reason| format!("{BECAUSE}{}", escape_markdown(reason)));
    field(out, "Decision", Some(escape_markdown(&decision.decision) + &reason))?;
    text(out, "Confidence", decision.confidence.as_ref())
}

fn write_feedback(out: &mut String, feedback: &Feedback, started: Timestamp) -> fmt::Result {
    heading(out, FEEDBACK, &feedback.feedback_type)?;
    field(out, "Time", Some(minute::text_after(started, feedback.timestamp_utc)))?;
    field(out, "Content", Some(escape_markdown(&feedback.content)))
}

/// Returns `text`, which is the message of the error or the beginning of the message. If the error has a number, the
/// number comes first.
fn numbered(error: &TracedError, text: &str) -> String {
    let text = escape_markdown(text);
    match &error.registry_id {
        Some(id) => format!("{}: {text}", escape_markdown(id)),
        // `parse` would read the text ERR- at the beginning of a message as the number of an error. So the E is written
        // as an entity.
        None if text.starts_with("ERR-") => format!("&#69;{}", &text[1..]),
        None => text,
    }
}

/// Writes the items that are not empty, and returns whether there are any.
fn list(out: &mut String, label: &str, items: Option<&[String]>) -> Result<bool, fmt::Error> {
    let Some(items) = items else {
        field(out, label, Some(UNKNOWN))?;
        return Ok(false);
    };
    // In Markdown, a line with only a hyphen turns the line above into a heading, so empty items are left out.
    let mut items = items.iter().filter(|item| !item.is_empty()).peekable();
    let any = items.peek().is_some();
    field(out, label, Some(if any { "" } else { NONE }))?;
    items.try_for_each(|item| writeln!(out, "- {}", escape_markdown(item)))?;
    Ok(any)
}

/// Returns a text such as `1,234,567`.
fn count(count: Option<u128>) -> String {
    count.map_or_else(|| UNKNOWN.to_owned(), |count| grouped(&count.to_string()))
}

/// Adds commas between groups of three digits.
fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Returns a text such as `$1,234.50`, with all decimals of the amount, but at least two.
fn dollars(amount: Usd) -> String {
    let digits = amount.to_string();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    format!("{sign}${}.{decimals:0<2}", grouped(whole))
}

/// Returns a note that says for how many executions the value is unknown.
fn note_of_unknown(unknown: u64) -> String {
    match unknown {
        0 => String::new(),
        1 => " (unknown of 1 execution)".to_owned(),
        _ => format!(" (unknown of {unknown} executions)"),
    }
}
