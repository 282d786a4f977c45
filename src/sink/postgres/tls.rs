//! TLS connections to PostgreSQL. Only this file uses the TLS library of the platform directly.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use native_tls::{Certificate, TlsConnector, TlsConnectorBuilder};
use postgres_native_tls::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::tls::{MakeTlsConnect, TlsConnect};
use super::client::{CONNECT, Failed, Failure, Socket};
use crate::disk::stream::open_to_read;
use crate::error::{Error, ErrorKind, Result};
use crate::mutex::lock;

pub(super) const IS_BUILT_IN: bool = true;

/// Encrypts connections, and remembers the stage that the last attempt to connect reached.
#[derive(Clone)]
pub(super) struct Connector {
    /// The settings of a connector of the TLS library. The connector is built from them only when a server offers TLS.
    /// Building it takes about 100 ms, because the library reads the authorities of the system.
    library: Arc<TlsConnectorBuilder>,
    /// True if the certificate of the server must be valid.
    is_checked: bool,
    /// The file with the trusted authorities, or `None` if the authorities of the system are trusted.
    root: Option<PathBuf>,
    met: Arc<Mutex<Met>>,
}

/// The stage that the last attempt to connect reached. The client tries one host after another. The stage belongs to
/// the last host that could be reached.
enum Met {
    Nothing,
    /// This host was asked for TLS, and has not offered TLS so far.
    Server(String),
    /// The host offered TLS, and the handshake has begun.
    Handshake,
    /// The host, and why the handshake failed.
    Refusal(String, String),
}

/// Returns a connector that trusts the authorities in the file `root`, or those of the system if `root` is `None`. If
/// `is_checked` is false, the connector accepts every certificate.
pub(super) fn connector(is_checked: bool, root: Option<&Path>) -> Result<Connector> {
    let mut builder = TlsConnector::builder();
    // With `prefer`, checking the certificate would not help: an attacker who can forge a certificate can also claim
    // that the server has no TLS.
    builder.danger_accept_invalid_certs(!is_checked);
    builder.danger_accept_invalid_hostnames(!is_checked);
    if let Some(path) = root {
        builder.disable_built_in_roots(true);
        let operation = "read the certificates of sslrootcert";
        let mut pem = Vec::new();
        let file = open_to_read(path).and_then(|mut file| file.read_to_end(&mut pem));
        file.map_err(|error| Error::io(operation, path, error))?;
        let expected = Error::new(ErrorKind::Invalid, operation).path(path);
        let expected = expected.detail("found no certificates; expected some in PEM (-----BEGIN CERTIFICATE-----)");
        let found = Certificate::stack_from_pem(&pem).map_err(|_| expected.clone())?;
        if found.is_empty() {
            return Err(expected);
        }
        found.into_iter().for_each(|certificate| _ = builder.add_root_certificate(certificate));
    }
    let met = Arc::new(Mutex::new(Met::Nothing));
    Ok(Connector { library: Arc::new(builder), is_checked, root: root.map(Path::to_owned), met })
}

impl Connector {
    fn met(&self) -> MutexGuard<'_, Met> {
        lock(&self.met)
    }

    fn meets(&self, next: Met) {
        *self.met() = next;
    }
}

/// Returns the error of a connection that failed because of TLS, or `None` if it failed for another reason.
pub(super) fn explained(connector: &Connector, failure: &Failure) -> Option<Failed> {
    use std::error::Error as _;
    let Connector { is_checked, root, .. } = connector;
    let error = Error::new(ErrorKind::Database, CONNECT);
    let error = match &*connector.met() {
        Met::Refusal(host, why) if *is_checked => {
            let authority = match root {
                Some(path) => format!("in {} (sslrootcert)", path.display()),
                None => "that the system trusts (sslrootcert=FILE names other authorities)".to_owned(),
            };
            error.detail(format!("no TLS with {host}: {why}")).detail(format!(
                "expected a certificate for {host} from an authority {authority}. With sslmode=prefer, the certificate \
                 is not checked"
            ))
        }
        Met::Refusal(host, why) => {
            error.detail(format!("no TLS with {host}: {why}. With sslmode=disable, TLS is not used"))
        }
        // The host answered and the connection did not break, so the host refused TLS.
        Met::Server(host) if *is_checked && !failure.source().is_some_and(|source| source.is::<io::Error>()) => error
            .detail(format!(
                "found no TLS on the server {host}; expected TLS, since the address requires it. Set ssl = on in the \
                 server's configuration, or use sslmode=prefer or sslmode=disable in the address"
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

/// A socket that sets `is_cut` if the connection ends or fails. `is_cut` is needed because the TLS library reports a
/// broken connection in the same way as a refused certificate.
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
