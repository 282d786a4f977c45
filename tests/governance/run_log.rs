//! Promise: a run log states what the records of its run state, in the form of training-run-logs. It parses back to the
//! same facts, and shows unknown values as unknown.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use runledger::metrics::{Call, Decision, Feedback, Kind, LlmCall, Status, Step, TracedError};
use runledger::runlog::{LogName, LogStatus, PriceBasis, Run, RunLog};
use runledger::{ErrorKind, ExecutionMetrics, PriceTable, Timestamp, Usage, Usd, Uuid};
use serde_json::{Value, json};

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn prices() -> &'static PriceTable {
    PriceTable::bundled().unwrap()
}

fn record(id: u128, skill: &str, start: &str, status: Status) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id), skill, "1.0.0", time(start));
    record.timestamp_end = Some(record.timestamp_start.plus_ms(60_000));
    record.set_status(status);
    record
}

/// Returns the record with this usage, priced by the bundled table at the start of the execution.
fn priced(mut record: ExecutionMetrics, model: &str, usage: Usage) -> ExecutionMetrics {
    record.set_usage(model, &usage);
    prices().cost_of(&Call::new(model, usage), record.timestamp_start).unwrap().fill(&mut record);
    record
}

fn log(records: impl IntoIterator<Item = ExecutionMetrics>) -> RunLog {
    RunLog::new(&Run::new("r-1", records).unwrap(), prices()).unwrap()
}

/// Returns the execution of an example run, with its steps, its decision and its errors.
fn review() -> ExecutionMetrics {
    let mut review = record(1, "review", "2026-01-03T14:30:12Z", Status::Success);
    review.run.mode = Some("review-tagged".into());
    let mut fetch = Step::new("Fetch Conversations", time("2026-01-03T14:32:40Z"));
    fetch.action = Some("Fetch seen conversations with tags".into());
    fetch.api_call = Some("get_conversations_v2(seen=true, limit=25, offset=0)".into());
    fetch.result = Some("25 conversations returned, 3 with quality tags".into());
    fetch.notes = Some("Tags found: 2x \"Bad AI Handling\", 1x \"Good AI Handling\"".into());
    review.trace.steps = vec![fetch, Step::new("Report", time("2026-01-04T00:05:00Z"))];
    let mut skip = Decision::new("Skip Conversation", "SKIP");
    skip.reason = Some("Exclusion phrase \"cerré la vacante\" detected".into());
    skip.trigger = Some("\"gracias pero ya cerré la vacante\"".into());
    skip.confidence = Some("HIGH".into());
    review.trace.decisions = vec![skip];
    let mut mended =
        TracedError::new(time("2026-01-03T14:35:00Z"), "AttributeError: 'str' object has no attribute 'get'");
    mended.context = Some("Parsing large API response saved to file".into());
    mended.resolution = Some("Used correct wrapped JSON parsing from knowledge-base.md".into());
    review.trace.errors = vec![mended, TracedError::new(time("2026-01-03T14:36:00Z"), "HTTP 429 | slow down")];
    review.trace.human_feedback =
        Some(Feedback::new("HIL-Approval", "Go on.\nBut skip *archived* ones.", time("2026-01-03T14:41:00Z")));
    review.tags.insert("conversations_processed".into(), json!(25));
    review.tags.insert("messages_sent".into(), json!(1_003));
    review.tags.insert("changes_made".into(), json!(["Updated tone.md", "Added 2 examples"]));
    review.tags.insert("issues_to_address".into(), json!([]));
    priced(review, "claude-opus-4-1", Usage::new(1_234_567, 45_678))
}

#[test]
fn the_log_has_the_form_of_the_template() {
    let log = log([review()]);
    assert_eq!(log.to_markdown(), include_str!("../data/runlog/review.md"));
    assert_eq!(RunLog::parse(&log.to_markdown()).unwrap(), log);
}

