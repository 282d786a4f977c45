//! A connection to the server; the only file that names the client. No error says a secret.

use std::fmt;
use std::io::Write;
use std::time::Duration;

pub(super) use ::postgres::Row;
use ::postgres::config::SslMode;
pub(super) use ::postgres::types::ToSql;
use ::postgres::{Config, NoTls};

use super::Options;
use crate::error::{Error, ErrorKind};

/// How much is handed to the connection at a time.
const COPY_BYTES: usize = 64 * 1024;

/// An error, and whether the same may succeed later.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) may_pass: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, may_pass: false }
    }
}

/// Whom to connect to, and as whom.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    /// What must stand in no text, the longest first.
    secrets: Vec<String>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}

impl Target {
    /// Of a URL such as `postgres://user:password@host:5432/database`, or words such as `host=… user=… password=…`.
    pub(super) fn parse(url: &str, options: &Options) -> Result<Self, Error> {
        let refused = |detail: &str| Error::new(ErrorKind::Invalid, "read the database's address").detail(detail);
        // The parser's own error may hold a piece of the password.
        let mut config: Config = url.parse().map_err(|_| {
            refused(
                "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with @ : / ? # and % in the password written as \
                 %40 %3A %2F %3F %23 and %25",
            )
        })?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(refused("it asks for TLS (sslmode=require), which this build is without"));
        }
        let seconds = Duration::from_secs;
        config.connect_timeout(options.connect_timeout).keepalives_idle(seconds(30));
        config.tcp_user_timeout(options.statement_timeout + seconds(30));
        if config.get_application_name().is_none() {
            config.application_name("runledger");
        }
        let secrets = secrets(url, &config);
        Ok(Self { config, secrets })
    }

    pub(super) fn connect(&self, options: &Options) -> Result<Client, Failed> {
        let failed = |error| failed("connect to the database", &error, &self.secrets);
        let client = self.config.connect(NoTls).map_err(failed)?;
        let mut client = Client { client, secrets: self.secrets.clone() };
        let statement_ms = options.statement_timeout.as_millis();
        // A shipper that was stopped in the middle must not keep its lock for ever.
        client.run(
            "set the time limits",
            &format!(
                "SET statement_timeout = {statement_ms}; \
                 SET idle_in_transaction_session_timeout = {}",
                statement_ms + 30_000
            ),
        )?;
        Ok(client)
    }
}

/// The password, as it is and as the URL writes it.
fn secrets(url: &str, config: &Config) -> Vec<String> {
    let decoded = config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
    let written = url.split_once("://").and_then(|(_, rest)| {
        let (user, _) = rest.rsplit_once('@')?;
        Some(user.split_once(':')?.1.to_owned())
    });
    let mut secrets: Vec<_> = decoded.into_iter().chain(written).filter(|secret| !secret.is_empty()).collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

/// One connection. After an error it is of no more use: the transaction may be open.
pub(super) struct Client {
    client: ::postgres::Client,
    secrets: Vec<String>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Statements without parameters, separated by semicolons.
    pub(super) fn run(&mut self, operation: &str, sql: &str) -> Result<(), Failed> {
        self.client.batch_execute(sql).map_err(|error| failed(operation, &error, &self.secrets))
    }

    pub(super) fn rows(
        &mut self,
        operation: &str,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failed> {
        self.client.query(sql, values).map_err(|error| failed(operation, &error, &self.secrets))
    }

    /// Rows in the text format of COPY; returns how many the server took.
    pub(super) fn copy(&mut self, operation: &str, sql: &str, rows: &[u8]) -> Result<u64, Failed> {
        let mut writer = self.client.copy_in(sql).map_err(|error| failed(operation, &error, &self.secrets))?;
        // What the server objects to is told at the end; a write only says that it stopped listening.
        for chunk in rows.chunks(COPY_BYTES) {
            if writer.write_all(chunk).is_err() {
                break;
            }
        }
        writer.finish().map_err(|error| failed(operation, &error, &self.secrets))
    }
}

/// A server's error with its message and code, or what happened to the connection; never the values of a row, which the
/// server's details may repeat.
fn failed(operation: &str, error: &::postgres::Error, secrets: &[String]) -> Failed {
    use std::error::Error as _;
    let text = match (error.as_db_error(), error.source()) {
        (Some(db), _) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    };
    let text = secrets.iter().fold(text, |text, secret| text.replace(secret, "***"));
    Failed { error: Error::new(ErrorKind::Database, operation).detail(text), may_pass: may_pass(error) }
}

/// Whether it is the connection or the server's state, and not what was asked.
fn may_pass(error: &::postgres::Error) -> bool {
    use std::error::Error as _;
    match error.code() {
        // Connection, rolled back, resources (a full disk too), not in the state, intervention, system.
        Some(code) => ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class)),
        None => error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()),
    }
}
