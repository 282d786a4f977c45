//! A connection to the server; the only file that names the client. No error says a secret.

use std::fmt;
use std::future::poll_fn;
use std::io::Cursor;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{self, Handle, Runtime};
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, SslNegotiation};

pub(super) use tokio_postgres::tls;
pub(super) use tokio_postgres::types::ToSql;
pub(super) use tokio_postgres::{Error as Failure, NoTls, Row, Socket};

use super::SinkOptions;
use super::address::{self, Mode, Security};
use crate::error::{Error, ErrorKind};

/// How much is handed to the connection at a time.
const COPY_BYTES: usize = 64 * 1024;
/// How much longer than the server itself we wait for its answer: it may have been stopped, and its system goes on
/// acknowledging.
const MARGIN: Duration = Duration::from_secs(5);
/// How long the server may take to hear that we leave.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) const CONNECT: &str = "connect to the database";

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
    security: Security,
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
    pub(super) fn parse(address: &str, options: &SinkOptions) -> Result<Self, Error> {
        let (rest, mut security) = address::split(address)?;
        // The parser's own error may hold a piece of the password.
        let mut config: Config = rest.parse().map_err(|_| address::malformed())?;
        if config.get_ssl_negotiation() == SslNegotiation::Direct {
            return Err(address::refused("it asks for sslnegotiation=direct, which is not supported"));
        }
        // The rest of a password whose @ was not written as %40: it goes to nobody, and into no error.
        if config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if name.contains('@'))) {
            return Err(address::malformed());
        }
        // The name that a certificate must be for.
        if config.get_hosts().is_empty() {
            for host in config.get_hostaddrs().to_vec() {
                config.host(host.to_string());
            }
        }
        // As every client has it: a socket of this machine is not encrypted.
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            security = Security { mode: Mode::Never, root: None };
        }
        security.check(super::tls::IS_BUILT_IN)?;
        config.ssl_mode(match security.mode {
            Mode::Never => SslMode::Disable,
            Mode::Offered => SslMode::Prefer,
            Mode::Checked => SslMode::Require,
        });
        config.connect_timeout(options.connect_timeout).keepalives_idle(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("runledger");
        }
        let secrets = secrets(address, &config);
        Ok(Self { config, security, secrets })
    }

    pub(super) fn connect(&self, options: &SinkOptions) -> Result<Client, Failed> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(ErrorKind::Io, CONNECT).source(error))?;
        // Each host may be slow to take a connection, and one of them slow to greet.
        let hosts = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX);
        let limit = options.connect_timeout.saturating_mul(hosts.saturating_add(1));
        let (client, connection) = match self.connect_on(&runtime, limit) {
            Ok(connected) => connected,
            Err(failed) => {
                // A name may be looked up still.
                runtime.shutdown_background();
                return Err(failed);
            }
        };
        let open = Open { runtime, client, connection: Some(connection) };
        let limit = options.statement_timeout.saturating_add(MARGIN);
        let mut client = Client { open: Some(open), limit, secrets: self.secrets.clone() };
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

    fn connect_on(&self, runtime: &Runtime, limit: Duration) -> Result<(tokio_postgres::Client, Connection), Failed> {
        let told = |failure: Option<Failure>| match failure {
            Some(failure) => failed(CONNECT, &failure, &self.secrets),
            None => unanswered(CONNECT, limit),
        };
        if self.security.mode == Mode::Never {
            return runtime.block_on(connect_by(&self.config, &NoTls, limit)).map_err(told);
        }
        let connector = super::tls::connector(&self.security)?;
        runtime.block_on(connect_by(&self.config, &connector, limit)).map_err(|failure| {
            let explained = failure.as_ref().and_then(|failure| super::tls::explained(&connector, failure));
            explained.unwrap_or_else(|| told(failure))
        })
    }
}

/// What moves the bytes of a connection; ends when that does.
type Connection = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// `Err(None)`: it took too long.
async fn connect_by<T>(
    config: &Config,
    connector: &T,
    limit: Duration,
) -> Result<(tokio_postgres::Client, Connection), Option<Failure>>
where
    T: tls::MakeTlsConnect<Socket> + Clone,
    T::Stream: AsyncRead + AsyncWrite + Send + 'static,
{
    let (client, connection) =
        timeout(limit, config.connect(connector.clone())).await.map_err(|_| None)?.map_err(Some)?;
    Ok((client, Box::pin(connection)))
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
    /// `None`: it was given up.
    open: Option<Open>,
    /// How long an answer may take.
    limit: Duration,
    secrets: Vec<String>,
}

