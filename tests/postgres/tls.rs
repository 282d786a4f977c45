//! Promise: over TCP a connection to PostgreSQL is encrypted as `sslmode` says, and with `require` or `verify-full` only to
//! the server that a trusted certificate names.
#![cfg(all(feature = "postgres-tls", feature = "cli"))]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use crate::commands::{Place, command, output};
use crate::postgres_server::{SECRET, Server, end_with_the_tests, not_tested};
use postgres::{Client, NoTls};
use runledger::ErrorKind;
use runledger::sink::postgres::{Sink, SinkOptions};

/// A server with a certificate for `localhost`, which `ca.pem` signed; `other.pem` signed nothing.
static SECURED: LazyLock<Option<Server>> = LazyLock::new(|| {
    if Command::new("openssl").arg("version").output().is_err() {
        not_tested("no openssl in PATH: apt-get install openssl");
        return None;
    }
    let server = Server::start()?;
    let directory = server.path("certificates");
    std::fs::create_dir(&directory).unwrap();
    let key = "-newkey rsa:2048 -nodes -days 2";
    openssl(&directory, &format!("req -x509 {key} -subj /CN=ours -keyout ca.key -out ca.pem"));
    openssl(&directory, &format!("req -x509 {key} -subj /CN=another -keyout other.key -out other.pem"));
    openssl(&directory, &format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"));
    std::fs::write(directory.join("names"), "subjectAltName=DNS:localhost").unwrap();
    openssl(
        &directory,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt",
    );
    for name in ["server.key", "server.crt"] {
        let path = server.path("data").join(name);
        std::fs::copy(directory.join(name), &path).unwrap();
        server.own(&path);
    }
    let mut client = Client::connect(&server.url("postgres"), NoTls).unwrap();
    client.batch_execute("ALTER SYSTEM SET ssl = on").unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    let begin = Instant::now();
    // Whether a new connection is offered it.
    while Sink::new(&with(&server, "localhost", "sslmode=require", Some("ca.pem")), once()).unwrap().migrate().is_err()
    {
        assert!(begin.elapsed() < Duration::from_secs(30), "TLS was not switched on");
        std::thread::sleep(Duration::from_millis(50));
    }
    end_with_the_tests(&server);
    Some(server)
});

fn openssl(directory: &Path, args: &str) {
    let made = Command::new("openssl").current_dir(directory).args(args.split(' ')).output().unwrap();
    assert!(made.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&made.stderr));
}

fn with(server: &Server, host: &str, words: &str, root: Option<&str>) -> String {
    let root = root.map(|name| server.path("certificates").join(name).display().to_string());
    let root = root.map(|path| format!("&sslrootcert={path}")).unwrap_or_default();
    format!("{}?{words}{root}", server.url_at(host, "postgres"))
}

/// Tried once.
fn once() -> SinkOptions {
    let mut options = SinkOptions::new();
    options.retry_for = Some(Duration::ZERO);
    options.warn = Arc::new(|_| {});
    options
}

fn between(text: &str, begin: char, end: char) -> &str {
    text.split_once(begin).unwrap().1.split(end).next().unwrap()
}

/// How the connection of `runledger pg` is encrypted, as the server sees it while it lasts: `true|TLSv1.3`.
fn seen(server: &Server, url: &str, name: &str) -> String {
    let mut sink =
        Sink::new(&format!("{url}{}application_name={name}", if url.contains('?') { '&' } else { '?' }), once());
    sink.as_mut().unwrap().migrate().unwrap();
    let sql = "SELECT concat_ws('|', ssl, version) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = $1";
    let mut client = Client::connect(&server.url("postgres"), NoTls).unwrap();
    client.query_one(sql, &[&name]).unwrap().get(0)
}

