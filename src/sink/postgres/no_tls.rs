//! Replaces `tls.rs` in a build without TLS, and has the same items.

use std::path::Path;

use super::client::{Failed, Failure, NoTls};
use crate::error::Result;

pub(super) const IS_BUILT_IN: bool = false;

pub(super) fn connector(_is_checked: bool, _root: Option<&Path>) -> Result<NoTls> {
    Ok(NoTls)
}

pub(super) fn explained(_: &NoTls, _: &Failure) -> Option<Failed> {
    None
}
