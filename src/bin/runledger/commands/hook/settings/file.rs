//! Reads and replaces the settings file of an agent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::links;

/// The settings before a change.
pub(super) struct SettingsFile {
    /// The path of the file. If the given path is a symbolic link, this is its target, which need not exist.
    path: PathBuf,
    /// `None` if the file does not exist.
    pub(super) text: Option<String>,
    mode: u32,
}

impl SettingsFile {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |source| failure("read the settings", path, source);
        let target = links::target(path);
        let text = match fs::read_to_string(&target) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path: target, text: None, mode: 0o600 });
            }
            Err(error) => return Err(failed(error)),
        };
        let mode = target.metadata().map_err(failed)?.mode() & 0o7777;
        Ok(Self { path: target, text: Some(text), mode })
    }

    /// Copies the settings to another file, and then replaces them. Returns the path of the copy, or `None` if the file
    /// did not exist. At any time, the file has either the old or the new content.
    pub(super) fn replace(&self, text: &str) -> Result<Option<PathBuf>, Failure> {
        let failed = |source| failure("write the settings", &self.path, source);
        let directory = links::directory(&self.path);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let copy = match &self.text {
            Some(before) => Some(self.copy(before).map_err(failed)?),
            None => None,
        };
        let written = self.with_ending(&format!("runledger-{}", std::process::id()));
        let replaced = self.create(&written, text).and_then(|()| {
            let now = match fs::read_to_string(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                now => Some(now?),
            };
            if now != self.text {
                return Err(io::Error::other(
                    "another program has changed the file in the meantime. Repeat the command",
                ));
            }
            fs::rename(&written, &self.path)?;
            File::open(directory)?.sync_all()
        });
        replaced.inspect_err(|_| _ = fs::remove_file(&written)).map_err(failed)?;
        Ok(copy)
    }

    /// Copies the settings to a file next to them. Replaces the copy of an earlier change.
    fn copy(&self, text: &str) -> io::Result<PathBuf> {
        let copy = self.with_ending("before-runledger");
        let written = self.with_ending(&format!("before-runledger-{}", std::process::id()));
        let replaced = self.create(&written, text).and_then(|()| fs::rename(&written, &copy));
        replaced.inspect_err(|_| _ = fs::remove_file(&written)).map(|()| copy)
    }

    /// Creates a file that has the permissions of the settings file, and syncs it.
    fn create(&self, path: &Path, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(self.mode))?;
        file.sync_all()
    }

    fn with_ending(&self, ending: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{ending}"));
        self.path.with_file_name(name)
    }
}

fn failure(operation: &'static str, path: &Path, source: io::Error) -> Failure {
    Failure::File { operation, path: path.to_owned(), source }
}
