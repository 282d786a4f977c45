//! Reads the policy file of `gate`, `escalate`, `watch` and `policy`.

use std::path::Path;

use runledger::governance::Policy;

use crate::failure::Failure;
use crate::input_file;

/// Returns the policy in the file, or the default policy if `path` is `None`.
pub(crate) fn read(path: Option<&Path>) -> Result<Policy, Failure> {
    let Some(path) = path else { return Ok(Policy::default()) };
    let text = input_file::read("read a policy", path)?;
    Ok(Policy::from_json(&text).map_err(|error| error.path(path))?)
}
