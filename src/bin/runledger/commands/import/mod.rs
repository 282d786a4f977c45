//! `runledger import`

mod agents;
mod batch;
mod importing;
mod input;
mod known;
mod line;
mod original_id;
mod place;
mod refused;
mod summary;

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::argument::file_name;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::ledger;
use crate::price_table::OwnPrices;
use crate::term::bar::Bar;
use importing::Import;
use input::Input;
use refused::{Refused, Target};

/// Import the sessions of coding agents, or records as JSON lines
///
/// Without arguments, imports the sessions of the coding agents on this machine: Claude Code, Codex and Gemini CLI. The
/// sessions of Claude Code are in the directories that CLAUDE_CONFIG_DIR lists, separated by commas, or in
/// ~/.config/claude and ~/.claude. The sessions of Codex are in CODEX_HOME or ~/.codex, and the sessions of Gemini CLI
/// in ~/.gemini. `claude-code`, `codex` or `gemini` as the first argument imports the sessions of one agent. Files and
/// directories can follow. `stream-json` imports the output of `claude -p --output-format stream-json`, from files or
/// from stdin.
///
/// A session becomes a run. A turn is a prompt and the work until the next prompt. Each turn becomes an execution, and
/// so does the work of a sub-agent or a skill in a turn. Each call of a model is priced with the price at the time of
/// the call. Prompts and outputs are only hashed, unless --content is given.
///
/// A call counts once, even if it is imported again, or if a resumed or forked session repeats it. A turn that has not
/// ended is left for the next import. A turn in which nothing happened for an hour counts as ended. If the final usage
/// of a call is not reported, the counted usage is a lower bound. The tag lower_bound_calls of the record lists the
/// call_sequence of the call. A call counts with the largest usage in any file and any turn. A larger usage that
/// appears after the import of the call is reported with its number of tokens, but does not change the record.
///
/// If a file in a directory is not a session, the file is skipped and named. If an argument after the name of an agent
/// is a file that is not a session, this is an error.
///
/// Any other first argument is a FILE of records. If one of the files is a session, nothing is imported. To import a
/// file of records with the name codex, write ./codex.
///
/// Each line of a FILE is one record: an object with the keys that `list --json` prints. Earlier programs wrote such
/// lines to files with the name execution_metrics.jsonl. FILE can be `-` for stdin. The keys execution_id, skill_name,
/// skill_version and timestamp_start are required. The keys seq, prev and hash, which a ledger adds to a line, are
/// ignored.
///
/// A record counts once, even if it is imported again. A line is a duplicate if an earlier line, or a record of the
/// ledger, has the same execution_id and the same content. If the execution_id is the same but the content is not, the
/// line is refused.
///
/// An execution_id that is not a UUID is replaced by a UUID of version 5. The UUID is computed from the original id, in
/// the namespace 4cdb48db-3817-4d38-ac77-d521ec7a6f21. The tag original_execution_id keeps the original id.
///
/// A key that is not part of the format becomes a tag, and the summary lists it. Some values are adapted:
///
/// - If only one of execution_succeeded and execution_failed is known, the other is set to its inverse. A record with
///   neither of them and without a status counts as interrupted.
///
/// - An error_category that is not part of the format becomes Unknown, and the tag original_error_category keeps the
///   original category. The cost_tier `Paid` becomes null, and the tag original_cost_tier keeps `Paid`.
///
/// - If tokens_input and tokens_output are both 0 although tokens_used is more than 0, they become null.
///
/// - Values are derived, shortened and rounded in the same way as by `runledger pipe`. If the costs of all calls are
///   known, the missing cost of a record is their sum. No costs are computed from prices.
///
/// A line that cannot be imported is refused. Refused lines are written to FILE.refused, which only its owner can read:
/// {"line": …, "reasons": […], "text": …}. If this file exists, the next free name is used, such as FILE.refused-2. The
/// refused lines of stdin are reported on stderr, unless --refused names a file.
///
/// `runledger run` may have been started with one of the files as its ledger. Because the file is not a ledger, `run`
/// stored its record in another directory. `import` moves such records to the ledger.
///
/// A dry run keeps the ids of up to a million records in memory, and looks up all other ids in the ledger. So if a file
/// has more records, a dry run may count a duplicate as a record that would be imported.
///
/// Exits with 0 if everything was imported, and with 2 if the import stopped before the end. Exits with 1 if a line or
/// an execution was refused, if a file could not be read, or if a given file is not a session.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: import the sessions of the coding agents on this machine
  runledger import
