//! The store that an argument names, in a build without object stores: a directory.

use runledger::ship::{DirectoryStore, Store};

use crate::failure::Failure;

/// Refuses the address of an object store.
pub(crate) fn parse(store: &str) -> Result<String, &'static str> {
    if store.contains("://") {
        return Err("this runledger was built without object stores; build it with the features cli and object-store");
    }
    Ok(store.to_owned())
}

pub(crate) fn open(store: &str) -> Result<Box<dyn Store>, Failure> {
    Ok(Box::new(DirectoryStore::new(store)))
}
