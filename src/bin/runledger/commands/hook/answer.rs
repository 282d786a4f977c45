//! Writes the verdict on a tool call as an answer to the agent.

use runledger::hook::HookAgent;
use serde_json::json;

use crate::budget::Verdict;

/// Returns the JSON that the agent reads on stdout; `None` if the agent needs no answer. `notice` says why a limit was
/// not enforced, or why its count may be wrong. The agent shows the notice to the user.
///
/// If the decision is `ask`, Claude Code asks its user. Codex refuses the decision `ask`, so Codex gets only a message.
/// Both agents show a `systemMessage` to their user. For both, the decision `deny` needs a reason that is not empty.
pub(super) fn to_agent(agent: HookAgent, verdict: &Verdict, notice: Option<&str>) -> Option<String> {
    let decision = |decision: &str, reason: &str| {
        let reason = if reason.trim().is_empty() { "runledger" } else { reason };
        json!({"hookSpecificOutput": {
            "hookEventName": "PreToolUse", "permissionDecision": decision, "permissionDecisionReason": reason,
        }})
    };
    // The user is asked because of the notice, and reads it once.
    let notice = notice.filter(|notice| !matches!(verdict, Verdict::Ask(reason) if reason == notice));
    let notice = notice.map(|notice| format!("runledger: {notice}"));
    let (mut answer, message) = match (verdict, agent) {
        (Verdict::Allow, _) => (json!({}), Some(notice?)),
        (Verdict::Deny(reason), _) => (decision("deny", reason), notice),
        (Verdict::Ask(reason), HookAgent::Codex) => {
            (json!({}), Some([Some(reason.clone()), notice].into_iter().flatten().collect::<Vec<_>>().join("; ")))
        }
        (Verdict::Ask(reason), _) => (decision("ask", reason), notice),
    };
    if let Some(message) = message {
        answer["systemMessage"] = message.into();
    }
    Some(answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_gets_its_own_form() {
        let ask = Verdict::Ask("80 % is used".to_owned());
        let deny = Verdict::Deny("used up until 00:00 UTC".to_owned());
        let form = |decision: &str, reason: &str| {
            format!(
                r#"{{"hookSpecificOutput":{{"hookEventName":"PreToolUse","permissionDecision":"{decision}","permissionDecisionReason":"{reason}"}}}}"#
            )
        };
        for agent in [HookAgent::ClaudeCode, HookAgent::Codex] {
            assert_eq!(to_agent(agent, &Verdict::Allow, None), None);
            assert_eq!(
                to_agent(agent, &Verdict::Allow, Some("not enforced")),
                Some(r#"{"systemMessage":"runledger: not enforced"}"#.to_owned())
            );
            assert_eq!(to_agent(agent, &deny, None), Some(form("deny", "used up until 00:00 UTC")));
            assert_eq!(to_agent(agent, &Verdict::Deny(" ".to_owned()), None), Some(form("deny", "runledger")));
        }
        assert_eq!(to_agent(HookAgent::ClaudeCode, &ask, None), Some(form("ask", "80 % is used")));
        assert_eq!(to_agent(HookAgent::Codex, &ask, None), Some(r#"{"systemMessage":"80 % is used"}"#.to_owned()));
        let asked = form("ask", "80 % is used").replace("}}", r#"},"systemMessage":"runledger: no price"}"#);
        assert_eq!(to_agent(HookAgent::ClaudeCode, &ask, Some("no price")), Some(asked));
        assert_eq!(to_agent(HookAgent::ClaudeCode, &ask, Some("80 % is used")), Some(form("ask", "80 % is used")));
        let once = to_agent(HookAgent::Codex, &ask, Some("80 % is used"));
        assert_eq!(once, Some(r#"{"systemMessage":"80 % is used"}"#.to_owned()));
        let shown = r#"{"systemMessage":"80 % is used; runledger: no price"}"#;
        assert_eq!(to_agent(HookAgent::Codex, &ask, Some("no price")), Some(shown.to_owned()));
    }
}
