//! `runledger export`

use std::io::Write;

use crate::args::{Export, Global};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::workflow;

pub(crate) fn run(args: &Export, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match args {
        Export::Workflow(args) => workflow::run(args, global, out),
    }
}
