//! The unknown keys of an input line, in the answer to this line.

use std::collections::BTreeMap;

use runledger::metrics::UnknownKey;
use serde::Serialize;

/// The keys of a line that are not part of the format of a record.
#[derive(Default, Serialize)]
pub(super) struct Unknown {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_keys: Vec<String>,
    /// The keys of the map are unknown keys. Each value is the known key that the unknown key is similar to.
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
        // The key belongs into another object.
        Some(near) if near.rsplit_once('.').map(|near| near.0) != key.path.rsplit_once('.').map(|path| path.0) => {
            let (group, name) = near.rsplit_once('.').unwrap_or(("the record", near));
            format!("{}: expected a known key, such as {name} inside {group}", key.path)
        }
        Some(near) => format!("{}: expected a known key, such as {near}", key.path),
        None => format!("{}: expected a known key", key.path),
    };
    keys.iter().map(reason).collect()
}
