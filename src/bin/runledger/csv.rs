//! `runledger export csv`

use std::io::Write;
use std::path::Path;

use runledger::export::csv;
use serde_json::json;

use crate::args::{ExportCsv, Global};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, to_output};
use crate::output;
use crate::records;
use crate::table::printable;

pub(crate) fn run(args: &ExportCsv, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let records = records::selected(&args.selection, global)?;
    if args.out.is_some() {
        let written = csv::write(records, out).map_err(to_output)?;
        tell(&written, global);
        return Ok(ExitCode::Yes);
    }
    let beside = || global.ledger.parent().unwrap_or(Path::new(""));
    let (path, written) = csv::create(records, args.dir.as_deref().unwrap_or_else(beside))?;
    match global.json {
        true => {
            records::warn_of(&written.skipped, global);
            let malformed = written.skipped.count();
            let path = path.display().to_string();
            output::json_line(out, &json!({"path": path, "rows": written.rows, "malformed_lines": malformed}))?;
        }
        false => {
            tell(&written, global);
            writeln!(out, "{}", printable(&path.display().to_string()))?;
        }
    }
    Ok(ExitCode::Yes)
}

/// Says on stderr what the run log has.
fn tell(written: &csv::Written, global: &Global) {
    records::warn_of(&written.skipped, global);
    output::note(&format!("rows: {}", written.rows), "written", global);
}