/// An entry has the lines of the template. A log without entries, of an earlier version, is read too.
#[test]
fn each_error_is_also_an_entry_of_the_template() {
    let mut failed = review();
    failed.trace.errors.truncate(1);
    failed.trace.errors[0].error += &"\nsecond line".repeat(20);
    let mut unresolved = TracedError::new(time("2026-01-04T00:01:00Z"), "x".repeat(70));
    unresolved.context = Some(String::new());
    failed.trace.errors.push(unresolved);
    let log = log([failed]);
    let text = log.to_markdown();
    let begin = text.find("## Error: ").unwrap();
    let entries = &text[begin..text.find("## Decision: ").unwrap()];
    let rule = "\n---\n\n";
    let expected = format!(
        "## Error: AttributeError: 'str' object has no attribute 'get'\n**Time:** 14:35\n\
         **Error:** AttributeError: 'str' object has no attribute 'get'{}\n\
         **Context:** Parsing large API response saved to file\n\
         **Resolution:** Used correct wrapped JSON parsing from knowledge-base.md\n{rule}\
         ## Error: {}…\n**Time:** 2026-01-04 00:01\n**Error:** `{}`\n**Context:** -\n**Resolution:** PENDING\n{rule}",
        "<br>second line".repeat(20),
        "x".repeat(59),
        "x".repeat(70),
    );
    assert_eq!(entries, expected);
    assert_eq!(RunLog::parse(&text).unwrap(), log);
    assert_eq!(RunLog::parse(&text.replace(entries, "")).unwrap(), log);
}

/// The items of "Always Log", each with its place in the log.
#[test]
fn everything_to_be_always_logged_is_in_the_log() {
    let text = log([review()]).to_markdown();
    for (line, stands) in [
        (
            "API calls made (tool name, key parameters)",
            "**API Call:** `get_conversations_v2(seen=true, limit=25, offset=0)`\n",
        ),
        (
            "API responses (summary, not full data unless error)",
            "**Result:** 25 conversations returned, 3 with quality tags\n",
        ),
        ("Decisions made and why", "**Decision:** SKIP - Exclusion phrase \"cerré la vacante\" detected\n"),
        ("Errors and how they were handled", " | Used correct wrapped JSON parsing from knowledge-base.md |\n"),
        ("User interactions/clarifications", "**Content:** Go on.<br>But skip \\*archived\\* ones.\n"),
        (
            "Token usage (input, output, total, cost)",
            "| Input Tokens | 1,234,567 |\n| Output Tokens | 45,678 |\n| Total Tokens | 1,280,245 |\n\
             | Estimated Cost | $21.944355 |\n",
        ),
    ] {
        assert!(text.contains(stands), "{line}");
    }
}

/// The headings and labels of the template, in their order.
#[test]
fn each_heading_of_the_template_is_in_its_place() {
    let text = log([review()]).to_markdown();
    let mut rest = text.as_str();
    for label in "\
# Run Log: \n**Started:** \n**Mode:** \n**Status:** \n\n---\n\n## Step 1: \n**Time:** \n**Action:** \n**API Call:** \n\
**Result:** \n**Notes:** \n\n---\n\n## Step 2: \n\n---\n\n## Errors Encountered\n| Time | Error | Context | Resolution |\n\
|------|-------|---------|------------|\n\n---\n\n## Final Status\n**Completed:** \n**Conversations Processed:** \n\
**Messages Sent:** \n**Changes Made:**\n**Issues to Address:** \n\n---\n\n## Token Usage\n| Metric | Count |\n\
|--------|-------|\n| Input Tokens | \n| Output Tokens | \n| Total Tokens | \n| Estimated Cost | \n\
*Cost calculated at: Input $15/1M, Output $75/1M ("
        .lines()
    {
        let at = rest.find(label).unwrap_or_else(|| panic!("{label:?} is missing after the labels before it"));
        assert!(label.is_empty() || at == 0 || rest[..at].ends_with('\n'), "{label:?} begins no line");
        rest = &rest[at + label.len()..];
    }
}

/// Returns a failing run with children and three models: one with a price, one without a price, and one with costs that
/// its vendor reported.
fn pipeline() -> Vec<ExecutionMetrics> {
    let mut root = record(1, "pipeline", "2026-02-14T23:58:00Z", Status::Failed);
    root.run.description = Some("Draw scene 7".into());
    root.set_error_reason("quality control gave up after 3 attempts");
    let mut route = record(2, "router", "2026-02-14T23:58:01Z", Status::Success);
    route.kind = Kind::ModelRouting;
    (route.decision_made, route.confidence_score) = (Some("gpt-4".into()), Some(0.9));
    let mut draw = record(3, "draw", "2026-02-14T23:59:00Z", Status::Panicked);
    draw.trace.steps = vec![Step::new("sketch", time("2026-02-14T23:59:00Z"))];
    draw.set_error_reason("index out of bounds: the len is 3 but the index is 7");
    draw.tags.insert("messages_sent".into(), json!("many"));
    let draw = priced(draw, "gpt-4", Usage::new(1_000, 500));
    let mut check = record(4, "check", "2026-02-15T00:01:00Z", Status::Success);
    check.production.artifact = Some("scene7_v2.png".into());
    check.production.outcome = Some("FAIL".into());
    check.production.qc_violations = vec!["hands".into(), "a | b".into()];
    let mut calls = [LlmCall::new(1, "llama-9"), LlmCall::new(2, "o3"), LlmCall::new(3, "o3")];
    (calls[1].cost_usd, calls[2].cost_usd) = (Some("0.5".parse().unwrap()), Some("0.25".parse().unwrap()));
    for call in &mut calls[1..] {
        call.cost.source = Some("reported".into());
    }
    check.trace.llm_calls = calls.into();
    check.tokens_input = Some(2_000);
    let mut records = vec![root, route, draw, check];
    for child in &mut records[1..] {
        child.run.parent_execution_id = Some(Uuid::from_u128(1));
    }
    records
}

