//! `runledger man`

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap_mangen::Man;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Write the manual pages
///
/// Prints the page runledger(1). With --dir, writes that page and one for each command to files, and prints nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: read the page of `runledger`
  runledger man | man -l -
Example: install all pages for this user
  runledger man --dir ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Write all pages to this directory, which is created if it does not exist. Existing pages are replaced
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the pages of `runledger`, which are made from its arguments.
pub(crate) fn run(args: &Args, runledger: clap::Command, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.dir {
        None => Man::new(runledger.disable_help_subcommand(true)).render(out)?,
        Some(dir) => fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(runledger, dir))
            .map_err(|source| Failure::File { operation: "write the manual pages", path: dir.clone(), source })?,
    }
    Ok(ExitCode::Yes)
}
