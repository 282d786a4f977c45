//! The hook is added to the settings of an agent, and removed, without any other change to them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use super::{hook, with_input};
use crate::commands::{Output, Place};

const SETTINGS: &str = "home/.claude/settings.json";

fn call(place: &Place, args: &str) -> Output {
    let args: Vec<_> = args.split(' ').collect();
    with_input(hook(place, &args).env_remove("CLAUDE_CONFIG_DIR").env_remove("CODEX_HOME"), b"")
}

fn settings(place: &Place) -> Value {
    serde_json::from_str(&fs::read_to_string(place.path(SETTINGS)).unwrap()).unwrap()
}

fn command_of(settings: &Value, event: &str) -> String {
    settings["hooks"][event][0]["hooks"][0]["command"].as_str().unwrap().to_owned()
}

#[test]
fn the_installed_hook_records_events() {
    let place = Place::empty();
    let said = call(&place, "install claude-code --ledger my/l.jsonl").answer(0);
    assert!(said.contains("\nadd the hook of PreToolUse\n") && said.contains("\nnext: "), "{said}");
    let command = command_of(&settings(&place), "PreToolUse");
    let ledger = fs::canonicalize(place.directory.path()).unwrap().join("my/l.jsonl");
    let program = env!("CARGO_BIN_EXE_runledger");
    assert_eq!(command, format!("{program} hook --agent claude-code --ledger {}", ledger.display()));
    assert_eq!(settings(&place)["hooks"].as_object().unwrap().len(), 9);
    // The command works in a shell, and in another directory.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &command]).current_dir("/").env_remove("TRACEPARENT");
    shell.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    shell.stderr(std::process::Stdio::piped());
    with_input(&mut shell, br#"{"session_id": "s", "hook_event_name": "StopFailure"}"#).answer(0);
    assert_eq!(runledger::LedgerReader::open(&ledger).unwrap().records().count(), 1);
}

#[test]
fn a_second_install_changes_nothing_and_one_with_another_ledger_updates_the_hook() {
    let place = Place::empty();
    call(&place, "install claude-code").answer(0);
    let before = fs::read(place.path(SETTINGS)).unwrap();
    let said = call(&place, "install claude-code").answer(0);
    assert!(said.contains("stays as it is"), "{said}");
    assert_eq!(fs::read(place.path(SETTINGS)).unwrap(), before);
    assert_eq!(fs::read_dir(place.path("home/.claude")).unwrap().count(), 1);
    let changed = call(&place, "install claude-code --ledger other.jsonl --json").json();
    assert_eq!(changed["changes"][0], json!({"event": "PreToolUse", "change": "update"}));
    let found = settings(&place);
    assert!(command_of(&found, "Stop").ends_with("other.jsonl"));
    assert_eq!(found["hooks"]["Stop"].as_array().unwrap().len(), 1);
}

#[test]
fn everything_else_stays_and_uninstall_restores_the_file() {
    let place = Place::empty();
    fs::create_dir_all(place.path("home/dotfiles")).unwrap();
    fs::create_dir_all(place.path("home/.claude")).unwrap();
    let text = "{\n  \"zebra\": {\"b\": 1, \"a\": 1.50},\n  \"hooks\": {\n    \"Stop\": [\n      {\"hooks\": [{\"type\": \
                \"command\", \"command\": \"say done\"}]}\n    ]\n  },\n  \"model\": \"opus\"\n}\n";
    let target = place.path("home/dotfiles/claude.json");
    fs::write(&target, text).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&target, place.path(SETTINGS)).unwrap();

    let dry = call(&place, "install claude-code --dry-run").answer(0);
    assert!(dry.starts_with("would change ") && dry.contains("\nadd the hook of Stop\n"), "{dry}");
    assert_eq!(fs::read_to_string(&target).unwrap(), text);

    call(&place, "install claude-code").answer(0);
    assert!(place.path(SETTINGS).symlink_metadata().unwrap().is_symlink());
    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    let installed = fs::read_to_string(&target).unwrap();
    assert!(installed.starts_with("{\n  \"zebra\": {\"b\": 1, \"a\": 1.50},\n  \"hooks\": {\n    \"Stop\": [\n      {\"hooks\": [{\"type\": \"command\", \"command\": \"say done\"}]},\n"), "{installed}");
    assert!(installed.ends_with("  },\n  \"model\": \"opus\"\n}\n"), "{installed}");
    let copy = place.path("home/dotfiles/claude.json.before-runledger");
    assert_eq!(fs::read_to_string(&copy).unwrap(), text);

    call(&place, "uninstall claude-code").answer(0);
    assert_eq!(fs::read_to_string(&target).unwrap(), text);
    // There is only one copy: of the settings before the last change.
    assert_eq!(fs::read_to_string(&copy).unwrap(), installed);
    assert_eq!(fs::read_dir(place.path("home/dotfiles")).unwrap().count(), 2);
}

