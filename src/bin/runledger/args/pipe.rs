//! `runledger pipe`

/// Record executions: JSON lines on stdin, one line of answer for each once it is durable
///
/// A line is one record: an object with the keys that `list --json` gives. skill_name, skill_version, timestamp_start and
/// timestamp_end are required; what else is left out is unknown. Whether it succeeded follows from its status if that is
/// told. A record without an execution_id is given one, which its answer tells; who may have to send a record again,
/// because no answer came, makes the id, so that the two are known to be one execution.
///
/// Answers come in the order of the lines, one for each that is not blank. Many lines can be sent before the first answer
/// is read: those that have come are written together, with one sync. What was answered as durable survives `kill -9` and a
/// power cut; what was not answered may be in the ledger or not. Who never reads the answers is not read from either, once
/// the pipe is full of them.
///
/// A refused line leaves nothing behind. One that is spilled is kept beside the ledger until that takes records again; one
/// that is lost could not be written anywhere. A line has at most 16 MiB.
///
/// Exits at the end of the input, when every line has its answer: with 1 if one of them is not durable.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Answers; seq is the number of the line in the ledger:
  {"execution_id": "019c…", "seq": 42, "answer": "durable"}
  {"execution_id": null, "seq": null, "answer": "refused", "line": 7,
   "kind": …, "reasons": […]}
  answer  durable, refused, spilled, lost

Example: one record
  echo '{"skill_name": "summarise", "skill_version": "1.2.0",
    "status": "success", "timestamp_start": "2026-02-14T14:23:00Z",
    "timestamp_end": "2026-02-14T14:23:05Z"}' | jq -c . | runledger pipe"#)]
pub(crate) struct Pipe {}
