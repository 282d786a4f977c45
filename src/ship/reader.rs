//! Reads the footer of a shipped file, and single columns, by ranges of bytes. The whole file is never read.

use std::collections::BTreeMap;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use uuid::Uuid;

use super::columns::{DecodedColumn, Piece};
use super::footer::{FileEnd, Footer};
use super::schema::{BEYOND, Value};
use super::store::Store;
use super::wanted::{ShippedColumns, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ExecutionMetrics, Timestamp};

/// The bytes that are read first from the end of a file. The footer of most files is shorter.
const END_BYTES: usize = 64 * 1024;
/// The longest footer that is read. `runledger ship` writes about 20 KiB for each row group.
const END_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Two columns are read together if at most this number of bytes is between them.
const BETWEEN_MAX: u64 = 64 * 1024;

const READ: &str = "read a shipped file";

/// A shipped file whose footer was read.
#[derive(Debug)]
pub struct ShippedReader<'s> {
    store: &'s dyn Store,
    name: String,
    footer: Footer,
    metadata: Box<ParquetMetaData>,
}

impl<'s> ShippedReader<'s> {
    /// Reads the footer of the file with this name. Returns `None` if the file does not exist.
    ///
    /// # Errors
    /// - [`ErrorKind::Malformed`] if the file is not a Parquet file that `runledger ship` wrote.
    /// - [`ErrorKind::Newer`] if a newer version of this crate wrote the file.
    /// - The errors of the [`Store`].
    pub fn open(store: &'s dyn Store, name: &str) -> Result<Option<Self>> {
        let path = format!("{}/{name}", store.address());
        let named = |error: Error| error.path(path.as_ref());
        let mut len = END_BYTES;
        loop {
            let Some(end) = store.get_end(name, len)? else { return Ok(None) };
            match FileEnd::read(&end).map_err(named)? {
                FileEnd::Read(metadata) => {
                    let footer = Footer::from_metadata(&metadata).map_err(named)?;
                    return Ok(Some(Self { store, name: name.to_owned(), footer, metadata }));
                }
                // A file that is shorter than its footer, or a length that no footer has.
                FileEnd::Needs(needed) if end.len() < len || needed > END_BYTES_MAX => {
                    let error = Error::new(ErrorKind::Malformed, READ).detail(format!(
                        "found {} bytes; expected a footer of {needed}. The file is not a whole Parquet file",
                        end.len()
                    ));
                    return Err(named(error));
                }
                FileEnd::Needs(needed) => len = needed,
            }
        }
    }

    /// Returns the lines of the file, as the footer states them.
    pub fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Returns the number of rows that the row groups have. `None` if the footer has an impossible number.
    pub fn rows(&self) -> Option<u64> {
        u64::try_from(self.metadata.file_metadata().num_rows()).ok()
    }

