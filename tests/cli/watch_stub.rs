//! A webhook on this machine that answers as a test wants.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    Accept,
    /// A status, and headers.
    Status(&'static str, &'static str),
    /// Closes the connection without an answer.
    Close,
    /// Keeps the connection open for 60 s without an answer.
    Hang,
}

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) at: Instant,
    pub(super) head: String,
    pub(super) body: String,
}

impl Request {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(super) struct Stub {
    pub(super) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// Answers with these replies, one after the other, and accepts all further requests.
    pub(super) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::by(move |_| replies.lock().unwrap().pop_front().unwrap_or(Reply::Accept))
    }

    /// Answers each body with the reply that `reply` returns.
    pub(super) fn by(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::through(Some, reply)
    }

    /// Like [`by`](Self::by), but talks through what `wrap` makes of a connection. If `wrap` returns `None`, the
    /// connection is closed.
    pub(super) fn through<S: Read + Write>(
        wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, wrap, reply) = (Arc::clone(&requests), Arc::new(wrap), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, wrap, reply) = (Arc::clone(&kept), Arc::clone(&wrap), Arc::clone(&reply));
                thread::spawn(move || {
                    if let Some(stream) = wrap(stream.unwrap()) {
                        answer(stream, &kept, &*reply);
                    }
                });
            }
        });
        Self { port, requests }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(mut stream: impl Read + Write, kept: &Mutex<Vec<Request>>, reply: &dyn Fn(&str) -> Reply) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let request = loop {
        // A client that was killed sends only a part.
        let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break Request { at: Instant::now(), head: format!("{head}\r\n"), body: body.to_owned() };
        }
    };
    let reply = reply(&request.body);
    kept.lock().unwrap().push(request);
    let (status, headers) = match reply {
        Reply::Accept => ("204 No Content", ""),
        Reply::Status(status, headers) => (status, headers),
        Reply::Close => return,
        Reply::Hang => return thread::sleep(Duration::from_secs(60)),
    };
    // The client may have gone.
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n").as_bytes());
}
