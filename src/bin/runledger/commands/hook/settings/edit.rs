//! Adds our hooks to the text of an agent's settings, and removes them. Our hooks are those that run `runledger hook`.

use std::collections::BTreeSet;

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstObjectProp, CstRootNode};
use jsonc_parser::json;

use super::words;

/// How long an agent waits for a hook, in seconds.
const TIMEOUT_S: u64 = 10;
const HOOKS: &str = "hooks";
/// The byte order mark, with which some editors begin a file.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Says how the hook of one event changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Add,
    Update,
    Remove,
}

impl Change {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Remove => "remove",
        }
    }
}

/// The settings after the change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) text: String,
    /// The events whose hook changes, each with its change. Empty if the settings stay as they are.
    pub(super) changes: Vec<(String, Change)>,
    /// The commands that were removed or replaced, without repetitions.
    pub(super) old: BTreeSet<String>,
}

/// Changes the settings in `text`. After the change, each event in `events` has one hook of ours, which runs `command`,
/// and no other event has a hook of ours. If `events` is empty, our hooks are removed. The hooks of other programs and
/// the formatting of the text stay as they are.
///
/// Fails with the reason if the settings cannot be changed.
pub(super) fn edit(text: &str, events: &[&str], command: &str) -> Result<Edited, String> {
    let (mark, whole) = text.strip_prefix(BYTE_ORDER_MARK).map_or(("", text), |rest| (BYTE_ORDER_MARK, rest));
    let whole = if whole.trim().is_empty() { "{}\n" } else { whole };
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(whole) {
        return Err(format!("found data that is not JSON: {error}; expected JSON without comments"));
    }
    let root = CstRootNode::parse(whole, &ParseOptions::default())
        .map_err(|error| format!("found JSON that cannot be edited: {error}"))?;
    let top = root.object_value().ok_or("found no object; expected a JSON object")?;
    if top.properties().iter().filter(|property| is_named(property, HOOKS)).count() > 1 {
        return Err("found the key \"hooks\" twice; expected it once".to_owned());
    }
    let (mut changes, mut old) = (Vec::new(), BTreeSet::new());
    let hooks = match top.get(HOOKS) {
        Some(hooks) => hooks.object_value().ok_or_else(|| expected(HOOKS, "an object"))?,
        None if events.is_empty() => return Ok(Edited { text: text.to_owned(), changes, old }),
        None => top.object_value_or_set(HOOKS),
    };
    for property in hooks.properties() {
        let event = property.decoded_name().unwrap_or_default();
        let groups = property.array_value().ok_or_else(|| expected(&event, "a list"))?;
        let wanted = events.contains(&event.as_str()).then_some(command);
        if let Some(change) = change_groups(&groups, wanted, &mut old)? {
            if groups.elements().is_empty() {
                property.remove();
            }
            changes.push((event, change));
        }
    }
    for event in events {
        if hooks.get(event).is_none() {
            hooks.append(event, vec![our_group(command)].into());
            changes.push(((*event).to_owned(), Change::Add));
        }
    }
    if changes.is_empty() {
        return Ok(Edited { text: text.to_owned(), changes, old });
    }
    if hooks.properties().is_empty() {
        top.get(HOOKS).into_iter().for_each(CstObjectProp::remove);
    }
    Ok(Edited { text: format!("{mark}{root}"), changes, old })
}

fn expected(name: &str, what: &str) -> String {
    format!("expected {what} in the key {name:?}")
}

fn is_named(property: &CstObjectProp, name: &str) -> bool {
    property.decoded_name().is_some_and(|found| found == name)
}

/// Changes the hooks of an event, which are in groups. Sets the command of our hook to `wanted`, or removes our hook if
/// `wanted` is `None`. Adds each removed or replaced command to `old`. Returns `None` if nothing had to be changed.
fn change_groups(
    groups: &CstArray,
    wanted: Option<&str>,
    old: &mut BTreeSet<String>,
) -> Result<Option<Change>, String> {
    let mut rest = wanted;
    let mut change = None;
    for group in groups.elements().iter().filter_map(CstNode::as_object) {
        for property in group.properties().iter().filter(|property| is_named(property, HOOKS)) {
            let handlers = property.array_value().ok_or_else(|| expected(HOOKS, "a list"))?;
            for handler in handlers.elements().iter().filter_map(CstNode::as_object) {
                let Some((place, found)) = command_of(&handler).filter(|(_, command)| words::is_ours(command)) else {
                    continue;
                };
                match rest.take() {
                    Some(command) if found == command => {}
                    Some(command) => {
                        place.set_value(command.into());
                        old.insert(found);
                        change = Some(Change::Update);
                    }
                    None => {
                        handler.remove();
                        old.insert(found);
                        change.get_or_insert(if wanted.is_some() { Change::Update } else { Change::Remove });
                        if handlers.elements().is_empty() {
                            group.clone().remove();
                            break;
                        }
                    }
                }
            }
        }
    }
    if let Some(command) = rest {
        groups.append(our_group(command));
        change = Some(Change::Add);
    }
    Ok(change)
}

