//! Parsers of values that several commands take as arguments.

use std::error::Error;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Map, Value};

/// Returns a parser that accepts only these names.
pub(crate) fn one_of<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|text| text.parse())
}

/// Reads the name of a skill or an agent. The name must not be blank, because every record needs a name.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("expected a name, found none".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads metadata, which is a JSON object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    runledger::json::from_str(text)
        .map_err(|error| format!("expected a JSON object such as {{\"key\": \"value\"}}: {error}"))
}
