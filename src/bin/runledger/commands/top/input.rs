//! Translates keys to actions.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::action::Action;
use super::state::Mode;

/// The keys and their descriptions, which the help shows.
pub(super) const KEYS: [(&str, &str); 12] = [
    ("↑ ↓  k j", "Move the cursor, or scroll the opened record"),
    ("PgUp PgDn", "Move by a page"),
    ("Home End  g G", "Go to the start or the end"),
    ("Enter", "Open the record under the cursor"),
    ("Esc", "Close the record, or clear the filters, or remove the cursor"),
    ("s", "Sort: newest, most expensive, longest, by skill"),
    ("/", "Show only skills whose name contains a text"),
    ("f", "Show only one status: success, failed, cancelled …"),
    ("?", "Show or close this help"),
    ("q", "Close the record or this help, or quit"),
    ("Ctrl-C", "Quit"),
    ("Ctrl-Z", "Stop; the shell's command `fg` continues"),
];

/// Returns the action of a key in this mode. Returns `None` if the key does nothing.
pub(super) fn action(key: KeyEvent, mode: &Mode) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            _ => None,
        };
    }
    match mode {
        Mode::Typing { .. } => typing(key.code),
        Mode::Help => match key.code {
            KeyCode::Char('q' | '?') | KeyCode::Esc | KeyCode::Enter => Some(Action::Close),
            _ => None,
        },
        Mode::Record(_) => match key.code {
            KeyCode::Char('q') | KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace => Some(Action::Close),
            code => moving(code),
        },
        Mode::Lists => match key.code {
            KeyCode::Char('q') => Some(Action::Quit),
            KeyCode::Enter => Some(Action::Open),
            KeyCode::Esc => Some(Action::Close),
            KeyCode::Char('s') => Some(Action::Sort),
            KeyCode::Char('f') => Some(Action::Status),
            KeyCode::Char('/') => Some(Action::Search),
            KeyCode::Char('?') => Some(Action::Help),
            code => moving(code),
        },
    }
}

fn typing(code: KeyCode) -> Option<Action> {
    match code {
        KeyCode::Char(c) if !c.is_control() => Some(Action::Type(c)),
        KeyCode::Backspace => Some(Action::Erase),
        KeyCode::Enter => Some(Action::Keep),
        KeyCode::Esc => Some(Action::Close),
        _ => None,
    }
}

fn moving(code: KeyCode) -> Option<Action> {
    match code {
        KeyCode::Down | KeyCode::Char('j') => Some(Action::Down),
        KeyCode::Up | KeyCode::Char('k') => Some(Action::Up),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(Action::PageDown),
        KeyCode::PageUp => Some(Action::PageUp),
        KeyCode::Home | KeyCode::Char('g') => Some(Action::First),
        KeyCode::End | KeyCode::Char('G') => Some(Action::Last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use runledger::Uuid;

    use super::super::state::Opened;
    use super::*;

    fn press(code: KeyCode, mode: &Mode) -> Option<Action> {
        action(KeyEvent::new(code, KeyModifiers::NONE), mode)
    }

    #[test]
    fn letters_are_commands_except_while_typing() {
        let typing = Mode::Typing { before: String::new() };
        for (c, command) in [
            ('q', Action::Quit),
            ('s', Action::Sort),
            ('f', Action::Status),
            ('/', Action::Search),
            ('?', Action::Help),
            ('j', Action::Down),
            ('k', Action::Up),
            ('g', Action::First),
            ('G', Action::Last),
        ] {
            assert_eq!(press(KeyCode::Char(c), &Mode::Lists), Some(command), "{c}");
            assert_eq!(press(KeyCode::Char(c), &typing), Some(Action::Type(c)), "{c}");
        }
        assert_eq!(press(KeyCode::Char('x'), &Mode::Lists), None);
        assert_eq!(press(KeyCode::Enter, &Mode::Lists), Some(Action::Open));
        assert_eq!(press(KeyCode::Enter, &typing), Some(Action::Keep));
        assert_eq!(press(KeyCode::Backspace, &typing), Some(Action::Erase));
    }

    #[test]
    fn control_c_quits_and_control_z_stops_in_every_mode() {
        for (key, expected) in [('c', Action::Quit), ('z', Action::Suspend)] {
            let key = KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL);
            let record = Mode::Record(Opened { id: Uuid::nil(), lines: Vec::new(), scroll: 0 });
            for mode in [Mode::Lists, Mode::Help, Mode::Typing { before: String::new() }, record] {
                assert_eq!(action(key, &mode), Some(expected));
            }
        }
        let other = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL);
        assert_eq!(action(other, &Mode::Lists), None);
    }

    #[test]
    fn q_closes_what_is_open_before_it_quits() {
        assert_eq!(press(KeyCode::Char('q'), &Mode::Help), Some(Action::Close));
        assert_eq!(press(KeyCode::Char('?'), &Mode::Help), Some(Action::Close));
        assert_eq!(press(KeyCode::Char('s'), &Mode::Help), None);
    }

    #[test]
    fn a_key_that_is_released_does_nothing() {
        let released = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(action(released, &Mode::Lists), None);
    }
}
