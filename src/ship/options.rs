//! The options of shipping.

use std::fmt;
use std::sync::Arc;

use super::shipped::ShippedFile;

/// A function that is called for each file after it was stored.
pub(super) type OnFile = Arc<dyn Fn(&ShippedFile) + Send + Sync>;

/// The options of a [`Shipper`](super::Shipper).
#[derive(Clone)]
pub struct ShipperOptions {
    pub(super) machine: Option<String>,
    pub(super) user: Option<String>,
    pub(super) file_bytes: u64,
    pub(super) on_file: OnFile,
}

impl Default for ShipperOptions {
    fn default() -> Self {
        Self { machine: None, user: None, file_bytes: 256 * 1024 * 1024, on_file: Arc::new(|_| {}) }
    }
}

impl fmt::Debug for ShipperOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, user, file_bytes, on_file: _ } = self;
        let mut debug = f.debug_struct("ShipperOptions");
        debug.field("machine", machine).field("user", user).field("file_bytes", file_bytes).finish_non_exhaustive()
    }
}

impl ShipperOptions {
    /// Returns the default options: the machine and the user are unknown, and a file has about 256 MiB of lines at most.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the column `machine` of all rows.
    #[must_use]
    pub fn machine(self, machine: impl Into<String>) -> Self {
        Self { machine: Some(machine.into()), ..self }
    }

    /// Sets the column `user` of all rows.
    #[must_use]
    pub fn user(self, user: impl Into<String>) -> Self {
        Self { user: Some(user.into()), ..self }
    }

    /// Sets how many bytes of lines a file has. A file ends with the line that reaches this size, or earlier.
    ///
    /// A file is built in memory. Most lines are compressed to a small part of their size. Lines that can hardly be
    /// compressed, such as those with long texts, need up to twice `file_bytes` of memory. Some megabytes for the values of
    /// two row groups are needed too.
    #[must_use]
    pub fn file_bytes(self, file_bytes: u64) -> Self {
        Self { file_bytes, ..self }
    }

    /// Sets a function that is called for each file after it was stored.
    #[must_use]
    pub fn on_file(self, on_file: impl Fn(&ShippedFile) + Send + Sync + 'static) -> Self {
        Self { on_file: Arc::new(on_file), ..self }
    }
}
