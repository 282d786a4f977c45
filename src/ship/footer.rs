//! The footer of a file, which says which lines of which ledger the file has.

use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use uuid::Uuid;

use super::schema::SCHEMA_VERSION;
use crate::digest::hash_bytes;
use crate::error::{Error, ErrorKind, Result};

/// The last bytes of a Parquet file: the length of the footer and `PAR1`.
const END_BYTES: usize = 8;

/// The key of the hash of all bytes before the footer.
const PAGES: &str = "runledger.pages_sha256";

const READ: &str = "read the footer of a shipped file";

/// The lines of a file, as its footer states them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Footer {
    /// The id of the ledger.
    pub ledger: Uuid,
    /// The number of the first line.
    pub first: u64,
    /// The hash of line `first`. If this line is damaged in the ledger: the hash of the first line in the file.
    pub first_hash: String,
    /// The number of the last line.
    pub last: u64,
    /// The hash of line `last`.
    pub last_hash: String,
    /// The hash of the line before `first`, or 64 zeros if `first` is 1.
    pub prev_hash: String,
    /// The number of rows. It is smaller than the number of lines if lines of the ledger are damaged or missing.
    pub records: u64,
}

impl Footer {
    pub(super) fn to_pairs(&self) -> Vec<KeyValue> {
        let pair = |key: &str, value: String| KeyValue::new(format!("runledger.{key}"), value);
        vec![
            pair("schema", SCHEMA_VERSION.to_string()),
            pair("ledger", self.ledger.to_string()),
            pair("first_seq", self.first.to_string()),
            pair("first_hash", self.first_hash.clone()),
            pair("last_seq", self.last.to_string()),
            pair("last_hash", self.last_hash.clone()),
            pair("prev_hash", self.prev_hash.clone()),
            pair("records", self.records.to_string()),
        ]
    }

    /// Reads the footer from the metadata of a file.
    ///
    /// # Errors
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the file.
    /// - [`ErrorKind::Malformed`] if another program wrote the file.
    pub fn from_metadata(metadata: &ParquetMetaData) -> Result<Self> {
        let pairs = metadata.file_metadata().key_value_metadata().map_or(&[][..], |pairs| pairs);
        let text = |key: &str| {
            let is_key = |pair: &&KeyValue| pair.key.strip_prefix("runledger.") == Some(key);
            pairs.iter().find(is_key).and_then(|pair| pair.value.clone()).ok_or_else(|| {
                malformed(format!("found no key runledger.{key}; expected a file that `runledger ship` wrote"))
            })
        };
        let number = |key: &str| {
            let text = text(key)?;
            text.parse().map_err(|_| malformed(format!("found {text:?} as runledger.{key}; expected a number")))
        };
        let version: u64 = number("schema")?;
        if version > SCHEMA_VERSION.into() {
            return Err(Error::new(ErrorKind::Newer, READ)
                .detail(format!("found version {version}; expected at most {SCHEMA_VERSION}. Use a newer runledger")));
        }
        let ledger = text("ledger")?;
        let ledger = ledger
            .parse()
            .map_err(|_| malformed(format!("found {ledger:?} as runledger.ledger; expected the id of a ledger")))?;
        Ok(Self {
            ledger,
            first: number("first_seq")?,
            first_hash: text("first_hash")?,
            last: number("last_seq")?,
            last_hash: text("last_hash")?,
            prev_hash: text("prev_hash")?,
            records: number("records")?,
        })
    }
}

/// Returns all bytes of a whole file before its footer: the pages of all columns. `None` if the file is too short.
fn pages(file: &[u8]) -> Option<&[u8]> {
    let (rest, [a, b, c, d, ..]) = file.split_last_chunk::<END_BYTES>()?;
    let len = u32::from_le_bytes([*a, *b, *c, *d]);
    rest.get(..rest.len().checked_sub(usize::try_from(len).ok()?)?)
}

/// Returns the pair with the hash of the pages.
pub(super) fn pages_pair(pages: &[u8]) -> KeyValue {
    KeyValue::new(PAGES.to_owned(), hash_bytes(pages))
}

/// Checks that the pages of a whole file have the hash that its footer states.
///
/// # Errors
/// [`ErrorKind::Malformed`] if they have another hash, or if the footer states none.
pub(super) fn check_pages(file: &[u8], metadata: &ParquetMetaData) -> Result<()> {
    let pairs = metadata.file_metadata().key_value_metadata().map_or(&[][..], |pairs| pairs);
    let stated = pairs.iter().find(|pair| pair.key == PAGES).and_then(|pair| pair.value.as_deref());
    let stated = stated.ok_or_else(|| {
        malformed(format!(
            "found no key {PAGES}; expected one. An earlier build wrote the file, so it cannot be verified"
        ))
    })?;
    let found = pages(file).map(hash_bytes);
    if found.as_deref() == Some(stated) {
        return Ok(());
    }
    let found = found.unwrap_or_default();
    Err(malformed(format!("found columns with the hash {found}; expected {stated}. The file was damaged or changed")))
}

/// The result of reading the end of a file.
#[derive(Debug)]
pub enum FileEnd {
    /// The metadata of the file, with statistics of its columns.
    Read(Box<ParquetMetaData>),
    /// The end was too short. At least this number of bytes is needed.
    Needs(usize),
}

impl FileEnd {
    /// Reads the metadata of a file from its last bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if the bytes are not the end of a Parquet file.
    pub fn read(end: &[u8]) -> Result<Self> {
        let Some((rest, mark)) = end.split_last_chunk::<END_BYTES>() else { return Ok(Self::Needs(END_BYTES)) };
        let [a, b, c, d, magic @ ..] = mark;
        if magic != b"PAR1" {
            return Err(malformed("found other bytes than PAR1 at the end; expected a Parquet file".to_owned()));
        }
        let len = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let Some(at) = rest.len().checked_sub(len) else { return Ok(Self::Needs(len.saturating_add(END_BYTES))) };
        let metadata = ParquetMetaDataReader::decode_metadata(&rest[at..])
            .map_err(|source| Error::new(ErrorKind::Malformed, READ).source(source))?;
        Ok(Self::Read(Box::new(metadata)))
    }
}

fn malformed(detail: String) -> Error {
    Error::new(ErrorKind::Malformed, READ).detail(detail)
}