/// Returns the command of a handler, and the property that contains it. A handler is one hook in a group.
fn command_of(handler: &CstObject) -> Option<(CstObjectProp, String)> {
    let place = handler.get("command")?;
    let command = place.value()?.as_string_lit()?.decoded_value().ok()?;
    Some((place, command))
}

fn our_group(command: &str) -> CstInputValue {
    json!({ "hooks": [{ "type": "command", "command": command, "timeout": TIMEOUT_S }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "/usr/bin/runledger hook --agent claude-code --ledger /l.jsonl";

    fn add(text: &str) -> String {
        edit(text, &["PreToolUse", "Stop"], OURS).unwrap().text
    }

    #[test]
    fn a_change_that_is_undone_leaves_the_same_text() {
        for text in [
            "{\n  \"b\": [1,   2],\n  \"a\": {\"x\":1.50, \"x\": 2}\n}\n",
            "{\n    \"model\": \"m\",\n    \"hooks\": {\n        \"Stop\": [\n            {\"hooks\": [{\"type\": \"command\", \"command\": \"say done\"}]}\n        ]\n    },\n    \"z\": null\n}\n",
            "{\n\t\"hooks\": {\n\t\t\"Notification\": []\n\t}\n}\n",
            "\u{feff}{\n  \"a\": 1,\n\n  \"b\": 2\n}",
        ] {
            for text in [text.to_owned(), text.replace('\n', "\r\n")] {
                let added = add(&text);
                assert_eq!(
                    added.matches('\n').count(),
                    added.matches(if text.contains('\r') { "\r\n" } else { "\n" }).count()
                );
                assert_eq!(edit(&added, &["PreToolUse", "Stop"], OURS).unwrap().changes, []);
                assert_eq!(add(&added), added);
                assert_eq!(edit(&added, &[], "").unwrap().text, text);
            }
        }
        assert_eq!(edit(&add(""), &[], "").unwrap().text, "{}\n");
    }

    #[test]
    fn nothing_but_the_command_changes_in_an_installed_hook() {
        let text = "{\"hooks\": {\"PreToolUse\": [{\"matcher\": \"Bash\", \"hooks\": [\
                    {\"type\": \"command\", \"command\": \"'/old place/runledger' hook\", \"timeout\":  30}, \
                    {\"type\": \"command\", \"command\": \"guard\"}]}, 7]}}";
        let Edited { text: changed, changes, .. } = edit(text, &["PreToolUse"], OURS).unwrap();
        assert_eq!(changes, [("PreToolUse".to_owned(), Change::Update)]);
        assert_eq!(changed, text.replace("'/old place/runledger' hook", OURS));
        let Edited { text: removed, changes, old } = edit(&changed, &[], "").unwrap();
        assert_eq!(changes, [("PreToolUse".to_owned(), Change::Remove)]);
        assert_eq!(old, [OURS.to_owned()].into());
        let found: serde_json::Value = serde_json::from_str(&removed).unwrap();
        let guard = serde_json::json!({"type": "command", "command": "guard"});
        assert_eq!(found, serde_json::json!({"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [guard]}, 7]}}));
    }

    #[test]
    fn settings_of_another_form_are_refused() {
        for (text, reason) in [
            ("{ // a comment\n}", "expected JSON without comments"),
            ("[]", "expected a JSON object"),
            ("{\"hooks\": []}", "expected an object in the key \"hooks\""),
            ("{\"hooks\": {\"Stop\": {}}}", "expected a list in the key \"Stop\""),
            ("{\"hooks\": {\"Stop\": [{\"hooks\": 1}]}}", "expected a list in the key \"hooks\""),
            ("{\"hooks\": {}, \"hooks\": {}}", "found the key \"hooks\" twice"),
        ] {
            let found = edit(text, &["Stop"], OURS).unwrap_err();
            assert!(found.contains(reason), "{found}");
        }
    }
}