    /// Reads the records from the last one to the first one. Of each record, only the fields of `columns` are known. Calls
    /// `is_wanted` with the id and the start of each record, and `take` with each record for which the answer is true.
    /// Returns the number of wanted records with a value that its column cannot hold. Such a value is unknown.
    ///
    /// The columns of one row group are in memory at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] if the file is damaged, the errors of the [`Store`], and the errors of `take`.
    pub fn each_backwards(
        &self,
        columns: ShippedColumns,
        mut is_wanted: impl FnMut(Uuid, Timestamp) -> bool,
        mut take: impl FnMut(&ExecutionMetrics) -> Result<()>,
    ) -> Result<u64> {
        let mut beyond = 0;
        for group in self.metadata.row_groups().iter().rev() {
            let rows = usize::try_from(group.num_rows()).map_err(|_| self.malformed("found no number of rows"))?;
            let wanted: Vec<&Wanted> = columns.wanted().collect();
            let names = ["execution_id", BEYOND].into_iter().chain(wanted.iter().map(|wanted| wanted.name));
            let decoded = self.decode(group, rows, &names.collect::<Vec<_>>())?;
            let [ids, listed, columns @ ..] = &*decoded else { return Err(self.malformed("found no columns")) };
            let starts = wanted.iter().zip(columns).find(|(wanted, _)| wanted.name == "timestamp_start");
            for row in (0..rows).rev() {
                let id = match ids.value(row) {
                    Some(Value::Text(id)) => Uuid::try_parse(&id).ok(),
                    _ => None,
                };
                let start = match starts.and_then(|(_, starts)| starts.value(row)) {
                    Some(Value::Int(unix_us)) => Timestamp::from_unix_us(unix_us),
                    _ => None,
                };
                let Some((id, start)) = id.zip(start) else {
                    return Err(self.malformed("found a row without an execution_id or a timestamp_start"));
                };
                if !is_wanted(id, start) {
                    continue;
                }
                let mut record = ExecutionMetrics::new(id, "", "", start);
                for (wanted, column) in wanted.iter().zip(columns) {
                    let set = column.value(row).and_then(|value| wanted.set(&mut record, value));
                    set.ok_or_else(|| self.malformed(&format!("found an impossible value of {}", wanted.name)))?;
                }
                beyond += u64::from(listed.value(row) != Some(Value::Null));
                take(&record)?;
            }
        }
        Ok(beyond)
    }

    /// Reads columns of a row group. Columns that are next to each other are read together.
    fn decode(&self, group: &RowGroupMetaData, rows: usize, names: &[&str]) -> Result<Vec<DecodedColumn>> {
        let find = |name: &&str| {
            let column = group.columns().iter().find(|column| column.column_path().string() == **name);
            column.ok_or_else(|| self.malformed(&format!("found no column {name}")))
        };
        let chunks: Vec<&ColumnChunkMetaData> = names.iter().map(find).collect::<Result<_>>()?;
        let mut ranges = chunks.iter().map(|chunk| range(chunk)).collect::<Option<Vec<_>>>();
        let ranges = ranges.as_mut().ok_or_else(|| self.malformed("found a column at an impossible place"))?;
        ranges.sort_unstable();
        let mut together: Vec<(u64, u64)> = Vec::new();
        for &mut (start, end) in ranges {
            match together.last_mut() {
                Some(last) if start <= last.1.saturating_add(BETWEEN_MAX) => last.1 = last.1.max(end),
                _ => together.push((start, end)),
            }
        }
        let mut pieces = BTreeMap::new();
        for (start, end) in together {
            pieces.insert(start, Arc::new(Piece { start, bytes: self.bytes(start, end)?.into() }));
        }
        let decode = |chunk: &&ColumnChunkMetaData| {
            let start = range(chunk).map_or(0, |(start, _)| start);
            let (_, piece) = pieces.range(..=start).next_back().ok_or_else(|| self.malformed("found no column"))?;
            let decoded = DecodedColumn::decode(Arc::clone(piece), chunk, rows);
            decoded.map_err(|source: ParquetError| self.malformed("found a damaged column").source(source))
        };
        chunks.iter().map(decode).collect()
    }

    fn bytes(&self, start: u64, end: u64) -> Result<Vec<u8>> {
        let bytes = self.store.get_range(&self.name, start, end)?;
        let bytes = bytes.ok_or_else(|| self.malformed("the file was removed while it was read"))?;
        if bytes.len() as u64 != end - start {
            return Err(self.malformed("the file is shorter than its footer says"));
        }
        Ok(bytes)
    }

    fn malformed(&self, detail: &str) -> Error {
        let path = format!("{}/{}", self.store.address(), self.name);
        Error::new(ErrorKind::Malformed, READ).path(path.as_ref()).detail(detail)
    }
}

/// Returns the place of the first byte of a column, and of the byte after it. `None` if the place is impossible.
fn range(column: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let (start, len) = (u64::try_from(start).ok()?, u64::try_from(column.compressed_size()).ok()?);
    Some((start, start.checked_add(len)?))
}
