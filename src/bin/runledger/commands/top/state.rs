//! Holds the state of `top`: the executions that it has read, and what the user has selected. Events change the state,
//! and the view draws it. This file does not use the terminal, and reads no clock.

use std::cmp::Reverse;
use std::collections::VecDeque;

use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Timestamp, Uuid};

use super::action::Action;
use super::hour::Hour;
use super::quota_bar::UsageBar;
use super::row::Row;
use crate::term::printable;

/// The maximum number of executions in the list. The figures of the last hour are also computed from these.
pub(super) const ROWS_MAX: usize = 2_000;

/// An execution in flight.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Begun {
    pub(super) record: ExecutionMetrics,
    /// True if the process of the execution is alive, or if this is unknown. `None` if the execution belongs to no
    /// process.
    pub(super) owner_alive: Option<bool>,
}

/// The values that do not come from the lines of the ledger.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Surroundings {
    /// The executions in flight, the oldest first; `None` if they could not be read.
    pub(super) in_flight: Option<Vec<Begun>>,
    pub(super) bars: Vec<UsageBar>,
    /// Sentences about parts that could not be read, or that the figures leave out.
    pub(super) problems: Vec<String>,
}

/// The order of the list of executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Newest,
    Dearest,
    Longest,
    Skill,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Newest => Self::Dearest,
            Self::Dearest => Self::Longest,
            Self::Longest => Self::Skill,
            Self::Skill => Self::Newest,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Dearest => "most expensive first",
            Self::Longest => "longest first",
            Self::Skill => "by skill",
        }
    }
}

/// The part of `top` that the screen shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Lists,
    /// The lists, while the user types the name of a skill.
    Typing {
        /// The filter before the user began to type. Esc restores it.
        before: String,
    },
    Help,
    Record(Opened),
}

/// A record that the user opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) id: Uuid,
    /// The record as JSON, line by line, without control characters.
    pub(super) lines: Vec<String>,
    /// The number of lines above the screen. The view reduces it if the record has fewer lines.
    pub(super) scroll: usize,
}

/// The task of the loop after an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Quit,
    /// Restore the terminal, and stop until the shell continues the process.
    Suspend,
    /// Read the record of this execution, and call [`State::open`].
    Read(Uuid),
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) ledger: String,
    pub(super) now: Timestamp,
    /// The rows of the last executions. The newest one is last.
    rows: VecDeque<Row>,
    /// All executions that ended after this time are in `rows`. `None` if `rows` has all executions of the ledger.
    all_since: Option<Timestamp>,
    malformed: u64,
    /// The reasons why segments could not be read.
    unread: Vec<String>,
    /// The last surroundings that were read. `None` before the first reading.
    pub(super) surroundings: Option<Surroundings>,
    /// The reason why the last record that the user wanted to open is not shown.
    unopened: Option<String>,
    pub(super) sort: Sort,
    /// Only executions whose skill contains this text are shown.
    pub(super) skill: String,
    /// Only executions with this status are shown.
    pub(super) status: Option<&'static str>,
    /// The execution on which the cursor is; `None` until the user moves it.
    pub(super) selected: Option<Uuid>,
    pub(super) mode: Mode,
    /// The number of lines by which PageDown moves. The view sets it.
    pub(super) page: usize,
}

impl State {
    pub(super) fn new(ledger: String, now: Timestamp) -> Self {
        Self {
            ledger,
            now,
            rows: VecDeque::new(),
            all_since: None,
            malformed: 0,
            unread: Vec::new(),
            surroundings: None,
            unopened: None,
            sort: Sort::Newest,
            skill: String::new(),
            status: None,
            selected: None,
            mode: Mode::Lists,
            page: 10,
        }
    }

    /// Adds a record of the ledger. It replaces an earlier record of the same execution.
    pub(super) fn learn(&mut self, record: &ExecutionMetrics) {
        let row = Row::from(record);
        if let Some(at) = self.rows.iter().rposition(|other| other.id == row.id) {
            self.rows.remove(at);
        }
        if let Some(in_flight) = self.surroundings.as_mut().and_then(|known| known.in_flight.as_mut()) {
            in_flight.retain(|begun| begun.record.execution_id != row.id);
        }
        if matches!(&self.mode, Mode::Record(opened) if opened.id == row.id) {
            self.open(record);
        }
        self.rows.push_back(row);
        self.limit();
    }

