//! The rules for secrets that the user adds.
//!
//! The variable `RUNLEDGER_REDACTION` is `off`, or the path of a JSON file with further rules.

use std::path::PathBuf;
use std::{env, fs};

use runledger::redaction::{Redactor, SecretRule};

use crate::failure::Failure;

const VARIABLE: &str = "RUNLEDGER_REDACTION";

/// Returns the redactor that the variable describes. Fails if its rules are not usable.
pub(crate) fn read() -> Result<Redactor, Failure> {
    let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else { return Ok(Redactor::new()) };
    if value == "off" {
        return Ok(Redactor::off());
    }
    let path = PathBuf::from(value);
    let text = fs::read_to_string(&path).map_err(|source| Failure::File {
        operation: "read the rules for secrets in RUNLEDGER_REDACTION",
        path: path.clone(),
        source,
    })?;
    let rules = SecretRule::from_json(&text).map_err(|error| error.path(&path))?;
    Ok(Redactor::with_rules(&rules).map_err(|error| error.path(&path))?)
}