struct Open {
    runtime: Runtime,
    client: tokio_postgres::Client,
    /// `None`: it ended.
    connection: Option<Connection>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Drop for Client {
    /// Says goodbye to the server, if that takes no time.
    fn drop(&mut self) {
        let Some(Open { runtime, client, connection }) = self.open.take() else { return };
        // Hands in the goodbye.
        drop(client);
        // Another runtime's thread must not wait.
        if let (Some(connection), Err(_)) = (connection, Handle::try_current()) {
            let _ = runtime.block_on(async { timeout(GOODBYE, connection).await });
        }
        runtime.shutdown_background();
    }
}

impl Client {
    /// Statements without parameters, separated by semicolons, of which one may take its time.
    pub(super) fn run(&mut self, operation: &str, sql: &str) -> Result<(), Failed> {
        self.call(operation, async |client| client.batch_execute(sql).await)
    }

    pub(super) fn rows(
        &mut self,
        operation: &str,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failed> {
        self.call(operation, async |client| client.query(sql, values).await)
    }

    /// Rows in the text format of COPY; returns how many the server took.
    pub(super) fn copy(&mut self, operation: &str, sql: &str, rows: &[u8]) -> Result<u64, Failed> {
        self.call(operation, async |client| {
            let mut writer = pin!(client.copy_in(sql).await?);
            // What the server objects to is told at the end; a write only says that it stopped listening.
            for chunk in rows.chunks(COPY_BYTES) {
                if writer.feed(Cursor::new(chunk.to_vec())).await.is_err() {
                    break;
                }
            }
            writer.finish().await
        })
    }

    /// Does `work`, and gives the connection up when that takes too long.
    fn call<T>(
        &mut self,
        operation: &str,
        work: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, Failure>,
    ) -> Result<T, Failed> {
        let Some(Open { runtime, client, connection }) = &mut self.open else {
            return Err(unanswered(operation, self.limit));
        };
        let answered = runtime.block_on(async {
            let mut work = pin!(work(client));
            let both = poll_fn(|cx| {
                // Why the connection ended is the better answer than that it did.
                if let Some(Poll::Ready(ended)) = connection.as_mut().map(|connection| connection.as_mut().poll(cx)) {
                    *connection = None;
                    if let Err(failure) = ended {
                        return Poll::Ready(Err(failure));
                    }
                }
                work.as_mut().poll(cx)
            });
            timeout(self.limit, both).await
        });
        match answered {
            Ok(answer) => answer.map_err(|failure| failed(operation, &failure, &self.secrets)),
            Err(_) => {
                self.open = None;
                Err(unanswered(operation, self.limit))
            }
        }
    }
}

/// A server that may be stopped, or a network that loses everything.
fn unanswered(operation: &str, limit: Duration) -> Failed {
    let detail = format!("no answer within {} s: the connection was given up", limit.as_secs_f64());
    Failed { error: Error::new(ErrorKind::Database, operation).detail(detail), may_pass: true }
}

/// A server's error with its message and code, or what happened to the connection; never the values of a row, which the
/// server's details may repeat.
fn failed(operation: &str, failure: &Failure, secrets: &[String]) -> Failed {
    use std::error::Error as _;
    let text = match (failure.as_db_error(), failure.source()) {
        (Some(db), _) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        (None, Some(source)) => format!("{failure}: {source}"),
        (None, None) => failure.to_string(),
    };
    let text = secrets.iter().fold(text, |text, secret| text.replace(secret, "***"));
    Failed { error: Error::new(ErrorKind::Database, operation).detail(text), may_pass: may_pass(failure) }
}

/// Whether it is the connection or the server's state, and not what was asked.
fn may_pass(failure: &Failure) -> bool {
    use std::error::Error as _;
    match failure.code() {
        // Connection, rolled back, resources (a full disk too), not in the state, intervention, system.
        Some(code) => ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class)),
        None => failure.is_closed() || failure.source().is_some_and(|source| source.is::<std::io::Error>()),
    }
}
