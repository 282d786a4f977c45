//! The values of the columns of one row group, as the writer of Parquet takes them.

use bytes::Bytes;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int64Type,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter};

use super::schema::{CALL_COLUMNS, CALLS, COLUMNS, Kind, Row, Value};

/// The values of one column.
#[derive(Debug)]
struct Chunk {
    kind: Kind,
    /// One level for each value and each null. Not used for a column that is required in each row.
    definition: Vec<i16>,
    /// 0 for the first call of a record, and 1 for each later call. Used only below the list of calls.
    repetition: Vec<i16>,
    ints: Vec<i64>,
    floats: Vec<f64>,
    bools: Vec<bool>,
    /// The texts and amounts, one after the other, and the ends of each of them.
    data: Vec<u8>,
    ends: Vec<usize>,
}

impl Chunk {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            definition: Vec::new(),
            repetition: Vec::new(),
            ints: Vec::new(),
            floats: Vec::new(),
            bools: Vec::new(),
            data: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Adds a value, and returns true unless it is a null.
    fn push(&mut self, value: Value<'_>) -> bool {
        match value {
            Value::Null | Value::Beyond => return false,
            Value::Int(number) => self.ints.push(number),
            Value::Float(number) => self.floats.push(number),
            Value::Bool(bool) => self.bools.push(bool),
            Value::Text(text) => self.bytes(text.as_bytes()),
            Value::Money(pico) => self.bytes(&pico.to_be_bytes()),
        }
        true
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.ends.push(self.data.len());
    }

    fn arrays(data: Vec<u8>, ends: &[usize]) -> impl Iterator<Item = ByteArray> {
        let data = Bytes::from(data);
        let mut start = 0;
        ends.iter().map(move |&end| {
            let value = data.slice(start..end);
            start = end;
            ByteArray::from(value)
        })
    }

    fn write(self, writer: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let definition = Some(&*self.definition).filter(|levels| !levels.is_empty());
        let repetition = Some(&*self.repetition).filter(|levels| !levels.is_empty());
        match self.kind {
            Kind::Text | Kind::Json => {
                let values: Vec<_> = Self::arrays(self.data, &self.ends).collect();
                writer.typed::<ByteArrayType>().write_batch(&values, definition, repetition)?;
            }
            Kind::Money => {
                let values: Vec<_> = Self::arrays(self.data, &self.ends).map(FixedLenByteArray::from).collect();
                writer.typed::<FixedLenByteArrayType>().write_batch(&values, definition, repetition)?;
            }
            Kind::Int | Kind::Time => {
                writer.typed::<Int64Type>().write_batch(&self.ints, definition, repetition)?;
            }
            Kind::Float => {
                writer.typed::<DoubleType>().write_batch(&self.floats, definition, repetition)?;
            }
            Kind::Bool => {
                writer.typed::<BoolType>().write_batch(&self.bools, definition, repetition)?;
            }
        }
        Ok(())
    }
}

/// The values of all columns of a row group.
#[derive(Debug)]
pub(super) struct RowGroup {
    chunks: Vec<Chunk>,
    pub(super) rows: usize,
    /// About how many bytes the values have.
    pub(super) bytes: usize,
}

impl RowGroup {
    pub(super) fn new() -> Self {
        let columns = COLUMNS.iter().map(|column| column.kind).chain([Kind::Json]);
        let kinds = columns.chain(CALL_COLUMNS.iter().map(|column| column.kind));
        Self { chunks: kinds.map(Chunk::new).collect(), rows: 0, bytes: 0 }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        let mut beyond: Vec<&str> = Vec::new();
        let (columns, rest) = self.chunks.split_at_mut(COLUMNS.len());
        for (column, chunk) in COLUMNS.iter().zip(columns) {
            let value = (column.read)(row);
            if value == Value::Beyond {
                beyond.push(column.name);
            }
            self.bytes += 8 + if let Value::Text(text) = &value { text.len() } else { 0 };
            let is_known = chunk.push(value);
            if !column.required {
                chunk.definition.push(i16::from(is_known));
            }
        }
        let Some((listed, calls)) = rest.split_first_mut() else { return };
        self.rows += 1;
        // The list of calls is null if it is empty, because an empty list of a record is unknown.
        if row.record.trace.llm_calls.is_empty() {
            for chunk in calls.iter_mut() {
                chunk.definition.push(0);
                chunk.repetition.push(0);
            }
        }
        for (at, call) in row.record.trace.llm_calls.iter().enumerate() {
            for (column, chunk) in CALL_COLUMNS.iter().zip(calls.iter_mut()) {
                let value = (column.read)(call);
                if value == Value::Beyond && !beyond.contains(&CALLS) {
                    beyond.push(CALLS);
                }
                let is_known = chunk.push(value);
                chunk.definition.push(2 + i16::from(!column.required && is_known));
                chunk.repetition.push(i16::from(at > 0));
            }
            self.bytes += 8 * CALL_COLUMNS.len();
        }
        // JSON, which needs no escapes in names of columns.
        let json = (!beyond.is_empty()).then(|| format!("[\"{}\"]", beyond.join("\",\"")));
        let is_known = listed.push(json.map_or(Value::Null, |json| Value::Text(json.into())));
        listed.definition.push(i16::from(is_known));
    }

    /// Writes all columns.
    pub(super) fn write<W: std::io::Write + Send>(self, mut group: SerializedRowGroupWriter<'_, W>) -> Result<()> {
        for chunk in self.chunks {
            let Some(mut writer) = group.next_column()? else {
                return Err(ParquetError::General("found fewer columns than values".to_owned()));
            };
            chunk.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }
}
