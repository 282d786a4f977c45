//! TLS for the connections, by the platform's own library; the only file that names it.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use native_tls::{Certificate, TlsConnector, TlsConnectorBuilder};
use postgres_native_tls::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::address::{Mode, Security};
use super::client::tls::{MakeTlsConnect, TlsConnect};
use super::client::{CONNECT, Failed, Failure, Socket};
use crate::disk::stream::open_to_read;
use crate::error::{Error, ErrorKind, Result};

pub(super) const IS_BUILT_IN: bool = true;

/// Makes connections encrypted, and remembers what they met.
#[derive(Clone)]
pub(super) struct Connector {
    /// Not made yet: to read the authorities of the system takes some 100 ms, and a server may be without TLS.
    library: Arc<TlsConnectorBuilder>,
    wanted: Security,
    met: Arc<Mutex<Met>>,
}

/// The last of them that was reached: whether the next one can be does not matter then.
enum Met {
    Nothing,
    /// This host; if it answers that it can, the handshake follows.
    Server(String),
    Handshake,
    /// Of a host, and why.
    Refusal(String, String),
}

pub(super) fn connector(wanted: &Security) -> Result<Connector> {
    let mut builder = TlsConnector::builder();
    // Whoever can forge a certificate can also say that the server has no TLS.
    builder.danger_accept_invalid_certs(wanted.mode != Mode::Checked);
    builder.danger_accept_invalid_hostnames(wanted.mode != Mode::Checked);
    if let Some(path) = &wanted.root {
        builder.disable_built_in_roots(true);
        let operation = "read the certificates of sslrootcert";
        let mut pem = Vec::new();
        let file = open_to_read(path).and_then(|mut file| file.read_to_end(&mut pem));
        file.map_err(|error| Error::io(operation, path, error))?;
        let expected = Error::new(ErrorKind::Invalid, operation).path(path);
        let expected = expected.detail("expected certificates in PEM (-----BEGIN CERTIFICATE-----), found none");
        let found = Certificate::stack_from_pem(&pem).map_err(|_| expected.clone())?;
        if found.is_empty() {
            return Err(expected);
        }
        found.into_iter().for_each(|certificate| _ = builder.add_root_certificate(certificate));
    }
    Ok(Connector { library: Arc::new(builder), wanted: wanted.clone(), met: Arc::new(Mutex::new(Met::Nothing)) })
}

impl Connector {
    fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meets(&self, next: Met) {
        *self.met() = next;
    }
}

/// What a connection that was not made failed at; `None`: not at TLS.
pub(super) fn explained(connector: &Connector, failure: &Failure) -> Option<Failed> {
    use std::error::Error as _;
    let is_checked = connector.wanted.mode == Mode::Checked;
    let error = Error::new(ErrorKind::Database, CONNECT);
    let error = match &*connector.met() {
        Met::Refusal(host, why) if is_checked => {
            let authority = match &connector.wanted.root {
                Some(path) => format!("in {} (sslrootcert)", path.display()),
                None => "that the system trusts (sslrootcert=FILE names others)".to_owned(),
            };
            error.detail(format!("no TLS with {host}: {why}")).detail(format!(
                "expected a certificate for {host} of an authority {authority}; with sslmode=prefer none is checked"
            ))
        }
        Met::Refusal(host, why) => error.detail(format!("no TLS with {host}: {why}; sslmode=disable connects without")),
        // It answered, and the connection did not break: it said no.
        Met::Server(host) if is_checked && !failure.source().is_some_and(|source| source.is::<io::Error>()) => error
            .detail(format!(
                "the server {host} is without TLS, which the address asks for: switch it on there (ssl = on), or say \
                 sslmode=prefer or sslmode=disable"
            )),
        _ => return None,
    };
    Some(error.into())
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = TlsStream<Watched>;
    type TlsConnect = Handshake;
    type Error = native_tls::Error;

    fn make_tls_connect(&mut self, host: &str) -> std::result::Result<Handshake, native_tls::Error> {
        self.meets(Met::Server(host.to_owned()));
        Ok(Handshake { connector: self.clone(), host: host.to_owned() })
    }
}

pub(super) struct Handshake {
    connector: Connector,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = TlsStream<Watched>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Self { connector, host } = self;
        connector.meets(Met::Handshake);
        let is_cut = Arc::new(AtomicBool::new(false));
        let watched = Watched { socket, is_cut: Arc::clone(&is_cut) };
        Box::pin(async move {
            let encrypted = match connector.library.build() {
                Ok(library) => postgres_native_tls::TlsConnector::new(library, &host).connect(watched).await,
                Err(error) => Err(error),
            };
            encrypted.map_err(|error| {
                if !is_cut.load(Ordering::Relaxed) {
                    connector.meets(Met::Refusal(host, error.to_string()));
                }
                io::Error::other(error)
            })
        })
    }
}

/// Remembers that the connection ended, which the library does not tell from a refusal.
pub(super) struct Watched {
    socket: Socket,
    is_cut: Arc<AtomicBool>,
}

impl Watched {
    fn seen<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(_)) = &polled {
            self.is_cut.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if polled.is_ready() && buf.filled().len() == before {
            self.is_cut.store(true, Ordering::Relaxed);
        }
        self.seen(polled)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.seen(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
