//! Reads a run log from its Markdown.

use super::markdown::{
    BECAUSE, DECISION, ERROR, ERRORS, ERRORS_HEAD, FEEDBACK, FINAL_STATUS, NO_MODEL, NONE, PENDING, RULE, STEP, TITLE,
    TOKEN_USAGE, USAGE_HEAD,
};
use super::text::{UNKNOWN, cells, uncode, unescape, unless_unknown};
use super::{LogStatus, PriceLine, RunLog, minute};
use crate::cost::Count;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Decision, Feedback, Step, Timestamp, TracedError, Usd, shortened};

impl RunLog {
    /// Reads a run log from a text that [`to_markdown`](Self::to_markdown) wrote. Also reads lines that end with CRLF,
    /// counts without commas, and the logs of earlier versions, which have no error entries.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if a line does not have the form that `to_markdown` writes. The error names
    /// the first such line, and says what was expected there.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = Lines::new(text);
        let title = lines.heading(TITLE)?;
        let started = lines.field("Started", "a time such as 2026-01-03 14:23", minute::parse)?;
        let mode = lines.field("Mode", TEXT, |mode| Some(unless_unknown(mode, UNKNOWN)))?;
        let status_of = |text: &str| LogStatus::ALL.into_iter().find(|status| status.as_str() == text);
        let status = lines.field("Status", "In Progress, Completed or Failed", status_of)?;
        let run = lines.field("Run", TEXT, |run| Some(uncode(run)))?;
        let (mut steps, mut decisions, mut feedback) = (Vec::new(), Vec::new(), Vec::new());
        let mut entries = Vec::new();
        loop {
            lines.section()?;
            if lines.peek().starts_with(STEP) {
                steps.push(lines.step(steps.len() + 1, started)?);
            } else if lines.peek().starts_with(ERROR) {
                entries.push(lines.entry(started)?);
            } else if lines.peek().starts_with(DECISION) {
                decisions.push(lines.decision()?);
            } else if lines.peek().starts_with(FEEDBACK) {
                feedback.push(lines.feedback(started)?);
            } else {
                break;
            }
        }
        let errors = lines.errors(started, &entries)?;
        lines.section()?;
        lines.exactly(FINAL_STATUS)?;
        let completed = if status == LogStatus::Completed { "Yes" } else { "No" };
        lines.field("Completed", completed, |text| (text == completed).then_some(()))?;
        let whole = |text: &str| match count(text)? {
            Some(known) => u64::try_from(known).ok().map(Some),
            None => Some(None),
        };
        let conversations_processed = lines.field("Conversations Processed", COUNT, whole)?;
        let messages_sent = lines.field("Messages Sent", COUNT, whole)?;
        let changes_made = lines.list("Changes Made")?;
        if changes_made.as_ref().is_some_and(|items| !items.is_empty()) {
            lines.exactly("")?;
        }
        let issues_to_address = lines.list("Issues to Address")?;
        lines.section()?;
        lines.exactly(TOKEN_USAGE)?;
        USAGE_HEAD.into_iter().try_for_each(|line| lines.exactly(line))?;
        let tokens_input = lines.sum("Input Tokens", count)?;
        let tokens_output = lines.sum("Output Tokens", count)?;
        let tokens_total = lines.sum("Total Tokens", count)?;
        let (cost, unpriced) = lines.sum("Estimated Cost", dollars)?;
        let prices = lines.prices()?;
        let sum = |(known, unknown)| Count { known, unknown };
        Ok(Self {
            run,
            title,
            started,
            mode,
            status,
            steps,
            decisions,
            feedback,
            errors,
            conversations_processed,
            messages_sent,
            changes_made,
            issues_to_address,
            tokens_input: sum(tokens_input),
            tokens_output: sum(tokens_output),
            tokens_total: sum(tokens_total),
            cost,
            unpriced,
            prices,
        })
    }
}

/// Descriptions of the expected values, for errors.
const TEXT: &str = "a text";
const COUNT: &str = "a count such as 1,024, or `-`";

/// The lines that have not been read yet.
struct Lines<'t> {
    rest: &'t str,
    /// The number of the next line, counting from 1.
    number: u64,
    /// The offset of the next line in the text.
    byte: u64,
}

