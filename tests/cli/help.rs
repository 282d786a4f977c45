//! The help lists every command once, in a group, and the manual has a page for every command.

use std::collections::BTreeSet;

use crate::commands::{Place, section};

const GROUPS: [&str; 5] = ["Record:", "Query:", "Check:", "Export:", "Maintain:"];

/// Returns the names of the commands in the help of `runledger`, each as often as it is listed.
fn listed(help: &str) -> Vec<String> {
    let lines = GROUPS.iter().flat_map(|group| section(help, group));
    let mut names: Vec<_> = lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_command_is_in_exactly_one_group_and_has_a_page() {
    let place = Place::empty();
    let help = place.run(["--help"]).answer(0);
    assert_eq!(place.run(["man", "--dir", "a/man1"]).answer(0), "");
    let pages: BTreeSet<_> = std::fs::read_dir(place.path("a/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // No name of a command has a hyphen. So a page whose name has two hyphens is the page of a subcommand.
    let top: Vec<_> = pages.iter().filter(|page| page.matches('-').count() == 1).cloned().collect();
    let expected: Vec<_> = listed(&help).iter().map(|name| format!("runledger-{name}.1")).collect();
    assert_eq!(top, expected);
    assert!(pages.contains("runledger.1") && pages.contains("runledger-cost-explain.1"), "{pages:?}");
}

#[test]
fn the_short_help_has_the_same_groups_in_80_columns() {
    let place = Place::empty();
    let [long, short] = ["--help", "-h"].map(|option| place.run([option]).answer(0));
    assert_eq!(listed(&long), listed(&short));
    let groups = GROUPS.iter().flat_map(|group| section(&long, group));
    assert_eq!(groups.filter(|line| line.chars().count() > 80).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_page_says_what_the_help_says() {
    let place = Place::empty();
    let page = place.run(["man"]).answer(0);
    assert!(page.contains(".TH runledger 1 "), "{page}");
    for text in ["runledger\\-escalate(1)", "Exit codes:", "RUNLEDGER_PATH", "logs/execution_metrics.jsonl"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    place.run(["man", "--dir", "."]).answer(0);
    assert_eq!(std::fs::read_to_string(place.path("runledger.1")).unwrap(), page);
    let gate = std::fs::read_to_string(place.path("runledger-gate.1")).unwrap();
    assert!(gate.contains("Exits with 0 on PASS"), "{gate}");
    // A page is replaced, and never written through a link or into a FIFO.
    std::fs::create_dir(place.path("odd")).unwrap();
    std::fs::write(place.path("target"), "kept").unwrap();
    std::os::unix::fs::symlink("../target", place.path("odd/runledger-gate.1")).unwrap();
    let fifo = place.path("odd/runledger-list.1");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    place.run(["man", "--dir", "odd"]).answer(0);
    assert_eq!(std::fs::read_to_string(place.path("target")).unwrap(), "kept");
    assert_eq!(std::fs::read_to_string(place.path("odd/runledger-gate.1")).unwrap(), gate);
    assert!(std::fs::symlink_metadata(&fifo).unwrap().is_file());
    std::fs::write(place.path("file"), "").unwrap();
    assert!(place.run(["man", "--dir", "file"]).complaint(2).contains("write the manual pages: file: "));
}
