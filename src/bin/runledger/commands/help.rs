//! The help of `runledger` itself.

use std::fmt::Write;

/// The headings of the help, and the commands below each.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Record", &["run", "start", "progress", "complete", "pipe"]),
    (
        "Ask",
        &["list", "show", "tail", "open", "cost", "metrics", "price", "prices", "quota", "baseline", "errors", "head"],
    ),
    ("Judge", &["gate", "compare", "escalate", "verify", "doctor", "policy"]),
    ("Share", &["export", "pg"]),
    ("Maintain", &["retention", "completions", "man"]),
];

/// What follows the options.
pub(super) const AFTER: &str = "\
Example: record an execution, and look at it
  runledger run --skill nightly-index -- sleep 0.1
  runledger list

Exit codes:
  0  done; the answer is yes
  1  done; the answer is no: for example, a fault or a regression was found,
     a run failed its gate, or no execution has the id
  2  the command failed; stderr says why
`run` exits with the code of the command that it runs.

`runledger COMMAND --help` explains a command.

Answers go to stdout. Errors and warnings go to stderr, one line each. With --json, both are JSON; \
only wrong arguments are always reported as text. A value that is unknown is `-` in a table and null in JSON, never 0.

Tables are as wide as the terminal, or as the variable COLUMNS says. In a file or a pipe they have 80 columns and \
a row is one line. If a table has too little room, names are cut first; on a terminal, the last columns then move to \
a second line.";

/// Returns `command` with a help that lists its commands in groups, for which clap has no headings.
pub(super) fn grouped(command: clap::Command) -> clap::Command {
    let mut groups = String::new();
    for (heading, names) in GROUPS {
        groups += &format!("{heading}:\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            // Writing to a string does not fail.
            let _ = writeln!(groups, "  {name:11}  {}", about.cloned().unwrap_or_default());
        }
        groups.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}"
    ))
}
