//! A collector on this machine that answers as a test wants.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// A status, headers that each end in CR LF, and a body.
pub(crate) type Reply = (&'static str, &'static str, &'static str);

pub(crate) const ACCEPT: Reply = ("200 OK", "Content-Type: application/json\r\n", "{}");

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Stub {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// Answers the requests with these replies, one after the other, and accepts all further requests.
    pub(crate) fn new(replies: &[Reply]) -> Self {
        let mut replies = VecDeque::from(replies.to_vec());
        Self::by(move |_| replies.pop_front().unwrap_or(ACCEPT))
    }

    /// Answers each body with the reply that `reply` returns, one request at a time.
    pub(crate) fn by(reply: impl FnMut(&str) -> Reply + Send + 'static) -> Self {
        Self::through(Some, reply)
    }

    /// Like [`by`](Self::by), but `accept` makes a stream from each connection, such as one with TLS.
    pub(crate) fn through<S: Read + Write>(
        accept: impl Fn(TcpStream) -> Option<S> + Send + 'static,
        mut reply: impl FnMut(&str) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(mut stream) = accept(stream.unwrap()) else { continue };
                // A client that was killed sends only a part.
                let Some(request) = read(&mut stream) else { continue };
                let (status, headers, body) = reply(&request.body);
                kept.lock().unwrap().push(request);
                let length = body.len();
                // The client may have gone.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read(stream: &mut impl Read) -> Option<Request> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 64 * 1024]);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let read @ 1.. = stream.read(&mut buffer).ok()? else { return None };
        bytes.extend_from_slice(&buffer[..read]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase() + "\r\n";
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        let read @ 1.. = stream.read(&mut buffer).ok()? else { return None };
        body.extend_from_slice(&buffer[..read]);
    }
    Some(Request { at: Instant::now(), head, body: String::from_utf8(body).unwrap() })
}
