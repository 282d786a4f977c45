//! The files of a fleet, and their records.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::fault::FleetFault;
use super::judge;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, Timestamp};
use crate::ship::{CLAIMS, FILES, FileName, ShippedColumns, ShippedReader, Store, claim_of};

/// The files of one ledger.
#[derive(Debug, Default)]
pub(super) struct FilesOfLedger {
    /// The names, sorted by the numbers of their first and last lines.
    pub(super) names: Vec<FileName>,
    /// The first line of the last claim.
    pub(super) claimed: Option<u64>,
}

/// The ledgers of several machines that were shipped to one store.
///
/// The names of all files are in memory, which takes about 200 bytes for each file.
#[derive(Debug)]
pub struct Fleet {
    pub(super) store: Box<dyn Store>,
    pub(super) ledgers: BTreeMap<Uuid, FilesOfLedger>,
    /// The names below the folder of the files that `runledger ship` does not write.
    pub(super) foreign: Vec<String>,
}

/// What [`Fleet::each`] read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetRead {
    /// The number of files that were read.
    pub files: u64,
    /// The number of lines of these files that are not records, because they are damaged or missing in their ledger.
    pub malformed_lines: u64,
    /// The number of records with a value that its column cannot hold. Such a value is unknown.
    pub beyond: u64,
}

impl Fleet {
    /// Lists the files of a store.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the store has no files, and the errors of the [`Store`].
    pub fn open(store: Box<dyn Store>) -> Result<Self> {
        let mut ledgers = BTreeMap::<Uuid, FilesOfLedger>::new();
        // The claims are listed first, because a claim is stored before its file.
        for (ledger, first) in store.list(CLAIMS)?.iter().filter_map(|name| claim_of(name)) {
            let claimed = &mut ledgers.entry(ledger).or_default().claimed;
            *claimed = Some(first).max(*claimed);
        }
        let mut foreign = Vec::new();
        for name in store.list(FILES)? {
            match FileName::parse(&name) {
                Some(name) => ledgers.entry(name.ledger).or_default().names.push(name),
                None => foreign.push(name),
            }
        }
        if ledgers.is_empty() && foreign.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "read the fleet").path(store.address().as_ref()).detail(
                format!("found no folder {FILES}; expected files that were shipped. `runledger ship` writes them"),
            ));
        }
        for files in ledgers.values_mut() {
            files.names.sort_unstable_by_key(|name| (name.first, name.last, name.date));
        }
        Ok(Self { store, ledgers, foreign })
    }

    /// Returns the number of files.
    pub fn files(&self) -> u64 {
        self.ledgers.values().map(|ledger| ledger.names.len() as u64).sum()
    }

    /// Returns the files that [`each`](Self::each) reads for executions that started at `since` or later. A file whose date
    /// is before `since` has no such executions. It is read only if an earlier file of its ledger is read, because it can
    /// have later lines of the same executions.
    fn since(&self, since: Option<Timestamp>) -> impl Iterator<Item = (Uuid, &[FileName])> {
        let since = since.map(|since| since.to_chrono().date_naive());
        self.ledgers.iter().filter_map(move |(&ledger, FilesOfLedger { names, .. })| {
            let from = names.iter().position(|name| since.is_none_or(|since| name.date >= since))?;
            Some((ledger, &names[from..]))
        })
    }

    /// Returns the number of files that [`each`](Self::each) reads.
    pub fn files_since(&self, since: Option<Timestamp>) -> u64 {
        self.since(since).map(|(_, names)| names.len() as u64).sum()
    }

    /// Passes each execution to `take` that started at `since` or later, and for which `is_wanted` is true. Of each record,
    /// only the fields of `columns` are known. Calls `on_file` for each file.
    ///
    /// Of several lines of one execution in a ledger, only the last one counts. So the files of a ledger are read from the
    /// last line to the first one. `is_wanted` gets the start of an execution.
    ///
    /// The columns of one row group are in memory at a time, and about 40 bytes for each execution of one ledger.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if a file is damaged, because its records could change any result. The errors of the
    /// [`Store`] and of `take`.
    pub fn each(
        &self,
        columns: ShippedColumns,
        since: Option<Timestamp>,
        is_wanted: impl Fn(Timestamp) -> bool,
        mut take: impl FnMut(&ExecutionMetrics) -> Result<()>,
        mut on_file: impl FnMut(),
    ) -> Result<FleetRead> {
        let mut read = FleetRead::default();
        for (_, names) in self.since(since) {
            let mut seen = HashSet::new();
            for name in names.iter().rev() {
                let name = name.to_string();
                let reader = ShippedReader::open(&*self.store, &name)?.ok_or_else(|| {
                    let path = format!("{}/{name}", self.store.address());
                    Error::new(ErrorKind::Malformed, "read a shipped file")
                        .path(path.as_ref())
                        .detail("found no file; expected one that was listed. Run the command again")
                })?;
                let counts =
                    |id, start| seen.insert(id) && since.is_none_or(|since| since <= start) && is_wanted(start);
                read.beyond += reader.each_backwards(columns, counts, &mut take)?;
                let footer = reader.footer();
                let lines = footer.last.saturating_sub(footer.first).saturating_add(1);
                read.malformed_lines += lines.saturating_sub(footer.records);
                read.files += 1;
                on_file();
            }
        }
        Ok(read)
    }

    /// Returns the missing lines of the files that [`each`](Self::each) reads, and the lines that several files have. Only
    /// the names are compared. Missing lines before the first of these files are not reported.
    pub fn gaps(&self, since: Option<Timestamp>) -> Vec<FleetFault> {
        let of_ledger = |(ledger, names): (Uuid, &[FileName])| {
            let is_cut = self.ledgers.get(&ledger).is_some_and(|files| files.names.len() > names.len());
            let first = names.first().filter(|_| is_cut).map_or(1, |name| name.first);
            judge::ranges(ledger, names, None, first.saturating_sub(1))
        };
        self.since(since).flat_map(of_ledger).collect()
    }
}
