//! Writes a record as one line of JSON, and reads it back. If `to_json` succeeds for a record `m`, then
//! `from_json(to_json(m)) == m`.

use super::ExecutionMetrics;
use super::faults::Faults;
use super::text::not_utf8;
use super::unknown_keys::{Open, UnknownKey, each_key};
use crate::error::{Error, ErrorKind, Result};
use crate::json::refuse_duplicate_keys;

impl ExecutionMetrics {
    /// Returns the record as one line of JSON, without a line feed. The first 29 keys are always written, in a fixed
    /// order. Each later key is written only if its value differs from the default.
    ///
    /// The record can be [invalid](Self::validate), as long as [`from_json`](Self::from_json) can read it.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] for values that JSON cannot represent unchanged:
    ///
    /// * a float that is NaN or infinite;
    /// * a tag with more than 124 nested arrays and objects;
    /// * a tag with an object whose first key begins with `$serde_json::private::`;
    /// * a variant with a key that begins with `$serde_json::private::`.
    pub fn to_json(&self) -> Result<String> {
        let mut line = Vec::with_capacity(2048);
        self.to_json_into(&mut line)?;
        String::from_utf8(line).map_err(unwritable)
    }

    /// Like [`to_json`](Self::to_json), but appends the record to `line`, so that one buffer can be used for many
    /// records.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] for values that JSON cannot represent unchanged, as listed at
    /// [`to_json`](Self::to_json). `line` is then unchanged.
    pub fn to_json_into(&self, line: &mut Vec<u8>) -> Result<()> {
        let mut faults = Faults::default();
        for float in self.floats() {
            if let Some(value) = float.value
                && !value.is_finite()
            {
                faults.add(float.field, "a finite number", value);
            }
        }
        self.check_tags(&mut faults);
        faults.into_result(WRITE)?;

        let start = line.len();
        serde_json::to_writer(&mut *line, self).map_err(|source| {
            line.truncate(start);
            unwritable(source)
        })
    }

    /// Reads a record from a line of JSON. Unknown keys are skipped, and missing fields get their defaults.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if the text is not one JSON object with the required fields. Also fails if
    /// any object in the text has the same key twice, even an object in `tags`.
    pub fn from_json(line: &str) -> Result<Self> {
        Self::from_json_with(line, |_| {})
    }

