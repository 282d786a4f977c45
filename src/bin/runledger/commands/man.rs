//! `runledger man`

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap_mangen::Man;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Write the manual pages
///
/// Prints the page runledger(1). With --dir, writes this page and a page for each command to files instead.
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

/// Writes the manual pages, which are generated from the definitions of the arguments.
pub(crate) fn run(args: &Args, runledger: clap::Command, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.dir {
        None => Man::new(runledger.disable_help_subcommand(true)).render(out)?,
        Some(dir) => write_all(runledger, dir).map_err(|source| Failure::File {
            operation: "write the manual pages",
            path: dir.clone(),
            source,
        })?,
    }
    Ok(ExitCode::Yes)
}

/// Writes all pages to a new directory within `dir`, and then renames each page into `dir`. If a link or a FIFO has the
/// name of a page, the rename replaces this link or FIFO. Without the rename, the page would be written to the target
/// of the link, or into the FIFO.
fn write_all(runledger: clap::Command, dir: &Path) -> io::Result<()> {
    let new = dir.join(format!(".runledger-man-{}", std::process::id()));
    fs::create_dir_all(&new)?;
    let write = || {
        clap_mangen::generate_to(runledger, &new)?;
        for page in fs::read_dir(&new)? {
            let page = page?;
            fs::rename(page.path(), dir.join(page.file_name()))?;
        }
        Ok(())
    };
    write().and(fs::remove_dir_all(&new))
}
