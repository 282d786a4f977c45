//! Promise: a connection over TCP to PostgreSQL is encrypted as `sslmode` says. With `require` and `verify-full`, it is
//! made only to a server with a trusted certificate for its host.
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

/// A server with a certificate for `localhost` that `ca.pem` signed. `other.pem` signed nothing.
static SECURED: LazyLock<Option<Server>> = LazyLock::new(|| {
    if Command::new("openssl").arg("version").output().is_err() {
        not_tested("openssl is not in PATH: apt-get install openssl");
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
    // The setting is in effect once a new connection is offered TLS.
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

/// Options without retries.
fn once() -> SinkOptions {
    SinkOptions::new().retry_for(Some(Duration::ZERO)).on_warning(|_| {})
}

fn between(text: &str, begin: char, end: char) -> &str {
    text.split_once(begin).unwrap().1.split(end).next().unwrap()
}

/// Returns how the server sees an open connection to `url`: `t|TLSv1.3` if it is encrypted, and `f` if not.
fn seen(server: &Server, url: &str, name: &str) -> String {
    let mut sink =
        Sink::new(&format!("{url}{}application_name={name}", if url.contains('?') { '&' } else { '?' }), once());
    sink.as_mut().unwrap().migrate().unwrap();
    let sql = "SELECT concat_ws('|', ssl, version) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = $1";
    let mut client = Client::connect(&server.url("postgres"), NoTls).unwrap();
    client.query_one(sql, &[&name]).unwrap().get(0)
}

/// Returns the error of an address that must be refused at once, although there is time for retries.
fn refused(url: &str) -> String {
    let warned = Arc::new(Mutex::new(Vec::new()));
    let warnings = Arc::clone(&warned);
    let options = SinkOptions::new().on_warning(move |error| warnings.lock().unwrap().push(error.to_string()));
    let error = Sink::new(url, options).unwrap().migrate().unwrap_err();
    assert_eq!(*warned.lock().unwrap(), [""; 0], "it was retried: {error}");
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
    // The address can be a list of words, here with the IP address of a host whose name is given.
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
fn prefer_uses_tls_if_it_is_offered_and_disable_never_does() {
    let Some(server) = SECURED.as_ref() else { return };
    // With `prefer`, the certificate is not checked.
    assert_eq!(seen(server, &server.url("postgres"), "p1"), "t|TLSv1.3");
    assert_eq!(seen(server, &with(server, "127.0.0.1", "sslmode=prefer", None), "p2"), "t|TLSv1.3");
    assert_eq!(seen(server, &with(server, "127.0.0.1", "sslmode=disable", None), "p3"), "f");
    // A socket of this machine is never encrypted, with any mode.
    let socket = server.socket_url("postgres");
    assert_eq!(seen(server, &format!("{socket}?sslmode=require"), "p4"), "f");
    assert_eq!(seen(server, &format!("{socket}?sslmode=verify-full&sslrootcert=/no/such/file"), "p5"), "f");
    // If another host is listed too, a socket is skipped when TLS is required.
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
                "; expected a certificate for localhost from an authority that the system trusts (sslrootcert=FILE names \
                 other authorities). With sslmode=prefer, the certificate is not checked"
            ),
            "{error}"
        );
        let error = refused(&with(server, "localhost", &format!("sslmode={mode}"), Some("other.pem")));
        assert!(error.contains("certificate verify failed"), "{error}");
        // The next host, which does not accept connections, does not hide the error.
        let more =
            with(server, "localhost", &format!("sslmode={mode}"), None).replace("/postgres?", ",127.0.0.1:1/postgres?");
        assert!(refused(&more).contains("certificate verify failed"), "{more}");
        let path = server.path("certificates/other.pem");
        let expected = format!("; expected a certificate for localhost from an authority in {}", path.display());
        assert!(error.contains(&expected), "{error}");
    }
}

/// The variable `SSL_CERT_FILE` names the authorities that the system trusts.
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
        assert!(error.contains("mismatch") && error.contains("expected a certificate for 127.0.0.1 from"), "{error}");
        // Without a host name, the certificate must be valid for the IP address.
        let url = with(server, "127.0.0.1", &words, Some("ca.pem"));
        let unnamed = url.replace("127.0.0.1:", "/postgres?hostaddr=127.0.0.1&port=").replace("/postgres?ssl", "&ssl");
        assert!(refused(&unnamed).contains("expected a certificate for 127.0.0.1 from"));
        // The host in the address counts, and not the name of the machine at its IP address.
        let url = with(server, "db.invalid", &format!("{words}&hostaddr=127.0.0.1"), Some("ca.pem"));
        assert!(refused(&url).contains("no TLS with db.invalid: "));
    }
}

#[test]
fn a_server_without_tls_is_refused_only_if_tls_is_required() {
    // Without openssl the tests of TLS are skipped together.
    if SECURED.is_none() {
        return;
    }
    // The secured server offers TLS, so this test needs another one.
    let Some(server) = Server::start() else { return };
    for mode in ["require", "verify-full"] {
        assert_eq!(
            refused(&with(&server, "127.0.0.1", &format!("sslmode={mode}"), None)),
            "cannot connect to the database: found no TLS on the server 127.0.0.1; expected TLS, since the address \
             requires it. Set ssl = on in the server's configuration, or use sslmode=prefer or sslmode=disable in the \
             address"
        );
    }
    assert_eq!(seen(&server, &server.url("postgres"), "n1"), "f");
    // Other refusals of the server are reported as they are.
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
            "cannot read the certificates of sslrootcert: {}: found no certificates; expected some in PEM (-----BEGIN \
             CERTIFICATE-----)",
            server.path("certificates/empty.pem").display()
        )
    );
}

#[test]
fn roots_are_refused_if_no_certificate_is_checked() {
    for words in ["sslrootcert=ca.pem", "sslmode=prefer&sslrootcert=ca.pem", "sslrootcert=ca.pem&sslmode=disable"] {
        let error = Sink::new(&format!("postgres://u:{SECRET}@localhost/x?{words}"), once()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the database's address: found sslrootcert; expected sslmode=require or sslmode=verify-full with it, \
             since no certificate is checked without them"
        );
    }
}

/// A handshake that is cut off is not a refusal: the server may have been killed, and will be back.
#[test]
fn a_handshake_that_breaks_is_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:{SECRET}@127.0.0.1:{}/x?sslmode=require", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Accepts the request for TLS, reads the beginning of the handshake, and closes the connection.
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(b"S").unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
        }
    });
    let warned = Arc::new(Mutex::new(0));
    let count = Arc::clone(&warned);
    let options = SinkOptions::new().retry_for(Some(Duration::from_secs(2)));
    let options = options.on_warning(move |_| *count.lock().unwrap() += 1);
    let error = Sink::new(&url, options).unwrap().migrate().unwrap_err();
    assert!(*warned.lock().unwrap() >= 2, "it was not retried: {error}");
    assert!(!error.to_string().contains("certificate"), "{error}");
}
