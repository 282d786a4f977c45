//! `runledger export` and its commands

use std::io::Write;

use crate::args::{Export, Global};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::markdown;

pub(crate) fn run(command: &Export, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match command {
        Export::Markdown(args) => markdown::run(args, global, out),
    }
}