impl<'t> Lines<'t> {
    fn new(rest: &'t str) -> Self {
        Self { rest, number: 1, byte: 0 }
    }

    /// Returns the next line, but does not move past it. Returns an empty text if all lines have been read.
    fn peek(&self) -> &'t str {
        let line = self.rest.split('\n').next().unwrap_or_default();
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Moves past the next line.
    fn pass(&mut self) {
        let len = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        self.rest = &self.rest[len..];
        self.number += 1;
        self.byte += len as u64;
    }

    /// Returns an error that says what was expected instead of the next line.
    fn expected(&self, what: &str) -> Error {
        Error::new(ErrorKind::Malformed, "read a run log")
            .at(self.number, self.byte)
            .detail(format!("found {}; expected {what}", shortened(self.peek())))
    }

    /// Reads the next line with `take`. If `take` returns `None`, fails with an error that says that `what` was
    /// expected.
    fn take<T>(&mut self, what: &str, take: impl FnOnce(&'t str) -> Option<T>) -> Result<T> {
        let taken = take(self.peek()).ok_or_else(|| self.expected(what))?;
        self.pass();
        Ok(taken)
    }

    fn exactly(&mut self, line: &str) -> Result<()> {
        let what = if line.is_empty() { "an empty line" } else { line };
        self.take(what, |found| (found == line).then_some(()))
    }

    /// Reads the separator of two sections, which is a horizontal rule between two blank lines.
    fn section(&mut self) -> Result<()> {
        ["", RULE, ""].into_iter().try_for_each(|line| self.exactly(line))
    }

    fn heading(&mut self, begin: &str) -> Result<String> {
        self.take(begin, |line| Some(unescape(after(line, begin)?)))
    }

    /// Reads the value of a field with `take`. `value` says which values are expected.
    fn field<T>(&mut self, label: &str, value: &str, take: impl FnOnce(&'t str) -> Option<T>) -> Result<T> {
        let begin = format!("**{label}:**");
        self.take(&format!("{begin} followed by {value}"), |line| take(after(line, &begin)?))
    }

    /// Reads a field that may be missing.
    fn text(&mut self, label: &str) -> Option<String> {
        self.field(label, TEXT, |text| Some(unescape(text))).ok()
    }

    fn time(&mut self, started: Timestamp) -> Result<Timestamp> {
        self.field("Time", "a time such as 14:23", |text| minute::parse_after(started, text))
    }

    fn step(&mut self, number: usize, started: Timestamp) -> Result<Step> {
        let mut step = Step::new(self.heading(&format!("{STEP}{number}:"))?, self.time(started)?);
        step.action = self.text("Action");
        step.api_call = self.field("API Call", TEXT, |call| Some(uncode(call))).ok();
        step.result = self.text("Result");
        step.notes = self.text("Notes");
        Ok(step)
    }

    fn decision(&mut self) -> Result<Decision> {
        let what = self.heading(DECISION)?;
        let trigger = self.text("Trigger");
        let (decision, reason) = self.field("Decision", TEXT, |text| {
            Some(match text.split_once(BECAUSE) {
                Some((decision, reason)) => (unescape(decision), Some(unescape(reason))),
                None => (unescape(text), None),
            })
        })?;
        let confidence = self.text("Confidence");
        Ok(Decision { reason, trigger, confidence, ..Decision::new(what, decision) })
    }

    fn feedback(&mut self, started: Timestamp) -> Result<Feedback> {
        let feedback_type = self.heading(FEEDBACK)?;
        let time = self.time(started)?;
        Ok(Feedback::new(feedback_type, self.field("Content", TEXT, |text| Some(unescape(text)))?, time))
    }

    fn entry(&mut self, started: Timestamp) -> Result<TracedError> {
        let id = self.take(ERROR, |line| Some(number(after(line, ERROR)?).0.map(unescape)))?;
        let time = self.time(started)?;
        let mut error = TracedError::new(time, self.field("Error", TEXT, |message| Some(uncode(message)))?);
        error.context = self.field("Context", TEXT, |context| Some(unless_unknown(context, UNKNOWN)))?;
        error.resolution = self.field("Resolution", TEXT, |resolution| Some(unless_unknown(resolution, PENDING)))?;
        error.registry_id = id;
        Ok(error)
    }

    /// Reads the table of errors. Each row must have the values of the entry at the same place in `entries`. Logs of
    /// earlier versions have only the table, so there is nothing to compare.
    fn errors(&mut self, started: Timestamp, entries: &[TracedError]) -> Result<Vec<TracedError>> {
        self.exactly(ERRORS)?;
        ERRORS_HEAD.into_iter().try_for_each(|line| self.exactly(line))?;
        let mut errors = Vec::new();
        while self.peek().starts_with('|') || errors.len() < entries.len() {
            let is_same = |error: &TracedError| entries.is_empty() || entries.get(errors.len()) == Some(error);
            let mut what = "a row | time | error | context | resolution |".to_owned();
            if !entries.is_empty() {
                what += &format!(" that repeats error entry {}", errors.len() + 1);
            }
            errors.push(self.take(&what, |row| error(row, started).filter(is_same))?);
        }
        Ok(errors)
    }

    fn list(&mut self, label: &str) -> Result<Option<Vec<String>>> {
        let is_known = |text: &&str| ["", NONE, UNKNOWN].contains(text);
        match self.field(label, "nothing, `none` or `-`", |text| Some(text).filter(is_known))? {
            UNKNOWN => return Ok(None),
            NONE => return Ok(Some(Vec::new())),
            _ => {}
        }
        let mut items = Vec::new();
        while self.peek().starts_with('-') {
            items.push(self.take("a list item such as `- text`", |line| Some(unescape(line.strip_prefix("- ")?)))?);
        }
        Ok(Some(items))
    }

    /// Reads a table row with a sum, such as `| Input Tokens | 10 (unknown of 2 executions) |`. In this example, 10 is
    /// the sum of the known values, and the values of 2 more executions are unknown. Returns these two numbers.
    fn sum<T>(&mut self, name: &str, known: fn(&str) -> Option<Option<T>>) -> Result<(Option<T>, u64)> {
        self.take(&format!("| {name} | a sum |"), |row| {
            let [found, sum] = cells(row)?[..] else { return None };
            let (sum, unknown) = match sum.split_once(" (unknown of ") {
                Some((sum, rest)) => (sum, rest.split_once(' ')?.0.parse().ok()?),
                None => (sum, 0),
            };
            (found == name).then_some((known(sum)?, unknown))
        })
    }

    /// Reads the lines about prices, which end the log.
    fn prices(&mut self) -> Result<Vec<PriceLine>> {
        let mut prices = Vec::new();
        while !self.rest.is_empty() {
            self.exactly("")?;
            match self.peek() {
                NO_MODEL if prices.is_empty() => self.pass(),
                _ => prices.push(self.take("a line about prices", PriceLine::parse)?),
            }
        }
        Ok(prices)
    }
}

/// Returns the text of the line after `begin` and a space. Returns an empty text if the line consists only of `begin`,
/// and `None` if the line begins differently.
fn after<'t>(line: &'t str, begin: &str) -> Option<&'t str> {
    let rest = line.strip_prefix(begin)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

fn error(row: &str, started: Timestamp) -> Option<TracedError> {
    let [time, error, context, resolution] = cells(row)?[..] else { return None };
    let (id, message) = number(error);
    Some(TracedError {
        context: unless_unknown(context, UNKNOWN),
        resolution: unless_unknown(resolution, PENDING),
        registry_id: id.map(unescape),
        ..TracedError::new(minute::parse_after(started, time)?, unescape(message))
    })
}

/// Returns the number of an error, such as `ERR-001`, and the message after it. The number is `None` if the error has
/// none.
fn number(error: &str) -> (Option<&str>, &str) {
    let numbered = error.split_once(':').filter(|(id, _)| id.starts_with("ERR-"));
    numbered.map_or((None, error), |(id, message)| (Some(id), message.trim_start_matches(' ')))
}

/// Reads a count with commas, such as `1,024`. Returns `Some(None)` for `-`, which is an unknown count.
fn count(text: &str) -> Option<Option<u128>> {
    if text == UNKNOWN { Some(None) } else { text.replace(',', "").parse().ok().map(Some) }
}

fn dollars(text: &str) -> Option<Option<Usd>> {
    if text == UNKNOWN {
        return Some(None);
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    format!("{sign}{}", digits.strip_prefix('$')?.replace(',', "")).parse().ok().map(Some)
}
