//! Where a command's prices come from.

use std::fs;
use std::path::Path;

use runledger::PriceTable;

use crate::failure::Failure;

/// The bundled prices; over them, row by row, those of the file `own`.
pub(crate) fn read(own: Option<&Path>) -> Result<PriceTable, Failure> {
    let bundled = PriceTable::bundled()?;
    let Some(path) = own else { return Ok(bundled.clone()) };
    let text = read_text(path)?;
    let own = PriceTable::from_json(&text).map_err(|source| Failure::Prices { path: path.to_owned(), source })?;
    Ok(own.or(bundled))
}

pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|source| Failure::File { operation: "read prices", path: path.to_owned(), source })
}
