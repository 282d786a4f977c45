//! Turns lines of a ledger into the bytes of one Parquet file. The same lines give the same bytes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArrayType, DataType, Int64Type};
use parquet::errors::{ParquetError, Result as Written};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::chunk::RowGroup;
use super::footer::{self, Footer};
use super::schema::{Row, file_type};
use crate::error::{Error, ErrorKind, Result};

/// The program in the footer. It is the same for every build, so that the same lines give the same bytes.
const CREATED_BY: &str = "runledger version 1";

/// A row group ends at the first of these limits. Two row groups are in memory: one is filled while the other is written.
const ROWS_MAX: usize = 32_768;
const BYTES_MAX: usize = 12 * 1024 * 1024;

/// The columns whose values hardly repeat, so that a dictionary of their values would only cost time.
const WITHOUT_DICTIONARY: [&str; 6] = ["seq", "prev", "hash", "execution_id", "timestamp_start", "timestamp_end"];

/// The columns of numbers that are stored as differences.
const DELTAS: [&str; 3] = ["seq", "timestamp_start", "timestamp_end"];

enum Part {
    Rows(RowGroup),
    End(Footer),
}

/// A file that is being written. Another thread compresses the row groups.
#[derive(Debug)]
pub(super) struct FileWriter {
    group: RowGroup,
    parts: SyncSender<Part>,
    thread: JoinHandle<Written<Vec<u8>>>,
}

impl FileWriter {
    pub(super) fn new() -> Result<Self> {
        let (schema, properties) = (file_type()?, properties()?);
        let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).map_err(failed)?;
        // Without a buffer in the channel, only the row group that is written and the one that is filled are in memory.
        let (parts, received) = sync_channel(0);
        let builder = Builder::new().name("runledger".to_owned());
        let thread = builder
            .spawn(move || write(writer, &received))
            .map_err(|source| Error::new(ErrorKind::Io, "start a thread that writes a file").source(source))?;
        Ok(Self { group: RowGroup::new(), parts, thread })
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        self.group.push(row);
        if self.group.rows >= ROWS_MAX || self.group.bytes >= BYTES_MAX {
            let full = std::mem::replace(&mut self.group, RowGroup::new());
            // If the thread has ended, `finish` reports why.
            let _ = self.parts.send(Part::Rows(full));
        }
    }

    /// Returns the bytes of the file.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the values cannot be written, and [`ErrorKind::Abandoned`] if the thread panicked.
    pub(super) fn finish(self, footer: Footer) -> Result<Vec<u8>> {
        if self.group.rows > 0 {
            let _ = self.parts.send(Part::Rows(self.group));
        }
        let _ = self.parts.send(Part::End(footer));
        drop(self.parts);
        let panicked =
            || Error::new(ErrorKind::Abandoned, "write a Parquet file").detail("the thread that writes panicked");
        self.thread.join().map_err(|_| panicked())?.map_err(failed)
    }
}

fn write(mut writer: SerializedFileWriter<Vec<u8>>, parts: &Receiver<Part>) -> Written<Vec<u8>> {
    while let Ok(part) = parts.recv() {
        match part {
            Part::Rows(group) => group.write(writer.next_row_group()?)?,
            Part::End(footer) => {
                writer.flush()?;
                let pages = footer::pages_pair(writer.inner());
                footer.to_pairs().into_iter().chain([pages]).for_each(|pair| writer.append_key_value_metadata(pair));
                return writer.into_inner();
            }
        }
    }
    Err(ParquetError::General("the file was not finished".to_owned()))
}

fn properties() -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(3).map_err(failed)?;
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true);
    for name in WITHOUT_DICTIONARY {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    for name in DELTAS {
        properties = properties.set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties.build())
}

fn failed(source: ParquetError) -> Error {
    Error::new(ErrorKind::Invalid, "write a Parquet file").source(source)
}

/// The place of a row in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chained {
    pub(super) seq: u64,
    pub(super) prev: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

/// Returns the footer of a whole file, and the place of each row in the chain. Checks the hash of the pages.
///
/// # Errors
/// [`ErrorKind::Malformed`] if the bytes are not a file that [`FileWriter`] wrote, or if they were damaged.
pub(super) fn chain(file: Vec<u8>) -> Result<(Footer, Vec<Chained>)> {
    let unreadable = |source| Error::new(ErrorKind::Malformed, "read a shipped file").source(source);
    let file = Bytes::from(file);
    let reader = SerializedFileReader::new(file.clone()).map_err(unreadable)?;
    footer::check_pages(&file, reader.metadata())?;
    let footer = Footer::from_metadata(reader.metadata())?;
    let mut rows = Vec::new();
    for at in 0..reader.num_row_groups() {
        let group = reader.get_row_group(at).map_err(unreadable)?;
        let count = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        let other = || ParquetError::General("found a column of another type".to_owned());
        let seqs = match column(&*group, "seq").map_err(unreadable)? {
            ColumnReader::Int64ColumnReader(seqs) => values::<Int64Type>(seqs, count),
            _ => Err(other()),
        };
        let texts = |name| match column(&*group, name)? {
            ColumnReader::ByteArrayColumnReader(texts) => values::<ByteArrayType>(texts, count),
            _ => Err(other()),
        };
        let (prevs, hashes) = (texts("prev").map_err(unreadable)?, texts("hash").map_err(unreadable)?);
        for ((seq, prev), hash) in seqs.map_err(unreadable)?.into_iter().zip(prevs).zip(hashes) {
            let seq = u64::try_from(seq).unwrap_or_default();
            rows.push(Chained { seq, prev: prev.data().to_vec(), hash: hash.data().to_vec() });
        }
    }
    Ok((footer, rows))
}

fn column(group: &dyn RowGroupReader, name: &str) -> Written<ColumnReader> {
    let columns = group.metadata().columns();
    let at = columns.iter().position(|column| column.column_path().string() == name);
    group.get_column_reader(at.ok_or_else(|| ParquetError::General(format!("found no column {name}")))?)
}

fn values<T: DataType>(mut reader: ColumnReaderImpl<T>, count: usize) -> Written<Vec<T::T>> {
    // The count comes from the file, so no memory is reserved for it.
    let mut values = Vec::new();
    while values.len() < count {
        let (read, ..) = reader.read_records(count - values.len(), None, None, &mut values)?;
        if read == 0 {
            return Err(ParquetError::EOF(format!("found {} rows; expected {count}", values.len())));
        }
    }
    Ok(values)
}
