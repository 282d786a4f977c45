//! Changes one entry in the text of a table of limits, and keeps all other entries, byte for byte. The text must be a
//! valid table.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Returns the text of the entry for `api`; `None` if there is none.
pub(crate) fn find<'t>(text: &'t str, api: &str) -> Option<&'t str> {
    let entries = entries(text);
    entries.into_iter().find(|range| is_for(&text[range.clone()], api)).map(|range| &text[range])
}

/// Returns the text with `new` as the entry for `api`. If there is no such entry yet, `new` becomes the last entry.
pub(crate) fn put(text: &str, api: &str, new: &str) -> String {
    let entries = entries(text);
    if let Some(old) = entries.iter().find(|range| is_for(&text[(*range).clone()], api)) {
        return format!("{}{new}{}", &text[..old.start], &text[old.end..]);
    }
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return format!("[\n  {new}\n]\n");
    };
    // The new entry is indented like the first one.
    let begin = text.find('[').map_or(0, |bracket| bracket + 1);
    let before = &text[begin..first.start];
    let before = if before.is_empty() { " " } else { before };
    format!("{},{before}{new}{}", &text[..last.end], &text[last.end..])
}

/// Returns the text without the entry for `api`; `None` if there is none.
pub(crate) fn remove(text: &str, api: &str) -> Option<String> {
    let entries = entries(text);
    let at = entries.iter().position(|range| is_for(&text[range.clone()], api))?;
    let (begin, end) = match (at.checked_sub(1).and_then(|before| entries.get(before)), entries.get(at + 1)) {
        (Some(before), _) => (before.end, entries[at].end),
        (None, Some(next)) => (entries[at].start, next.start),
        (None, None) => return Some("[]\n".to_owned()),
    };
    Some(format!("{}{}", &text[..begin], &text[end..]))
}

/// Returns the position of each entry in the text, in bytes.
fn entries(text: &str) -> Vec<Range<usize>> {
    let entries: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    let range = |entry: &RawValue| {
        // The entry borrows from the text, so the difference of their addresses is its offset.
        let start = entry.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
        start..start + entry.get().len()
    };
    entries.into_iter().map(range).collect()
}

fn is_for(entry: &str, api: &str) -> bool {
    #[derive(Deserialize)]
    struct Named {
        api: String,
    }
    serde_json::from_str(entry).is_ok_and(|named: Named| named.api == api)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "\n[ {\"api\":\"a\", \"x\": [1, {}]},\n\t{\"limit\": 1,\n  \"api\": \"b\"} , {\"api\": \"c\\u0021\"} ]\r\n\n";

    #[test]
    fn an_entry_is_replaced_in_its_place() {
        assert_eq!(find(TABLE, "b"), Some("{\"limit\": 1,\n  \"api\": \"b\"}"));
        assert_eq!(find(TABLE, "c!"), Some("{\"api\": \"c\\u0021\"}"));
        assert_eq!(find(TABLE, "limit"), None);
        assert_eq!(
            put(TABLE, "b", "NEW"),
            "\n[ {\"api\":\"a\", \"x\": [1, {}]},\n\tNEW , {\"api\": \"c\\u0021\"} ]\r\n\n"
        );
    }

    #[test]
    fn a_new_entry_becomes_the_last_one_and_is_indented_like_the_first_one() {
        for (text, expected) in [
            ("[]", "[\n  NEW\n]\n"),
            (" [ ] ", "[\n  NEW\n]\n"),
            ("[{\"api\":\"a\"}]", "[{\"api\":\"a\"}, NEW]"),
            ("[\n    {\"api\":\"a\"}\n]\n", "[\n    {\"api\":\"a\"},\n    NEW\n]\n"),
        ] {
            assert_eq!(put(text, "z", "NEW"), expected);
        }
    }

    #[test]
    fn only_the_entry_and_one_comma_are_removed() {
        assert_eq!(
            remove(TABLE, "a").unwrap(),
            "\n[ {\"limit\": 1,\n  \"api\": \"b\"} , {\"api\": \"c\\u0021\"} ]\r\n\n"
        );
        assert_eq!(
            remove(TABLE, "b").unwrap(),
            "\n[ {\"api\":\"a\", \"x\": [1, {}]} , {\"api\": \"c\\u0021\"} ]\r\n\n"
        );
        assert_eq!(
            remove(TABLE, "c!").unwrap(),
            "\n[ {\"api\":\"a\", \"x\": [1, {}]},\n\t{\"limit\": 1,\n  \"api\": \"b\"} ]\r\n\n"
        );
        assert_eq!(remove("[ {\"api\":\"a\"} ]", "a").unwrap(), "[]\n");
        assert_eq!(remove(TABLE, "d"), None);
    }
}