/// The error of an address that must be refused at once, though there is time to try again.
fn refused(url: &str) -> String {
    let warned = Arc::new(Mutex::new(Vec::new()));
    let mut options = SinkOptions::new();
    let warnings = Arc::clone(&warned);
    options.warn = Arc::new(move |error| warnings.lock().unwrap().push(error.to_string()));
    let error = Sink::new(url, options).unwrap().migrate().unwrap_err();
    assert_eq!(*warned.lock().unwrap(), [""; 0], "it was tried again: {error}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains(SECRET), "{text}");
    error.to_string()
}

#[test]
fn records_are_shipped_over_tls_to_the_server_of_the_certificate() {
    let Some(server) = SECURED.as_ref() else { return };
    for (mode, name) in [("require", "t1"), ("verify-full", "t2")] {
        let url = with(server, "localhost", &format!("sslmode={mode}"), Some("ca.pem"));
        assert_eq!(seen(server, &url, name), "t|TLSv1.3", "{mode}");
    }
    // As words, and by the address of a host whose name is given.
    let words = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=tester password=hunter2%/secret dbname=postgres \
         application_name=t3 sslmode = 'verify-full' sslrootcert='{}'",
        server.url("").rsplit_once(':').unwrap().1.trim_end_matches('/'),
        server.path("certificates/ca.pem").display()
    );
    let place = Place::new();
    let mut ship = command();
    ship.current_dir(place.directory.path()).args(["pg", "ship", "--retry-for", "0"]).env("DATABASE_URL", words);
    assert_eq!(output(&mut ship).answer(0), "records      5\nin progress  0\nup to line   5\n");
}

#[test]
fn tls_is_taken_when_it_is_offered_and_never_when_it_is_not_wanted() {
    let Some(server) = SECURED.as_ref() else { return };
    // Whose certificate it is does not matter then.
    assert_eq!(seen(server, &server.url("postgres"), "p1"), "t|TLSv1.3");
    assert_eq!(seen(server, &with(server, "127.0.0.1", "sslmode=prefer", None), "p2"), "t|TLSv1.3");
    assert_eq!(seen(server, &with(server, "127.0.0.1", "sslmode=disable", None), "p3"), "f");
    // A socket of this machine is never encrypted, whatever is asked for.
    let socket = server.socket_url("postgres");
    assert_eq!(seen(server, &format!("{socket}?sslmode=require"), "p4"), "f");
    assert_eq!(seen(server, &format!("{socket}?sslmode=verify-full&sslrootcert=/no/such/file"), "p5"), "f");
    // Among other hosts it is passed over then.
    let both = server
        .url_at("localhost", "postgres")
        .replace("@", &format!("@{},", between(&socket["postgres://".len()..], '@', '/')));
    let root = server.path("certificates/ca.pem").display().to_string();
    assert_eq!(seen(server, &format!("{both}?sslmode=require&sslrootcert={root}"), "p6"), "t|TLSv1.3");
}

#[test]
fn a_certificate_of_an_authority_that_is_not_trusted_is_refused() {
    let Some(server) = SECURED.as_ref() else { return };
    for mode in ["require", "verify-full"] {
        let error = refused(&with(server, "localhost", &format!("sslmode={mode}"), None));
        assert!(error.starts_with("cannot connect to the database: no TLS with localhost: "), "{error}");
        assert!(error.contains("certificate verify failed"), "{error}");
        assert!(
            error.ends_with(
                "; expected a certificate for localhost of an authority that the system trusts (sslrootcert=FILE names \
                 others); with sslmode=prefer none is checked"
            ),
            "{error}"
        );
        let error = refused(&with(server, "localhost", &format!("sslmode={mode}"), Some("other.pem")));
        assert!(error.contains("certificate verify failed"), "{error}");
        // Nor does the next host, which nobody listens at, hide it.
        let more =
            with(server, "localhost", &format!("sslmode={mode}"), None).replace("/postgres?", ",127.0.0.1:1/postgres?");
        assert!(refused(&more).contains("certificate verify failed"), "{more}");
        let path = server.path("certificates/other.pem");
        let expected = format!("; expected a certificate for localhost of an authority in {}", path.display());
        assert!(error.contains(&expected), "{error}");
    }
}

