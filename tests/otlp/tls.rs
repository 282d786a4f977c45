//! A collector with https gets records only if the system trusts its certificate.

use std::fs;
use std::process::Command;

use native_tls::{Identity, TlsAcceptor};

use crate::commands::{Place, command, output};
use crate::stub::{ACCEPT, Stub};
use crate::support::record;

#[test]
fn records_go_only_to_a_collector_that_the_system_trusts() {
    let place = Place::with(&[record(1, "s"), record(2, "s")]);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(place.directory.path())
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("NOT TESTED: openssl is missing");
        return;
    }
    let path = |name: &str| place.directory.path().join(name);
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| fs::read(path(name)).unwrap());
    let acceptor = TlsAcceptor::new(Identity::from_pkcs8(&cert, &key).unwrap()).unwrap();
    let stub = Stub::through(move |stream| acceptor.accept(stream).ok(), |_| ACCEPT);
    let port = stub.url.rsplit(':').next().unwrap();
    let ship = |host: &str| {
        let mut call = command();
        let url = format!("https://user:s3cr3t@{host}:{port}");
        call.current_dir(place.directory.path()).args(["ship", "otlp", &url, "--retry-for", "0"]);
        call
    };
    let refused = output(&mut ship("localhost"));
    assert_eq!((refused.code, stub.requests().len()), (Some(2), 0), "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("cannot post to https://localhost:{port}")), "{}", refused.stderr);
    assert!(refused.stderr.contains("certificate") && !refused.stderr.contains("s3cr3t"), "{}", refused.stderr);
    // The certificate is for another name than this address.
    let other = output(ship("127.0.0.1").env("SSL_CERT_FILE", path("cert.pem")));
    assert_eq!((other.code, stub.requests().len()), (Some(2), 0), "{}", other.stderr);
    let trusted = output(ship("localhost").env("SSL_CERT_FILE", path("cert.pem")));
    assert_eq!(trusted.answer(0), "records      2\nspans        2\nrejected     0\nup to line   2\n");
    assert_eq!(stub.requests().len(), 1);
}
