//! `runledger pg`

use std::io::Write;
use std::time::Duration;

use runledger::journal::Follower;
use runledger::sink::postgres::{Options, Shipment, Shipped, Sink};
use runledger::{Error, in_flight};
use serde_json::json;

use crate::args::pg::{Database, PgCommand, PgShip};
use crate::args::{Global, Pg};
use crate::exit_code::ExitCode;
use crate::failure::{self, Failure};
use crate::output;
use crate::records;
use crate::table::cell;

/// How often a follower looks for new records.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Pg, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.command {
        PgCommand::Migrate(args) => migrate(&args.database, global, out),
        PgCommand::Ship(args) => ship(args, global, out),
        PgCommand::Status(args) => status(&args.database, global, out),
    }
}

impl Database {
    fn sink(&self, for_ever: bool, global: &Global) -> Result<Sink, Error> {
        let seconds = |count: u32| Duration::from_secs(count.into());
        let mut options = Options::new();
        options.connect_timeout = seconds(self.connect_timeout);
        options.statement_timeout = seconds(self.statement_timeout);
        options.retry_for = (!for_ever).then(|| seconds(self.retry_for));
        let global = global.clone();
        options.warn = std::sync::Arc::new(move |error| {
            output::warning(&format!("{}; trying again", failure::text(error)), failure::kind(error), &global);
        });
        Sink::new(&self.database_url, options)
    }
}

fn migrate(database: &Database, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    database.sink(false, global)?.migrate()?;
    let tables = ["agent_execution_logs", "runledger_shipments"];
    match global.json {
        true => output::json_line(out, &json!({ "tables": tables }))?,
        false => tables.iter().try_for_each(|table| writeln!(out, "table  {table}"))?,
    }
    Ok(ExitCode::Yes)
}

fn ship(args: &PgShip, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut sink = args.database.sink(args.follow, global)?;
    let mut ledger = open(global)?;
    let mut is_first = true;
    loop {
        // Before the ledger is read: what ends in between has its record there, which counts.
        let in_flight: Vec<_> = in_flight(&global.ledger)?.into_iter().map(|begun| begun.record).collect();
        let shipped = sink.ship(&mut ledger, &in_flight)?;
        records::warn_of(&shipped.skipped, global);
        if is_first || shipped.records > 0 {
            tell(&shipped, &ledger, global, out)?;
            out.flush()?;
        }
        if !args.follow {
            return Ok(ExitCode::Yes);
        }
        is_first = false;
        std::thread::sleep(EVERY);
    }
}

fn open(global: &Global) -> Result<Follower, Failure> {
    records::refuse_unsuitable(global)?;
    Ok(Follower::open(&global.ledger)?)
}

fn tell(shipped: &Shipped, ledger: &Follower, global: &Global, out: &mut impl Write) -> Result<(), Failure> {
    let last = shipped.last.as_ref().map(Shipment::from);
    if global.json {
        let answer = json!({
            "ledger": ledger.id(),
            "records": shipped.records,
            "in_progress": shipped.in_progress,
            "malformed_lines": shipped.skipped.count(),
            "shipped": last,
        });
        return Ok(output::json_line(out, &answer)?);
    }
    writeln!(out, "records      {}", shipped.records)?;
    writeln!(out, "in progress  {}", shipped.in_progress)?;
    writeln!(out, "up to line   {}", cell(last.map(|last| last.seq)))?;
    Ok(())
}

fn status(database: &Database, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let mut sink = database.sink(false, global)?;
    let status = sink.status(&mut open(global)?)?;
    if global.json {
        output::json_line(out, &status)?;
    } else {
        let line = |shipment: &Option<Shipment>| match shipment {
            Some(shipment) => format!("{} {}", shipment.seq, shipment.hash),
            None => cell(None::<u64>),
        };
        writeln!(out, "ledger   {}", status.ledger)?;
        writeln!(out, "head     {}", line(&status.head))?;
        writeln!(out, "shipped  {}", line(&status.shipped))?;
        writeln!(out, "behind   {}", status.behind)?;
    }
    Ok(if status.behind == 0 { ExitCode::Yes } else { ExitCode::No })
}