/// Whom the system trusts, its own variable says.
#[test]
fn the_authorities_of_the_file_are_trusted_instead_of_the_systems() {
    let Some(server) = SECURED.as_ref() else { return };
    let migrate = |root| {
        let url = with(server, "localhost", "sslmode=verify-full", root);
        let trusted = server.path("certificates/ca.pem");
        output(command().args(["pg", "migrate"]).env("DATABASE_URL", url).env("SSL_CERT_FILE", trusted))
    };
    assert_eq!(migrate(None).answer(0), "table  agent_execution_logs\ntable  runledger_shipments\n");
    assert!(migrate(Some("other.pem")).complaint(2).contains("certificate verify failed"));
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let Some(server) = SECURED.as_ref() else { return };
    for mode in ["require", "verify-full"] {
        let words = format!("sslmode={mode}");
        let error = refused(&with(server, "127.0.0.1", &words, Some("ca.pem")));
        assert!(error.starts_with("cannot connect to the database: no TLS with 127.0.0.1: "), "{error}");
        assert!(error.contains("mismatch") && error.contains("expected a certificate for 127.0.0.1 of"), "{error}");
        // An address without a name is the name.
        let url = with(server, "127.0.0.1", &words, Some("ca.pem"));
        let unnamed = url.replace("127.0.0.1:", "/postgres?hostaddr=127.0.0.1&port=").replace("/postgres?ssl", "&ssl");
        assert!(refused(&unnamed).contains("expected a certificate for 127.0.0.1 of"));
        // The name that is asked for counts, not the one that the address has.
        let url = with(server, "db.invalid", &format!("{words}&hostaddr=127.0.0.1"), Some("ca.pem"));
        assert!(refused(&url).contains("no TLS with db.invalid: "));
    }
}

#[test]
fn a_server_without_tls_is_refused_when_it_is_asked_for_and_taken_when_not() {
    // Another test's server may have it.
    if SECURED.is_none() {
        return;
    }
    let Some(server) = Server::start() else { return };
    for mode in ["require", "verify-full"] {
        assert_eq!(
            refused(&with(&server, "127.0.0.1", &format!("sslmode={mode}"), None)),
            "cannot connect to the database: the server 127.0.0.1 is without TLS, which the address asks for: switch it on \
             there (ssl = on), or say sslmode=prefer or sslmode=disable"
        );
    }
    assert_eq!(seen(&server, &server.url("postgres"), "n1"), "f");
    // The server's own refusals are not taken for it.
    let error = refused(&server.url("postgres").replace("secret", "wrong"));
    assert!(error.ends_with("(SQLSTATE 28P01)"), "{error}");
}

#[test]
fn roots_that_cannot_be_read_are_named() {
    let Some(server) = SECURED.as_ref() else { return };
    let missing = server.path("certificates/missing.pem");
    let error = Sink::new(&with(server, "localhost", "sslmode=require", Some("missing.pem")), once()).unwrap();
    let error = { error }.migrate().unwrap_err();
    assert_eq!((error.kind(), error.file()), (ErrorKind::Io, Some(missing.as_path())));
    std::fs::write(server.path("certificates/empty.pem"), "no certificate\n").unwrap();
    assert_eq!(
        refused(&with(server, "localhost", "sslmode=require", Some("empty.pem"))),
        format!(
            "cannot read the certificates of sslrootcert: {}: expected certificates in PEM (-----BEGIN CERTIFICATE-----), found none",
            server.path("certificates/empty.pem").display()
        )
    );
}

#[test]
fn roots_that_nothing_would_be_checked_against_are_refused() {
    for words in ["sslrootcert=ca.pem", "sslmode=prefer&sslrootcert=ca.pem", "sslrootcert=ca.pem&sslmode=disable"] {
        let error = Sink::new(&format!("postgres://u:{SECRET}@localhost/x?{words}"), once()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the database's address: it names an sslrootcert, and without sslmode=require or sslmode=verify-full no \
             certificate is checked"
        );
    }
}

/// A handshake that is cut off is no refusal: a server that is killed in the middle comes back.
#[test]
fn a_handshake_that_breaks_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:{SECRET}@127.0.0.1:{}/x?sslmode=require", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The request for TLS; its beginning; gone.
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(b"S").unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
        }
    });
    let warned = Arc::new(Mutex::new(0));
    let mut options = SinkOptions::new();
    options.retry_for = Some(Duration::from_secs(2));
    let count = Arc::clone(&warned);
    options.warn = Arc::new(move |_| *count.lock().unwrap() += 1);
    let error = Sink::new(&url, options).unwrap().migrate().unwrap_err();
    assert!(*warned.lock().unwrap() >= 2, "it was not tried again: {error}");
    assert!(!error.to_string().contains("certificate"), "{error}");
}
