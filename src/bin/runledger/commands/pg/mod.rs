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

/// Ship the ledger to PostgreSQL, to query many ledgers together
///
/// Copies each record to the table agent_execution_logs, exactly once, even if the command or the server is killed.
/// Executions never wait for the database. If it is unreachable, slow or full, the next `ship` copies what is missing.
/// Module `sink::postgres` of the library's documentation describes the columns.
///
/// The address can end with an sslmode, such as …/DATABASE?sslmode=require. It decides whether a connection over TCP is
/// encrypted:
///
/// - disable: never.
///
/// - prefer, the default: if the server supports it. The certificate is not checked.
///
/// - require and verify-full: always. The certificate must be valid for the host. It must come from an authority that
///   the system trusts or, with &sslrootcert=FILE, from an authority in that PEM file.
///
/// A build without the feature postgres-tls refuses require, verify-full and sslrootcert. Unix sockets are never
/// encrypted.
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