#[test]
fn a_run_of_several_executions_is_one_log() {
    let log = log(pipeline());
    assert_eq!(log.to_markdown(), include_str!("../data/runlog/pipeline.md"));
    assert_eq!(RunLog::parse(&log.to_markdown()).unwrap(), log);
}

#[test]
fn unknown_values_are_not_zero() {
    let log = log([record(1, "s", "2026-02-14T12:00:00Z", Status::Success)]);
    assert_eq!(log.to_markdown(), include_str!("../data/runlog/unknown.md"));
    assert_eq!((log.conversations_processed, log.cost, log.tokens_total.known), (None, None, None));
    assert_eq!(RunLog::parse(&log.to_markdown()).unwrap(), log);
}

#[test]
fn counts_have_thousands_separators_and_amounts_every_digit() {
    for (tokens, cost, rows) in [
        (999, "0.1", "| Total Tokens | 999 |\n| Estimated Cost | $0.10 |"),
        (1_000, "1234567.00000001", "| Total Tokens | 1,000 |\n| Estimated Cost | $1,234,567.00000001 |"),
        (u64::MAX, "0", "| Total Tokens | 18,446,744,073,709,551,615 |\n| Estimated Cost | $0.00 |"),
    ] {
        let mut record = record(1, "s", "2026-02-14T12:00:00Z", Status::Success);
        (record.tokens_used, record.cost_usd) = (Some(tokens), Some(cost.parse().unwrap()));
        let text = log([record]).to_markdown();
        assert!(text.contains(rows), "{text}");
    }
}

#[test]
fn sums_cover_known_values_and_count_the_unknown_ones() {
    let unpriced = |id| {
        let mut record = record(id, "s", "2026-02-14T12:00:00Z", Status::Success);
        record.model.name = Some("llama-9".into());
        record
    };
    let with = record(9, "s", "2026-02-14T12:00:00Z", Status::Success);
    let with = priced(with, "gpt-4", Usage::new(1_000, 500));
    let log = log([with, unpriced(1), unpriced(2), record(3, "s", "2026-02-14T12:00:00Z", Status::Success)]);
    assert_eq!((log.tokens_input.known, log.tokens_input.unknown, log.unpriced), (Some(1000), 2, 2));
    let text = log.to_markdown();
    assert!(text.contains("| Input Tokens | 1,000 (unknown of 2 executions) |"), "{text}");
    assert!(text.contains("| Estimated Cost | $0.06 (unknown of 2 executions) |"), "{text}");
    let text = text_of(unpriced(1));
    assert!(text.contains("| Estimated Cost | - (unknown of 1 execution) |"), "{text}");
    assert!(!text.contains("$0"), "{text}");
}

fn text_of(record: ExecutionMetrics) -> String {
    log([record]).to_markdown()
}

/// Returns the lines about prices in the run log of a record.
fn price_lines(record: ExecutionMetrics) -> Vec<String> {
    let text = text_of(record);
    text.lines().filter(|line| line.starts_with('*') && line.ends_with('*')).map(str::to_owned).collect()
}

