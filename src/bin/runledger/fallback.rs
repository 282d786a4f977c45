//! The directories in which `runledger run` stores records if the ledger's directory cannot be used.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, io};

use runledger::ledger::Fallback;

use crate::redaction::redactor;

/// Returns the directories in the order in which they are tried:
///
/// - `$XDG_STATE_HOME/runledger/spill`. The default of `XDG_STATE_HOME` is `$HOME/.local/state`. A variable that is not
///   an absolute path is ignored. If neither variable can be used, this directory is left out.
/// - `runledger-UID/spill` in the temporary directory. UID is the effective user id. This directory is left out if
///   `runledger-UID` exists, but is not a directory that only this user can use.
pub(crate) fn all() -> Vec<Fallback> {
    let state = absolute(env::var_os("XDG_STATE_HOME"))
        .or_else(|| Some(absolute(env::var_os("HOME"))?.join(".local/state")))
        .map(|state| state.join("runledger"));
    let uid = rustix::process::geteuid().as_raw();
    let temporary = env::temp_dir().join(format!("runledger-{uid}"));
    let temporary = is_own_or_absent(&temporary, uid).then_some(temporary);
    let fallback = |directory: PathBuf| Fallback::new(directory.join("spill")).redactor(redactor().clone());
    state.into_iter().chain(temporary).map(fallback).collect()
}

/// Returns the path if it is absolute. The XDG base directory specification says that relative paths must be ignored.
fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Returns true if the directory does not exist, or if this user owns it and nobody else can use it. Every user can
/// create directories in the temporary directory, so another user may have created this directory.
fn is_own_or_absent(directory: &Path, uid: u32) -> bool {
    match fs::symlink_metadata(directory) {
        Ok(found) => found.is_dir() && found.uid() == uid && found.mode() & 0o077 == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
