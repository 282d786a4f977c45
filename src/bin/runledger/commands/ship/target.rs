//! The store that an argument names: a directory or an object store.

use runledger::ship::{BucketStore, DirectoryStore, Store};

use crate::failure::Failure;

/// Reads the argument.
pub(crate) fn parse(store: &str) -> Result<String, &'static str> {
    Ok(store.to_owned())
}

/// Opens a directory, or an object store if the argument has a scheme such as `s3://`.
pub(crate) fn open(store: &str) -> Result<Box<dyn Store>, Failure> {
    if !store.contains("://") {
        return Ok(Box::new(DirectoryStore::new(store)));
    }
    // A variable that is not Unicode is not meant for the object store.
    let variables = std::env::vars_os();
    let variables = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(Box::new(BucketStore::open(store, variables)?))
}
