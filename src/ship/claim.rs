//! Claims. The claim of a file decides which lines the file has, before the file is stored.
//!
//! The name of a claim has only the number of the first line, so that only one of several processes can store it. So
//! two processes never ship ranges that overlap, even if they see different ends of the ledger.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::name::{self, FileName};
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Place;

/// The highest version of a claim that this crate reads.
const VERSION: u32 = 1;

/// The lines of one file, and where they end in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    version: u32,
    pub(super) ledger: Uuid,
    pub(super) date: NaiveDate,
    pub(super) first: u64,
    /// The number and the hash of the last line.
    pub(super) last: u64,
    pub(super) hash: String,
    /// Where the last line is in the ledger: the segment, the offset, and the number in the segment. Only the search for
    /// the line gets faster by it.
    segment: u64,
    byte: u64,
    line: u64,
}

impl Claim {
    pub(super) fn new(ledger: Uuid, date: NaiveDate, first: u64, end: &Place) -> Self {
        let Place { seq, hash, segment, byte, line } = end.clone();
        Self { version: VERSION, ledger, date, first, last: seq, hash, segment, byte, line }
    }

    /// The place of the last line.
    pub(super) fn end(&self) -> Place {
        Place::new(self.last, self.hash.clone(), self.segment, self.byte, self.line)
    }

    /// The name of the file that has the lines.
    pub(super) fn file_name(&self) -> FileName {
        FileName::new(self.date, self.ledger, self.first, self.last, &self.hash)
    }

    /// Stores the claim. Returns false if another claim begins with the same line.
    pub(super) fn put(&self, store: &dyn Store) -> Result<bool> {
        let name = name::claim(self.ledger, self.first);
        let json = serde_json::to_vec(self)
            .map_err(|source| Error::new(ErrorKind::Invalid, "claim lines for a file").source(source))?;
        store.put_new(&name, json)
    }

    /// Returns true if the store has a claim of the file that begins with line `first`.
    pub(super) fn exists(store: &dyn Store, ledger: Uuid, first: u64) -> Result<bool> {
        Ok(store.get_end(&name::claim(ledger, first), 1)?.is_some())
    }

    /// Reads the claim of the file that begins with line `first`.
    pub(super) fn get(store: &dyn Store, ledger: Uuid, first: u64) -> Result<Self> {
        let name = name::claim(ledger, first);
        let path = format!("{}/{name}", store.address());
        let malformed = || Error::new(ErrorKind::Malformed, "read a claim of the store").path(path.as_ref());
        let json = store.get(&name)?.ok_or_else(|| malformed().detail("found no file; expected a claim"))?;
        let claim: Self = serde_json::from_slice(&json).map_err(|source| malformed().source(source))?;
        if claim.version > VERSION {
            return Err(Error::new(ErrorKind::Newer, "read a claim of the store").path(path.as_ref()).detail(format!(
                "found version {}; expected at most {VERSION}. Use a newer runledger",
                claim.version
            )));
        }
        if claim.ledger != ledger || claim.first != first || claim.last < first {
            return Err(malformed().detail(format!(
                "found lines {} to {} of ledger {}; expected lines from {first} on of ledger {ledger}",
                claim.first, claim.last, claim.ledger
            )));
        }
        Ok(claim)
    }

    /// Returns the numbers of the first lines of all claims of a ledger, in ascending order.
    pub(super) fn all(store: &dyn Store, ledger: Uuid) -> Result<Vec<u64>> {
        let names = store.list(&name::claims(ledger))?;
        let mut all: Vec<u64> = names.iter().filter_map(|name| name::claimed(ledger, name)).collect();
        all.sort_unstable();
        Ok(all)
    }
}
