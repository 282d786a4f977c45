//! Ships the lines of a ledger that a store does not have.

use std::path::Path;

use super::claim::Claim;
use super::footer::{FileEnd, Footer};
use super::name::FileName;
use super::options::ShipperOptions;
use super::range::{self, Found, Range, Until};
use super::shipped::{ShippedFile, ShippedFiles};
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Follower, Place};

/// Ships a ledger to a store.
///
/// ```
/// use runledger::{Ledger, Skill};
/// use runledger::ship::{DirectoryStore, Shipper, ShipperOptions};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("execution_metrics.jsonl");
/// let ledger = Ledger::open(&path)?;
/// assert!(ledger.begin(Skill::new("parse", "1.0.0")).succeed().is_durable());
///
/// let store = DirectoryStore::new(directory.path().join("fleet"));
/// let options = ShipperOptions::new().machine("build-7");
/// let mut shipper = Shipper::new(ledger.reader().follow()?, Box::new(store), options);
/// assert_eq!(shipper.ship(true)?.records, 1);
/// assert_eq!(shipper.ship(true)?.records, 0); // nothing is shipped twice
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Shipper {
    pub(super) ledger: Follower,
    pub(super) store: Box<dyn Store>,
    options: ShipperOptions,
    /// The last line that the store has. `None` until the store was asked.
    reached: Option<Option<Place>>,
    /// The first line of the last claim that this shipper has seen in the store.
    seen: Option<u64>,
}

impl Shipper {
    /// Returns a shipper that copies `ledger` to `store`.
    pub fn new(ledger: Follower, store: Box<dyn Store>, options: ShipperOptions) -> Self {
        Self { ledger, store, options, reached: None, seen: None }
    }

    /// Stores all files that are due and not in the store. If `active` is false, only the lines of sealed segments are
    /// shipped, which are files of the ledger that no longer change. If it is true, the lines of the active segment are
    /// shipped too. Before that, the active segment is synced.
    ///
    /// Several processes can ship the same ledger at the same time. After an error, the next call continues: it finds
    /// out what was stored, even if the answer of the store was lost.
    ///
    /// # Errors
    /// - [`ErrorKind::Diverged`] if the store has other lines of a ledger with this identity. Either two ledgers claim one
    ///   identity, or the ledger was truncated or rewritten. Nothing is shipped then. The error also occurs if lines were
    ///   moved to an archive before they were shipped.
    /// - [`ErrorKind::Io`] if the ledger cannot be read, or if the store cannot be reached or refuses a file.
    /// - [`ErrorKind::Malformed`] if the store has a file that this crate did not write.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote to the store.
    /// - [`ErrorKind::Abandoned`] if the thread that writes a file panicked.
    pub fn ship(&mut self, active: bool) -> Result<ShippedFiles> {
        let mut shipped = ShippedFiles::default();
        let outcome = self.ship_all(active, &mut shipped);
        if outcome.is_err() {
            // It is unknown what was stored, so the next call asks the store again.
            self.reached = None;
        }
        outcome.map(|()| shipped)
    }

    fn ship_all(&mut self, active: bool, shipped: &mut ShippedFiles) -> Result<()> {
        let mut reached = match self.reached.take() {
            Some(reached) => reached,
            None => self.reach(shipped)?,
        };
        loop {
            let until = if active { Until::End } else { Until::Active };
            let Found { range, is_more, skipped } = self.read(reached.as_ref(), until)?;
            let Some(range) = range else {
                shipped.skipped.merge(skipped);
                shipped.is_more = is_more;
                break;
            };
            // Another process may have appended the last lines and not synced them yet. After a power cut, other lines
            // could get their numbers.
            self.ledger.sync(range.end.segment)?;
            if let Some(seen) = self.seen
                && !Claim::exists(&*self.store, self.ledger.id(), seen)?
            {
                return Err(self.gone(seen));
            }
            let claim = Claim::new(self.ledger.id(), range.date, range.footer.first, &range.end);
            if claim.put(&*self.store)? {
                shipped.skipped.merge(skipped);
                self.seen = Some(claim.first);
                self.put(&claim, range, shipped)?;
                reached = Some(claim.end());
                continue;
            }
            // Another process has claimed lines from this line on, or the answer to an earlier claim was lost.
            let now = self.reach(shipped)?;
            if now == reached {
                return Err(Error::new(ErrorKind::Io, "ship the ledger").path(self.address().as_ref()).detail(
                    "found a claim that the list of the store does not have; expected a store whose lists are complete",
                ));
            }
            reached = now;
        }
        shipped.last = reached.clone();
        self.reached = Some(reached);
        Ok(())
    }