Example: import what `claude -p --output-format stream-json` wrote to a file
  runledger import stream-json output.jsonl
Example: import the file of an earlier program into a new ledger
  runledger import execution_metrics.jsonl --ledger ledger.jsonl
Example: see what would be refused, and why
  runledger import execution_metrics.jsonl --ledger ledger.jsonl --dry-run")]
pub(crate) struct Args {
    /// Either an agent (claude-code, codex, gemini or stream-json), followed by its files or directories, or files of
    /// records. `-` is stdin
    #[arg(value_name = "AGENT|FILE")]
    files: Vec<PathBuf>,
    /// Store prompts and outputs of the agents, instead of only their hashes
    #[arg(long)]
    content: bool,
    /// Import the sessions of the agents, and then go on: import every turn when it ends, until the command is stopped
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    #[command(flatten)]
    prices: OwnPrices,
    /// Write the refused lines of all files and of stdin to this new file. Fails if the file already exists
    #[arg(long, value_name = "FILE", value_parser = file_name())]
    refused: Option<PathBuf>,
    /// Write nothing, and print what would be imported. Refused lines are reported on stderr
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Returns the progress bar. Returns `None` if stderr is not a terminal, if the size of the input is unknown, or
    /// with --watch.
    pub(crate) fn bar(&self, global: &Global) -> Option<Bar> {
        if let Some(found) = agents::find(&self.files) {
            return if self.watch { None } else { Bar::over_files(&found.paths()?, &global.ledger) };
        }
        let has_stdin = self.files.iter().any(|file| input::is_stdin(file));
        if has_stdin { None } else { Bar::over_files(&self.files, &global.ledger) }
    }
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    if let Some(found) = agents::find(&args.files) {
        if args.refused.is_some() {
            return Err(Failure::OtherImport { option: "--refused", of: "files of records" });
        }
        let Args { content, watch, dry_run, prices, .. } = args;
        let (keeps_content, dry_run, watches) = (*content, *dry_run, *watch);
        return agents::run(agents::Wanted { found, prices, keeps_content, dry_run, watches }, global, out);
    }
    if let Some((option, _)) = [("--content", args.content), ("--watch", args.watch)].iter().find(|(_, given)| *given) {
        return Err(Failure::OtherImport { option, of: "the sessions of coding agents" });
    }
    // Every file is opened before anything is written.
    let inputs = args.files.iter().map(|file| Input::open(file)).collect::<Result<Vec<_>, _>>()?;
    for path in &args.files {
        if let Some(agent) = agents::agent_of(path) {
            return Err(Failure::SessionToImport { path: path.clone(), agent });
        }
    }
    if let Some(path) = args.refused.as_deref().filter(|path| path.symlink_metadata().is_ok()) {
        return Err(refused::exists(path));
    }
    let ledger = if args.dry_run {
        place::check(&global.ledger)?;
        None
    } else {
        Some(ledger::open(global)?)
    };
    let several = inputs.len() > 1;
    let refused = |input: Option<&Path>| {
        let target = match (&args.refused, input) {
            _ if args.dry_run => Target::Stderr(global.style()),
            (Some(path), _) => Target::New(path.clone()),
            (None, Some(file)) => Target::Beside(file.to_owned()),
            (None, None) => Target::Stderr(global.style()),
        };
        Refused::new(target, several && args.refused.is_some())
    };
    let mut import = Import::new(global, ledger, refused(None))?;
    let mut is_whole = true;
    for mut input in inputs {
        if args.refused.is_none() {
            import.refuse_to(refused(input.file.as_deref()))?;
        }
        is_whole = import.all_of(&mut input)?;
        if !is_whole {
            break;
        }
        if let (Some(ledger), Some(file)) = (import.ledger(), input.file.filter(|file| !place::is_ledger(file))) {
            ledger::take_back_of(ledger, &file, global);
        }
    }
    let summary = import.finish()?;
    summary.write(args.dry_run, global, out)?;
    Ok(match summary.refused {
        _ if !is_whole => ExitCode::CouldNot,
        0 => ExitCode::Yes,
        _ => ExitCode::No,
    })
}
