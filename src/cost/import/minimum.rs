//! Adds the minimum duration of audio that a vendor bills for a call. The tables of other projects do not state this
//! minimum.

use serde_json::Value;

use crate::cost::table::ADDITIONS;
use crate::error::{Error, ErrorKind, Result};

const MINIMUM: &str = "audio_seconds_min";

/// Copies the minimum from this crate's own rows of the price table to imported `rows`. An imported row gets the
/// minimum if it is for the same model and has a price for audio. Prices are not changed.
pub(super) fn add_to(rows: &mut [Value]) -> Result<()> {
    let own: Value = serde_json::from_str(ADDITIONS)
        .map_err(|source| Error::new(ErrorKind::Malformed, "read the bundled prices").source(source))?;
    for own in own["models"].as_array().into_iter().flatten() {
        let minimum = &own["prices"][0][MINIMUM];
        if minimum.is_null() {
            continue;
        }
        for row in rows.iter_mut().filter(|row| is_same(row, own, "provider") && is_same(row, own, "model")) {
            set(&mut row["prices"], minimum);
            for variant in row.get_mut("variants").and_then(Value::as_array_mut).into_iter().flatten() {
                set(&mut variant["prices"], minimum);
            }
        }
    }
    Ok(())
}

fn is_same(row: &Value, own: &Value, key: &str) -> bool {
    let name = |row: &Value| row[key].as_str().map(str::to_lowercase);
    name(row) == name(own)
}

/// Sets the minimum in each period that has a price for audio and no minimum yet.
fn set(prices: &mut Value, minimum: &Value) {
    for period in prices.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if period.contains_key("audio_hour") {
            period.entry(MINIMUM).or_insert_with(|| minimum.clone());
        }
    }
}
