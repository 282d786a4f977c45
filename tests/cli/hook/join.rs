//! The records of the hook and the records of an import of the same session complement each other, whichever comes
//! first. Nothing counts twice, and nothing is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use runledger::{ExecutionMetrics, LedgerReader, Uuid};
use serde_json::{Value, json};

use super::{event, id, in_flight, record, records, tool};
use crate::agents::{calling, message, prompt, result, with};
use crate::commands::{Place, output};

/// Writes the transcripts of a session with a skill and a sub-agent.
fn write_session(directory: &Path) {
    let file = |path: &str, lines: &[Value]| {
        let path = directory.join("p").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    };
    let returned =
        with(result("s", "t2", 6, false), &[("/toolUseResult", json!({"agentId": "a1", "status": "completed"}))]);
    file(
        "s.jsonl",
        &[
            prompt("s", 0),
            calling(message("s", "msg_1", "req_1", 1, 5), "t1", "Skill", json!({"skill": "git-push"})),
            result("s", "t1", 2, false),
            calling(message("s", "msg_2", "req_2", 3, 6), "t2", "Agent", json!({"subagent_type": "explorer"})),
            returned,
            message("s", "msg_3", "req_3", 7, 7),
        ],
    );
    let inside = |line: Value| with(line, &[("/isSidechain", true.into()), ("/agentId", "a1".into())]);
    file("s/subagents/agent-a1.jsonl", &[inside(prompt("s", 4)), inside(message("s", "msg_4", "req_4", 5, 8))]);
}

fn import(place: &Place) -> Value {
    write_session(place.directory.path());
    place.run(["import", "claude-code", "p", "--json"]).json()
}

fn begins(place: &Place) {
    record(place, &tool("PreToolUse", "Skill", "t1", json!({})));
    record(place, &tool("PostToolUse", "Skill", "t1", json!({"tool_response": {"success": true}})));
    record(place, &tool("PreToolUse", "Agent", "t2", json!({})));
}

fn ends(place: &Place) {
    let response = json!({"tool_response": {"status": "completed", "agentId": "a1"}});
    record(place, &tool("PostToolUse", "Agent", "t2", response));
    record(place, &event("Stop", json!({})));
}

/// Returns the records of executions that are not events, by id.
fn by_id(place: &Place) -> BTreeMap<Uuid, ExecutionMetrics> {
    let all = records(place);
    let works = all.into_iter().filter(|record| !record.skill_name.contains('/'));
    works.map(|record| (record.execution_id, record)).collect()
}

/// Checks that the ledger has what the hook and the import know, each once.
fn check(place: &Place) {
    let alone = Place::empty();
    import(&alone);
    let (found, imported) = (by_id(place), by_id(&alone));
    assert_eq!(found.keys().collect::<Vec<_>>(), imported.keys().collect::<Vec<_>>());
    assert_eq!(found.len(), 3);
    for (id, alone) in &imported {
        let record = &found[id];
        record.validate().unwrap();
        assert_eq!((record.tokens_input, record.tokens_output), (alone.tokens_input, alone.tokens_output));
        assert_eq!((record.cost_usd, &record.trace), (alone.cost_usd, &alone.trace));
        assert_eq!(record.run.parent_execution_id, alone.run.parent_execution_id);
        assert_eq!((&record.skill_name, &record.run.agent_name), (&alone.skill_name, &alone.run.agent_name));
        for (key, value) in &alone.tags {
            assert!(key == "cwd" || record.tags.get(key) == Some(value), "{key}: {:?}", record.tags);
        }
    }
    for id in [id("t1"), id("t2")] {
        let record = &found[&id];
        assert_eq!(record.execution_succeeded, Some(true));
        assert_eq!(record.tags["recorded_by"], "hook");
        assert!(record.input_hash.is_some() && record.output_hash.is_some());
    }
    assert_eq!(found[&id("t2")].tokens_output, Some(8));
    // The total cost is right, the chain is whole, and the gate finds no overwritten record.
    let totals = |place: &Place| place.run(["cost", "--json"]).json()["totals"]["totalCost"].clone();
    assert_eq!(totals(place), totals(&alone));
    let reader = LedgerReader::open(place.ledger()).unwrap();
    assert_eq!(reader.verify(&[]).unwrap().faults, []);
    let gated = reader.gate(&runledger::governance::Gate::new("s")).unwrap().report;
    let overwritten = gated.reasons.iter().filter(|reason| reason.rule == runledger::governance::Rule::Overwritten);
    assert_eq!(overwritten.count(), 0);
    assert_eq!(in_flight(place), []);
}

