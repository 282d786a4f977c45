//! What replaces the secrets in the texts that the command stores and reports.
//!
//! The variable `RUNLEDGER_REDACTION` is `off`, or the path of a JSON file with further rules.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::{env, fs};

use runledger::redaction::{Redactor, SecretRule};

use crate::failure::Failure;

const VARIABLE: &str = "RUNLEDGER_REDACTION";

static REDACTOR: OnceLock<Redactor> = OnceLock::new();

/// Reads the variable. Fails if its rules are not usable. Nothing was written then.
pub(crate) fn init() -> Result<(), Failure> {
    let redactor = match env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        None => Redactor::new(),
        Some(value) if value == "off" => Redactor::off(),
        Some(path) => {
            let path = PathBuf::from(path);
            let text = fs::read_to_string(&path).map_err(|source| Failure::File {
                operation: "read the rules for secrets in RUNLEDGER_REDACTION",
                path: path.clone(),
                source,
            })?;
            let rules = SecretRule::from_json(&text).map_err(|error| error.path(&path))?;
            Redactor::with_rules(&rules).map_err(|error| error.path(&path))?
        }
    };
    let _ = REDACTOR.set(redactor);
    Ok(())
}

/// Returns the redactor of this process.
pub(crate) fn redactor() -> &'static Redactor {
    REDACTOR.get_or_init(Redactor::new)
}
