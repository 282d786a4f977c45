//! Removes from a name the beginnings and endings that do not change the model or its price.

use super::region::Region;

/// Words that vendors append to the name of a model.
const WORDS: [&str; 17] = [
    "-latest",
    "@latest",
    "@default",
    "-preview",
    "-exp",
    "-experimental",
    "-beta",
    ":beta",
    "-stable",
    "-thinking",
    ":thinking",
    "-thought",
    "-instruct",
    "-it",
    "-maas",
    "-customtools",
    "[1m]",
];

/// At most this many parts of a route are removed from a name. The limit saves time, because the rest of the name is
/// compared with all patterns after each removal.
const ROUTE_PARTS_MAX: usize = 16;

/// Returns the positions at which a beginning such as `bedrock/` could end.
pub(super) fn positions(name: &str) -> impl Iterator<Item = usize> {
    name.match_indices(['/', '.']).map(|(at, _)| at + 1).take(ROUTE_PARTS_MAX)
}

/// Returns true if `text`, which ends at one of the [`positions`], is a route to the model, such as `bedrock/` or
/// `anthropic.`. A route with a region is not accepted, because a region may have its own price.
pub(super) fn is_beginning(text: &str) -> bool {
    text.split(['/', '.']).all(|part| Region::read(part).is_none())
}

/// Returns true if the text from `end` on can be removed from `name` without changing the model.
///
/// Such a text consists of dates, versions and [`WORDS`]. The first date or version may begin before `end`. For
/// example, `end` may be in the middle of the date in `claude-sonnet-4-20250514`. A name that begins with `ft:` means a
/// fine-tuned model, and may end with any names after a colon.
pub(super) fn is_ending(name: &str, end: usize) -> bool {
    let is_fine_tuned = name.starts_with("ft:");
    if are_endings(&name[end..], is_fine_tuned) {
        return true;
    }
    let begun = name[..end].rfind(['-', '@', ':']).filter(|&start| {
        let begun = &name[start + 1..end];
        begun.bytes().all(|byte| byte.is_ascii_digit())
    });
    begun.is_some_and(|start| are_endings(&name[start..], is_fine_tuned))
}

/// Returns `name`, and each shorter text that means the same model: without a known beginning, without known endings,
/// or without both. For each beginning, the longest of these texts comes first.
pub(super) fn without(name: &str) -> impl Iterator<Item = &str> {
    let starts = std::iter::once(0).chain(positions(name)).filter(|&start| is_beginning(&name[..start]));
    starts.flat_map(move |start| {
        let ends = name.char_indices().rev().filter(move |&(end, c)| end > start && matches!(c, '-' | '@' | ':' | '['));
        let ends = ends.map(|(end, _)| end).filter(move |&end| is_ending(name, end));
        std::iter::once(name.len()).chain(ends).map(move |end| &name[start..end])
    })
}

fn are_endings(mut text: &str, is_fine_tuned: bool) -> bool {
    while !(text.is_empty() || is_fine_tuned && text.starts_with(':')) {
        let Some(rest) = after_ending(text) else { return false };
        text = rest;
    }
    true
}

/// Returns the text after one ending at the start of `text`; `None` if `text` does not begin with an ending.
fn after_ending(text: &str) -> Option<&str> {
    let at_boundary = |rest: &&str| rest.is_empty() || rest.starts_with(['-', '@', ':', '[']);
    let word = WORDS.iter().find_map(|word| text.strip_prefix(word).filter(at_boundary));
    word.or_else(|| after_date(text).filter(at_boundary)).or_else(|| after_version(text).filter(at_boundary))
}

/// The forms of the dates and numbers with which vendors mark a release. A `#` is a digit.
const DATES: [&str; 7] = ["####-##-##", "########", "##-##-####", "##-####", "##-##", "####", "###"];

