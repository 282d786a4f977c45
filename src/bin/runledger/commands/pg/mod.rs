//! `runledger pg`

mod database;
mod migrate;
mod ship;
mod status;

use std::io::Write;

use clap::Subcommand;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;

/// Ship the ledger to PostgreSQL, for those who query many ledgers in one place
///
/// The ledger is the truth and the table agent_execution_logs follows it: a database that is away, slow or full never
/// meets an execution, and what it missed arrives with the next ship. Each record is there once, however often a shipper
/// or the server is killed. What the columns hold: see the documentation of the library, module `sink::postgres`.
///
/// sslmode at the end of the address (…/DATABASE?sslmode=require) says when a connection over TCP is encrypted: disable:
/// never; prefer, the default: when the server offers it, whatever its certificate; require and verify-full: always, and
/// the certificate must be for the host, of an authority that the system trusts or, with &sslrootcert=FILE, that is in the
/// file (PEM). A runledger without the feature postgres-tls refuses the last three. Unix sockets are never encrypted.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Migrate(migrate::Args),
    Ship(ship::Args),
    Status(status::Args),
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Migrate(args) => migrate::run(args, global, out),
        Command::Ship(args) => ship::run(args, global, out),
        Command::Status(args) => status::run(args, global, out),
    }
}
