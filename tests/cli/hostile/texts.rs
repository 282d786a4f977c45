//! The texts that attack their reader, and the records that have such a text in each text field.

use runledger::metrics::Status;
use runledger::{ExecutionMetrics, Timestamp, Uuid};
use serde_json::{Value, json};

/// A line that begins with this word is not a line of the command.
pub(super) const FORGED: &str = "forged-line";

/// Control sequences: a title, a cleared screen, the clipboard, hidden text, C1 controls, bidirectional marks, and
/// lines.
pub(super) const CONTROLS: [&str; 8] = [
    "\u{1b}]0;owned\u{7}",
    "\u{1b}[2J\u{1b}[1;1H\u{1b}[8mhidden",
    "\u{1b}]52;c;cm0gLXJm\u{1b}\\",
    "\u{9b}2J\u{9d}0;owned\u{9c}\u{85}",
    "\u{202e}gpj.exe\u{2066}\u{200f}\u{61c}\u{202c}",
    "a\u{8}\u{7f}\u{c}\u{b}",
    "x\nforged-line\r\nforged-line\rforged-line",
    "\u{2028}forged-line\u{2029}",
];
/// HTML, script and Markdown.
pub(super) const MARKUP: [&str; 3] = [
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&",
    "| a | `code` [text](https://evil.example) ![i](x) @everyone #1 <!-- --> **b** ~~s~~ \\",
    "\n# forged-line\n\n| forged | row |\n```\n---\n- forged-line",
];
/// Cells that a spreadsheet would compute.
pub(super) const FORMULAS: [&str; 6] = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1"];

/// Returns the texts that are passed as arguments.
pub(super) fn arguments() -> [String; 3] {
    [CONTROLS.concat(), MARKUP.concat(), FORMULAS[0].to_owned()]
}

/// Returns the texts of the records, first those of [`arguments`]. The last one has a NUL, which an argument cannot
/// have.
pub(super) fn texts() -> Vec<String> {
    let one = CONTROLS.iter().chain(&MARKUP).chain(&FORMULAS[1..]).map(|text| (*text).to_owned());
    arguments().into_iter().chain(one).chain(["a\0b".to_owned()]).collect()
}

pub(super) fn id(number: usize) -> Uuid {
    let number = number as u128 + 1;
    Uuid::from_u128(number << 96 | number)
}

/// Returns a record that has the text in each text field. It starts now, so that the default periods include it.
pub(super) fn record(number: usize, text: &str) -> ExecutionMetrics {
    let start = Timestamp::now();
    let end = start.plus_ms(7);
    let seen = start.to_string();
    let trace = json!({
        "steps": [{"name": text, "time": seen, "action": text, "api_call": text, "result": text, "notes": text}],
        "decisions": [{"what": text, "decision": text, "reason": text, "trigger": text, "confidence": text}],
        "errors": [{"time": seen, "error": text, "context": text, "resolution": text, "registry_id": text}],
        "llm_calls": [{
            "call_sequence": 1, "model_name": text, "provider": text, "prompt": text, "completion": text,
            "tokens_input": 9, "tokens_output": 1, "cost_usd": 0.5, "variant": {"a": text, text: "a"},
        }],
        "human_feedback": {"type": text, "content": text, "timestamp_utc": seen},
    });
    let record = json!({
        "execution_id": id(number), "skill_name": text, "skill_version": text, "orchestrator_version": text,
        "timestamp_start": seen, "timestamp_end": end.to_string(), "operator": text, "status": Status::Failed.to_string(),
        "execution_succeeded": false, "execution_failed": true, "error_reason": text, "decision_made": text,
        "skill_path_in_dag": text, "tags": {"a": text, text: [{"b": [text], text: null}]},
        "tokens_input": 9, "tokens_output": 1, "tokens_used": 10, "cost_usd": 0.5, "total_latency_ms": 7,
        "kind": "generation",
        "run": {
            "run_id": text, "parent_run_id": text, "session_id": text, "correlation_id": text, "agent_name": text,
            "task_id": text, "description": text, "mode": text,
        },
        "model": {"name": text, "provider": text, "tier": text, "variant": {"a": text, text: "a"}},
        "cost": {
            "source": "computed", "table": text, "provider": text, "matched": text, "variant": text,
            "variant_unpriced": text, "region_unpriced": text, "part_unpriced": text, "matched_by": text,
        },
        "production": {
            "scene_id": text, "shot_id": text, "shot_type": text, "artifact": text, "qc_violations": [text, text],
            "drift_category": text, "notes": text, "regen_count": 2,
        },
        "progress": {"stage": text, "updated_at": seen},
        "trace": trace,
    });
    ExecutionMetrics::from_json(&record.to_string()).unwrap()
}

/// Returns a table of limits whose names are the texts, as `--limits` reads it.
pub(super) fn limits() -> String {
    let limit = |text: &String| json!({"api": text, "limit": 1, "unit": "calls", "period": "total", "source": text, "as_of": "2026-03-01"});
    let limits: Vec<Value> = texts().iter().filter(|text| !text.trim().is_empty()).map(limit).collect();
    json!(limits).to_string()
}