fn after_date(text: &str) -> Option<&str> {
    let date = text.strip_prefix(['-', '@'])?;
    DATES.iter().find_map(|form| {
        let (found, rest) = date.split_at_checked(form.len())?;
        let fits = form.bytes().zip(found.bytes()).all(|(wanted, byte)| match wanted {
            b'#' => byte.is_ascii_digit(),
            other => byte == other,
        });
        (fits && !rest.starts_with(|c: char| c.is_ascii_digit())).then_some(rest)
    })
}

/// Returns the text after a version at the start of `text`, or `None` if there is no version. A version has the form
/// `-v1` or `-v0.1`. On Bedrock, a version can also have the form `:0` or `:200k`.
fn after_version(text: &str) -> Option<&str> {
    if let Some(version) = text.strip_prefix("-v") {
        let rest = after_digits(version)?;
        Some(rest.strip_prefix('.').and_then(after_digits).unwrap_or(rest))
    } else {
        let rest = after_digits(text.strip_prefix(':')?)?;
        Some(rest.strip_prefix('k').unwrap_or(rest))
    }
}

/// Returns the text after the digits at the start of `text`; `None` if `text` does not begin with a digit.
fn after_digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < text.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_versions_and_words_keep_the_model() {
        for (model, ending) in [
            ("claude-3-5-sonnet", "-20241022"),
            ("claude-3-5-sonnet", "@20241022"),
            ("claude-3-5-sonnet", "-20241022-v2:0"),
            ("claude-sonnet-4-2025", "0514"),
            ("claude-sonnet-4@", "20250514"),
            ("claude-opus-4-5", "[1m]"),
            ("claude-opus-4-5", "-20251101[1m]"),
            ("claude-v2", ":1"),
            ("claude-3-haiku", "-20240307-v1:0:48k"),
            ("gpt-5-nano-", "2025-08-07"),
            ("gpt-4-0", "613"),
            ("gpt-4o-realtime", "-preview-2024-12-17"),
            ("gemini-2.0-flash-0", "01"),
            ("gemini-2.0-flash-thinking", "-exp-01-21"),
            ("gemini-2.5-flash-native-audio-preview", "-12-2025"),
            ("magistral-small-", "2506"),
            ("magistral-small-", "latest"),
            ("ft:gpt-4o-2024-", "08-06:org:name:id"),
            ("ft:gpt-3.5-turbo", "-0125:org::id"),
            ("ft:gpt-3.5-turbo", ":org"),
        ] {
            assert!(is_ending(&format!("{model}{ending}"), model.len()), "{model} {ending}");
        }
    }

    #[test]
    fn other_endings_name_another_model() {
        for (model, ending) in [
            ("deepseek-r1", ":free"),
            ("deepseek-r1", ":7b"),
            ("deepseek-r1", "-distill-llama-70b"),
            ("gemini-1.5-flash", "-8b"),
            ("gemini-2.5-pro-preview", "-tts"),
            ("claude-opus-4-1", "0"),
            ("claude-opus-4-", "7"),
            ("claude-sonnet-4-5", "x"),
            ("claude-sonnet-4-5", ":org"),
            ("gpt-5", ".1"),
            ("gpt-4o", "-mini"),
            ("gpt-4o", "-previews"),
            ("m", "-123456789"),
        ] {
            assert!(!is_ending(&format!("{model}{ending}"), model.len()), "{model} {ending}");
        }
    }

    #[test]
    fn a_route_keeps_the_model_unless_it_names_a_region() {
        for (text, expected) in [
            ("", true),
            ("bedrock/anthropic.", true),
            ("models/", true),
            ("eu.anthropic.", false),
            ("bedrock/sa-east-1/", false),
        ] {
            assert_eq!(is_beginning(text), expected, "{text}");
        }
        assert_eq!(positions("bedrock/amazon.nova").collect::<Vec<_>>(), [8, 15]);
        let names: Vec<_> = without("models/m-20251101[1m]").collect();
        assert_eq!(
            names,
            ["models/m-20251101[1m]", "models/m-20251101", "models/m", "m-20251101[1m]", "m-20251101", "m"]
        );
    }
}
