//! Draws the state.

use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use runledger::Timestamp;

use super::hour::Hour;
use super::input::KEYS;
use super::quota_bar::UsageBar;
use super::state::{Begun, Mode, Opened, State};
use super::table::{Align, Cell, Heading, header, line};
use crate::term::short_id::beginning;
use crate::term::{cell, color, cut, minutes, printable, short, width};

/// The size of the smallest screen that has room for the lists.
pub(super) const COLUMNS_MIN: usize = 60;
const ROWS_MIN: usize = 16;
/// From this number of columns on, the list of executions also has the error and the start.
const COLUMNS_WIDE: usize = 110;
/// The largest width of the skill on a wide screen, where the error gets the remaining columns.
const SKILL_COLUMNS_MAX: usize = 40;
/// From this number of lines on, there is an empty line before each list.
const ROWS_HIGH: usize = 30;
/// The number of digits of an id that are shown. In an id of version 7, these first digits encode the time. The column
/// is one wider, because a hyphen is between the digits.
const ID_DIGITS: usize = 12;
const ID_COLUMNS: usize = ID_DIGITS + 1;
/// The width of the columns `ago`, `status`, `ms`, `tokens` and `usd`.
const FIXED: [usize; 5] = [4, 11, 7, 7, 10];

/// The width of a used amount and its limit, such as `13.00 of 25.00 usd`.
const USED_COLUMNS: usize = 18;

/// Says how the state is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) is_colored: bool,
    /// True on a screen with keys and a cursor.
    pub(super) is_live: bool,
}

/// Draws the state on the whole screen.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, look: Look) {
    let area = frame.area();
    let [columns, rows] = [area.width, area.height].map(usize::from);
    let text = Paragraph::new(lines(state, columns, rows, look));
    let is_small = columns < COLUMNS_MIN || rows < ROWS_MIN;
    frame.render_widget(if is_small { text.wrap(Wrap { trim: true }) } else { text }, area);
}

/// Returns the lines of a screen of this size.
pub(super) fn lines(state: &mut State, columns: usize, rows: usize, look: Look) -> Vec<Line<'static>> {
    if columns < COLUMNS_MIN || rows < ROWS_MIN {
        return vec![Line::from(format!(
            "{columns}x{rows} is too small: the lists need {COLUMNS_MIN} columns and {ROWS_MIN} lines. Ctrl-C quits."
        ))];
    }
    let footer = look.is_live.then(|| footer(state, columns));
    let body = rows - usize::from(look.is_live);
    let mut lines = match &mut state.mode {
        Mode::Record(opened) => {
            state.page = body - 1;
            record(opened, columns, body)
        }
        Mode::Help => help(),
        Mode::Lists | Mode::Typing { .. } => lists(state, columns, body, look),
    };
    if let Some(footer) = footer {
        lines.resize(body, Line::default());
        lines.push(footer);
    }
    lines
}

fn bold(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Modifier::BOLD)
}

/// Returns the style of a word that has a colour, such as `failed`.
fn style(word: &str, look: Look) -> Style {
    match color::code(word).filter(|_| look.is_colored) {
        Some(31) => Color::Red.into(),
        Some(32) => Color::Green.into(),
        Some(33) => Color::Yellow.into(),
        _ => Style::default(),
    }
}

fn footer(state: &State, columns: usize) -> Line<'static> {
    let text = match &state.mode {
        Mode::Typing { .. } => {
            format!("Skill: {}▏  Enter: keep the filter  Esc: undo", printable(&state.skill))
        }
        Mode::Help => "Esc: back".to_owned(),
        Mode::Record(_) => "Esc: back  ↑↓ PgUp PgDn Home End: scroll".to_owned(),
        Mode::Lists => "q: quit  ?: help  ↑↓: move  Enter: open  s: sort  /: skill  f: status".to_owned(),
    };
    Line::styled(cut(&text, columns).into_owned(), Modifier::DIM)
}