    /// Like [`from_json`](Self::from_json), but also returns the keys that it skips, as
    /// [`unknown_keys`](Self::unknown_keys) does.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if the text is not one JSON object with the required fields. Also
    /// fails if an object in the text has the same key twice.
    ///
    /// ```
    /// use runledger::ExecutionMetrics;
    ///
    /// let line = r#"{"execution_id": "00000000-0000-0000-0000-000000000001", "skill_name": "s", "skill_version": "1",
    ///     "timestamp_start": "2026-02-14T14:23:00Z", "token_input": 5}"#;
    /// let (record, unknown) = ExecutionMetrics::from_json_with_unknown_keys(line)?;
    /// assert_eq!((record.tokens_input, unknown[0].path.as_str()), (None, "token_input"));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn from_json_with_unknown_keys(line: &str) -> Result<(Self, Vec<UnknownKey>)> {
        let mut unknown = Vec::new();
        let record = Self::from_json_with(line, |open| unknown.push(UnknownKey::of(open)))?;
        Ok((record, unknown))
    }

    /// Reads the record in a line, and calls `unknown` for each key that is skipped.
    fn from_json_with(line: &str, unknown: impl FnMut(&[Open<'_>])) -> Result<Self> {
        let record = read_object(line)?;
        if each_key(line, unknown) {
            refuse_duplicate_keys(line).map_err(|error| malformed().of_line(line, &error))?;
        }
        Ok(record)
    }
}

/// Reads one JSON object.
///
/// Fails for a list. By default, serde would accept a list and read its elements as the fields of the struct in
/// order. That would be wrong, because a list from another program may contain anything.
pub(super) fn read_object<'l, T: serde::Deserialize<'l>>(line: &'l str) -> Result<T> {
    if line.trim_ascii_start().starts_with('[') {
        return Err(malformed().detail("expected a JSON object, found a list"));
    }
    serde_json::from_str(line).map_err(|error| malformed().of_line(line, &error))
}

/// Returns the text of a line, or an error if the line is not UTF-8.
pub(crate) fn text_of(line: &[u8]) -> Result<&str> {
    std::str::from_utf8(line).map_err(|error| malformed().detail(not_utf8(error)))
}

fn malformed() -> Error {
    Error::new(ErrorKind::Malformed, "read a record from JSON")
}

const WRITE: &str = "write a record as JSON";

fn unwritable(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Invalid, WRITE).source(source)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::metrics::Timestamp;
    use crate::metrics::tags::TAG_DEPTH_MAX;

    fn with_tag(value: Value) -> ExecutionMetrics {
        let start = Timestamp::from_unix_ms(0).unwrap();
        let mut record = ExecutionMetrics::new(uuid::Uuid::from_u128(1), "s", "1", start);
        record.tags.insert("t".to_owned(), value);
        record
    }

    fn nested(levels: usize, wrap: impl Fn(Value) -> Value) -> Value {
        (0..levels).fold(Value::Null, |inner, _| wrap(inner))
    }

    fn array(inner: Value) -> Value {
        Value::Array(vec![inner])
    }

    fn object(inner: Value) -> Value {
        serde_json::json!({ "k": inner })
    }

    #[test]
    fn the_depth_of_a_tag_ends_where_serde_json_stops_reading() {
        for wrap in [array, object] {
            let deepest = with_tag(nested(TAG_DEPTH_MAX, wrap));
            assert_eq!(ExecutionMetrics::from_json(&deepest.to_json().unwrap()).unwrap(), deepest);

            let too_deep = with_tag(nested(TAG_DEPTH_MAX + 1, wrap));
            let held = |record| serde_json::json!({ "record": record }).to_string();
            assert!(serde_json::from_str::<Value>(&held(&deepest)).is_ok());
            assert!(serde_json::from_str::<Value>(&held(&too_deep)).is_err());
            let error = too_deep.to_json().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(error.details(), ["tags[\"t\"]: expected at most 124 nested arrays and objects, found more"]);
        }
    }

    #[test]
    fn a_key_that_serde_json_reads_as_its_own_is_refused() {
        let misread = with_tag(serde_json::json!([{ "$serde_json::private::RawValue": "1" }]));
        let read = ExecutionMetrics::from_json(&serde_json::to_string(&misread).unwrap()).unwrap();
        assert_ne!(read, misread);
        assert_eq!(
            misread.to_json().unwrap_err().details(),
            ["tags[\"t\"]: expected no object whose first key begins with $serde_json::private::, found one"]
        );

        let mut variant = with_tag(Value::Null);
        variant.model.variant.insert("$serde_json::private::RawValue".to_owned(), "1".to_owned());
        assert_eq!(
            variant.to_json().unwrap_err().details(),
            ["model.variant: expected no key that begins with $serde_json::private::, found one"]
        );
        let behind_another = with_tag(serde_json::json!({ "!": 0, "$serde_json::private::RawValue": "1" }));
        assert_eq!(ExecutionMetrics::from_json(&behind_another.to_json().unwrap()).unwrap(), behind_another);
    }

    #[test]
    fn a_refused_record_leaves_the_buffer_alone_and_a_written_one_is_appended() {
        let mut line = b"before".to_vec();
        let mut record = with_tag(Value::Null);
        record.confidence_score = Some(f64::NAN);
        record.production.duration_s = Some(f64::INFINITY);
        let error = record.to_json_into(&mut line).unwrap_err();
        assert_eq!(
            error.details(),
            [
                "confidence_score: expected a finite number, found NaN",
                "production.duration_s: expected a finite number, found inf",
            ]
        );
        assert_eq!(line, b"before");

        record.confidence_score = None;
        record.production.duration_s = None;
        record.to_json_into(&mut line).unwrap();
        assert_eq!(line, [b"before", record.to_json().unwrap().as_bytes()].concat());
    }
}
