//! A connection to the server. Only this file uses the client crate, `tokio-postgres`. No error contains a password.

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

pub(super) use tokio_postgres::config::{Host, SslMode, SslNegotiation};
pub(super) use tokio_postgres::tls;
pub(super) use tokio_postgres::types::ToSql;
pub(super) use tokio_postgres::{Config, Error as Failure, NoTls, Row, Socket};

use crate::error::{Error, ErrorKind};

/// The number of bytes of rows that [`Client::copy`] sends at a time.
const COPY_BYTES: usize = 64 * 1024;
/// The server aborts a statement at the statement timeout. The client waits this much longer for an answer, and then
/// closes the connection. Without this limit, the client could wait forever: a server process that is stopped aborts
/// nothing, but its operating system still acknowledges packets.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest time that closing a connection may take.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) const CONNECT: &str = "connect to the database";

/// An error, and whether a retry may succeed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    /// True if the error may be temporary, so that a retry may succeed.
    pub(super) may_pass: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, may_pass: false }
    }
}

/// A future that transfers the bytes of a connection while the future is polled. It is ready when the connection ends.
type Connection = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A connection. After an error, the connection must not be used again, since its transaction may still be open.
pub(super) struct Client {
    /// `None` if the client closed the connection because the server did not answer in time.
    open: Option<Open>,
    /// How long the client waits for an answer.
    limit: Duration,
    /// Texts that are replaced by `***` in errors.
    secrets: Vec<String>,
}

struct Open {
    runtime: Runtime,
    client: tokio_postgres::Client,
    /// `None` if the connection has ended.
    connection: Option<Connection>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Drop for Client {
    /// Closes the connection properly, if this takes less than [`GOODBYE`].
    fn drop(&mut self) {
        let Some(Open { runtime, client, connection }) = self.open.take() else { return };
        // Dropping the client queues the message that ends the session.
        drop(client);
        // `block_on` panics in a thread that belongs to another runtime. In such a thread, the connection is closed
        // without the message.
        if let (Some(connection), Err(_)) = (connection, Handle::try_current()) {
            let _ = runtime.block_on(async { timeout(GOODBYE, connection).await });
        }
        runtime.shutdown_background();
    }
}

impl Client {
    /// Opens a connection within `limit`. If connecting fails, calls `explain`, which can return a more helpful error
    /// for the failure.
    pub(super) fn connect<T>(
        config: &Config,
        connector: &T,
        limit: Duration,
        secrets: &[String],
        explain: impl FnOnce(&Failure) -> Option<Failed>,
    ) -> Result<Self, Failed>
    where
        T: tls::MakeTlsConnect<Socket> + Clone,
        T::Stream: AsyncRead + AsyncWrite + Send + 'static,
    {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(ErrorKind::Io, CONNECT).source(error))?;
        let error = match runtime.block_on(async { timeout(limit, config.connect(connector.clone())).await }) {
            Ok(Ok((client, connection))) => {
                let open = Open { runtime, client, connection: Some(Box::pin(connection)) };
                return Ok(Self { open: Some(open), limit, secrets: secrets.to_vec() });
            }
            Ok(Err(failure)) => explain(&failure).unwrap_or_else(|| failed(CONNECT, &failure, secrets)),
            Err(_) => unanswered(CONNECT, limit),
        };
        // A thread may still be looking up the host name. `shutdown_background` does not wait for that thread.
        runtime.shutdown_background();
        Err(error)
    }

    /// Sets how long each statement may take from now on.
    pub(super) fn limit_statements(&mut self, timeout: Duration) -> Result<(), Failed> {
        self.limit = timeout.saturating_add(MARGIN);
        let statement_ms = timeout.as_millis();
        // If this process is stopped within a transaction, other processes may wait for the lock of the transaction. So
        // after `idle_ms` milliseconds, the server ends the session, which releases the lock.
        let idle_ms = statement_ms + 30_000;
        self.run(
            "set the time limits",
            &format!("SET statement_timeout = {statement_ms}; SET idle_in_transaction_session_timeout = {idle_ms}"),
        )
    }

    /// Runs statements without parameters, separated by semicolons. The server limits the time of each statement, but
    /// the client limits the time of all of them together. So at most one of the statements may be slow.
    pub(super) fn run(&mut self, operation: &str, sql: &str) -> Result<(), Failed> {
        self.call(operation, async |client| client.batch_execute(sql).await)
    }

    /// Runs a query and returns its rows.
    pub(super) fn rows(
        &mut self,
        operation: &str,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failed> {
        self.call(operation, async |client| client.query(sql, values).await)
    }

    /// Returns the user, the address of the server and the name of the database, such as `agent@127.0.0.1:5432/logs`.
    pub(super) fn database(&mut self) -> Result<String, Failed> {
        let sql = "SELECT current_user::text || '@' || coalesce(host(inet_server_addr()) || ':' ||
            inet_server_port()::text, 'local') || '/' || current_database()::text";
        let rows = self.rows("read the name of the database", sql, &[])?;
        Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
    }

    /// Sends rows in the text format of COPY, and returns how many the server stored.
    pub(super) fn copy(&mut self, operation: &str, sql: &str, rows: &[u8]) -> Result<u64, Failed> {
        self.call(operation, async |client| {
            let mut writer = pin!(client.copy_in(sql).await?);
            // A failed write only means that the server stopped reading. `finish` returns the reason.
            for chunk in rows.chunks(COPY_BYTES) {
                if writer.feed(Cursor::new(chunk.to_vec())).await.is_err() {
                    break;
                }
            }
            writer.finish().await
        })
    }

    /// Runs `work`, and closes the connection if `work` takes too long.
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
                // If the connection has ended, the error of the connection is more specific than the error of `work`.
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

/// Returns the error for a server that does not answer, for example because the server is stopped or the network loses
/// all packets.
fn unanswered(operation: &str, limit: Duration) -> Failed {
    let detail = format!("the server did not answer within {} s, and the connection was closed", limit.as_secs_f64());
    Failed { error: Error::new(ErrorKind::Database, operation).detail(detail), may_pass: true }
}

/// Returns an error with the message and the code that the server sent. If the connection failed, the error has the
/// cause of this failure instead. The details that the server sent are left out, since they may contain values of a
/// row.
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

/// Returns true if the failure may be temporary, because its cause is the connection or the state of the server, and
/// not the request.
fn may_pass(failure: &Failure) -> bool {
    use std::error::Error as _;
    match failure.code() {
        // The first two characters of a SQLSTATE are its class:
        // - 08: an error of the connection.
        // - 40: a rollback.
        // - 53: a lack of resources, such as a full disk.
        // - 55: an object that is not ready.
        // - 57: an intervention by an operator.
        // - 58: an error of the system.
        Some(code) => ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class)),
        None => failure.is_closed() || failure.source().is_some_and(|source| source.is::<std::io::Error>()),
    }
}
