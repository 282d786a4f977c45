//! `runledger export`

use std::io::Write;

use crate::args::{Export, Global};
use crate::csv;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::markdown;
use crate::workflow;

pub(crate) fn run(args: &Export, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match args {
        Export::Csv(args) => csv::run(args, global, out),
        Export::Markdown(args) => markdown::run(args, global, out),
        Export::Workflow(args) => workflow::run(args, global, out),
    }
}
