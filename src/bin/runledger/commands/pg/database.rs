//! Opens the database of `runledger pg`, and the ledger that is copied to it.

use std::time::Duration;

use runledger::Error;
use runledger::journal::Follower;
use runledger::sink::postgres::{Sink, SinkOptions};

use crate::argument::whole;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::records;
use crate::term::output;

/// The database, and the time limits for it.
#[derive(Debug, clap::Args)]
pub(crate) struct Database {
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE. Prefer the environment variable, because other users can see the
    /// arguments of a process
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// How long to wait for a connection to one address of the server. If the server has several addresses, the limit
    /// for all of them together is twice this time
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = whole::<u32>(1, u32::MAX.into()))]
    connect_timeout: u32,
    /// How long one statement may take. If the server sends nothing for 5 seconds longer than this, the connection is
    /// closed
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = whole::<u32>(1, 86_400))]
    statement_timeout: u32,
    /// How long to retry while the database is unreachable. The pauses between attempts double, up to 10 seconds. With
    /// --follow, there is no time limit
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = whole::<u32>(0, u32::MAX.into()))]
    retry_for: u32,
}

impl Database {
    /// Returns the sink, which writes to the database. If `for_ever` is true, the sink tries to reach the database
    /// without a time limit.
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

/// Opens the ledger that is copied.
pub(crate) fn open(global: &Global) -> Result<Follower, Failure> {
    Ok(records::reader(global)?.follow()?)
}
