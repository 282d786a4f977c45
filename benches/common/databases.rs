//! Databases for comparison: a benchmark asks them the questions that it also asks the ledger. They are used only if
//! their programs are on `PATH`.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails should say where")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runledger::{ExecutionMetrics, LedgerReader};

/// The columns that the questions need. So the table is much smaller than the ledger, which favours the databases.
const CREATE: &str = "CREATE TABLE executions (execution_id TEXT, run_id TEXT, skill TEXT, model TEXT, status TEXT, \
                      start_ms BIGINT, latency_ms BIGINT, tokens BIGINT, cost_usd DOUBLE)";
const INDEXES: [&str; 3] = [
    "CREATE INDEX executions_id ON executions (execution_id)",
    "CREATE INDEX executions_run ON executions (run_id)",
    "CREATE INDEX executions_start ON executions (start_ms)",
];

/// A database program, and its file with the records.
pub(crate) struct Database {
    pub(crate) program: &'static str,
    path: PathBuf,
}

impl Database {
    pub(crate) const PROGRAMS: [&str; 2] = ["sqlite3", "duckdb"];

    /// Returns the database of the program, or `None` if the program is not on `PATH`. If `directory` has no file of
    /// this program, creates one with the records of the ledger.
    pub(crate) fn of(program: &'static str, directory: &Path, ledger: &Path) -> Option<Self> {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.ok().filter(|status| status.success())?;
        let database = Self { program, path: directory.join(program) };
        if !database.path.exists() {
            println!("loading the records into {program}");
            database.load(&directory.join("executions.csv"), ledger);
        }
        Some(database)
    }

    fn load(&self, csv: &Path, ledger: &Path) {
        let mut out = BufWriter::new(File::create(csv).unwrap());
        for record in LedgerReader::open(ledger).unwrap().records() {
            writeln!(out, "{}", row(&record.unwrap())).unwrap();
        }
        out.flush().unwrap();
        let path = csv.display();
        let mut statements = vec![CREATE.to_owned()];
        if self.program == "sqlite3" {
            statements.push(format!(".import --csv {path} executions"));
            // An empty cell is unknown.
            for column in ["run_id", "model", "status", "latency_ms", "tokens", "cost_usd"] {
                statements.push(format!("UPDATE executions SET {column} = NULL WHERE {column} = ''"));
            }
        } else {
            statements.push(format!("COPY executions FROM '{path}' (HEADER false)"));
        }
        statements.extend(INDEXES.map(str::to_owned));
        for statement in statements {
            assert!(self.question(&statement).status().unwrap().success(), "{}: {statement}", self.program);
        }
        fs::remove_file(csv).unwrap();
    }

    /// Returns the command that runs the statement as a whole process, and discards its output.
    pub(crate) fn question(&self, sql: &str) -> Command {
        let mut command = Command::new(self.program);
        command.arg(&self.path);
        // DuckDB takes a statement as an argument only after `-c`.
        command.args((self.program == "duckdb").then_some("-c")).arg(sql).stdout(Stdio::null());
        command
    }
}

/// Returns the record as a line of CSV. The generated texts have no commas and no quotes.
fn row(record: &ExecutionMetrics) -> String {
    fn cell(value: Option<impl ToString>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    [
        record.execution_id.to_string(),
        cell(record.run.run_id.as_ref()),
        record.skill_name.clone(),
        cell(record.model.name.as_ref()),
        cell(record.status.as_ref()),
        record.timestamp_start.unix_ms().to_string(),
        cell(record.total_latency_ms),
        cell(record.tokens_used),
        cell(record.cost_usd),
    ]
    .join(",")
}
