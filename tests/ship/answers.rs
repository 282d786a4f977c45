//! What a store returns for the answers of a server that is scripted here: ranges, empty files, and errors with secrets.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use runledger::ship::{BucketStore, Store};

use crate::s3::request;

/// Starts a server that answers each request with what `answer` returns for its head. Returns its port.
fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            if let Some(request) = request(&mut client) {
                let _ = client.write_all(&answer(&String::from_utf8_lossy(&request)));
            }
        }
    });
    port
}

fn store(scheme: &str, port: u16) -> BucketStore {
    let options = [
        ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_SKIP_SIGNATURE", "true".to_owned()),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_owned()),
        ("AZURE_ENDPOINT", format!("http://127.0.0.1:{port}")),
        ("AZURE_ALLOW_HTTP", "true".to_owned()),
        ("AZURE_SKIP_SIGNATURE", "true".to_owned()),
    ];
    BucketStore::open(&format!("{scheme}://fleet/a"), options.map(|(name, value)| (name.to_owned(), value))).unwrap()
}

/// Answers like a store with a file of ten bytes and an empty file.
fn blobs(request: &str) -> Vec<u8> {
    let head = request.to_ascii_lowercase();
    let path = head.split(' ').nth(1).unwrap();
    let body: &[u8] = match path.rsplit('/').next().unwrap() {
        "ten" => b"0123456789",
        "empty" => b"",
        _ => return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    };
    let range = head.lines().find_map(|line| line.split_once("range: bytes=")).map(|(_, range)| range.trim());
    let common = "ETag: \"1\"\r\nLast-Modified: Mon, 30 Nov 2026 00:00:00 GMT\r\nConnection: close";
    let Some((start, end)) = range.and_then(|range| range.split_once('-')) else {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{common}\r\n\r\n", body.len());
        let body = if head.starts_with("head ") { b"" } else { body };
        return [answer.as_bytes(), body].concat();
    };
    let last = body.len().saturating_sub(1);
    let (start, end) = match start {
        "" => (body.len().saturating_sub(end.parse().unwrap()), last),
        _ => (start.parse().unwrap(), end.parse::<usize>().unwrap().min(last)),
    };
    if start >= body.len() {
        return b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    }
    let part = &body[start..=end];
    let range = format!("Content-Range: bytes {start}-{end}/{}", body.len());
    let answer =
        format!("HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\n{range}\r\n{common}\r\n\r\n", part.len());
    [answer.as_bytes(), part].concat()
}

#[test]
fn ends_and_ranges_are_read_from_every_kind_of_store_even_if_a_file_is_shorter() {
    let port = serve(blobs);
    for scheme in ["s3", "az"] {
        let store = store(scheme, port);
        let end = |name, len| store.get_end(name, len).unwrap().map(|bytes| String::from_utf8(bytes).unwrap());
        let range = |name, start, end| store.get_range(name, start, end).unwrap().map(|bytes| bytes.len());
        assert_eq!(
            (end("ten", 3).as_deref(), end("ten", 99).as_deref()),
            (Some("789"), Some("0123456789")),
            "{scheme}"
        );
        assert_eq!((end("empty", 3).as_deref(), end("none", 3)), (Some(""), None), "{scheme}");
        assert_eq!([range("ten", 2, 5), range("ten", 8, 99), range("ten", 10, 99)], [Some(3), Some(2), Some(0)]);
        assert_eq!([range("empty", 0, 5), range("none", 0, 5)], [Some(0), None], "{scheme}");
    }
}

#[test]
fn an_error_of_a_server_is_printed_without_its_body() {
    for (body, code) in [
        ("<Error><Code>ExpiredToken</Code><Token-0>hunter2</Token-0></Error>", "400 ExpiredToken"),
        ("{\"token\": \"hunter2\"}", "400"),
        ("hunter2", "400"),
        ("<Code>hunter2/hunter2</Code>", "400"),
    ] {
        let answer =
            format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let port = serve(move |_| answer.clone().into_bytes());
        for scheme in ["s3", "az"] {
            let store = store(scheme, port);
            let put = store.put_new("v=1/one", b"1".to_vec()).unwrap_err();
            for error in [put, store.list("v=1").unwrap_err(), store.get("v=1/one").unwrap_err()] {
                let text = format!("{error} {error:?}");
                assert!(!text.contains("hunter2"), "{text}");
                assert!(error.to_string().contains(code), "{text}");
                assert!(text.contains(&format!("{scheme}://fleet/a/v=1")), "{text}");
            }
        }
    }
}
