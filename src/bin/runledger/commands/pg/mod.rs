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
/// Executions never wait for the database. If the database is unreachable, slow or full, the next `runledger pg ship`
/// copies the missing records. Module `sink::postgres` of the library's documentation describes the columns.
///
/// The address of the database can end with an sslmode, as in …/DATABASE?sslmode=require. The sslmode decides whether a
/// connection over TCP is encrypted:
///
/// - disable: never.
///
/// - prefer, which is the default: only if the server supports encryption. The certificate of the server is not
///   checked.
///
/// - require and verify-full: always. The certificate must be valid for the host, and must come from an authority that
///   the system trusts. If the address also has &sslrootcert=FILE, the authority must be in this PEM file instead.
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
