//! The commands, and how they are read from the arguments.

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{
    arguments, baseline, cat, compare, complete, completions, cost, doctor, errors, escalate, export, fleet, gate,
    head, help, hook, import, index, list, log, man, metrics, open, pg, pipe, policy, price, prices, progress, quota,
    redact, report, retention, run, schema, ship, show, start, statusline, tail, top, verify, watch,
};
use crate::answer;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::usage;

/// Record what AI agents and jobs do in an append-only ledger, and query runs, costs and baselines
///
/// An execution is one unit of work, such as a job, an agent's task or a model call. Each execution becomes one line of
/// JSON in the ledger. A run is a group of executions with the same run_id. A skill is the name of a kind of work.
#[derive(Debug, Parser)]
#[command(name = "runledger", version, color = clap::ColorChoice::Never, max_term_width = 100, after_help = help::AFTER)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl CommandLine {
    /// Returns the arguments. Exits the process if they are wrong, or if they request the help or the version.
    pub(crate) fn read() -> Self {
        let parsed = arguments::matches_of(Self::command()).and_then(|matches| Self::from_arg_matches(&matches));
        parsed.unwrap_or_else(|error| {
            // The help of `runledger` itself lists all commands. Only this help needs the definitions of all of them.
            let error = match error.kind() {
                ErrorKind::DisplayVersion => error,
                _ => arguments::matches_of(help::grouped(Self::command())).err().unwrap_or(error),
            };
            // The subcommand is known only if it precedes the wrong argument.
            let matches = || arguments::matches_of(Self::command().ignore_errors(true)).ok();
            let matches = error.use_stderr().then(matches).flatten();
            usage::end(error, matches.as_ref().and_then(|matches| matches.subcommand_name()))
        })
    }
}

/// The commands, in the order of the help. clap defines the arguments of a command only when that command is called.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    Run(run::Args),
    Start(start::Args),
    Progress(progress::Args),
    Complete(complete::Args),
    Log(Box<log::Args>),
    Pipe(pipe::Args),
    Import(import::Args),
    Hook(hook::Args),
    List(list::Args),
    Show(show::Args),
    Tail(tail::Args),
    Open(open::Args),
    Top(top::Args),
    Cost(cost::Args),
    Metrics(metrics::Args),
    Price(price::Args),
    #[command(subcommand)]
    Prices(prices::Command),
    Quota(quota::Args),
    Statusline(statusline::Args),
    Report(report::Args),
    Baseline(baseline::Args),
    Errors(errors::Args),
    Head(head::Args),
    Gate(gate::Args),
    Compare(compare::Args),
    Escalate(escalate::Args),
    Watch(watch::Args),
    Verify(verify::Args),
    Doctor(doctor::Args),
    Policy(policy::Args),
    Cat(cat::Args),
    #[command(subcommand)]
    Export(export::Command),
    Pg(pg::Args),
    Ship(ship::Args),
    Fleet(fleet::Args),
    #[command(subcommand)]
    Index(index::Command),
    Redact(redact::Args),
    #[command(subcommand)]
    Retention(retention::Command),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// Runs the command, although the user's rules for secrets cannot be used. Nothing is recorded, because a record
    /// could have a secret that only these rules find. `failure` says why the rules cannot be used.
    pub(crate) fn run_without_rules(
        &self,
        failure: Failure,
        global: &Global,
        out: &mut impl std::io::Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::Run(args) => run::run(args, Some(&failure), global),
            Self::Hook(args) if args.is_event() => hook::run(args, Some(&failure), global, out),
            Self::Statusline(args) => statusline::run(args, Some(&failure), global, out),
            Self::Start(_) | Self::Progress(_) | Self::Complete(_) | Self::Log(_) => {
                answer::give(Err::<(), _>(failure), None, global, out)
            }
            _ => Err(failure),
        }
    }

    /// Runs the command, and writes its output to `out`.
    pub(crate) fn run(&self, global: &Global, out: &mut impl std::io::Write) -> Result<ExitCode, Failure> {
        match self {
            Self::Run(args) => run::run(args, None, global),
            Self::Start(args) => start::run(args, global, out),
            Self::Progress(args) => progress::run(args, global, out),
            Self::Complete(args) => complete::run(args, global, out),
            Self::Log(args) => log::run(args, global, out),
            Self::Pipe(args) => pipe::run(args, global, out),
            Self::Import(args) => import::run(args, global, out),
            Self::Hook(args) => hook::run(args, None, global, out),
            Self::List(args) => list::run(args, global, out),
            Self::Show(args) => show::run(args, global, out),
            Self::Tail(args) => tail::run(args, global, out),
            Self::Open(_) => open::run(global, out),
            Self::Top(args) => top::run(args, global, out),
            Self::Cost(args) => cost::run(args, global, out),
            Self::Metrics(args) => metrics::run(args, global, out),
            Self::Price(args) => price::run(args, out),
            Self::Prices(args) => prices::run(args, global, out),
            Self::Quota(args) => quota::run(args, global, out),
            Self::Statusline(args) => statusline::run(args, None, global, out),
            Self::Report(args) => report::run(args, global, out),
            Self::Baseline(args) => baseline::run(args, global, out),
            Self::Errors(args) => errors::run(args, global, out),
            Self::Head(_) => head::run(global, out),
            Self::Gate(args) => gate::run(args, global, out),
            Self::Compare(args) => compare::run(args, global, out),
            Self::Escalate(args) => escalate::run(args, global, out),
            Self::Watch(args) => watch::run(args, global, out),
            Self::Verify(args) => verify::run(args, global, out),
            Self::Doctor(args) => doctor::run(args, global, out),
            Self::Policy(args) => policy::run(args, out),
            Self::Cat(_) => cat::run(global, out),
            Self::Export(args) => export::run(args, global, out),
            Self::Pg(args) => pg::run(args, global, out),
            Self::Ship(args) => ship::run(args, global, out),
            Self::Fleet(args) => fleet::run(args, global, out),
            Self::Index(command) => index::run(command, global, out),
            Self::Redact(args) => redact::run(args, global, out),
            Self::Retention(args) => retention::run(args, global, out),
            Self::Schema(args) => schema::run(args, out),
            Self::Completions(args) => completions::run(args, &mut CommandLine::command(), out),
            Self::Man(args) => man::run(args, CommandLine::command(), out),
        }
    }
}