/// The rule for links is that of the file of limits.
#[test]
fn the_missing_target_of_a_symbolic_link_is_created_and_the_link_is_kept() {
    let place = Place::empty();
    fs::create_dir_all(place.path("home/.claude")).unwrap();
    symlink("../dotfiles/first.json", place.path(SETTINGS)).unwrap();
    fs::create_dir_all(place.path("home/dotfiles")).unwrap();
    symlink("own/claude.json", place.path("home/dotfiles/first.json")).unwrap();
    let dry = call(&place, "install claude-code --dry-run").answer(0);
    assert!(dry.starts_with("would change "), "{dry}");
    assert!(!place.path("home/dotfiles/own").exists());

    call(&place, "install claude-code").answer(0);
    for link in [SETTINGS, "home/dotfiles/first.json"] {
        assert!(place.path(link).symlink_metadata().unwrap().is_symlink(), "{link}");
    }
    assert!(place.path("home/dotfiles/own/claude.json").symlink_metadata().unwrap().is_file());
    assert_eq!(settings(&place)["hooks"].as_object().unwrap().len(), 9);
    call(&place, "uninstall claude-code").answer(0);

    // A link that leads to itself has no target.
    fs::remove_file(place.path("home/dotfiles/first.json")).unwrap();
    symlink("../.claude/settings.json", place.path("home/dotfiles/first.json")).unwrap();
    call(&place, "install claude-code").complaint(2);
    assert!(place.path(SETTINGS).symlink_metadata().unwrap().is_symlink());
}

/// The default ledger depends on the working directory, but the ledger of the user's hook must not change with it.
#[test]
fn an_install_in_another_directory_keeps_the_ledger() {
    let place = Place::empty();
    let said = call(&place, "install claude-code").answer(0);
    let ledger = fs::canonicalize(place.directory.path()).unwrap().join("logs/execution_metrics.jsonl");
    let ledger = ledger.display();
    let costs = format!(
        "\nwhat it costs: runledger import --ledger {ledger}, then runledger cost --by day --ledger {ledger}\n"
    );
    assert!(said.contains(&costs), "{said}");
    fs::create_dir(place.path("elsewhere")).unwrap();
    let install = |args: &[&str]| {
        let mut command = hook(&place, args);
        command.env_remove("CLAUDE_CONFIG_DIR").current_dir(place.path("elsewhere"));
        with_input(&mut command, b"").answer(0)
    };
    let said = install(&["install", "claude-code"]);
    let note =
        format!("\nnote: the hook keeps its ledger {ledger}. To use another one, install it with --ledger PATH\n");
    assert!(said.contains("stays as it is") && said.contains(&note) && said.contains(&costs), "{said}");
    assert!(command_of(&settings(&place), "Stop").ends_with(&format!("--ledger {ledger}")));
    assert!(!place.path("elsewhere/logs").exists());
    let said = install(&["install", "claude-code", "--ledger", "mine.jsonl"]);
    assert!(!said.contains("note: "), "{said}");
    assert!(command_of(&settings(&place), "Stop").ends_with("elsewhere/mine.jsonl"));
    // `uninstall` has no option `--content`.
    let mut uninstall = hook(&place, &["uninstall", "claude-code", "--content"]);
    let complaint = with_input(&mut uninstall, b"").complaint(2);
    assert!(complaint.contains("unexpected argument '--content'"), "{complaint}");
}

#[test]
fn settings_of_an_unexpected_form_are_not_changed() {
    let place = Place::empty();
    fs::create_dir_all(place.path("home/.claude")).unwrap();
    for text in ["{\n  // mine\n  \"model\": \"opus\"\n}\n", "{\"hooks\": [1]}", "{"] {
        fs::write(place.path(SETTINGS), text).unwrap();
        let complaint = call(&place, "install claude-code").complaint(2);
        assert!(complaint.contains("cannot change the settings: ") && complaint.contains("expected"), "{complaint}");
        assert_eq!(fs::read_to_string(place.path(SETTINGS)).unwrap(), text);
        assert_eq!(fs::read_dir(place.path("home/.claude")).unwrap().count(), 1);
        assert!(!place.path("logs").exists() && !place.ledger().exists(), "{text}");
    }
}