    /// Adds a record that comes earlier in the ledger than all records that [`learn`](Self::learn) added.
    pub(super) fn learn_earlier(&mut self, record: &ExecutionMetrics) {
        self.rows.push_front(Row::from(record));
        self.limit();
    }

    /// If there are too many rows, removes the rows of the executions that ended first. They are not always the first
    /// rows, because an import can append executions that ended long ago.
    fn limit(&mut self) {
        while self.rows.len() > ROWS_MAX
            && let Some((first, _)) = self.rows.iter().enumerate().min_by_key(|(_, row)| row.ended_at)
        {
            let left_out = self.rows.remove(first).map(|row| row.ended_at);
            self.all_since = self.all_since.max(left_out);
        }
    }

    pub(super) fn has_learned(&self, id: Uuid) -> bool {
        self.rows.iter().any(|row| row.id == id)
    }

    /// Notes that executions that ended before `since` may be missing.
    pub(super) fn knows_since(&mut self, since: Timestamp) {
        self.all_since = self.all_since.max(Some(since));
    }

    /// Counts a line of the ledger that is not a record.
    pub(super) fn learn_malformed(&mut self) {
        self.malformed += 1;
    }

    /// Notes that a part of the ledger cannot be read, with the reason.
    pub(super) fn cannot_read(&mut self, reason: String) {
        self.unread.push(reason);
    }

    pub(super) fn surround(&mut self, mut surroundings: Surroundings) {
        // An execution may have ended since the executions in flight were read.
        let has_ended = |id| self.rows.iter().any(|row| row.id == id);
        if let Some(in_flight) = &mut surroundings.in_flight {
            in_flight.retain(|begun| !has_ended(begun.record.execution_id));
        }
        let opened = match &self.mode {
            Mode::Record(opened) => {
                surroundings.in_flight.iter().flatten().find(|begun| begun.record.execution_id == opened.id)
            }
            _ => None,
        };
        if let Some(record) = opened.map(|begun| begun.record.clone()) {
            self.open(&record);
        }
        self.surroundings = Some(surroundings);
    }

    /// Shows a record. If the record is already shown, updates it and keeps the position.
    pub(super) fn open(&mut self, record: &ExecutionMetrics) {
        let scroll = match &self.mode {
            Mode::Record(opened) if opened.id == record.execution_id => opened.scroll,
            _ => 0,
        };
        let json = serde_json::to_string_pretty(record).unwrap_or_else(|error| error.to_string());
        let lines = json.lines().map(|line| printable(line).into_owned()).collect();
        self.mode = Mode::Record(Opened { id: record.execution_id, lines, scroll });
        self.unopened = None;
    }

    /// Notes why a record cannot be shown.
    pub(super) fn cannot_open(&mut self, reason: String) {
        self.unopened = Some(reason);
    }