/// Returns every line of the ledger.
fn lines(place: &Place) -> String {
    fs::read_to_string(place.ledger()).unwrap()
}

#[test]
fn an_import_completes_the_records_of_the_hook() {
    let place = Place::empty();
    begins(&place);
    ends(&place);
    let start = by_id(&place)[&id("t1")].timestamp_start;
    assert_eq!(import(&place)["executions"], 3);
    check(&place);
    // The skill keeps the start that the hook measured. The sub-agent has the start of the transcript, so that its
    // calls count on their own day.
    let found = by_id(&place);
    assert_eq!(found[&id("t1")].timestamp_start, start);
    assert_eq!(found[&id("t2")].timestamp_start.to_string(), "2026-11-20T12:00:04.000Z");
    // A second import, and events that are repeated, add nothing.
    let before = by_id(&place);
    assert_eq!(import(&place)["executions"], 0);
    begins(&place);
    record(
        &place,
        &tool("PostToolUse", "Agent", "t2", json!({"tool_response": {"status": "completed", "agentId": "a1"}})),
    );
    assert_eq!(by_id(&place), before);
    check(&place);
}

#[test]
fn the_hook_completes_the_records_of_an_import() {
    let place = Place::empty();
    import(&place);
    begins(&place);
    assert_eq!(in_flight(&place), []);
    ends(&place);
    check(&place);
    let before = by_id(&place);
    begins(&place);
    ends(&place);
    assert_eq!(by_id(&place), before);
    assert_eq!(import(&place)["executions"], 0);
    assert_eq!(by_id(&place), before);
}

#[test]
fn an_import_between_two_events_joins_too() {
    let place = Place::empty();
    begins(&place);
    assert_eq!(import(&place)["executions"], 3);
    assert_eq!(in_flight(&place).len(), 2);
    ends(&place);
    check(&place);
    assert_eq!(import(&place)["executions"], 0);
}

#[test]
fn an_import_knows_the_end_that_the_hook_missed() {
    let place = Place::empty();
    record(&place, &tool("PreToolUse", "Agent", "t2", json!({})));
    record(&place, &event("SessionEnd", json!({"reason": "other"})));
    assert_eq!(by_id(&place)[&id("t2")].execution_succeeded, None);
    import(&place);
    let agent = &by_id(&place)[&id("t2")];
    assert_eq!((agent.execution_succeeded, agent.error_reason.as_deref()), (Some(true), None));
    assert_eq!((agent.tokens_output, &agent.tags["recorded_by"]), (Some(8), &json!("hook")));
    agent.validate().unwrap();
    assert_eq!(agent.wall_clock_time_ms, agent.timestamp_end.unwrap().ms_since(agent.timestamp_start));
}