#[test]
fn each_agent_and_project_has_its_own_file() {
    let place = Place::empty();
    for (args, file) in [
        ("install codex", "home/.codex/hooks.json"),
        ("install codex --project", ".codex/hooks.json"),
        ("install claude-code --project", ".claude/settings.json"),
    ] {
        call(&place, args).answer(0);
        let installed = fs::read_to_string(place.path(file)).unwrap();
        let agent = args.split(' ').nth(1).unwrap();
        assert!(installed.contains(&format!(" hook --agent {agent} --ledger ")), "{installed}");
        call(&place, &args.replace("install", "uninstall")).answer(0);
        assert_eq!(fs::read_to_string(place.path(file)).unwrap(), "{}\n");
    }
    let codex = place.path("elsewhere").display().to_string();
    with_input(hook(&place, &["install", "codex"]).env("CODEX_HOME", codex), b"").answer(0);
    assert!(place.path("elsewhere/hooks.json").exists());
    // CODEX_HOME is one path, which can contain a comma. CLAUDE_CONFIG_DIR is a list.
    let list = place.path("a,b").display().to_string();
    for (agent, variable, file) in
        [("codex", "CODEX_HOME", "a,b/hooks.json"), ("claude-code", "CLAUDE_CONFIG_DIR", "a/settings.json")]
    {
        with_input(hook(&place, &["install", agent]).env(variable, &list), b"").answer(0);
        assert!(place.path(file).exists(), "{agent}");
    }
}

#[test]
fn the_hook_of_a_project_works_on_other_machines() {
    let place = Place::empty();
    let program = env!("CARGO_BIN_EXE_runledger");
    let bin = std::path::Path::new(program).parent().unwrap();
    let install = |args: &[&str], path: &std::path::Path| {
        let args = [&["install"], args, &["--project"]].concat();
        with_input(hook(&place, &args).env("PATH", path), b"").answer(0)
    };
    let command = |file: &str| {
        let settings: Value = serde_json::from_str(&fs::read_to_string(place.path(file)).unwrap()).unwrap();
        command_of(&settings, "Stop")
    };
    let said = install(&["claude-code"], bin);
    assert!(!said.contains("note: "), "{said}");
    let expected = "runledger hook --agent claude-code --ledger \"$CLAUDE_PROJECT_DIR\"/logs/execution_metrics.jsonl";
    assert_eq!(command(".claude/settings.json"), expected);
    install(&["codex", "--ledger", "l 1.jsonl"], bin);
    assert_eq!(command(".codex/hooks.json"), "runledger hook --agent codex --ledger 'l 1.jsonl'");

    let said = install(&["claude-code"], std::path::Path::new("/nowhere"));
    assert!(
        said.contains(&format!("note: runledger is not in PATH, so the hook works only on machines with {program}\n")),
        "{said}"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let ledger = elsewhere.path().join("l.jsonl");
    let said = install(&["codex", "--ledger", ledger.to_str().unwrap()], bin);
    assert!(said.contains("is not in the project, so the hook works only on machines with this path\n"), "{said}");
    assert_eq!(command(".codex/hooks.json"), format!("runledger hook --agent codex --ledger {}", ledger.display()));
}

#[test]
fn uninstall_finds_hooks_of_another_program_and_names_the_limits_that_stay() {
    let place = Place::empty();
    fs::create_dir_all(place.path("home/.claude")).unwrap();
    let ledger = place.path("my/l.jsonl");
    let quoted = ledger.display();
    let text = format!(
        "{{\r\n  \"hooks\": {{\r\n    \"Stop\": [{{\"hooks\": [{{\"type\": \"command\", \"command\": \"/opt/rl --ledger {quoted} hook --agent claude-code\"}}]}}]\r\n  }},\r\n  \"model\": \"opus\"\r\n}}\r\n"
    );
    fs::write(place.path(SETTINGS), &text).unwrap();
    let said = call(&place, "uninstall claude-code").answer(0);
    assert!(said.contains("remove the hook of Stop") && !said.contains("limits"), "{said}");
    assert_eq!(fs::read_to_string(place.path(SETTINGS)).unwrap(), "{\r\n  \"model\": \"opus\"\r\n}\r\n");

    fs::write(place.path(SETTINGS), &text).unwrap();
    for name in ["tools", "more"] {
        let set = format!("quota set {name} --limit 2 --unit calls --per day --ledger {quoted}");
        place.run(set.split(' ').chain(["--enforce"].into_iter().filter(|_| name == "tools"))).answer(0);
    }
    let said = call(&place, "uninstall claude-code").answer(0);
    let limits = place.path("my/limits.json");
    let expected = format!(
        "note: the limits tools stay in {}. The removed hook enforced them. To remove one: runledger quota unset tools --ledger {quoted}\n",
        limits.display()
    );
    assert!(said.contains(&expected), "{said}");
}

/// The hook is removed before the limits are read, so limits that cannot be read are no failure.
#[test]
fn uninstall_removes_the_hook_even_if_the_limits_cannot_be_read() {
    let place = Place::empty();
    call(&place, "install claude-code").answer(0);
    fs::write(place.path("logs/limits.json"), "[{").unwrap();
    let said = call(&place, "uninstall claude-code").answer(0);
    assert!(
        said.contains("\nnote: it is unknown which limits the hook enforced: cannot read a table of limits: "),
        "{said}"
    );
    assert_eq!(settings(&place), json!({}));
}