#[test]
fn the_price_line_says_by_which_prices_the_cost_came_about() {
    let plain = || record(1, "s", "2026-11-20T12:00:00Z", Status::Success);
    let opus = priced(plain(), "claude-opus-4-5", Usage::new(33_000, 500).cache_read(30_000));
    assert_eq!(
        price_lines(opus.clone()),
        ["*Cost calculated at: Input $5/1M, Cache read $0.5/1M, Output $25/1M (claude-opus-4-5)*"]
    );
    let mut other = opus.clone();
    other.cost.table = Some("contract 7 (draft)".into());
    assert_eq!(
        price_lines(other),
        [r"*Cost calculated by the price table contract 7 \(draft), which is not at hand (claude-opus-4-5)*"]
    );
    let mut reported = opus.clone();
    reported.cost = Default::default();
    reported.cost.source = Some("reported".into());
    assert_eq!(price_lines(reported.clone()), ["*Cost reported by the vendor (claude-opus-4-5)*"]);
    reported.cost = Default::default();
    assert_eq!(
        price_lines(reported.clone()),
        ["*Cost as recorded: where it comes from is not told (claude-opus-4-5)*"]
    );
    (reported.cost_usd, reported.model.name) = (None, None);
    assert_eq!(price_lines(reported), ["*Cost unknown: no price is known (model unknown)*"]);
    assert_eq!(price_lines(plain()), ["*No model was used, as far as the records tell*"]);
    // The price of the tier that applied to the call.
    let long = priced(plain(), "gemini-2.5-pro", Usage::new(300_000, 10));
    assert_eq!(price_lines(long), ["*Cost calculated at: Input $2.5/1M, Output $15/1M (gemini-2.5-pro)*"]);
    let free = priced(plain(), "free-tier-model", Usage::new(10, 10));
    assert_eq!(price_lines(free), ["*Cost calculated at: Input $0/1M, Output $0/1M (free-tier-model)*"]);
}

/// The cost of an execution covers its calls, so no line says that the cost of a call is unknown.
#[test]
fn a_log_whose_cost_is_known_never_says_that_it_is_unknown() {
    let plain = || record(1, "s", "2026-11-20T12:00:00Z", Status::Success);
    let call = |number, model: &str, cost: Option<&str>| {
        let mut call = LlmCall::new(number, model);
        call.cost_usd = cost.map(|cost| cost.parse().unwrap());
        call
    };
    let opus = priced(plain(), "claude-opus-4-5", Usage::new(1_000, 2_500));
    let calculated = "*Cost calculated at: Input $5/1M, Output $25/1M (claude-opus-4-5)*";
    let not_told = |model: &str| format!("*Cost as recorded: where it comes from is not told ({model})*");

    // One call without usage and cost stands for the whole execution.
    let mut only = opus.clone();
    only.trace.llm_calls = vec![call(1, "claude-opus-4-5", None)];
    assert_eq!(price_lines(only.clone()), [calculated]);
    assert!(text_of(only.clone()).contains("| Estimated Cost | $0.0675 |"));
    // The cost has more digits than `cost_usd` can hold.
    only.cost.exact_usd = Some("0.067500000001".parse().unwrap());
    assert_eq!(price_lines(only.clone()), [calculated]);
    assert!(text_of(only).contains("| Estimated Cost | $0.067500000001 |"));
    // The tokens of one of several calls are unknown, so its price is unknown too.
    let mut several = opus.clone();
    several.trace.llm_calls = vec![call(1, "claude-opus-4-5", None), call(2, "gpt-4", None)];
    (several.trace.llm_calls[0].tokens_input, several.trace.llm_calls[0].tokens_output) = (Some(1_000), Some(2_500));
    assert_eq!(
        price_lines(several.clone()),
        [calculated.to_owned(), "*Cost calculated by the price table genai-prices 0.2.3 (gpt-4)*".to_owned()]
    );
    // The price table is not available, then the origin of the cost is unknown, and then the vendor reported the cost.
    several.cost.table = Some("contract 7, draft".into());
    let absent = |model: &str| {
        format!(r"*Cost calculated by the price table contract 7\, draft, which is not at hand ({model})*")
    };
    assert_eq!(price_lines(several.clone()), [absent("claude-opus-4-5"), absent("gpt-4")]);
    several.cost = Default::default();
    assert_eq!(price_lines(several.clone()), [not_told("claude-opus-4-5"), not_told("gpt-4")]);
    several.cost.source = Some("reported".into());
    let reported = |model: &str| format!("*Cost reported by the vendor ({model})*");
    assert_eq!(price_lines(several.clone()), [reported("claude-opus-4-5"), reported("gpt-4")]);
    // One call has a cost of its own, whose origin is that of the execution.
    several.trace.llm_calls[0].cost_usd = Some("0.0675".parse().unwrap());
    assert_eq!(price_lines(several.clone()), [reported("claude-opus-4-5"), reported("gpt-4")]);

    // The cost of the execution was not recorded, but that of each call was.
    let mut summed = plain();
    summed.trace.llm_calls = vec![call(1, "o3", Some("0.05")), call(2, "llama-9", Some("0.0175"))];
    let text = text_of(summed.clone());
    assert!(text.contains("| Estimated Cost | $0.0675 |"), "{text}");
    assert_eq!(price_lines(summed), [not_told("o3"), not_told("llama-9")]);

    for record in [several, opus] {
        let log = log([record]);
        assert_eq!(RunLog::parse(&log.to_markdown()).unwrap(), log);
    }
}

