//! The calls whose outputs are checked, each with its arguments, its input, and the forms of its output.

use super::checks::Form::{self, Csv, Html, Json, Lines, Markdown, MarkdownFile, Stored, Text};

/// One call of the command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// The arguments, with a blank between two of them. `{text}` is replaced by a hostile text, and `{id}` by the id of
    /// an execution with this text.
    pub(super) args: &'static str,
    /// The input. `{json}` is replaced by the text as JSON, `{n}` by the number of the text, and `{bytes}` by bytes
    /// that are not UTF-8.
    pub(super) input: &'static str,
    /// The form of the output, and its form with `--json`.
    pub(super) forms: [Form; 2],
    /// The file that the call writes, and its form. `None` if the call writes only to stdout.
    pub(super) file: Option<(&'static str, Form)>,
}

const fn call(args: &'static str, plain: Form, json: Form) -> Call {
    Call { args, input: "", forms: [plain, json], file: None }
}

const fn with_input(args: &'static str, input: &'static str, plain: Form, json: Form) -> Call {
    Call { args, input, forms: [plain, json], file: None }
}

const fn to_file(args: &'static str, file: &'static str, form: Form, plain: Form, json: Form) -> Call {
    Call { args, input: "", forms: [plain, json], file: Some((file, form)) }
}

const PIPE: &str = r#"{"execution_id": "01a229c8-0000-7000-8000-00000000000{n}", "skill_name": {json}, "skill_version": {json}, "timestamp_start": "2026-02-14T14:23:00Z", "timestamp_end": "2026-02-14T14:23:01Z", "status": "failed", "error_reason": {json}, "tags": {{json}: {json}}, "model": {"name": {json}}}
{"begin": {"skill_name": {json}, "skill_version": "1", "run_id": {json}}}
{"begin": {"skill_name": {json}, {json}: {json}}}
{"skill_name": "s", "skill_version": "1", "timestamp_start": {json}, "status": {json}}
{"usage": {"execution_id": {json}, "model": {json}}}
{json}
{bytes}
{"skill_name": "{bytes}"}
"#;
const PRICE: &str = r#"{"model": {json}, "provider": {json}, "usage": {"input_tokens": 1}}
{"model": {json}, {json}: {json}, "usage": {"input_tokens": {json}}}
{bytes}
"#;
const EVENT: &str = r#"{"session_id": {json}, "hook_event_name": "PostToolUseFailure", "cwd": {json}, "tool_name": {json}, "tool_use_id": {json}, "tool_input": {"command": {json}}, "error": {json}, {json}: {json}}"#;
const STATUS: &str = r#"{"session_id": {json}, "model": {"id": {json}, "display_name": {json}}, "cost": {"total_cost_usd": 1.5}, "rate_limits": {{json}: {"used_percentage": 42.5, "resets_at": 4102444800}}}"#;
const STREAM: &str = r#"{"type":"system","subtype":"init","session_id":{json},"model":{json}}
{"type":"assistant","session_id":{json},"message":{"id":{json},"type":"message","role":"assistant","model":{json},"content":[{"type":"tool_use","id":{json},"name":{json},"input":{}}],"usage":{"input_tokens":10,"output_tokens":2}},"requestId":{json},"uuid":{json},"timestamp":"2025-08-28T12:57:13.873Z"}
{"type":{json},{json}:{json}}
{bytes}
{"type":"result","subtype":"error","session_id":{json},"is_error":true,"result":{json},"error":{json}}
"#;

