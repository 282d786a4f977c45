//! Decodes columns of a row group from bytes of the file.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::basic::Type as Physical;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::schema::{MONEY_BYTES, Value};

/// Consecutive bytes of a file.
#[derive(Debug)]
pub(super) struct Piece {
    /// The place of the first byte in the file.
    pub(super) start: u64,
    pub(super) bytes: Bytes,
}

impl Piece {
    fn at(&self, start: u64) -> Result<usize> {
        let at = start.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        at.filter(|&at| at <= self.bytes.len()).ok_or_else(outside)
    }
}

fn outside() -> ParquetError {
    ParquetError::EOF("a column is outside its range".to_owned())
}

impl Length for Piece {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Piece {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(Box::new(self.bytes.slice(self.at(start)?..).reader()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let at = self.at(start)?;
        let end = at.checked_add(length).filter(|&end| end <= self.bytes.len()).ok_or_else(outside)?;
        Ok(self.bytes.slice(at..end))
    }
}

/// The values of one column, without the nulls.
#[derive(Debug)]
enum Values {
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Vec<ByteArray>),
    Amounts(Vec<FixedLenByteArray>),
}

/// A column of a row group.
#[derive(Debug)]
pub(super) struct DecodedColumn {
    values: Values,
    /// For each row, the number of values in the rows up to it. Empty if the column has no nulls.
    ends: Vec<u32>,
}

impl DecodedColumn {
    /// Decodes a column of `rows` rows. `piece` has the bytes of the column.
    ///
    /// # Errors
    /// Fails if the bytes are damaged, or if the column is a list.
    pub(super) fn decode(piece: Arc<Piece>, column: &ColumnChunkMetaData, rows: usize) -> Result<Self> {
        let pages = SerializedPageReader::new(piece, column, rows, None)?;
        let descriptor = column.column_descr_ptr();
        if descriptor.max_rep_level() > 0 || descriptor.max_def_level() > 1 {
            return Err(ParquetError::General("found a list; expected a column of single values".to_owned()));
        }
        let is_optional = descriptor.max_def_level() == 1;
        let is_amount = descriptor.physical_type() == Physical::FIXED_LEN_BYTE_ARRAY;
        if is_amount && usize::try_from(descriptor.type_length()) != Ok(MONEY_BYTES) {
            return Err(ParquetError::General(format!("found an amount of other than {MONEY_BYTES} bytes")));
        }
        let mut levels = Vec::new();
        let (levels, wanted) = (&mut levels, (rows, is_optional));
        let values = match get_column_reader(descriptor, Box::new(pages)) {
            ColumnReader::BoolColumnReader(reader) => Values::Bools(read(reader, wanted, levels)?),
            ColumnReader::Int64ColumnReader(reader) => Values::Ints(read(reader, wanted, levels)?),
            ColumnReader::DoubleColumnReader(reader) => Values::Floats(read(reader, wanted, levels)?),
            ColumnReader::ByteArrayColumnReader(reader) => Values::Texts(read(reader, wanted, levels)?),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => Values::Amounts(read(reader, wanted, levels)?),
            _ => return Err(ParquetError::General("found a column of an unknown type".to_owned())),
        };
        let add = |end: &mut u32, level: &i16| {
            *end += u32::from(*level == 1);
            Some(*end)
        };
        Ok(Self { values, ends: levels.iter().scan(0, add).collect() })
    }

    /// Returns the value in a row. `None` if there is no such row, or if a text is not UTF-8.
    pub(super) fn value(&self, row: usize) -> Option<Value<'_>> {
        let mut at = row;
        if !self.ends.is_empty() {
            let before = if row == 0 { 0 } else { *self.ends.get(row - 1)? };
            if *self.ends.get(row)? == before {
                return Some(Value::Null);
            }
            at = before as usize;
        }
        match &self.values {
            Values::Bools(values) => values.get(at).copied().map(Value::Bool),
            Values::Ints(values) => values.get(at).copied().map(Value::Int),
            Values::Floats(values) => values.get(at).copied().map(Value::Float),
            Values::Texts(values) => {
                std::str::from_utf8(values.get(at)?.data()).ok().map(|text| Value::Text(Cow::Borrowed(text)))
            }
            Values::Amounts(values) => {
                values.get(at)?.data().try_into().ok().map(|bytes| Value::Money(i128::from_be_bytes(bytes)))
            }
        }
    }
}

/// Reads all values, and for an optional column their definition levels. `wanted` is the number of rows, and whether the
/// column is optional.
fn read<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    wanted: (usize, bool),
    levels: &mut Vec<i16>,
) -> Result<Vec<T::T>> {
    let (rows, is_optional) = wanted;
    let mut values = Vec::new();
    let mut done = 0;
    while done < rows {
        let (read, ..) = reader.read_records(rows - done, is_optional.then_some(&mut *levels), None, &mut values)?;
        if read == 0 {
            return Err(ParquetError::EOF(format!("found {done} rows; expected {rows}")));
        }
        done += read;
    }
    Ok(values)
}
