//! Reads what a collector does not have.

use std::path::Path;
use std::sync::Arc;

use super::place::PlaceFile;
use super::url::CollectorUrl;
use crate::disk::{Disk, Storage};
use crate::error::{Error, ErrorKind, Result, Skipped};
use crate::export::otlp::{Encoder, OtlpMessage, OtlpOptions};
use crate::journal::format::Layout;
use crate::journal::{Followed, Follower, Place};
use crate::metrics::ExecutionMetrics;

/// Ships a ledger to a collector. At most one process at a time ships a signal of a ledger to an address.
#[derive(Debug)]
pub struct OtlpShipper {
    ledger: Follower,
    place: PlaceFile,
    encoder: Encoder,
}

/// The next records to ship.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtlpBatch {
    /// The bodies of the requests, in order. There are none if the records have no metrics.
    pub messages: Vec<OtlpMessage>,
    /// The number of records.
    pub records: u64,
    /// The last line of the batch.
    pub last: Place,
}

impl OtlpShipper {
    /// Opens the ledger at `ledger`, and continues after the last line that was shipped to `url`. The first call begins
    /// with the first line of the ledger. Traces and metrics each have a place of their own.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if there is no ledger, or the disk fails.
    /// - [`ErrorKind::Timeout`] if another process ships this signal of the ledger to `url`.
    /// - [`ErrorKind::Diverged`] if the ledger was truncated, rewritten or replaced since the last call.
    /// - [`ErrorKind::Malformed`] if the file with the place cannot be read.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the ledger or the place.
    /// - [`ErrorKind::Unsuitable`] if the path is not suitable for a ledger.
    pub fn open(ledger: impl AsRef<Path>, url: &CollectorUrl, options: &OtlpOptions) -> Result<Self> {
        let layout = Layout::to_read(ledger.as_ref())?;
        let storage: Arc<dyn Storage> = Arc::new(Disk);
        let mut follower = Follower::on(Arc::clone(&storage), layout.clone())?;
        let place = PlaceFile::open(storage, &layout, url.public_address(options.signal_to_write()))?;
        let last = place.read(follower.id())?;
        follower.resume(last.as_ref())?;
        Ok(Self { ledger: follower, place, encoder: Encoder::new(options)? })
    }

    /// Returns the id of the ledger.
    pub fn id(&self) -> uuid::Uuid {
        self.ledger.id()
    }

    /// Returns the number of the last line that was read, or `None` if no line was read yet.
    pub fn last_seq(&self) -> Option<u64> {
        self.ledger.last().map(|last| last.seq)
    }

    /// Returns the next records to ship, or `None` if all records were read. A batch ends when one message is complete.
    /// Lines that are not records are added to `skipped`.
    ///
    /// # Errors
    /// - [`ErrorKind::Diverged`] if the ledger was rewritten, or if lines were moved to an archive before they were
    ///   shipped.
    /// - [`ErrorKind::Io`] if the ledger cannot be read.
    pub fn next_batch(&mut self, skipped: &mut Skipped) -> Result<Option<OtlpBatch>> {
        let mut records = 0;
        while !self.encoder.has_message() {
            let Some(Followed { line, seq, .. }) = self.ledger.next_line()? else { break };
            if line.bytes.is_empty() {
                continue;
            }
            let record = match seq {
                Some(_) => std::str::from_utf8(line.bytes)
                    .map_err(|source| Error::new(ErrorKind::Malformed, "ship a record").source(source))
                    .and_then(ExecutionMetrics::from_json),
                None => Err(Error::new(ErrorKind::Malformed, "ship a record")
                    .detail("found a line that does not match its hash; expected the line that was written")),
            };
            match record {
                Ok(record) => {
                    self.encoder.push(&record)?;
                    records += 1;
                }
                Err(error) => skipped.add(line.locate(error)),
            }
        }
        self.encoder.close()?;
        let Some(last) = self.ledger.last().cloned() else { return Ok(None) };
        let messages = self.encoder.take();
        if records == 0 {
            return Ok(None);
        }
        // Another process may have appended the last lines and not synced them yet. After a power cut, other lines could
        // get their numbers.
        self.ledger.sync(last.segment)?;
        Ok(Some(OtlpBatch { messages, records, last }))
    }

    /// Stores that the collector has all messages of `batch`. After this call, no process ships them again. If the process
    /// is killed before this call, the next process ships the batch again, with the same ids.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the disk fails.
    pub fn shipped(&mut self, batch: &OtlpBatch) -> Result<()> {
        self.place.write(self.ledger.id(), &batch.last)
    }
}
