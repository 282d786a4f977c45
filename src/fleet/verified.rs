//! Verifies a fleet from the names and the footers of its files.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use super::fault::{FleetFault, FleetFaultKind};
use super::files::{FilesOfLedger, Fleet};
use super::judge::{self, Seen};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Timestamp;
use crate::ship::{FILES, FileName, ShippedReader};

/// What the names and the footers of a fleet say.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FleetVerification {
    /// The number of ledgers.
    pub ledgers: u64,
    /// The number of files with a name that `runledger ship` writes.
    pub files: u64,
    /// The number of rows in the files whose footers could be read.
    pub records: u64,
    /// The number of names that `runledger ship` does not write.
    pub foreign: u64,
    /// The faults, by ledger.
    pub faults: Vec<FleetFault>,
    /// Late ledgers and days without files, which are faults only if the caller says so. A machine that did nothing on
    /// a day has no file of this day.
    pub notes: Vec<FleetFault>,
}

/// After this many days, a ledger is late, unless the caller says otherwise.
const LATE_DAYS: u32 = 2;

impl Fleet {
    /// Reads the footers of all files, and finds the faults. Calls `on_file` for each file.
    ///
    /// The rows are not read. So a file whose rows were changed, and whose name and footer were not changed, has no fault
    /// here. [`Shipper::verify_shipped`](crate::ship::Shipper::verify_shipped) reads the hashes of all rows.
    ///
    /// A ledger is late if its last file is more than `late_days` older than the newest file of the fleet. This is a
    /// fault, or a note with 2 days if `late_days` is `None`. Files whose date is after `now` are not compared. A day
    /// without a file, between days with files, is a fault if `daily` is true, and a note otherwise. No line is missing
    /// because of it, because missing lines are a [gap](FleetFaultKind::Gap).
    ///
    /// The footers of one ledger are in memory at a time, which takes about 600 bytes for each of its files.
    ///
    /// # Errors
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote a file.
    /// - The errors of the [`Store`](crate::ship::Store).
    pub fn verify(
        &self,
        now: Timestamp,
        late_days: Option<u32>,
        daily: bool,
        mut on_file: impl FnMut(),
    ) -> Result<FleetVerification> {
        let (mut faults, mut notes) = (Vec::new(), Vec::new());
        let (mut records, mut newest) = (0_u64, BTreeMap::new());
        for (&ledger, FilesOfLedger { names, claimed }) in &self.ledgers {
            faults.extend(judge::ranges(ledger, names, *claimed, 0));
            let mut files = Vec::new();
            for name in names {
                match ShippedReader::open(&*self.store, &name.to_string()) {
                    Ok(Some(reader)) => {
                        let (footer, rows) = (reader.footer().clone(), reader.rows());
                        records = records.saturating_add(rows.unwrap_or(0));
                        files.push(Seen { name: name.clone(), footer, rows });
                    }
                    Ok(None) => {
                        let detail = "the file was removed while the fleet was verified";
                        faults.push(FleetFault::new(FleetFaultKind::NotParquet, ledger, detail).file(name));
                    }
                    Err(error) if error.kind() == ErrorKind::Malformed => {
                        let detail = explained(&error);
                        faults.push(FleetFault::new(FleetFaultKind::NotParquet, ledger, detail).file(name));
                    }
                    Err(error) => return Err(error),
                }
                on_file();
            }
            faults.extend(files.iter().filter_map(judge::footer));
            // A file with another footer than its name says belongs to no place in the chain.
            files.retain(|file| judge::footer(file).is_none());
            faults.extend(judge::chain(&files));
            let days = if daily { &mut faults } else { &mut notes };
            days.extend(judge::missing_days(ledger, names));
            if let Some(date) = names.iter().map(|name| name.date).max() {
                newest.insert(ledger, date);
            }
        }
        let today = now.to_chrono().date_naive();
        let late = if late_days.is_some() { &mut faults } else { &mut notes };
        late.extend(judge::late(&newest, today, late_days.unwrap_or(LATE_DAYS)));
        self.remove_stored_claims(&mut faults)?;
        let foreign = |name: &String| {
            let detail = "found a name that `runledger ship` does not write. Store other files elsewhere";
            FleetFault::new(FleetFaultKind::Foreign, None, detail).file(name)
        };
        faults.extend(self.foreign.iter().map(foreign));
        Ok(FleetVerification {
            ledgers: self.ledgers.len() as u64,
            files: self.files(),
            records,
            foreign: self.foreign.len() as u64,
            faults,
            notes,
        })
    }

    /// Removes the faults of claims whose file was stored after the files were listed.
    fn remove_stored_claims(&self, faults: &mut Vec<FleetFault>) -> Result<()> {
        if !faults.iter().any(|fault| fault.kind == FleetFaultKind::Claim) {
            return Ok(());
        }
        let stored: HashSet<(Uuid, u64)> = self
            .store
            .list(FILES)?
            .iter()
            .filter_map(|name| FileName::parse(name))
            .map(|name| (name.ledger, name.first))
            .collect();
        let claimed = |ledger: Uuid| Some((ledger, self.ledgers.get(&ledger)?.claimed?));
        faults.retain(|fault| {
            fault.kind != FleetFaultKind::Claim
                || !fault.ledger.and_then(claimed).is_some_and(|claim| stored.contains(&claim))
        });
        Ok(())
    }
}

/// Returns the cause of an error without its path, which the fault names.
fn explained(error: &Error) -> String {
    let cause = error.cause().map(ToString::to_string);
    let parts: Vec<_> = error.details().iter().cloned().chain(cause).collect();
    if parts.is_empty() { "the footer is damaged".to_owned() } else { parts.join(": ") }
}
