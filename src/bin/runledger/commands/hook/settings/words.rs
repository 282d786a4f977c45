//! Splits a command into words like a shell, and recognises the commands that run `runledger hook`.

use std::env;

/// Returns true if the command runs `runledger hook` and nothing else. The program can have any path, and any name if
/// the options show that `install` wrote the command. Global options such as `--ledger` can be before or after `hook`.
pub(super) fn is_ours(command: &str) -> bool {
    let words = split(command);
    // A command with a shell operator also does something else. The user wrote it, so it is not ours.
    let is_operator = |word: &String| word.starts_with(['&', '|', ';', '<', '>']) || word.ends_with([';', '&']);
    let is_variable = |word: &&String| word.split_once('=').is_some_and(|(name, _)| is_name(name));
    let (before, after) = match words.iter().skip_while(is_variable).collect::<Vec<_>>().split_first() {
        Some((program, rest)) => (file_name(program).to_owned(), rest.to_vec()),
        None => return false,
    };
    let Some(at) = index_of_hook(&after) else { return false };
    let arguments = &after[at + 1..];
    let has = |option: &str| arguments.iter().any(|word| word.split('=').next() == Some(option));
    // `install` writes both `--agent` and `--ledger` in each command.
    let is_written_by_us = has("--agent") && (has("--ledger") || at > 0);
    (is_program(&before) || is_written_by_us) && !arguments.iter().any(|word| is_operator(word))
}

/// Returns the ledger that the command names with `--ledger`.
pub(super) fn ledger_of(command: &str) -> Option<String> {
    let words = split(command);
    let at = words.iter().position(|word| word == "--ledger" || word.starts_with("--ledger="))?;
    let value = words[at].strip_prefix("--ledger=").map(str::to_owned);
    value.or_else(|| words.get(at + 1).cloned())
}

/// Returns the index of the word `hook`. Before this word, only global options are allowed.
fn index_of_hook(words: &[&String]) -> Option<usize> {
    let mut at = 0;
    loop {
        match words.get(at)?.as_str() {
            "hook" => return Some(at),
            "--ledger" | "--color" => at += 2,
            "--json" => at += 1,
            word if word.starts_with("--ledger=") || word.starts_with("--color=") => at += 1,
            _ => return None,
        }
    }
}

/// Returns true for the name `runledger`, and for the name of the program that is running.
fn is_program(name: &str) -> bool {
    let own = || env::current_exe().ok()?.file_name()?.to_str().map(str::to_owned);
    name == "runledger" || own().is_some_and(|own| own == name)
}

fn file_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Returns true if the text can be the name of a shell variable.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Splits a command into its words. Understands quotes and backslashes, but no other syntax of a shell.
fn split(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::quoted;

    #[test]
    fn a_quoted_word_is_read_back() {
        for word in ["/usr/bin/runledger", "/my dir/it's", "a\"b", "$HOME", "", "日本 x"] {
            assert_eq!(split(&format!("x {} y", quoted(word))), ["x", word, "y"]);
        }
        assert_eq!(split(r#" a\ b "c \" d" 'e'f "#), ["a b", "c \" d", "ef"]);
    }

    #[test]
    fn the_ledger_of_a_command_is_read() {
        for (command, ledger) in [
            ("runledger --ledger=a.jsonl hook", Some("a.jsonl")),
            ("runledger hook --ledger '/a b.jsonl' --content", Some("/a b.jsonl")),
            ("runledger hook --ledger \"$CLAUDE_PROJECT_DIR\"/logs/l.jsonl", Some("$CLAUDE_PROJECT_DIR/logs/l.jsonl")),
            ("runledger hook", None),
        ] {
            assert_eq!(ledger_of(command).as_deref(), ledger);
        }
    }

    #[test]
    fn only_our_own_hook_is_ours() {
        for (command, expected) in [
            ("/a/runledger hook", true),
            ("'/a b/runledger' hook --agent codex", true),
            ("runledger hook", true),
            ("runledger hook && notify-send done", false),
            ("runledger hook; true", false),
            ("runledger hook 2>/dev/null", true),
            ("runledger run -- hook", false),
            ("/a/my-runledger hook", false),
            ("/a/my-runledger hook --agent codex --ledger '/l 1.jsonl' --content", true),
            ("rl --ledger /l.jsonl hook --agent=claude-code", true),
            ("runledger --ledger /l.jsonl hook", true),
            ("runledger --ledger=/l.jsonl --json hook --agent codex 2>/dev/null", true),
            ("RUNLEDGER_PRICES=/p.json runledger hook --agent codex", true),
            ("runledger --ledger hook", false),
            ("runledger --verbose hook", false),
            ("other hook --agent codex", false),
            ("rl hook --agent codex --ledger /l.jsonl; true", false),
            ("\"$CLAUDE_PROJECT_DIR\"/bin/runledger hook", true),
            ("echo runledger hook", false),
            ("", false),
        ] {
            assert_eq!(is_ours(command), expected, "{command}");
        }
    }
}