/// "no price is known" is not the reason if the table has a price.
#[test]
fn an_unknown_cost_of_a_model_with_a_price_was_not_recorded() {
    let mut record = record(1, "s", "2026-11-20T12:00:00Z", Status::Interrupted);
    record.model.name = Some("gpt-4".into());
    let expected = ["*Cost unknown: it was not recorded, although a price is known (gpt-4)*"];
    assert_eq!(price_lines(record.clone()), expected);
    (record.tokens_input, record.tokens_output) = (Some(10), Some(10));
    assert_eq!(price_lines(record.clone()), expected);
    let log = log([record]);
    assert_eq!(RunLog::parse(&log.to_markdown()).unwrap(), log);
}

#[test]
fn the_status_is_that_of_the_executions_that_no_other_started() {
    let child = |status| {
        let mut child = record(2, "child", "2026-02-14T12:00:00Z", status);
        child.run.parent_execution_id = Some(Uuid::from_u128(1));
        child
    };
    let root = |status| record(1, "root", "2026-02-14T12:00:00Z", status);
    let of = |records: &[ExecutionMetrics]| log(records.to_vec()).status;
    assert_eq!(of(&[root(Status::Success), child(Status::Failed)]), LogStatus::Completed);
    for ended in [Status::Failed, Status::Cancelled, Status::Panicked, Status::Interrupted] {
        assert_eq!(of(&[root(ended), child(Status::Success)]), LogStatus::Failed);
    }
    for going_on in [Status::Paused, Status::Other("deferred".into())] {
        assert_eq!(of(&[root(going_on)]), LogStatus::InProgress);
    }
    // An execution without its parent's record counts for itself, and so do two executions that name each other as the
    // parent.
    assert_eq!(of(&[child(Status::Failed)]), LogStatus::Failed);
    let mut other = root(Status::Failed);
    other.run.parent_execution_id = Some(Uuid::from_u128(2));
    assert_eq!(of(&[other, child(Status::Success)]), LogStatus::Failed);
}

#[test]
fn of_several_records_of_one_execution_the_last_counts() {
    let paused = record(1, "s", "2026-02-14T12:00:00Z", Status::Paused);
    let ended = record(1, "s", "2026-02-14T12:00:00Z", Status::Success);
    let run = Run::new("r-1", [paused, ended.clone()]).unwrap();
    assert_eq!(run.executions(), [ended]);
    let error = Run::new("r-9", []).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "cannot log the run \"r-9\": found no records of the run; expected at least one");
}

#[test]
fn the_error_that_ended_an_execution_appears_once() {
    let errors = |record: ExecutionMetrics| log([record]).errors;
    let mut failed = record(1, "publish", "2026-02-14T12:00:59.999Z", Status::Failed);
    failed.set_error_reason("x".repeat(600));
    failed.trace.errors = vec![TracedError::new(failed.timestamp_start, "x".repeat(600))];
    assert_eq!(errors(failed.clone()).len(), 1, "traced, and cut in the reason");
    failed.trace.errors[0].error = "y".into();
    assert_eq!(errors(failed.clone()).len(), 2);
    failed.trace.errors.clear();
    let [last] = &errors(failed.clone())[..] else { panic!() };
    assert_eq!((last.time, last.context.as_deref()), (time("2026-02-14T12:01:00Z"), Some("publish")));
    (failed.error_reason, failed.error_code, failed.error_category) = (None, Some(7), Some("Network".into()));
    assert_eq!(errors(failed)[0].error, "failed, no reason given, category Network, code 7");
    let cancelled = record(1, "publish", "2026-02-14T12:00:00Z", Status::Cancelled);
    assert!(errors(cancelled).is_empty(), "cancelled without an error");
}

