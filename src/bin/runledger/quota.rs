//! `runledger quota`

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use runledger::quota::{Limits, Options};
use runledger::{Quota as Tracker, QuotaStatus, Timestamp};

use crate::args::{Global, Quota};
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::table::{Column, Table, minutes};

pub(crate) fn run(args: &Quota, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let limits = Limits::bundled();
    let apis: Vec<&str> = match &args.api {
        Some(api) => vec![api],
        None => limits.iter().map(|limit| limit.api.as_str()).collect(),
    };
    let statuses = statuses(&apis, &limits, &global.ledger.with_file_name("quota.jsonl"))?;
    match global.json {
        true => statuses.iter().try_for_each(|status| output::json_line(out, status))?,
        false => table(&statuses, out)?,
    }
    Ok(ExitCode::Yes)
}

fn statuses(apis: &[&str], limits: &Limits, journal: &Path) -> Result<Vec<QuotaStatus>, Failure> {
    let there = journal.try_exists().map_err(|source| Failure::File {
        operation: "look for the quota's journal",
        path: journal.to_owned(),
        source,
    })?;
    let statuses: runledger::Result<_> = match there {
        true => {
            let tracker = Tracker::open(journal, Options::new(Arc::new(clock::unix_ms)))?;
            apis.iter().map(|api| tracker.status(api)).collect()
        }
        // Opening it would make it.
        false => {
            let now = Timestamp::from_unix_ms(clock::unix_ms()).unwrap_or(Timestamp::UNIX_EPOCH);
            apis.iter().map(|api| limits.unused(api, now)).collect()
        }
    };
    Ok(statuses?)
}

fn table(statuses: &[QuotaStatus], out: &mut impl Write) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Name("api"),
        Column::Number("limit"),
        Column::Number("consumed"),
        Column::Number("held"),
        Column::Number("remaining"),
        Column::Number("%"),
        Column::Text("resets (UTC)"),
        Column::Text("level"),
    ]);
    let terminal = std::io::stdout().is_terminal();
    for status in statuses {
        table.row([
            status.api_name.clone(),
            status.limit.to_string(),
            status.consumed.to_string(),
            status.held.to_string(),
            status.remaining.to_string(),
            format!("{:.1}", status.pct_used),
            minutes(status.resets_at),
            level(status, terminal),
        ]);
    }
    table.write(out)?;
    Ok(())
}

/// The level; with its circle on a terminal, where nobody reads it but people.
fn level(status: &QuotaStatus, terminal: bool) -> String {
    match terminal {
        true => format!("{} {}", status.warning_level, status.emoji()),
        false => status.warning_level.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_gets_the_circle() {
        let status = Limits::bundled().unused("openai-gpt4", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((level(&status, true).as_str(), level(&status, false).as_str()), ("GREEN 🟢", "GREEN"));
    }
}
