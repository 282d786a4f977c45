//! `runledger pg migrate`, `ship` and `status`

use clap::Subcommand;

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
pub(crate) struct Pg {
    #[command(subcommand)]
    pub(crate) command: PgCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PgCommand {
    Migrate(PgMigrate),
    Ship(PgShip),
    Status(PgStatus),
}

/// The database, and how long it is waited for.
#[derive(Debug, clap::Args)]
pub(crate) struct Database {
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE. Others see what stands on a command line: better in the environment
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// How long each address of the server may take to accept a connection; the whole may take twice as long
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connect_timeout: u32,
    /// How long the server may take for one statement; when it says nothing for 5 seconds more, it is given up
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) statement_timeout: u32,
    /// How long a database that is away is tried again, in pauses that double up to 10 seconds; with --follow, for ever
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    pub(crate) retry_for: u32,
}

/// Make the tables and indexes that are not there yet
///
/// All or none. A table agent_execution_logs of another program is left alone; stderr says how it differs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a database that is there
  DATABASE_URL=postgres://agent:secret@localhost/observability runledger pg migrate")]
pub(crate) struct PgMigrate {
    #[command(flatten)]
    pub(crate) database: Database,
}

/// Copy every record that the database has not
///
/// Lines of the ledger that are no records are passed over, and stderr names them. A ledger that was cut or rewritten
/// since the last ship is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: keep the database up to date until the command is ended
  DATABASE_URL=postgres://agent:secret@localhost/observability runledger pg ship --follow")]
pub(crate) struct PgShip {
    #[command(flatten)]
    pub(crate) database: Database,
    /// Go on, and look for new records every second
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Tell how far the database is behind the ledger
///
/// Exits with 0 if it has every line, with 1 if it is behind, and with 2 if that could not be found out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: in a monitor
  runledger pg status --json | jq .behind")]
pub(crate) struct PgStatus {
    #[command(flatten)]
    pub(crate) database: Database,
}
