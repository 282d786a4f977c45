//! A webhook with https gets an alert only if the system trusts its certificate.

use std::process::Command;

use native_tls::{Identity, TlsAcceptor};
use serde_json::json;

use super::stub::{Reply, Stub};
use super::{consume, place, policy, watch};
use crate::commands::output;

#[test]
fn an_alert_goes_only_to_a_server_that_the_system_trusts() {
    let place = place();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(place.directory.path())
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("NOT TESTED: openssl is missing");
        return;
    }
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| std::fs::read(place.path(name)).unwrap());
    let acceptor = TlsAcceptor::new(Identity::from_pkcs8(&cert, &key).unwrap()).unwrap();
    let server = Stub::through(move |stream| acceptor.accept(stream).ok(), |_| Reply::Accept);
    policy(&place, &json!({ "webhook": format!("https://agent:s3cr3t@localhost:{}/hook", server.port) }));
    consume(&place, "calls", "60");
    let refused = output(watch(&place).arg("--once"));
    assert_eq!((refused.code, server.requests().len()), (Some(1), 0), "{refused:?}");
    assert!(refused.stderr.contains(&format!("cannot post to https://localhost:{}: ", server.port)), "{refused:?}");
    assert!(refused.stderr.contains("certificate") && !refused.stderr.contains("s3cr3t"), "{refused:?}");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let sent = output(watch(&place).arg("--once").env("SSL_CERT_FILE", place.path("cert.pem")));
    assert_eq!((sent.code, server.requests().len()), (Some(0), 1), "{sent:?}");
}
