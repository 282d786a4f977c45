//! The names of the files in a store. A name is a path with `/` that is relative to the root of the store.

use std::fmt;

use chrono::NaiveDate;
use uuid::Uuid;

use super::schema::SCHEMA_VERSION;

/// The name of a Parquet file: `v=1/date=YYYY-MM-DD/ledger=ID/FIRST-LAST-HASH16.parquet`.
///
/// ```
/// use runledger::ship::FileName;
///
/// let name = "v=1/date=2026-11-30/ledger=01a229c8-04c0-7000-8000-000000000001/1-250-0123456789abcdef.parquet";
/// let parsed = FileName::parse(name).unwrap();
/// assert_eq!((parsed.first, parsed.last, parsed.to_string().as_str()), (1, 250, name));
/// assert_eq!(FileName::parse("v=1/date=2026-11-30/other.parquet"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FileName {
    /// The latest day in UTC on which an execution of the file started. Every line of the file started on this day or
    /// earlier.
    pub date: NaiveDate,
    /// The id of the ledger.
    pub ledger: Uuid,
    /// The number of the first line.
    pub first: u64,
    /// The number of the last line.
    pub last: u64,
    /// The first 16 hex digits of the hash of the last line.
    pub hash16: String,
}

impl FileName {
    /// Returns the name of the file with the lines `first` to `last`. `hash` is the hash of line `last`.
    pub fn new(date: NaiveDate, ledger: Uuid, first: u64, last: u64, hash: &str) -> Self {
        Self { date, ledger, first, last, hash16: hash.chars().take(16).collect() }
    }

    /// Reads a name. Returns `None` for the name of any other file.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('/');
        let (version, date, ledger, file) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (range, hash16) = file.strip_suffix(".parquet")?.rsplit_once('-')?;
        let (first, last) = range.split_once('-')?;
        let parsed = Self {
            date: date.strip_prefix("date=")?.parse().ok()?,
            ledger: ledger.strip_prefix("ledger=")?.parse().ok()?,
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            hash16: hash16.to_owned(),
        };
        let is_hex = hash16.len() == 16 && hash16.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        // A name that is written in another way, such as with leading zeros, was not written by this crate.
        (version == FILES && parts.next().is_none() && is_hex && 1 <= parsed.first && parsed.first <= parsed.last)
            .then_some(parsed)
            .filter(|parsed| parsed.to_string() == name)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, ledger, first, last, hash16 } = self;
        write!(f, "v={SCHEMA_VERSION}/date={date}/ledger={ledger}/{first}-{last}-{hash16}.parquet")
    }
}

/// The folder of all files of this version.
pub(crate) const FILES: &str = "v=1";

/// The folder of all claims. A claim is a small file that says which lines the file that begins with a certain line has.
pub(crate) const CLAIMS: &str = "claims";

/// Returns the folder with the claims of a ledger.
pub(super) fn claims(ledger: Uuid) -> String {
    format!("{CLAIMS}/ledger={ledger}")
}

/// Returns the ledger and the number of the first line in the name of a claim. Returns `None` for the name of any other
/// file.
pub(crate) fn claim_of(name: &str) -> Option<(Uuid, u64)> {
    let folder = name.strip_prefix(CLAIMS)?.strip_prefix("/ledger=")?;
    let ledger = folder.split('/').next()?.parse().ok()?;
    claimed(ledger, name).map(|first| (ledger, first))
}

/// Returns the name of the claim for the file that begins with line `first`. The names sort like the numbers.
pub(super) fn claim(ledger: Uuid, first: u64) -> String {
    format!("{}/{first:020}.json", claims(ledger))
}

/// Returns the number of the first line in the name of a claim. Returns `None` for the name of any other file.
pub(super) fn claimed(ledger: Uuid, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(&claims(ledger))?.strip_prefix('/')?.strip_suffix(".json")?;
    let first = digits.parse().ok()?;
    (first >= 1 && claim(ledger, first) == name).then_some(first)
}