fn help() -> Vec<Line<'static>> {
    let keys = KEYS.iter().map(|(keys, what)| Line::from(format!("  {keys:15}{what}")));
    [Line::from(bold("Keys")), Line::default()].into_iter().chain(keys).collect()
}

/// Returns the part of a record that fits on the screen. Lines that are too long are divided into several lines.
fn record(opened: &mut Opened, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let all: Vec<_> = opened.lines.iter().flat_map(|line| pieces(line, columns)).collect();
    let page = rows - 1;
    opened.scroll = opened.scroll.min(all.len().saturating_sub(page));
    let shown = all.iter().skip(opened.scroll).take(page);
    let last = opened.scroll + shown.len();
    let title = format!("{}  lines {}–{last} of {}", opened.id, opened.scroll + 1, all.len());
    let shown = shown.map(|line| Line::from(line.clone()));
    std::iter::once(Line::from(bold(title))).chain(shown).collect()
}

/// Divides a line into pieces of at most `columns` columns.
fn pieces(line: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let wide = width(c.encode_utf8(&mut [0; 4]));
        if used + wide > columns {
            pieces.push(String::new());
            used = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
        used += wide;
    }
    pieces
}

fn lists(state: &mut State, columns: usize, rows: usize, look: Look) -> Vec<Line<'static>> {
    let hour = state.hour();
    let mut lines = vec![title(state, columns)];
    lines.extend(figures(&hour, state.now, columns, look));
    let blank = (rows >= ROWS_HIGH).then(Line::default);
    let problems = problems(state, columns, look);
    let below = problems.iter().len();

    lines.extend(blank.clone());
    lines.extend(quotas(state, &hour, columns, (rows / 8).max(1), look));
    lines.extend(blank.clone());
    lines.extend(in_flight(state, columns, (rows / 7).max(1), look));
    lines.extend(blank);
    let room = rows.saturating_sub(lines.len() + below);
    lines.extend(executions(state, columns, room, look));
    state.page = room.saturating_sub(3).max(1);
    if look.is_live && below > 0 {
        lines.resize(rows - below, Line::default());
    }
    lines.extend(problems);
    lines
}

fn title(state: &State, columns: usize) -> Line<'static> {
    let time: String = state.now.to_string().replace('T', " ").chars().take(19).collect();
    let time = format!("  {time} UTC");
    let name = format!("runledger top  {}", printable(&state.ledger));
    let name = cut(&name, columns.saturating_sub(width(&time))).into_owned();
    let between = " ".repeat(columns.saturating_sub(width(&name) + width(&time)));
    Line::from(vec![bold(name), Span::from(between), Span::from(time)])
}

/// Returns two lines about the last hour: how many executions ended, and what they cost.
fn figures(hour: &Hour, now: Timestamp, columns: usize, look: Look) -> [Line<'static>; 2] {
    let count = |count: u64| short::count(count.into());
    let is_whole = now.ms_since(hour.since).is_some_and(|ms| ms >= super::hour::HOUR_MS);
    let label = if is_whole { "Last hour".to_owned() } else { format!("Since {}", &minutes(hour.since)[11..]) };
    let noun = if hour.executions == 1 { "execution" } else { "executions" };
    let cancelled = match hour.cancelled {
        0 => String::new(),
        cancelled => format!(", {} cancelled", count(cancelled)),
    };
    let unknown = match hour.outcome_unknown {
        0 => String::new(),
        unknown => format!("; the outcome of {} is unknown", count(unknown)),
    };
    let unknown = cancelled + &unknown;
    let before = format!("{label:11}{} {noun}, ", count(hour.executions));
    let mut failed = format!("{} failed", count(hour.failed));
    failed += &categories(hour, columns.saturating_sub(width(&before) + width(&failed) + width(&unknown)));
    let level = if hour.failed > 0 { "failed" } else { "" };
    let happened = Line::from(vec![Span::from(before), Span::styled(failed, style(level, look)), Span::from(unknown)]);

    let executions = if hour.with_cost == 1 { "execution" } else { "executions" };
    let mut burn = match hour.usd_per_hour {
        None if hour.with_cost > 0 => "unknown".to_owned(),
        None => "-".to_owned(),
        Some(_) if hour.with_cost == 0 => "0 usd per hour: no execution used a model".to_owned(),
        Some(usd) => format!("{} usd per hour", short::bounded(short::usd(usd), hour.is_lower_bound())),
    };
    match hour.unpriced {
        0 if hour.with_cost > 0 => burn += &format!("; the cost of {} {executions} is known", count(hour.with_cost)),
        0 => {}
        unpriced => {
            burn += &format!("; the cost of {} of {} {executions} is unknown", count(unpriced), count(hour.with_cost));
        }
    }
    match hour.lower_bounds {
        0 => {}
        1 => burn += "; 1 cost is a lower bound",
        bounds => burn += &format!("; {} costs are lower bounds", count(bounds)),
    }
    [happened, Line::from(cut(&format!("{:11}{burn}", "Burn"), columns).into_owned())]
}

