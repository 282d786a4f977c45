//! The database and the ledger that `runledger pg` connects.

use std::time::Duration;

use runledger::Error;
use runledger::journal::Follower;
use runledger::sink::postgres::{Sink, SinkOptions};

use crate::failure::{self, Failure};
use crate::global::Global;
use crate::records;
use crate::term::output;

/// The database, and how long it is waited for.
#[derive(Debug, clap::Args)]
pub(crate) struct Database {
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE. Others see what stands on a command line: better in the environment
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// How long each address of the server may take to accept a connection; the whole may take twice as long
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = clap::value_parser!(u32).range(1..))]
    connect_timeout: u32,
    /// How long the server may take for one statement; when it says nothing for 5 seconds more, it is given up
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    statement_timeout: u32,
    /// How long a database that is away is tried again, in pauses that double up to 10 seconds; with --follow, for ever
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    retry_for: u32,
}

impl Database {
    /// Returns the sink. With `for_ever`, a database that is unreachable is tried again without a limit.
    pub(crate) fn sink(&self, for_ever: bool, global: &Global) -> Result<Sink, Error> {
        let seconds = |count: u32| Duration::from_secs(count.into());
        let style = global.style();
        let options = SinkOptions::new()
            .connect_timeout(seconds(self.connect_timeout))
            .statement_timeout(seconds(self.statement_timeout))
            .retry_for((!for_ever).then(|| seconds(self.retry_for)))
            .on_warning(move |error| {
                output::warning(&format!("{}; trying again", failure::text(error)), failure::kind(error), style);
            });
        Sink::new(&self.database_url, options)
    }
}

/// Opens the ledger that is shipped.
pub(crate) fn open(global: &Global) -> Result<Follower, Failure> {
    Ok(records::reader(global)?.follow()?)
}
