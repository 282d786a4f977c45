//! The progress bar of a command that reads the files of a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::term::bar::{Bar, line, share};
use crate::term::short::several;

/// Starts the bar of a command that reads `of` files. `done` has the number of files that were read. Returns `None` if
/// stderr is not a terminal.
pub(super) fn bar(done: &Arc<AtomicU64>, of: u64) -> Option<Bar> {
    let done = Arc::clone(done);
    Bar::of(Box::new(move |cells| {
        let read = done.load(Ordering::Relaxed);
        Some(line(read, of, cells, &format!("{} % of {}", share(read, of, 100), several(of, "file", "files"))))
    }))
}
