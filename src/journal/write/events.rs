//! Records changes of the journal's files in `events.jsonl`.

use std::io;

use serde::Serialize;

use crate::disk::{Access, Storage, append_all, open_or_make, read_full_at};
use crate::error::{Error, Result};
use crate::journal::format::Layout;
use crate::journal::format::event::push_line;

/// Appends `event` as a separate line and syncs the file. If a failed write left a partial line, writes a line feed
/// before `event`.
pub(crate) fn record(storage: &dyn Storage, layout: &Layout, unix_ms: i64, event: &impl Serialize) -> Result<()> {
    let path = layout.events();
    let write = || -> io::Result<()> {
        let file = open_or_make(storage, &path, Access::Append, Access::AppendNew)?;
        let mut last = *b"\n";
        read_full_at(&*file, &mut last, file.length()?.saturating_sub(1))?;
        let mut line = if last == *b"\n" { Vec::new() } else { vec![b'\n'] };
        push_line(&mut line, unix_ms, event)?;
        append_all(&*file, &line)?;
        file.sync()
    };
    write().map_err(|source| Error::io("record an event", &path, source))
}
