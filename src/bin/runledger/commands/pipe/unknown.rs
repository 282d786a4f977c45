//! The unknown keys of an input line, as the answer lists them.

use std::collections::BTreeMap;

use runledger::metrics::UnknownKey;
use serde::Serialize;

/// The keys of a line that are not part of the format of a record.
#[derive(Default, Serialize)]
pub(super) struct Unknown {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_keys: Vec<String>,
    /// Each key of the map is an unknown key, and its value is the most similar known key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    near: BTreeMap<String, String>,
}

impl From<Vec<UnknownKey>> for Unknown {
    fn from(keys: Vec<UnknownKey>) -> Self {
        let mut unknown = Self::default();
        for UnknownKey { path, near, .. } in keys {
            unknown.near.extend(near.map(|near| (path.clone(), near)));
            unknown.unknown_keys.push(path);
        }
        unknown
    }
}

/// Returns why a record with these keys is refused.
pub(super) fn reasons(keys: &[UnknownKey]) -> Vec<String> {
    let reason = |key: &UnknownKey| match &key.near {
        // The known key is in a different object than the unknown key.
        Some(near) if near.rsplit_once('.').map(|near| near.0) != key.path.rsplit_once('.').map(|path| path.0) => {
            let (group, name) = near.rsplit_once('.').unwrap_or(("the record", near));
            format!("{}: expected a known key, such as {name} inside {group}", key.path)
        }
        Some(near) => format!("{}: expected a known key, such as {near}", key.path),
        None => format!("{}: expected a known key", key.path),
    };
    keys.iter().map(reason).collect()
}