/// The import knows the start that the hook missed, in whichever order the two are recorded.
#[test]
fn an_import_knows_the_start_that_the_hook_missed() {
    let response = json!({"tool_response": {"status": "completed", "agentId": "a1"}});
    let end_only = |place: &Place| record(place, &tool("PostToolUse", "Agent", "t2", response.clone()));
    let alone = Place::empty();
    import(&alone);
    let start = by_id(&alone)[&id("t2")].timestamp_start;
    for is_hook_first in [true, false] {
        let place = Place::empty();
        if is_hook_first {
            end_only(&place);
            assert_eq!(by_id(&place)[&id("t2")].tags["start_unknown"], true);
            import(&place);
        } else {
            import(&place);
            end_only(&place);
        }
        let agent = &by_id(&place)[&id("t2")];
        assert_eq!((agent.timestamp_start, agent.tags.get("start_unknown")), (start, None), "{is_hook_first}");
        assert_eq!(agent.wall_clock_time_ms, agent.timestamp_end.unwrap().ms_since(start));
        assert_eq!(agent.total_latency_ms, agent.wall_clock_time_ms);
        assert_eq!((agent.tokens_output, &agent.tags["recorded_by"]), (Some(8), &json!("hook")));
        agent.validate().unwrap();
        let gate = runledger::governance::Gate::new("s");
        let gated = LedgerReader::open(place.ledger()).unwrap().gate(&gate).unwrap().report;
        let overwritten = gated.reasons.iter().filter(|reason| reason.rule == runledger::governance::Rule::Overwritten);
        assert_eq!(overwritten.count(), 0, "{is_hook_first}");
        // The same event and the same import again add nothing.
        let before = lines(&place);
        end_only(&place);
        assert_eq!(import(&place)["executions"], 0);
        assert_eq!(lines(&place), before);
    }
}