    /// Returns the figures of the last hour. The filters do not change these figures.
    pub(super) fn hour(&self) -> Hour {
        Hour::of(self.rows.iter(), self.all_since, self.now)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn has_filter(&self) -> bool {
        !self.skill.is_empty() || self.status.is_some()
    }

    /// Returns sentences about everything that the figures leave out, for example unreadable parts.
    pub(super) fn problems(&self) -> Vec<String> {
        let malformed = match self.malformed {
            0 => None,
            1 => Some("1 line is not a record; `runledger verify` lists it".to_owned()),
            lines => Some(format!("{lines} lines are not records; `runledger verify` lists them")),
        };
        let around = self.surroundings.iter().flat_map(|known| known.problems.clone());
        let unread = self.unread.iter().cloned();
        self.unopened.clone().into_iter().chain(unread).chain(around).chain(malformed).collect()
    }

    fn has_skill(&self, name: &str) -> bool {
        self.skill.is_empty() || name.to_lowercase().contains(&self.skill.to_lowercase())
    }

    /// Returns the executions in flight that the filters select. An execution in flight has no status, so a filter by
    /// status selects none of them.
    pub(super) fn in_flight(&self) -> Vec<&Begun> {
        let all = self.surroundings.iter().flat_map(|known| known.in_flight.iter().flatten());
        all.filter(|begun| self.status.is_none() && self.has_skill(&begun.record.skill_name)).collect()
    }

    /// Returns the executions that the filters select, in the order of the list. Executions whose value is unknown come
    /// last.
    pub(super) fn rows(&self) -> Vec<&Row> {
        let has_status = |row: &Row| self.status.is_none_or(|status| row.status == status);
        let newest_first = self.rows.iter().rev();
        let mut rows: Vec<_> = newest_first.filter(|row| has_status(row) && self.has_skill(&row.skill)).collect();
        // The sort is stable, so rows with equal values stay sorted by newest first.
        match self.sort {
            Sort::Newest => {}
            Sort::Dearest => rows.sort_by_key(|row| Reverse(row.usd)),
            Sort::Longest => rows.sort_by_key(|row| Reverse(row.ms)),
            Sort::Skill => rows.sort_by(|one, other| one.skill.cmp(&other.skill)),
        }
        rows
    }

    /// Returns the ids of all lines on which the cursor can be.
    fn ids(&self) -> Vec<Uuid> {
        let in_flight = self.in_flight().into_iter().map(|begun| begun.record.execution_id);
        in_flight.chain(self.rows().into_iter().map(|row| row.id)).collect()
    }

    /// Moves the cursor, or scrolls the opened record.
    fn go(&mut self, to: impl FnOnce(usize) -> usize) {
        if let Mode::Record(opened) = &mut self.mode {
            // The view reduces this value if the record has fewer lines.
            opened.scroll = to(opened.scroll);
            return;
        }
        let ids = self.ids();
        let at = self.selected.and_then(|selected| ids.iter().position(|id| *id == selected));
        // The first move selects the first line.
        let to = at.map_or(0, to);
        self.selected = ids.get(to.min(ids.len().saturating_sub(1))).copied();
    }

    pub(super) fn act(&mut self, action: Action) -> Effect {
        let page = self.page;
        match action {
            Action::Quit => return Effect::Quit,
            Action::Suspend => return Effect::Suspend,
            Action::Down => self.go(|at| at.saturating_add(1)),
            Action::Up => self.go(|at| at.saturating_sub(1)),
            Action::PageDown => self.go(|at| at.saturating_add(page)),
            Action::PageUp => self.go(|at| at.saturating_sub(page)),
            Action::First => self.go(|_| 0),
            Action::Last => {
                // If no line is selected, a move selects the first line. So the first line is selected before the move
                // to the last line.
                self.selected = self.selected.or_else(|| self.ids().first().copied());
                self.go(|_| usize::MAX);
            }
            Action::Open => return self.opening(),
            Action::Close => self.close(),
            Action::Help => self.mode = Mode::Help,
            Action::Sort => self.sort = self.sort.next(),
            Action::Status => self.status = next_status(self.status),
            Action::Search => self.mode = Mode::Typing { before: self.skill.clone() },
            Action::Type(c) => self.skill.push(c),
            Action::Erase => _ = self.skill.pop(),
            Action::Keep => self.mode = Mode::Lists,
        }
        Effect::Nothing
    }

    fn opening(&mut self) -> Effect {
        let ids = self.ids();
        let Some(id) = self.selected.filter(|id| ids.contains(id)).or_else(|| ids.first().copied()) else {
            return Effect::Nothing;
        };
        self.selected = Some(id);
        let begun = self.in_flight().into_iter().find(|begun| begun.record.execution_id == id);
        match begun.map(|begun| begun.record.clone()) {
            Some(record) => self.open(&record),
            None => return Effect::Read(id),
        }
        Effect::Nothing
    }

    /// Undoes the last step: closes what is open, or clears the filters, or removes the cursor.
    fn close(&mut self) {
        self.unopened = None;
        match std::mem::replace(&mut self.mode, Mode::Lists) {
            Mode::Typing { before } => self.skill = before,
            Mode::Lists if self.has_filter() => {
                self.skill.clear();
                self.status = None;
            }
            Mode::Lists => self.selected = None,
            Mode::Help | Mode::Record(_) => {}
        }
    }
}

/// Returns the status that follows `status` in the list of known statuses. After the last status comes `None`, and
/// after `None` the first status.
fn next_status(status: Option<&str>) -> Option<&'static str> {
    let at = status.and_then(|status| Status::KNOWN.iter().position(|known| *known == status));
    Status::KNOWN.get(at.map_or(0, |at| at + 1)).copied()
}

#[cfg(test)]
mod tests;