#[test]
fn a_name_is_safe_and_has_the_time_and_the_mode() {
    let at = time("2026-01-03T14:30:00Z");
    for (mode, name) in [
        ("review-tagged", "2026-01-03_14-30_review-tagged-1.md"),
        ("Learn from Jan!", "2026-01-03_14-30_learn-from-jan-1.md"),
        ("../../etc/passwd", "2026-01-03_14-30_etc-passwd-1.md"),
        ("a_b\n\0c", "2026-01-03_14-30_a-b-c-1.md"),
        ("日本語", "2026-01-03_14-30_run-1.md"),
        ("", "2026-01-03_14-30_run-1.md"),
    ] {
        let log_name = LogName::new(at, mode, 1);
        assert_eq!(log_name.to_string(), name);
        assert_eq!(name.parse::<LogName>().unwrap(), log_name);
    }
    let long = LogName::new(at, &"m- ".repeat(500), 7);
    assert!(long.mode().len() <= 60 && !long.mode().ends_with('-'), "{long}");
    assert_eq!(long.to_string().parse::<LogName>().unwrap(), long);
    for wrong in [
        "error-registry.md",
        "2026-01-03_14-30_Review-1.md",
        "2026-01-03_14-30_review-0.md",
        "2026-01-03_14-30_review-01.md",
        "2026-13-03_14-30_review-1.md",
        "2026-01-03_14-30_review.md",
        "2026-01-03_14-30_review-1.md.new",
    ] {
        assert_eq!(wrong.parse::<LogName>().unwrap_err().kind(), ErrorKind::Malformed, "{wrong}");
    }
}

#[test]
fn a_text_that_is_not_a_run_log_is_refused_with_its_line() {
    let text = log([review()]).to_markdown();
    for (from, to, line) in [
        ("# Run Log:", "# Log:", 1),
        ("**Started:** 2026-01-03", "**Started:** 2026-02-30", 2),
        ("**Status:** Completed", "**Status:** Done", 4),
        ("## Step 2:", "## Step 3:", 18),
        ("**Error:** `HTTP 429", "**Cause:** `HTTP 429", 33),
        ("| 14:36 |", "| noon |", 56),
        // The table and the entries must agree.
        ("| 14:36 |", "| 14:37 |", 56),
        ("| 14:36 | HTTP 429 \\| slow down | review | PENDING |\n", "", 56),
        ("**Completed:** Yes", "**Completed:** No", 61),
        ("**Changes Made:**", "**Changes Made:** many", 64),
        ("| $", "| ", 78),
        ("*Cost calculated", "*Cost guessed", 80),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = RunLog::parse(&changed).unwrap_err();
        assert_eq!((error.kind(), error.line()), (ErrorKind::Malformed, Some(line)), "{from}: {error}");
    }
    let error = RunLog::parse("").unwrap_err();
    assert_eq!(error.to_string(), "cannot read a run log: line 1 (byte 0): found \"\"; expected # Run Log:");
    for (from, to, details) in [
        (
            "**Started:** 2026-01-03",
            "**Started:** 2026-02-30",
            r#"found "**Started:** 2026-02-30 14:30"; expected **Started:** followed by a time such as 2026-01-03 14:23"#,
        ),
        (
            "**Status:** Completed",
            "**Status:** Done",
            r#"found "**Status:** Done"; expected **Status:** followed by In Progress, Completed or Failed"#,
        ),
        (
            "**Completed:** Yes",
            "**Completed:** No",
            r#"found "**Completed:** No"; expected **Completed:** followed by Yes"#,
        ),
        (
            "**Changes Made:**",
            "**Changes Made:** many",
            r#"found "**Changes Made:** many"; expected **Changes Made:** followed by nothing, `none` or `-`"#,
        ),
        ("\n\n---", "\n---", r#"found "---"; expected an empty line"#),
        ("| 14:36 |", "| 14:37 |", "expected a row | time | error | context | resolution | that repeats error entry 2"),
    ] {
        let text = RunLog::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(text.ends_with(details), "{text}");
    }
    assert_eq!(RunLog::parse(&text.replace('\n', "\r\n")).unwrap(), RunLog::parse(&text).unwrap());
}

/// The parts of Markdown that a reader sees.
#[derive(Default)]
struct Shown {
    headings: Vec<String>,
    /// The number of rows of all tables, without their heads.
    rows: usize,
    /// The parts that no log of this crate has: links, HTML, code blocks, quotations.
    other: Vec<String>,
}

impl Shown {
    fn of(markdown: &str) -> Self {
        let mut shown = Self::default();
        let mut heading = None;
        let extensions = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_GFM;
        for event in Parser::new_ext(markdown, extensions) {
            match &event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let text: Option<String> = heading.take();
                    shown.headings.extend(text.map(|text| text.trim_end_matches(' ').to_owned()));
                }
                Event::Start(Tag::TableRow) => shown.rows += 1,
                Event::InlineHtml(html) if **html == *"<br>" => heading.iter_mut().for_each(|text| text.push('\n')),
                Event::Text(text) => heading.iter_mut().for_each(|heading| heading.push_str(text)),
                Event::Code(_) if heading.is_none() => {}
                Event::SoftBreak | Event::Rule | Event::End(_) => {}
                Event::Start(
                    Tag::Paragraph
                    | Tag::Strong
                    | Tag::Emphasis
                    | Tag::List(None)
                    | Tag::Item
                    | Tag::Table(_)
                    | Tag::TableHead
                    | Tag::TableCell,
                ) if heading.is_none() => {}
                other => shown.other.push(format!("{other:?}")),
            }
        }
        shown
    }
}

