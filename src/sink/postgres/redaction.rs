//! Reads the statement of a redaction, which names lines. The rows of these lines in the database have to be written
//! again.

use serde::Deserialize;

/// A line that was changed after it was written.
#[derive(Debug, Deserialize)]
pub(super) struct StatedLine {
    pub(super) seq: u64,
    pub(super) segment: u64,
}

#[derive(Deserialize)]
struct Statement {
    kind: String,
    tags: Tags,
}

#[derive(Deserialize)]
struct Tags {
    redaction: Redaction,
}

#[derive(Deserialize)]
struct Redaction {
    lines: Vec<StatedLine>,
}

/// Returns the lines that were changed, as `line` states. Returns `None` if `line` is not the statement of a redaction.
pub(super) fn stated(line: &[u8]) -> Option<Vec<StatedLine>> {
    // A line states its skill directly after its id of 36 characters.
    let rest = line.strip_prefix(br#"{"execution_id":""#)?.get(36..)?;
    if !rest.starts_with(br#"","skill_name":"runledger.redact""#) {
        return None;
    }
    let Statement { kind, tags } = serde_json::from_slice(line).ok()?;
    (kind == "redaction").then_some(tags.redaction.lines)
}