/// Returns the failures by category, in at most `columns` columns. The categories that do not fit are summed as
/// `other`. Returns an empty text if the sum does not fit either.
fn categories(hour: &Hour, columns: usize) -> String {
    let text = |shown: usize| {
        let (shown, others) = hour.categories.split_at(shown);
        let name =
            |name: &Option<String>| name.as_ref().map_or("no category".into(), |name| printable(name).into_owned());
        let mut parts: Vec<_> = shown.iter().map(|(category, number)| (name(category), *number)).collect();
        if !others.is_empty() {
            parts.push(("other".to_owned(), others.iter().map(|(_, number)| number).sum()));
        }
        let parts: Vec<_> =
            parts.into_iter().map(|(name, number)| format!("{name} {}", short::count(number.into()))).collect();
        format!(" ({})", parts.join(", "))
    };
    let longest_first = (0..=hour.categories.len()).rev().filter(|_| hour.failed > 0).map(text);
    longest_first.into_iter().find(|text| width(text) <= columns).unwrap_or_default()
}

fn problems(state: &State, columns: usize, look: Look) -> Option<Line<'static>> {
    let problems = state.problems();
    let first = problems.first()?;
    let more = if problems.len() > 1 { format!(" (and {} more)", problems.len() - 1) } else { String::new() };
    let text = format!("warning: {}", printable(first));
    let text = cut(&text, columns.saturating_sub(width(&more))).into_owned() + &more;
    Some(Line::styled(text, style("warning", look)))
}

