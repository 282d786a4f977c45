//! A report in JSON.

use serde::Serialize;

/// A report, and the number of lines of the ledger that are not records.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<R> {
    #[serde(flatten)]
    pub(crate) report: R,
    pub(crate) malformed_lines: u64,
}
