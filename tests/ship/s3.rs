//! Ships to a server that speaks the protocol of S3: `moto_server` of the Python package `moto`. Between the server and
//! the shipper, a proxy answers some requests with the status 500, and loses some answers.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use runledger::ErrorKind;
use runledger::ship::{BucketStore, Store};

use crate::support::{Random, append, assert_exactly_once, open, shipper};

/// A server with an empty bucket `fleet`, and a proxy in front of it.
struct Server {
    child: Child,
    port: u16,
    proxy: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of answers that the proxies of this process have spoiled.
static SPOILED: AtomicU64 = AtomicU64::new(0);

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts the server. Returns `None` if it is not installed.
    fn start() -> Option<Self> {
        let port = free_port();
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            // The test harness captures `println!`, but not direct writes to stdout. So this text is shown even if the
            // test passes.
            let text = b"NOT TESTED: the object store: moto_server of the Python package moto[server] is missing\n";
            io::stdout().write_all(text).unwrap();
            return None;
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = listener.local_addr().unwrap().port();
        let server = Self { child, port, proxy };
        let began = Instant::now();
        let create = b"PUT /fleet HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        while answer(port, create).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "the server does not start");
            thread::sleep(Duration::from_millis(100));
        }
        thread::spawn(move || {
            let mut random = Random(22);
            for client in listener.incoming() {
                let fate = random.below(6);
                thread::spawn(move || forward(client.unwrap(), port, fate));
            }
        });
        Some(server)
    }

    fn store(&self, port: u16, folder: &str) -> BucketStore {
        let options = [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "hunter2-id".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "hunter2-secret".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value));
        BucketStore::open(&format!("s3://fleet/{folder}"), options).unwrap()
    }
}

/// Sends a request that closes its connection, and returns the answer.
fn answer(port: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    server.write_all(request)?;
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads one request, and returns it with a header that closes the connection.
pub(crate) fn request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 65_536]);
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let len = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            if bytes.len() >= end + 4 + len.unwrap_or(0) {
                let body = bytes.split_off(end + 4);
                return Some([format!("{head}\r\nConnection: close\r\n\r\n").as_bytes(), &body].concat());
            }
        }
        match client.read(&mut chunk) {
            Ok(read @ 1..) => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}

fn forward(mut client: TcpStream, port: u16, fate: u64) {
    let Some(request) = request(&mut client) else { return };
    if fate < 2 {
        SPOILED.fetch_add(1, Ordering::Relaxed);
    }
    if fate == 0 {
        let _ =
            client.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
    }
    let answer = answer(port, &request).unwrap_or_default();
    // The server has done what was asked. If `fate` is 1, its answer is lost.
    if fate != 1 {
        let _ = client.write_all(&answer);
    }
}

#[test]
fn row_36_each_record_is_shipped_once_to_s3_with_errors_and_lost_answers() {
    let Some(server) = Server::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    let mut lines = 0;
    for _ in 0..3 {
        append(&open(&path), lines + 1..=lines + 30);
        lines += 30;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    // If a request fails too often, `ship` returns an error, and the next call continues.
                    for _ in 0..20 {
                        match shipper(&path, server.store(server.proxy, "a/b")).ship(true) {
                            Ok(_) => return,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error}"),
                        }
                    }
                    panic!("20 calls have failed");
                });
            }
        });
        assert_exactly_once(&server.store(server.port, "a/b"), &path, lines);
    }
    assert!(SPOILED.load(Ordering::Relaxed) > 10);
}

#[test]
fn puts_are_conditional_and_lists_have_every_page() {
    let Some(server) = Server::start() else { return };
    let store = server.store(server.port, "pages");
    assert!(store.put_new("v=1/one", b"first".to_vec()).unwrap());
    assert!(!store.put_new("v=1/one", b"second".to_vec()).unwrap());
    assert_eq!(store.get("v=1/one").unwrap().unwrap(), b"first".to_vec());
    assert_eq!(store.get_end("v=1/one", 2).unwrap().unwrap(), b"st");
    assert_eq!(store.get_end("v=1/one", 99).unwrap().unwrap(), b"first".to_vec());
    assert_eq!((store.get("v=1/two").unwrap(), store.get_end("v=1/two", 2).unwrap()), (None, None));
    // A page has 1,000 names.
    let names: Vec<_> = (0..1_005).map(|number| format!("claims/ledger=x/{number:020}.json")).collect();
    names.iter().for_each(|name| assert!(store.put_new(name, b"{}".to_vec()).unwrap()));
    assert_eq!(store.list("claims/ledger=x").unwrap(), names);
    assert_eq!(store.list("claims/ledger=y").unwrap(), Vec::<String>::new());
}

#[test]
fn an_error_names_the_address_and_no_credential() {
    let Some(server) = Server::start() else { return };
    let store = BucketStore::open(
        "s3://missing/fleet",
        [
            ("AWS_ENDPOINT".to_owned(), format!("http://127.0.0.1:{}", server.port)),
            ("AWS_ALLOW_HTTP".to_owned(), "true".to_owned()),
            ("AWS_ACCESS_KEY_ID".to_owned(), "hunter2".to_owned()),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), "hunter2".to_owned()),
        ],
    )
    .unwrap();
    let error = store.put_new("v=1/one", b"1".to_vec()).unwrap_err().to_string();
    assert!(error.contains("s3://missing/fleet/v=1/one") && !error.contains("hunter2"), "{error}");
}