fn quotas(state: &State, hour: &Hour, columns: usize, rows_max: usize, look: Look) -> Vec<Line<'static>> {
    let Some(known) = &state.surroundings else { return vec![Line::from(bold("Quotas: not read yet"))] };
    let bars = &known.bars;
    if bars.is_empty() {
        return vec![Line::from(bold("Quotas: none is in use"))];
    }
    let shown = &bars[..bars.len().min(rows_max)];
    let title = if shown.len() < bars.len() {
        format!("Quotas: {} of {}", shown.len(), bars.len())
    } else {
        "Quotas".to_owned()
    };
    let widest = shown.iter().map(|bar| width(&printable(&bar.name))).max().unwrap_or(0);
    let name = widest.max(width(&title)).min(if columns < COLUMNS_WIDE { 17 } else { 40 });
    let is_unknown = shown.iter().any(|bar| bar.unknown > 0);
    let unknown = Heading::new("unknown", 7, Align::Right);
    let rest = columns.saturating_sub(name + 6 + 9 + 14 + 4 + if is_unknown { 8 } else { 0 });
    // The bar repeats the percentage, so it is left out if the used amount would be cut.
    let has_bar = rest >= 11 + USED_COLUMNS;
    let rest = if has_bar { rest - 11 } else { rest };
    let headings: Vec<_> = [
        Some(Heading::new(&title, name, Align::Left)),
        has_bar.then_some(Heading::new("", 10, Align::Left)),
        Some(Heading::new("%", 6, Align::Right)),
        Some(Heading::new("resets in", 9, Align::Left)),
        Some(Heading::new("at this rate", 14, Align::Left)),
        is_unknown.then_some(unknown),
        Some(Heading::new("used", rest, Align::Left)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let rate = hour.rate(state.now);
    let row = |bar: &UsageBar| {
        let level = style(bar.level(), look);
        let used = match bar.reported_at {
            Some(at) => format!("{} {} ago", bar.used, cell(state.now.ms_since(at).map(short::age))),
            None => bar.used.clone(),
        };
        let left = bar.resets_at.map(|at| at.ms_since(state.now));
        let resets = match left {
            Some(Some(left)) if left > 0 => short::remaining(left),
            Some(_) => "has reset".to_owned(),
            None => cell(None::<&str>),
        };
        let cells = [
            Some(Cell::new(printable(&bar.name))),
            has_bar.then(|| Cell::new(bar.percent.map_or_else(String::new, short::bar)).style(level)),
            Some(Cell::new(cell(bar.percent.map(|percent| format!("{percent:.1}")))).style(level)),
            Some(Cell::new(resets)),
            Some(Cell::new(cell(bar.outlook(rate, state.now)))),
            is_unknown.then(|| Cell::new(cell(bar.reported_at.is_none().then(|| short::count(bar.unknown.into()))))),
            Some(Cell::new(used)),
        ];
        line(&headings, cells.into_iter().flatten())
    };
    std::iter::once(header(&headings)).chain(shown.iter().map(row)).collect()
}

/// Returns the index of the first row to show, so that the row at `at` is on the screen.
fn first_shown(at: Option<usize>, rows: usize) -> usize {
    at.map_or(0, |at| (at + 1).saturating_sub(rows))
}

/// Returns the row. If the cursor is on the row, its colours are reversed.
fn with_cursor(row: Line<'static>, has_cursor: bool, look: Look) -> Line<'static> {
    if has_cursor && look.is_live { row.patch_style(Modifier::REVERSED) } else { row }
}

/// Returns the widths of the columns of skills and of errors. The second width is 0 on a screen that is not wide, which
/// shows no errors.
fn skill_and_error(columns: usize) -> (usize, usize) {
    let fixed = FIXED.iter().sum::<usize>() + ID_COLUMNS + 6;
    if columns < COLUMNS_WIDE {
        return (columns.saturating_sub(fixed), 0);
    }
    let rest = columns.saturating_sub(fixed + 16 + 2);
    let skill = (rest / 2).min(SKILL_COLUMNS_MAX);
    (skill, rest - skill)
}

fn in_flight(state: &State, columns: usize, rows_max: usize, look: Look) -> Vec<Line<'static>> {
    let is_read = state.surroundings.as_ref().map(|known| known.in_flight.is_some());
    let begun = state.in_flight();
    let title = match (is_read, begun.len()) {
        (None, _) => "In flight: not read yet".to_owned(),
        (Some(false), _) => "In flight: unknown".to_owned(),
        (Some(true), 0) if state.has_filter() => "In flight: none matches the filter".to_owned(),
        (Some(true), 0) => "In flight: none".to_owned(),
        (Some(true), count) if count > rows_max => format!("In flight: {count}, of which {rows_max} are shown"),
        (Some(true), count) => format!("In flight: {count}"),
    };
    let mut lines = vec![Line::from(bold(title))];
    if begun.is_empty() {
        return lines;
    }
    let (skill, _) = skill_and_error(columns);
    let stage = columns.saturating_sub(4 + skill + 4 + 6 + ID_COLUMNS + 5);
    let headings = [
        Heading::new("age", 4, Align::Right),
        Heading::new("skill", skill, Align::Left),
        Heading::new("stage", stage, Align::Left),
        Heading::new("%", 4, Align::Right),
        Heading::new("owner", 6, Align::Left),
        Heading::new("id", ID_COLUMNS, Align::Left),
    ];
    lines.push(header(&headings));
    let at = begun.iter().position(|begun| Some(begun.record.execution_id) == state.selected);
    for (index, Begun { record, owner_alive }) in
        begun.iter().enumerate().skip(first_shown(at, rows_max)).take(rows_max)
    {
        let owner = match owner_alive {
            Some(true) => "alive",
            Some(false) => "dead",
            None => "none",
        };
        let progress = record.progress.as_ref();
        let cells = [
            Cell::new(cell(state.now.ms_since(record.timestamp_start).map(short::age))),
            Cell::new(printable(&record.skill_name)),
            Cell::new(printable(&cell(progress.map(|progress| progress.stage.as_str())))),
            Cell::new(cell(progress.and_then(|progress| progress.percent).map(|percent| percent as u64))),
            Cell::new(owner).style(style(owner, look)),
            Cell::new(beginning(record.execution_id, ID_DIGITS)),
        ];
        lines.push(with_cursor(line(&headings, cells), Some(index) == at, look));
    }
    lines
}

fn executions(state: &State, columns: usize, room: usize, look: Look) -> Vec<Line<'static>> {
    let rows = state.rows();
    let mut filters = Vec::new();
    if !state.skill.is_empty() {
        filters.push(format!("skill contains {:?}", state.skill));
    }
    filters.extend(state.status.map(|status| format!("status {status}")));
    let filters = if filters.is_empty() { String::new() } else { format!("; {}", filters.join(", ")) };
    let title = format!("Executions: {}, {}{filters}", rows.len(), state.sort.words());
    let mut lines = vec![Line::from(bold(cut(&printable(&title), columns)))];
    if rows.is_empty() {
        lines.push(Line::from(if state.is_empty() {
            "The ledger has no executions yet. `runledger run --skill NAME -- COMMAND` records one."
        } else {
            "No execution matches the filter. Esc clears it."
        }));
        return lines;
    }
    let is_wide = columns >= COLUMNS_WIDE;
    let [ago, status, ms, tokens, usd] = FIXED;
    let (skill, error) = skill_and_error(columns);
    let start = Heading::new("start (UTC)", 16, Align::Left);
    let error = Heading::new("error", error, Align::Left);
    let headings: Vec<_> = [
        Some(Heading::new("ago", ago, Align::Right)),
        Some(Heading::new("skill", skill, Align::Left)),
        Some(Heading::new("status", status, Align::Left)),
        is_wide.then_some(error),
        Some(Heading::new("ms", ms, Align::Right)),
        Some(Heading::new("tokens", tokens, Align::Right)),
        Some(Heading::new("usd", usd, Align::Right)),
        is_wide.then_some(start),
        Some(Heading::new("id", ID_COLUMNS, Align::Left)),
    ]
    .into_iter()
    .flatten()
    .collect();
    lines.push(header(&headings));
    let at = rows.iter().position(|row| Some(row.id) == state.selected);
    let room = room.saturating_sub(lines.len());
    for (index, row) in rows.iter().enumerate().skip(first_shown(at, room)).take(room) {
        let [ms, tokens, usd] = row.figures.each_ref().map(String::as_str);
        let cells = [
            Some(Cell::new(cell(state.now.ms_since(row.ended_at).map(short::age)))),
            Some(Cell::new(printable(&row.skill))),
            Some(Cell::new(printable(&row.status)).style(style(&row.status, look))),
            is_wide.then(|| Cell::new(printable(&cell(row.error.as_ref())))),
            Some(Cell::new(ms)),
            Some(Cell::new(tokens)),
            Some(Cell::new(usd)),
            is_wide.then(|| Cell::new(minutes(row.start))),
            Some(Cell::new(beginning(row.id, ID_DIGITS))),
        ];
        lines.push(with_cursor(line(&headings, cells.into_iter().flatten()), Some(index) == at, look));
    }
    lines
}

#[cfg(test)]
mod tests;