/// Texts that would break a log if they were not escaped.
fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("-".to_owned()),
        Just("PENDING".to_owned()),
        Just("none".to_owned()),
        Just("model unknown".to_owned()),
        Just("ERR-001: x".to_owned()),
        Just("\n---\n\n## Errors Encountered\n| Time |".to_owned()),
        Just("## Step 1: x\r\n**Time:** 14:30".to_owned()),
        Just("a - b - c -".to_owned()),
        Just("``` `x` | \\| \\\\| <br> &#10; &amp; <!-- -->".to_owned()),
        Just("*Cost unknown: no price is known (m)*".to_owned()),
        "[a-z|`*_#<>&~\\\\\\[\\]() \n\r\t\u{0}\u{2028}-]{0,30}",
        any::<String>(),
        Just("very long | `".repeat(1_000)),
    ]
}

/// Returns the first line of a message, with at most 60 characters.
fn title(message: &str) -> String {
    let line = message.split('\n').next().unwrap();
    let line = if message.contains('\n') { line.strip_suffix('\r').unwrap_or(line) } else { line };
    if line.chars().count() > 60 { line.chars().take(59).chain(['…']).collect() } else { line.to_owned() }
}

fn some(text: impl Strategy<Value = String>) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(text)
}

fn moment() -> impl Strategy<Value = Timestamp> {
    const FIRST_MS: i64 = -62_167_219_200_000;
    const LAST_MS: i64 = 253_402_300_799_999;
    prop_oneof![1_767_000_000_000i64..1_767_200_000_000, FIRST_MS..=LAST_MS, Just(FIRST_MS), Just(LAST_MS)]
        .prop_map(|unix_ms| Timestamp::from_unix_ms(unix_ms).unwrap())
}

fn tag() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        nasty().prop_map(Value::from),
        proptest::collection::vec(nasty(), 0..3).prop_map(Value::from),
        Just(Value::Null),
        Just(json!([1, null, {"a|b": "`"}])),
    ]
}

