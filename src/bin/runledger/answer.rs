//! Writes the answers of the commands `start`, `progress`, `complete` and `log`. Programs read these answers. So an
//! answer is always JSON on stdout, even if the command fails.

use std::io::{self, Write};

use runledger::{Answer, Timestamp, Uuid};
use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::term::{Escaped, output};

/// Why a command failed, as JSON.
#[derive(Serialize)]
struct Refusal<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_id: Option<Uuid>,
    error: &'a str,
    kind: &'a str,
}

/// Writes the answer of a command, or the reason why the command failed. `id` is the id of the execution that the
/// command acts on, or `None` if the id is unknown.
pub(crate) fn give<A: Serialize>(
    answer: Result<A, Failure>,
    id: Option<Uuid>,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    match answer {
        Ok(answer) => output::json(out, &answer, global.json)?,
        Err(failure) => {
            let error = failure::text(&failure);
            let refusal = Refusal { success: false, execution_id: id, error: &error, kind: failure.kind() };
            // The write fails if stdout is closed. The exit code still reports that the command failed.
            let _ = output::json(out, &refusal, global.json);
            return Err(failure);
        }
    }
    Ok(ExitCode::Yes)
}

/// Writes a JSON object that says why the arguments are wrong. The object is always on one line, as with --json,
/// because it is unknown whether the wrong arguments include --json. The caller also writes the reason to stderr, as
/// text for people.
pub(crate) fn usage(text: &str) {
    let error = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
    let refusal = Refusal { success: false, execution_id: None, error: &error, kind: "usage" };
    // The write fails if stdout is closed. The exit code still reports that the command failed.
    let _ = output::json_line(&mut Escaped::new(io::stdout()), &refusal);
}

/// Returns the word for the state of a record, such as `durable`, and the number of the record's line in the ledger.
/// The number is `None` if the record is not in the ledger.
pub(crate) fn word(answer: &Answer) -> (&'static str, Option<u64>) {
    match answer {
        Answer::Durable { seq } => ("durable", Some(*seq)),
        Answer::Duplicate { seq } => ("duplicate", Some(*seq)),
        Answer::Flushed { seq } => ("flushed", Some(*seq)),
        Answer::Spilled(_) => ("spilled", None),
        Answer::Lost(_) => ("lost", None),
        Answer::Late(_) => ("late", None),
        _ => ("unknown", None),
    }
}

/// Returns the time without fractions of a second, as in `2026-02-14T14:23:00Z`.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.to_string().chars().take(19).chain(['Z']).collect()
}
