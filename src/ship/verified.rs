//! Checks what was shipped: the names, the footers, the hashes of all columns, and the hashes of all rows.

use super::claim::Claim;
use super::file::{self, Chained};
use super::shipper::Shipper;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Place;

/// How far a ledger was shipped and verified.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ShippedUpTo {
    /// The last line up to which the store has every line that the ledger still has. `None` if the first one is missing.
    pub last: Option<Place>,
    /// Why the verification ended before the last file of the store.
    pub fault: Option<Error>,
}

impl Shipper {
    /// Reads the files with the lines of the ledger, and checks that the store has every line up to a certain line. Each
    /// file must have the lines in its name, its hashes must continue the chain of the file before it, and this ledger
    /// must have the last line. Files that have only lines that were moved to an archive are not needed and not read.
    ///
    /// The bytes of all columns must have the hash that was stored with them, so a damaged or changed column is found. The
    /// hashes of a row are compared with those of the rows around it. The other columns of a row are not compared with the
    /// ledger. The statistics in the footer are not checked.
    ///
    /// # Errors
    /// Those of [`Shipper::ship`].
    pub fn verify_shipped(&mut self) -> Result<ShippedUpTo> {
        let ledger = self.ledger.id();
        let mut verified = ShippedUpTo { last: None, fault: None };
        let Some(begin) = self.first_line()? else { return Ok(verified) };
        let firsts = Claim::all(&*self.store, ledger)?;
        let skipped = firsts.partition_point(|&first| first <= begin).saturating_sub(1);
        let mut before = match skipped.checked_sub(1).and_then(|at| firsts.get(at)) {
            Some(&first) => Some(Claim::get(&*self.store, ledger, first)?.end()),
            None => None,
        };
        for &first in &firsts[skipped..] {
            let claim = Claim::get(&*self.store, ledger, first)?;
            if claim.last < begin {
                // The ledger has been archived further than it was shipped.
                break;
            }
            let name = claim.file_name().to_string();
            let Some(bytes) = self.store.get(&name)? else {
                verified.fault = Some(self.fault(&name, "found no file; expected one, because its lines were claimed"));
                break;
            };
            if let Err(error) = self.verify_file(&claim, bytes, before.as_ref()) {
                verified.fault = Some(error.path(self.path(&name).as_ref()));
                break;
            }
            before = Some(claim.end());
            verified.last.clone_from(&before);
        }
        self.ledger.resume(verified.last.as_ref())?;
        Ok(verified)
    }

    /// Returns the number of the first line that the ledger still has.
    fn first_line(&mut self) -> Result<Option<u64>> {
        self.ledger.resume(None)?;
        while let Some(line) = self.ledger.next_line()? {
            if line.seq.is_some() {
                return Ok(line.seq);
            }
        }
        Ok(None)
    }

    fn verify_file(&self, claim: &Claim, bytes: Vec<u8>, before: Option<&Place>) -> Result<()> {
        let name = claim.file_name().to_string();
        let (footer, mut rows) = file::chain(bytes)?;
        // A line that a segment had lost comes after lines with higher numbers.
        rows.sort_by_key(|row| row.seq);
        self.check(claim, &footer)?;
        let mut seq = before.map_or(0, |before| before.seq);
        let mut hash = before.map_or_else(|| vec![b'0'; 64], |before| before.hash.clone().into_bytes());
        if footer.prev_hash.as_bytes() != hash || footer.first != seq + 1 {
            return Err(self.fault(&name, "found a file that does not continue the file before it"));
        }
        for Chained { seq: next, prev, hash: own } in rows {
            if next != seq + 1 || prev != hash {
                return Err(
                    self.fault(&name, &format!("found line {next} after line {seq}, which does not continue it"))
                );
            }
            (seq, hash) = (next, own);
        }
        if seq != footer.last || hash != footer.last_hash.as_bytes() {
            return Err(self.fault(&name, &format!("found line {seq} last; expected line {}", footer.last)));
        }
        Ok(())
    }

    fn fault(&self, name: &str, detail: &str) -> Error {
        Error::new(ErrorKind::Malformed, "verify what was shipped").path(self.path(name).as_ref()).detail(detail)
    }
}
