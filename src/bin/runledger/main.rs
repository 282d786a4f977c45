//! `runledger`: records executions in a ledger, and asks it what ran, what it cost, what quota is left, and what is normal.
//!
//! A command is one file with a `run` of its own; its arguments stand in `args/`, under the same name, and [`run`] names it.

mod answer;
mod args;
mod bar;
mod baseline;
mod clock;
mod compare;
mod complete;
mod completions;
mod cost;
mod csv;
mod discrepancy;
mod doctor;
mod environment;
mod errors;
mod escalate;
mod exit_code;
mod explain;
mod export;
mod failure;
mod fallback;
mod freeze;
mod gate;
mod head;
mod ledger;
mod list;
mod markdown;
mod metrics;
mod open;
mod output;
mod period;
#[cfg(feature = "postgres")]
mod pg;
#[cfg(not(feature = "postgres"))]
#[path = "no_pg.rs"]
mod pg;
mod pipe;
mod policy;
mod price;
mod price_table;
mod prices;
mod progress;
mod quota;
mod records;
mod retention;
mod run;
mod run_logs;
mod short;
mod show;
mod stability;
mod start;
mod table;
mod tail;
mod verify;
mod width;
mod workflow;
mod zone;

use std::io::{self, BufWriter, Write};

use args::{Args, Command};
use bar::{AfterBar, Bar};
use exit_code::ExitCode;
use failure::Failure;

fn main() -> ExitCode {
    let args = Args::from_command_line();
    let bar = if args.command.reads_all() { Bar::over(&args.global.ledger) } else { None };
    let mut out = AfterBar { bar, out: BufWriter::new(io::stdout().lock()) };
    let done = run(&args, &mut out);
    output::finish_warnings(&args.global);
    match done {
        Ok(code) => code,
        // Whoever read the output has enough of it.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::Yes,
        Err(failure) => {
            // What was found before the failure is the answer as far as it goes.
            let _ = out.flush();
            output::failure(&failure, &args.global);
            failure.exit_code()
        }
    }
}

fn run(args: &Args, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let global = &args.global;
    if args.command.reads_only() {
        records::warn_of_truncation(global);
    }
    let code = match &args.command {
        Command::Pipe(_) => pipe::run(global, out),
        Command::List(args) => list::run(args, global, out),
        Command::Show(args) => show::run(args, global, out),
        Command::Tail(args) => tail::run(args, global, out),
        Command::Verify(args) => verify::run(args, global, out),
        Command::Head(_) => head::run(global, out),
        Command::Cost(args) => cost::run(args, global, out),
        Command::Price(args) => price::run(args, out),
        Command::Prices(args) => prices::run(args, global, out),
        Command::Quota(args) => quota::run(args, global, out),
        Command::Baseline(args) => baseline::run(args, global, out),
        Command::Compare(args) => compare::run(args, global, out),
        Command::Errors(args) => errors::run(args, global, out),
        Command::Export(args) => export::run(args, global, out),
        Command::Metrics(args) => metrics::run(args, global, out),
        Command::Retention(args) => retention::run(args, global, out),
        Command::Start(args) => start::run(args, global, out),
        Command::Progress(args) => progress::run(args, global, out),
        Command::Complete(args) => complete::run(args, global, out),
        Command::Open(_) => open::run(global, out),
        Command::Run(args) => run::run(args, global),
        Command::Gate(args) => gate::run(args, global, out),
        Command::Escalate(args) => escalate::run(args, global, out),
        Command::Policy(args) => policy::run(args, out),
        Command::Doctor(_) => doctor::run(global, out),
        Command::Completions(args) => completions::run(args, out),
        Command::Pg(args) => pg::run(args, global, out),
    }?;
    out.flush()?;
    Ok(code)
}
