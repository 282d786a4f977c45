//! Builds the help of `runledger` itself.

use std::fmt::Write;

/// The headings of the help, and the commands below each heading.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Record", &["run", "start", "progress", "complete", "log", "pipe", "import", "hook"]),
    (
        "Query",
        &[
            "list",
            "show",
            "tail",
            "open",
            "top",
            "cost",
            "metrics",
            "price",
            "prices",
            "quota",
            "statusline",
            "report",
            "baseline",
            "errors",
            "head",
        ],
    ),
    ("Check", &["gate", "compare", "escalate", "watch", "verify", "doctor", "policy"]),
    ("Export", &["cat", "export", "pg", "ship", "fleet"]),
    ("Maintain", &["index", "redact", "retention", "schema", "completions", "man"]),
];

/// The text that follows the options.
pub(super) const AFTER: &str = "\
Example: record an execution, and list the executions
  runledger run --skill nightly-index -- sleep 0.1
  runledger list

Exit codes:
  0  success, or the check passed
  1  the check failed: for example, a fault or a regression was found,
     a run failed its gate, or no execution has the given id
  2  the command failed; stderr says why
  3  no judgement: `compare` found too few executions for any metric, or for
     a metric that --require names; or `baseline freeze` found none
`run` exits with the exit code of the command that it runs.

`runledger COMMAND --help` explains a command.

Environment variables:
  RUNLEDGER_PATH                 the ledger file
  RUNLEDGER_RUN_ID               the run of a new execution
  RUNLEDGER_PARENT_EXECUTION_ID  the execution that started a new execution
  RUNLEDGER_PRICES               your own price table
  TRACEPARENT                    the trace of a new execution

Results go to stdout. Errors and warnings go to stderr, one per line. With --json, results, errors and warnings are \
JSON. Only wrong arguments are still reported as text. An unknown value is `-` in a table and null in JSON, never 0.

On a terminal, a table is at most as wide as the terminal. If there is too little room, names are shortened, and \
messages continue on the next line between two words. If that is not enough, the last columns continue on the next \
line. In a file or a pipe, a row is always one line, and names \
are never shortened. If $COLUMNS is set, tables are formatted as on a terminal of this width.";

/// Returns `command` with a help that lists the subcommands in [`GROUPS`]. clap itself cannot group subcommands.
pub(super) fn grouped(command: clap::Command) -> clap::Command {
    // clap defines the descriptions of the subcommands only in `build`.
    let mut built = command.clone();
    built.build();
    let mut groups = String::new();
    for (heading, names) in GROUPS {
        groups += &format!("{heading}:\n");
        for name in names {
            let about = built.find_subcommand(name).and_then(clap::Command::get_about);
            // Writing to a string does not fail.
            let _ = writeln!(groups, "  {name:11}  {}", about.cloned().unwrap_or_default());
        }
        groups.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}"
    ))
}