fn execution() -> impl Strategy<Value = ExecutionMetrics> {
    let step = (nasty(), moment(), some(nasty()), some(nasty())).prop_map(|(name, time, action, api_call)| {
        let mut step = Step::new(name, time);
        (step.result, step.notes) = (api_call.clone(), action.clone());
        (step.action, step.api_call) = (action, api_call);
        step
    });
    let decision = (nasty(), nasty(), some(nasty()), some(nasty())).prop_map(|(what, decided, reason, trigger)| {
        let mut decision = Decision::new(what, decided);
        (decision.reason, decision.confidence, decision.trigger) = (reason, trigger.clone(), trigger);
        decision
    });
    let error = (moment(), nasty(), some(nasty()), some(nasty())).prop_map(|(time, text, context, resolution)| {
        let mut error = TracedError::new(time, text);
        (error.context, error.resolution) = (context, resolution);
        error
    });
    let call = (nasty(), some(nasty()), proptest::option::of(0i128..1 << 80)).prop_map(|(model, table, pico)| {
        let mut call = LlmCall::new(1, model);
        (call.cost.table, call.cost_usd) = (table, pico.map(Usd::from_pico));
        call
    });
    let feedback = (nasty(), nasty(), moment()).prop_map(|(kind, content, time)| Feedback::new(kind, content, time));
    let trace = (
        proptest::collection::vec(step, 0..3),
        proptest::collection::vec(decision, 0..2),
        proptest::collection::vec(error, 0..3),
        proptest::collection::vec(call, 0..3),
        proptest::option::of(feedback),
    );
    let tags = proptest::collection::vec(tag(), 4);
    let numbers = (proptest::option::of(any::<u64>()), proptest::option::of(0i128..1 << 90), any::<u8>());
    (any::<u128>(), nasty(), some(nasty()), moment(), trace, tags, numbers).prop_map(
        |(id, skill, text, start, trace, tags, (tokens, pico, number))| {
            let mut record = ExecutionMetrics::new(Uuid::from_u128(id), skill, "1", start);
            record.set_status(["success", "failed", "paused", "interrupted"][usize::from(number % 4)].into());
            (record.trace.steps, record.trace.decisions, record.trace.errors) = (trace.0, trace.1, trace.2);
            (record.trace.llm_calls, record.trace.human_feedback) = (trace.3, trace.4);
            (record.tokens_input, record.tokens_used) = (tokens, tokens);
            record.cost_usd = pico.map(Usd::from_pico);
            (record.run.mode, record.error_reason, record.decision_made) = (text.clone(), text.clone(), text.clone());
            (record.run.description, record.production.notes, record.model.name) = (text.clone(), text.clone(), text);
            let names = ["conversations_processed", "messages_sent", "changes_made", "issues_to_address"];
            record.tags = names.into_iter().map(str::to_owned).zip(tags).collect();
            record
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_log_reads_back_to_the_same_facts(records in proptest::collection::vec(execution(), 1..4), id in nasty()) {
        let log = RunLog::new(&Run::new(id, records).unwrap(), prices()).unwrap();
        let text = log.to_markdown();
        prop_assert_eq!(RunLog::parse(&text).unwrap(), log);
        prop_assert!(!text.contains(|c: char| c != '\n' && c.is_control()));
    }

    #[test]
    fn any_text_is_shown_as_it_is_and_is_no_markup(records in proptest::collection::vec(execution(), 1..3)) {
        let log = RunLog::new(&Run::new("r-1", records).unwrap(), prices()).unwrap();
        let shown = Shown::of(&log.to_markdown());
        prop_assert_eq!(shown.other, [""; 0]);
        prop_assert_eq!(shown.rows, log.errors.len() + 4);
        let steps = log.steps.iter().zip(1..).map(|(step, number)| format!("Step {number}: {}", step.name));
        let errors = log.errors.iter().map(|error| format!("Error: {}", title(&error.error)));
        let decisions = log.decisions.iter().map(|decision| format!("Decision: {}", decision.what));
        let feedback = log.feedback.iter().map(|feedback| format!("Feedback: {}", feedback.feedback_type));
        let ours = ["Errors Encountered", "Final Status", "Token Usage"].map(str::to_owned);
        let title_line = [format!("Run Log: {}", log.title)].into_iter();
        let expected = title_line.chain(steps).chain(errors).chain(decisions).chain(feedback).chain(ours);
        // A NUL is shown as a replacement.
        let expected: Vec<_> = expected.map(|text| text.replace('\0', "\u{fffd}").trim_end_matches(' ').to_owned()).collect();
        prop_assert_eq!(shown.headings, expected);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(# Run Log: |[*]{2}|Started:|[0-9-]{2}|\\||\n|---|\\PC){0,40}", cut in any::<prop::sample::Index>()) {
        prop_assert!(RunLog::parse(&text).is_err());
        let whole = log([review()]).to_markdown();
        let at = (0..=cut.index(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap();
        let _ = RunLog::parse(&whole[..at]);
    }
}

#[test]
fn a_log_of_the_largest_sizes_is_written_or_refused() {
    let mut dear = record(1, "s", "2026-02-14T12:00:00Z", Status::Success);
    dear.cost_usd = Some(Usd::from_pico(i128::MAX));
    let mut dearer = record(2, "s", "2026-02-14T12:00:00Z", Status::Success);
    dearer.cost_usd = Some(Usd::from_pico(1));
    let text = text_of(dear.clone());
    assert!(text.contains("| Estimated Cost | $170,141,183,460,469,231,731,687,303.715884105727 |"), "{text}");
    let error = RunLog::new(&Run::new("r-1", [dear, dearer]).unwrap(), prices()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overflow);
    assert_eq!(error.to_string(), "cannot log the run \"r-1\": the sum of its costs is out of range");
}

#[test]
fn a_basis_is_shown_for_each_model_once() {
    let log = log(pipeline());
    let bases: Vec<_> = log.prices.iter().map(|line| (line.model.as_deref(), &line.basis)).collect();
    assert_eq!(bases.len(), 3, "{bases:?}");
    assert_eq!(bases[1..], [(Some("llama-9"), &PriceBasis::Unknown), (Some("o3"), &PriceBasis::Reported)]);
}
