//! The connections of a build without TLS.

use super::address::Security;
use super::client::{self, Failed};
use crate::error::Result;

pub(super) use super::client::NoTls as Connector;

pub(super) const IS_BUILT_IN: bool = false;

pub(super) fn connector(_: &Security) -> Result<Connector> {
    Ok(client::NoTls)
}

/// What a connection that was not made failed at; `None`: not at TLS.
pub(super) fn explained(_: &Connector, _: &client::Failure) -> Option<Failed> {
    None
}
