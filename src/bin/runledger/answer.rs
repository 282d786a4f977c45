//! The answers of `start`, `progress` and `complete`: JSON on stdout always, the refusals too, since programs read them.

use std::io::{self, Write};

use runledger::{Timestamp, Uuid};
use serde::Serialize;

use crate::args::Global;
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::output;

#[derive(Serialize)]
struct Refusal<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_id: Option<Uuid>,
    error: &'a str,
    kind: &'a str,
}

/// Writes the answer of a call, which concerns the execution `id` if that is known, or why there is none.
pub(crate) fn give<A: Serialize>(
    answer: Result<A, Failure>,
    id: Option<Uuid>,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    match answer {
        Ok(answer) => write(out, &answer, global.json)?,
        Err(failure) => {
            let (error, kind) = (failure::text(&failure), failure.kind());
            // The exit code says it as well, to whoever has closed stdout.
            let _ = write(out, &Refusal { success: false, execution_id: id, error: &error, kind }, global.json);
            return Err(failure);
        }
    }
    Ok(ExitCode::Yes)
}

fn write(out: &mut impl Write, answer: &impl Serialize, one_line: bool) -> io::Result<()> {
    match one_line {
        true => output::json_line(out, answer),
        false => output::json_pretty(out, answer),
    }
}

/// The refusal of wrong arguments, beside what stderr has for people.
pub(crate) fn usage(text: &str, one_line: bool) {
    let error = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>().join(" ");
    let refusal = Refusal { success: false, execution_id: None, error: &error, kind: "usage" };
    // With stdout closed there is nobody left to tell.
    let _ = write(&mut io::stdout(), &refusal, one_line);
}

/// The time to the second: `2026-02-14T14:23:00Z`.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.to_string().chars().take(19).chain(['Z']).collect()
}
