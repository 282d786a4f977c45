//! Colours for the words that a reader looks for first: levels, statuses and verdicts.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::{env, sync::OnceLock};

use clap::ColorChoice;

static IS_ON: OnceLock<bool> = OnceLock::new();

/// Decides whether stdout is coloured. Only the first call has an effect. Before that call, stdout is not coloured. If
/// `is_shown` is true, another program shows the output on a terminal. A pipe to this program is coloured like a
/// terminal.
pub(crate) fn set(choice: ColorChoice, is_shown: bool) {
    IS_ON.get_or_init(|| decide(choice, |name| env::var_os(name), || is_shown || io::stdout().is_terminal()));
}

/// Returns true if stdout is to be coloured. Follows no-color.org for `NO_COLOR`, and bixense.com/clicolors for
/// `CLICOLOR` and `CLICOLOR_FORCE`.
fn decide(choice: ColorChoice, get: impl Fn(&str) -> Option<OsString>, is_terminal: impl FnOnce() -> bool) -> bool {
    let is = |name, value| get(name).is_some_and(|text| text == value);
    let is_set = |name| get(name).is_some_and(|text| !text.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if is_set("NO_COLOR") => false,
        ColorChoice::Auto if is_set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") => true,
        ColorChoice::Auto => !is("CLICOLOR", "0") && !is("TERM", "dumb") && is_terminal(),
    }
}

/// Returns true if stdout is coloured.
pub(crate) fn is_on() -> bool {
    IS_ON.get() == Some(&true)
}

/// Returns the text in the colour of its first word. If this word has no colour, or if stdout is not coloured, returns
/// the text unchanged.
pub(crate) fn paint(text: &str) -> Cow<'_, str> {
    paint_like(text.split(' ').next().unwrap_or_default(), text)
}

/// Like [`paint`], but uses the colour of `word`.
pub(crate) fn paint_like<'t>(word: &str, text: &'t str) -> Cow<'t, str> {
    match code(word) {
        Some(code) if is_on() => format!("\u{1b}[{code}m{text}\u{1b}[0m").into(),
        _ => text.into(),
    }
}

/// Returns the ECMA-48 code of the word's colour: green, yellow or red. Returns `None` if the word has no colour.
pub(crate) fn code(word: &str) -> Option<u8> {
    match word {
        "GREEN" | "PASS" | "success" | "better" | "alive" | "ok" | "RESOLVED" => Some(32),
        "YELLOW" | "cancelled" | "interrupted" | "paused" | "warning" | "HIGH" => Some(33),
        "RED" | "FAIL" | "failed" | "panicked" | "worse" | "dead" | "fault" | "OPEN" | "REOPENED" | "CRITICAL" => {
            Some(31)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_override_variables_and_variables_override_the_terminal() {
        use ColorChoice::{Always, Auto, Never};
        for (choice, variables, is_terminal, is_on) in [
            (Auto, &[][..], true, true),
            (Auto, &[], false, false),
            (Auto, &[("NO_COLOR", "1")], true, false),
            (Auto, &[("NO_COLOR", "")], true, true),
            (Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, false),
            (Auto, &[("CLICOLOR_FORCE", "1")], false, true),
            (Auto, &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false, true),
            (Auto, &[("CLICOLOR_FORCE", "0")], false, false),
            (Auto, &[("CLICOLOR", "0")], true, false),
            (Auto, &[("TERM", "dumb")], true, false),
            (Always, &[("NO_COLOR", "1")], false, true),
            (Never, &[("CLICOLOR_FORCE", "1")], true, false),
        ] {
            let get = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, text)| text.into());
            assert_eq!(decide(choice, get, || is_terminal), is_on, "{choice} {variables:?} {is_terminal}");
        }
    }
}
