//! A store in an object store of Amazon, Google or Microsoft, or in a server that speaks one of their protocols.

use std::fmt::Display;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use super::store::Store;
use crate::error::{Error, ErrorKind, Result};

/// A store in an object store, such as `s3://bucket/folder`.
///
/// A put succeeds only if the name is free, so the object store must support conditional writes. Amazon S3, Google Cloud
/// Storage, Azure Blob Storage, MinIO and Cloudflare R2 support them. Failed requests are repeated, with growing pauses.
///
/// The methods block the calling thread, and panic if that thread runs asynchronous tasks of tokio.
#[derive(Debug)]
pub struct BucketStore {
    inner: Arc<dyn ObjectStore>,
    /// The folder in the bucket.
    root: Path,
    address: String,
    runtime: Runtime,
}

impl BucketStore {
    /// Returns the store at `url`, without connecting to it. `options` are the environment variables of the process,
    /// such as `AWS_ACCESS_KEY_ID`, `GOOGLE_SERVICE_ACCOUNT` and `AZURE_STORAGE_ACCOUNT_NAME`. They have the
    /// credentials and the region. Others are ignored.
    ///
    /// Of an error answer of the store, an error has only the status and the error code, because its text can repeat a
    /// token.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `url` is not the address of an object store, or contains credentials. No error of a
    /// store contains credentials.
    pub fn open(url: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let invalid = |detail: String| Error::new(ErrorKind::Invalid, "open the object store").detail(detail);
        let parsed = Url::parse(url).map_err(|error| invalid(format!("the address is not a URL: {error}")))?;
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some() {
            return Err(invalid(
                "found credentials or options in the address; expected only a bucket and a folder. Pass credentials in \
                 environment variables"
                    .to_owned(),
            ));
        }
        if !matches!(parsed.scheme(), "s3" | "gs" | "az") {
            return Err(invalid(format!("found {}://; expected s3://, gs:// or az://", parsed.scheme())));
        }
        // The names of the variables are the names of the options, in upper case. Variables without a prefix of a vendor
        // are not meant for the object store.
        let options = options.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let is_option =
            |(name, _): &(String, String)| ["aws_", "google_", "azure_"].iter().any(|it| name.starts_with(it));
        let (inner, root) = object_store::parse_url_opts(&parsed, options.filter(is_option))
            .map_err(|error| invalid(without_secrets(&error)))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(ErrorKind::Io, "open the object store").source(error))?;
        Ok(Self { inner: inner.into(), root, address: url.trim_end_matches('/').to_owned(), runtime })
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    /// Waits for bytes of a file.
    fn read(&self, name: &str, get: impl Future<Output = object_store::Result<Bytes>>) -> Result<Option<Vec<u8>>> {
        match self.runtime.block_on(get) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read a shipped file", name, &error)),
        }
    }

    fn failed(&self, operation: &str, name: &str, error: &object_store::Error) -> Error {
        let path = format!("{}/{name}", self.address);
        Error::new(ErrorKind::Io, operation).path(FilePath::new(&path)).detail(without_secrets(error))
    }
}

/// Returns the text of an error without the body of an answer, because a body can repeat a token of a session, and without
/// the queries of addresses, because a query can be signed with a credential. Of a body, only its error code is left.
fn without_secrets(error: &impl Display) -> String {
    // The library has no types for the status and the body, so they are found in its text. A body of XML or JSON is also
    // found by its first character.
    const STATUS: &str = "status code: ";
    const STATUS_DIGITS: usize = 3;
    const BODY: &str = "returned error response: ";
    let text = error.to_string();
    let ends = [
        text.find(STATUS).map(|at| at + STATUS.len() + STATUS_DIGITS),
        text.find(BODY).map(|at| at + BODY.len()),
        text.find(['<', '{']),
    ];
    let Some(end) = ends.into_iter().flatten().min() else { return without_queries(&text) };
    let (head, body) = text.split_at_checked(end).unwrap_or_default();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let code = code.filter(|code| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    format!("{} {}", without_queries(head), code.unwrap_or_default()).trim_end().to_owned()
}

fn without_queries(text: &str) -> String {
    let mut parts = text.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(|c: char| c.is_whitespace() || "\"')>".contains(c)).unwrap_or(part.len());
        text + &part[end..]
    })
}

impl Store for BucketStore {
    fn address(&self) -> String {
        self.address.clone()
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let prefix = self.path(folder);
        let found: Vec<_> = self
            .runtime
            .block_on(self.inner.list(Some(&prefix)).try_collect())
            .map_err(|error| self.failed("list the shipped files", folder, &error))?;
        let name = |path: &Path| {
            let parts: Vec<_> = path.prefix_match(&self.root)?.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        let mut names: Vec<String> = found.iter().filter_map(|meta| name(&meta.location)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<bool> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let path = self.path(name);
        let put = self.inner.put_opts(&path, PutPayload::from(bytes), options);
        match self.runtime.block_on(put) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("store a shipped file", name, &error)),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        self.read(name, async { self.inner.get(&path).await?.bytes().await })
    }

    fn get_end(&self, name: &str, len: usize) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        // Azure cannot read the end of a file of an unknown size, and Amazon cannot read the end of an empty file.
        self.read(name, async {
            match self.inner.head(&path).await?.size {
                0 => Ok(Bytes::new()),
                size => self.inner.get_range(&path, size.saturating_sub(len as u64)..size).await,
            }
        })
    }

    fn get_range(&self, name: &str, start: u64, end: u64) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        self.read(name, async {
            match self.inner.get_range(&path, start..end).await {
                Ok(bytes) => Ok(bytes),
                // A range without any byte of the file is an error for the store.
                Err(error) => match self.inner.head(&path).await?.size.min(end) <= start {
                    true => Ok(Bytes::new()),
                    false => Err(error),
                },
            }
        })
    }
}