#[test]
fn an_execution_with_several_lines_has_one_record() {
    let place = Place::empty();
    begins(&place);
    ends(&place);
    import(&place);
    let of_agent = lines(&place).lines().filter(|line| line.contains(&id("t2").to_string())).count();
    assert!(of_agent >= 2, "the line of the hook was not replaced");
    assert_eq!(records(&place).iter().filter(|record| record.execution_id == id("t2")).count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn an_import_that_was_killed_can_be_repeated() {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use crate::children::strace::can_trace;

    if !can_trace() {
        return;
    }
    let recorded = Place::empty();
    begins(&recorded);
    ends(&recorded);
    let mut kills = 0;
    for call in ["write", "pwrite64", "fdatasync"] {
        for when in 1..4 {
            let place = Place::empty();
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(recorded.path("logs")).arg(place.directory.path());
            let copied = output(&mut copy);
            assert_eq!(copied.code, Some(0), "{copied:?}");
            write_session(place.directory.path());
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
            strace.args(["-e", &format!("inject={call}:signal=SIGKILL:when={when}"), env!("CARGO_BIN_EXE_runledger")]);
            strace
                .args(["import", "claude-code", "p"])
                .current_dir(place.directory.path())
                .env_remove("RUNLEDGER_PATH");
            let done = strace.output().unwrap();
            kills += u32::from(done.status.signal() == Some(9));
            import(&place);
            check(&place);
        }
    }
    println!("killed at {kills} calls");
    assert!(kills > 3, "killed at only {kills} calls");
}

/// The calls of the skill are in the record that the hook began.
#[test]
fn a_skill_to_which_the_vendor_attributes_calls_joins_too() {
    let place = Place::empty();
    record(&place, &tool("PreToolUse", "Skill", "t1", json!({})));
    record(&place, &tool("PostToolUse", "Skill", "t1", json!({"tool_response": {"success": true}})));
    record(&place, &event("Stop", json!({})));
    let attributed = with(message("s", "msg_2", "req_2", 3, 6), &[("/attributionSkill", "git-push".into())]);
    let lines = [
        prompt("s", 0),
        calling(message("s", "msg_1", "req_1", 1, 5), "t1", "Skill", json!({"skill": "git-push"})),
        result("s", "t1", 2, false),
        attributed,
        message("s", "msg_3", "req_3", 7, 7),
    ];
    fs::create_dir(place.path("p")).unwrap();
    fs::write(place.path("p/s.jsonl"), lines.map(|line| format!("{line}\n")).concat()).unwrap();
    place.run(["import", "claude-code", "p", "--json"]).answer(0);
    let found = by_id(&place);
    assert_eq!(found.len(), 2, "{found:#?}");
    let skill = &found[&id("t1")];
    assert_eq!((skill.tokens_output, skill.trace.llm_calls.len()), (Some(6), 1));
    assert_eq!((&skill.tags["recorded_by"], &skill.tags["attributed_by"]), (&json!("hook"), &json!("vendor")));
}

#[test]
fn a_tool_is_below_the_turn_that_called_it() {
    let place = Place::empty();
    // The hook records the tools before the transcript is imported.
    for id in ["t8", "t9"] {
        record(&place, &tool("PreToolUse", "Bash", id, json!({})));
    }
    record(&place, &tool("PostToolUse", "Bash", "t8", json!({"tool_response": "ok"})));
    record(&place, &event("Stop", json!({})));
    let lines = [
        prompt("s", 0),
        calling(message("s", "msg_1", "req_1", 1, 5), "t8", "Bash", json!({"command": "ls"})),
        result("s", "t8", 2, false),
        message("s", "msg_2", "req_2", 3, 6),
    ];
    fs::create_dir_all(place.path("p/p")).unwrap();
    fs::write(place.path("p/p/s.jsonl"), lines.map(|line| format!("{line}\n")).concat()).unwrap();
    place.run(["import", "claude-code", "p", "--json"]).answer(0);
    let trees = place.run(["show", "s", "--tree", "--json"]).answer(0);
    let trees: Vec<Value> = trees.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids = |trees: &[Value]| trees.iter().map(|tree| tree["execution_id"].clone()).collect::<Vec<_>>();
    let turn = trees.iter().find(|tree| tree["skill_name"] == "claude-code").unwrap();
    // No step names the other tool.
    assert_eq!(trees.len(), 2);
    assert_eq!(ids(turn["children"].as_array().unwrap()), [json!(id("t8"))]);
    assert_eq!(turn["total"]["executions"], 2);
    assert!(ids(&trees).contains(&json!(id("t9"))));
    // The record names no parent, and the tree of the turn alone has the tool too.
    assert_eq!(turn["children"][0]["parent_execution_id"], Value::Null);
    let alone = place.run(["show", turn["execution_id"].as_str().unwrap(), "--tree", "--json"]).json();
    assert_eq!(alone["children"], turn["children"]);
    // The agent did not report the end of the other tool, and the run is complete nevertheless.
    let gate = place.run(["gate", "--json", "--run", "s"]);
    let gate: Value = serde_json::from_str(&gate.stdout).unwrap();
    let missing = gate["reasons"].as_array().unwrap().iter().filter(|reason| reason["rule"] == "missing_entry");
    assert_eq!(missing.count(), 0, "{gate}");
}

/// A hook records tools, and the turns of the agent have the costs.
#[test]
fn the_gate_says_that_the_costs_of_a_hooked_session_are_unknown() {
    let place = Place::empty();
    record(&place, &tool("PreToolUse", "Bash", "t1", json!({})));
    record(&place, &tool("PostToolUse", "Bash", "t1", json!({"tool_response": "ok"})));
    record(&place, &event("SessionEnd", json!({})));
    let text = place.run(["gate", "--run", "s"]).answer(0);
    assert!(text.starts_with("PASS s: executions 1,"), "{text}");
    assert!(text.contains("\nnot judged: the costs, which are unknown. A hook recorded"), "{text}");
    assert_eq!(
        place.run(["gate", "--run", "s", "--json"]).json()["not_judged"],
        json!(["expected_executions", "costs"])
    );
    let markdown = place.run(["gate", "--run", "s", "--markdown"]).answer(0);
    assert!(markdown.contains("Not judged: the costs, which are unknown."), "{markdown}");
    let message = |id: u32| message("s", &format!("msg_{id}"), &format!("req_{id}"), id, 5);
    let lines = [
        prompt("s", 0),
        calling(message(1), "t1", "Bash", json!({"command": "ls"})),
        result("s", "t1", 2, false),
        message(2),
    ];
    fs::create_dir_all(place.path("p/p")).unwrap();
    fs::write(place.path("p/p/s.jsonl"), lines.map(|line| format!("{line}\n")).concat()).unwrap();
    place.run(["import", "claude-code", "p", "--json"]).answer(0);
    let gate = place.run(["gate", "--run", "s", "--json"]);
    let gate: Value = serde_json::from_str(&gate.stdout).unwrap();
    assert_eq!(gate["not_judged"], json!(["expected_executions"]), "the import added the costs");
}
