//! Timeouts and retries of a sink.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::journal::Warn;
use crate::journal::warnings::to_stderr;

/// Options of a [`Sink`](super::Sink): how long the sink waits for the database, and for how long it retries.
///
/// ```
/// use std::time::Duration;
/// use runledger::sink::postgres::{Sink, SinkOptions};
///
/// let options = SinkOptions::new().retry_for(None).on_warning(|error| eprintln!("{error}; trying again"));
/// let sink = Sink::new("postgres://agent@localhost/observability", options.connect_timeout(Duration::from_secs(2)));
/// assert!(sink.is_ok());
/// ```
#[derive(Clone)]
pub struct SinkOptions {
    pub(super) connect_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) retry_for: Option<Duration>,
    pub(super) warn: Warn,
}

impl SinkOptions {
    /// Returns the default options.
    pub fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            retry_for: Some(Duration::from_secs(10)),
            warn: Arc::new(to_stderr),
        }
    }

    /// Sets how long each IP address of the server may take to accept a connection; 5 seconds by default.
    ///
    /// Connecting as a whole, including name lookup, TLS and authentication, may take twice this time. Each further
    /// host in the address adds this time once.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long one statement may take; 30 seconds by default. If another process ships the same ledger, the time
    /// includes the wait for that process. A statement that exceeds this time is rolled back and retried. If the server
    /// has not answered 5 seconds after this time, for example because the server is stopped, the connection is closed.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// Sets for how long a request is retried while the database is unreachable or overloaded. The time starts at the
    /// first failure, and starts again after each success. The default is 10 seconds. With `None`, retries continue
    /// until one succeeds.
    ///
    /// The pauses between retries double from 100 ms to 10 s. Each pause is shortened at random by up to a half, so
    /// that many processes do not retry at the same time.
    #[must_use]
    pub fn retry_for(mut self, limit: Option<Duration>) -> Self {
        self.retry_for = limit;
        self
    }

    /// Calls `warn` with each failure that is retried. By default, such failures are written to stderr.
    #[must_use]
    pub fn on_warning(mut self, warn: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        self.warn = Arc::new(warn);
        self
    }
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SinkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("retry_for", &self.retry_for)
            .finish_non_exhaustive()
    }
}