    /// Finds out which line the store has last. If the file of the last claim is missing, because its process was killed
    /// or its put failed, stores the file.
    fn reach(&mut self, shipped: &mut ShippedFiles) -> Result<Option<Place>> {
        let ledger = self.ledger.id();
        let firsts = Claim::all(&*self.store, ledger)?;
        if let Some(seen) = self.seen.filter(|seen| firsts.binary_search(seen).is_err()) {
            return Err(self.gone(seen));
        }
        let Some((&last, earlier)) = firsts.split_last() else { return Ok(None) };
        self.seen = Some(last);
        let claim = Claim::get(&*self.store, ledger, last)?;
        let end = claim.end();
        self.ledger.resume(Some(&end)).map_err(|error| self.clash(&error))?;
        let name = claim.file_name();
        match self.footer(&name)? {
            Some(footer) => self.check(&claim, &footer)?,
            None => {
                let before = match earlier.last() {
                    Some(&first) => Some(Claim::get(&*self.store, ledger, first)?.end()),
                    None => None,
                };
                if before.as_ref().map_or(0, |before| before.seq) != claim.first - 1 {
                    return Err(self.other(&name, "found no claim of the line before it; expected one"));
                }
                let found = self.read(before.as_ref(), Until::Claim(&claim))?;
                match found.range {
                    Some(range) if range.end.seq == claim.last && range.end.hash == claim.hash => {
                        shipped.skipped.merge(found.skipped);
                        self.put(&claim, range, shipped)?;
                    }
                    _ => return Err(self.other(&name, "the ledger does not have the lines that were claimed for it")),
                }
            }
        }
        Ok(Some(end))
    }

    fn read(&mut self, after: Option<&Place>, until: Until<'_>) -> Result<Found> {
        let gaps = self.ledger.gaps()?;
        self.ledger.resume(after).map_err(|error| self.clash(&error))?;
        range::read(&mut self.ledger, after, until, &gaps, &self.options)
    }

    /// Stores the file of a claim.
    fn put(&self, claim: &Claim, range: Range, shipped: &mut ShippedFiles) -> Result<()> {
        let name = claim.file_name();
        let text = name.to_string();
        let Range { footer: expected, file, .. } = range;
        let bytes = file.len() as u64;
        if self.store.put_new(&text, file)? {
            let Footer { first, last, records, .. } = expected;
            shipped.files += 1;
            shipped.records += records;
            shipped.bytes += bytes;
            (self.options.on_file)(&ShippedFile { name: text, first, last, records, bytes });
            return Ok(());
        }
        // Another process stored the file, or the answer to an earlier put was lost.
        match self.footer(&name)? {
            Some(footer) if footer == expected => Ok(()),
            Some(footer) => {
                let detail = format!("found {footer:?}; expected {expected:?}. Two ledgers claim one identity");
                Err(self.other(&name, &detail))
            }
            None => Err(self.other(&name, "the file was removed while it was stored")),
        }
    }

    /// Reads the footer of a file, or returns `None` if the file does not exist.
    pub(super) fn footer(&self, name: &FileName) -> Result<Option<Footer>> {
        // The footer of a file with one row group has about 16 KiB.
        let (text, mut len) = (name.to_string(), 64 * 1024);
        loop {
            let Some(end) = self.store.get_end(&text, len)? else { return Ok(None) };
            let read = FileEnd::read(&end).map_err(|error| error.path(self.path(&text).as_ref()))?;
            match read {
                FileEnd::Read(metadata) => return Footer::from_metadata(&metadata).map(Some),
                FileEnd::Needs(needed) if end.len() == len => len = needed,
                FileEnd::Needs(_) => return Err(self.other(name, "found a file that ends too early")),
            }
        }
    }

    /// Checks that a footer has the lines of a claim.
    pub(super) fn check(&self, claim: &Claim, footer: &Footer) -> Result<()> {
        let found = (footer.ledger, footer.first, footer.last, footer.last_hash.as_str());
        if found == (claim.ledger, claim.first, claim.last, claim.hash.as_str()) {
            return Ok(());
        }
        Err(self.other(
            &claim.file_name(),
            &format!(
                "found lines {} to {} of ledger {} with hash {}; expected lines {} to {} of ledger {} with hash {}. Two \
                 ledgers claim one identity",
                footer.first, footer.last, footer.ledger, footer.last_hash, claim.first, claim.last, claim.ledger, claim.hash
            ),
        ))
    }

    fn address(&self) -> String {
        self.store.address()
    }

    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.store.address())
    }

    /// The error for a store that does not have a claim any more.
    fn gone(&self, first: u64) -> Error {
        Error::new(ErrorKind::Io, "ship the ledger").path(self.address().as_ref()).detail(format!(
            "found no claim of line {first}, which this store had before; expected the same store. Check whether it is \
             mounted"
        ))
    }

    /// An error about a file in the store.
    fn other(&self, name: &FileName, detail: &str) -> Error {
        let path = self.path(&name.to_string());
        Error::new(ErrorKind::Diverged, "ship the ledger").path(Path::new(&path)).detail(detail)
    }

    /// Explains why the ledger does not continue what the store has.
    fn clash(&self, error: &Error) -> Error {
        if error.kind() != ErrorKind::Diverged {
            return error.clone();
        }
        Error::new(ErrorKind::Diverged, "ship the ledger").path(self.address().as_ref()).detail(format!(
            "two ledgers claim one identity, or this ledger was truncated or rewritten, so nothing was shipped: {}. If \
             this ledger is a copy, remove its `ledger.json`, and it gets an identity of its own",
            error.details().join("; ")
        ))
    }
}