/// The calls, in the order in which they are made. They prepare each other: a hold is made before it is listed.
pub(super) const CALLS: &[Call] = &[
    call("start --agent {text} --description {text} --run-id {text} --session-id {text} --model {text}", Json, Json),
    call("progress --execution-id {id} --stage {text}", Json, Json),
    call("complete --execution-id {id} --status error --error-message {text}", Json, Json),
    call(
        "log routing --model {text} --reason {text} --run-id {text} --skill {text} --skill-version {text}",
        Text,
        Json,
    ),
    call("log generation --model {text} --status error --error-message {text} --artifact {text} --took 1", Text, Json),
    call("log qc --outcome REJECT --violation {text} --drift {text} --shot {text} --shot-type {text}", Text, Json),
    call("log budget --decision BLOCK --reason {text} --scene {text}", Text, Json),
    with_input("pipe", PIPE, Lines, Lines),
    with_input("pipe --lenient", PIPE, Lines, Lines),
    with_input("import stream-json -", STREAM, Text, Json),
    with_input("import -", PIPE, Text, Json),
    call("import {text}", Text, Json),
    with_input("hook --agent claude-code", EVENT, Json, Json),
    with_input("hook", "{bytes}", Json, Json),
    call("hook install claude-code --dry-run", Text, Json),
    call("hook uninstall claude-code --dry-run", Text, Json),
    call("list --all", Text, Lines),
    call("list --run {text} --all", Text, Lines),
    call("list --skill {text} --model {text}", Text, Lines),
    call("list --since {text}", Text, Lines),
    call("show {id}", Json, Json),
    call("show {id} --tree", Text, Lines),
    call("show {text}", Json, Json),
    call("show {text} --tree", Text, Lines),
    call("tail -n 100", Text, Lines),
    call("open", Text, Lines),
    call("top --once", Text, Json),
    call("cost", Text, Json),
    call("cost --by skill", Text, Json),
    call("cost --by run", Text, Json),
    call("cost --by scene", Text, Json),
    call("cost --by agent", Text, Json),
    call("cost --run {text}", Text, Json),
    call("cost --zone {text}", Text, Json),
    call("cost --by skill --markdown", Markdown, Markdown),
    call("cost --by run --markdown", Markdown, Markdown),
    call("cost --reprice", Text, Json),
    call("cost discrepancy", Text, Json),
    call("cost explain {text} --input 5", Text, Json),
    call("cost explain --execution {id}", Text, Json),
    call("metrics", Text, Json),
    with_input("price", PRICE, Lines, Lines),
    call("prices check", Text, Lines),
    call("prices import litellm {text}", Text, Json),
    call("quota set {text} --limit 20 --unit usd --per total --source {text}", Text, Json),
    call("quota reserve {text} 1", Text, Json),
    call("quota holds", Text, Lines),
    call("quota consume {text} 15", Text, Json),
    call("quota settle 1 {text}", Text, Json),
    call("quota settle 1 1", Text, Json),
    call("quota release 2", Text, Json),
    call("quota check {text}", Text, Json),
    call("quota {text}", Text, Lines),
    call("quota --limits limits.json", Text, Lines),
    call("quota", Text, Lines),
    with_input("statusline", STATUS, Text, Text),
    with_input("statusline", "{bytes}", Text, Text),
    call("watch --policy policy.json --dry-run --since 2w", Text, Lines),
    call("watch --policy policy.json --once", Text, Lines),
    call("quota unset {text}", Text, Json),
    call("report --text", Text, Text),
    to_file("report --out report.html --force", "report.html", Html, Text, Json),
    to_file("report --by model --out report.html --force --verify", "report.html", Html, Text, Json),
    call("baseline", Text, Json),
    call("baseline --by version", Text, Json),
    call("baseline --by model", Text, Json),
    call("baseline --skill {text}", Text, Json),
    call("baseline freeze", Text, Json),
    call("baseline stability", Text, Json),
    call("compare --min-samples 5", Text, Json),
    call("compare --min-samples 5 --markdown", Markdown, Markdown),
    call("export markdown --execution {id}", Text, Json),
    call("export markdown --run {text}", Text, Json),
    call("errors", Text, Lines),
    call("errors list", Text, Lines),
    call("errors show ERR-001", MarkdownFile, Json),
    call("errors show {text}", Text, Json),
    call("errors resolve ERR-001 --resolution {text}", Text, Json),
    call("errors reopen ERR-001", Text, Json),
    call("errors severity ERR-001 LOW", Text, Json),
    call("errors render", Text, Json),
    call("head", Text, Json),
    call("gate --run {text}", Text, Json),
    call("gate --run {text} --markdown", Markdown, Markdown),
    call("escalate", Text, Lines),
    call("verify", Text, Json),
    call("verify --head {text}", Text, Json),
    call("doctor", Text, Lines),
    call("doctor --secrets", Text, Lines),
    call("policy", Json, Json),
    call("policy {text}", Json, Json),
    call("cat", Stored, Stored),
    call("export csv --out -", Csv, Csv),
    call("export workflow", Lines, Lines),
    call("export otlp --dialect latest", Lines, Lines),
    call("export otlp --metrics --service {text}", Lines, Lines),
    call("pg status --database-url postgres://{text}", Text, Json),
    call("pg ship --database-url {text}", Text, Json),
    call("pg migrate --database-url {text}", Text, Json),
    call("ship {text} --active --machine {text} --user {text}", Text, Json),
    call("ship fleet --active --machine {text} --user {text}", Text, Json),
    call("ship otlp {text}", Text, Json),
    call("ship otlp http://127.0.0.1:1 --retry-for 0 --service {text}", Text, Json),
    call("fleet verify {text}", Text, Json),
    call("fleet verify fleet", Text, Json),
    call("fleet baseline fleet", Text, Json),
    call("fleet baseline fleet --by model", Text, Json),
    call("fleet cost fleet --by skill", Text, Json),
    call("fleet cost fleet --by run --markdown", Markdown, Markdown),
    call("fleet compare fleet --week 2026-02-18 --require {text}", Text, Json),
    call("fleet compare fleet --week 2026-02-18 --require all", Text, Json),
    call("fleet compare fleet --week 2026-02-18 --markdown", Markdown, Markdown),
    call("fleet {text}", Text, Text),
    call("index rebuild", Text, Json),
    call("index extend", Text, Json),
    call("redact {id} --field error_reason --by {text} --why x{text}", Text, Json),
    call("redact {id} --field {text} --by {text} --why {text}", Text, Json),
    call("redact {text} --field {text} --by {text} --why {text}", Text, Json),
    call("show {id} --json", Json, Json),
    call("verify", Text, Json),
    call("retention plan", Text, Lines),
    call("retention apply", Text, Lines),
    call("schema record", Json, Json),
    call("completions bash", Text, Text),
    call("man", Text, Text),
    call("run --skill {text} --run-id {text} --model {text} -- ./no-such-{text}", Text, Text),
    call("{text}", Text, Text),
    call("list --{text}", Text, Text),
    call("list --ledger {text}", Text, Lines),
    call("verify --ledger {text}", Text, Json),
];
