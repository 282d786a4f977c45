//! Verifies the lines of one ledger, and the ledgers that continue the chain of an archive.

use std::path::PathBuf;

use super::Verification;
use super::chain::Chain;
use super::check::Checked;
use super::redactions::Redactions;
use crate::disk::{FileType, Stat, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Head;
use crate::journal::format::line::Link;
use crate::journal::format::{Layout, identity};
use crate::journal::read::blocks::Blocks;
use crate::journal::read::moved;
use crate::journal::read::truncation::Known;
use crate::journal::read::workers::{Sharing, in_order};
use crate::ledger::redact::ledgers_after;

/// The length of a block: large enough that passing it to a thread costs little, and small enough that its findings are
/// small.
const BLOCK_BYTES: u64 = 256 * 1024;

/// The maximum number of times that a ledger is verified, if its segments are replaced each time.
const TRIES: usize = 20;

/// The inode, the length and the time of the last change of a file.
type Identity = ((u64, u64), u64, (i64, i64));

/// Verifies a ledger or an archive. Verifies again if there are faults or notes, and a redaction replaced segments in
/// the meantime. Some segments may then have been read before the redaction, and others after it.
pub(super) fn verify_unchanged(disk: &dyn Storage, layout: &Layout, heads: &[Head]) -> Result<Verification> {
    let mut before = sealed(disk, layout);
    for _ in 1..TRIES {
        let found = verify_in(disk, layout, heads, BLOCK_BYTES, Sharing::default())?;
        let after = sealed(disk, layout);
        if (found.is_clean() && found.notes.is_empty()) || before == after {
            return Ok(found);
        }
        before = after;
    }
    verify_in(disk, layout, heads, BLOCK_BYTES, Sharing::default())
}

/// Returns the path of each sealed segment of the ledger, and of the ledgers that continue its chain. With each path
/// comes what changes if the file is replaced. After two replacements, the inode can be the old one again, so the length
/// and the time of the last change are compared too. Ignores errors, because the verification reports them.
fn sealed(disk: &dyn Storage, layout: &Layout) -> Vec<(PathBuf, Option<Identity>)> {
    let after = ledgers_after(disk, layout).map(|(layouts, _)| layouts).unwrap_or_default();
    let paths = [layout.clone()].into_iter().chain(after).flat_map(|layout| {
        let numbers = layout.sealed_segments(disk).unwrap_or_default();
        numbers.into_iter().map(move |number| layout.sealed_segment(number))
    });
    let identity = |path: &PathBuf| disk.stat(path).ok().flatten().map(|stat| (stat.id, stat.len, stat.changed));
    paths.map(|path| (path.clone(), identity(&path))).collect()
}

/// Verifies a ledger or an archive. Its lines are read in blocks of `block_bytes`.
pub(super) fn verify_in(
    disk: &dyn Storage,
    layout: &Layout,
    heads: &[Head],
    block_bytes: u64,
    sharing: Sharing,
) -> Result<Verification> {
    let (mut found, mut redactions, last) = verify_one(disk, layout, heads, block_bytes, sharing)?;
    if redactions.has_open() {
        redactions
            .read_ledgers_after(disk, layout, last, &|layout| verify_one(disk, layout, &[], block_bytes, sharing))?;
    }
    redactions.end(&mut found);
    Ok(found)
}

/// Verifies one ledger or archive, without judging its redacted lines. Also returns the redacted lines with the
/// statements, and the last line.
fn verify_one(
    disk: &dyn Storage,
    layout: &Layout,
    heads: &[Head],
    block_bytes: u64,
    sharing: Sharing,
) -> Result<(Verification, Redactions, Link)> {
    let absent = |found: &str| {
        let detail = format!("found {found}; expected the file of a ledger");
        Error::new(ErrorKind::Io, "verify the ledger").path(layout.active()).detail(detail)
    };
    let failed = |source| Error::io("verify the ledger", layout.active(), source);
    let id = identity::read(disk, layout)?;
    // Open only a regular file, because opening a FIFO would wait forever.
    let is_file = |stat: Option<Stat>| stat.is_some_and(|stat| stat.file_type == FileType::File);
    if id.is_none() && !is_file(disk.stat(layout.active()).map_err(failed)?) {
        return Err(absent("no file"));
    }
    // Read the internal files before the lines. In the other order, a line that is appended in between would seem to be
    // missing.
    let mut known = Known::from_all(disk, layout);
    let truncations = known.truncations(disk, layout)?;
    let blocks = Blocks::of(disk, layout, block_bytes)?;
    let mut chain = Chain::new(id, layout, blocks.active_number(), heads);
    if id.is_none() && disk.stat(layout.machinery()).map_err(failed)?.is_none() {
        chain.begin_anywhere();
    } else {
        match moved::moved_before(disk, layout, blocks.first_number()) {
            Ok(archived) => archived.into_iter().for_each(|archived| chain.begin_after(archived)),
            Err(error) if error.is_denied() => chain.unreadable(&error),
            Err(error) => return Err(error),
        }
    }
    let unreadable = in_order(blocks, sharing, Checked::of, |block, checked| {
        chain.block(block, checked);
        Ok(())
    })?;
    unreadable.iter().chain(known.unreadable()).for_each(|error| chain.unreadable(error));
    let (found, redactions, last) = chain.end(truncations, known.last_seq(id));
    // Without an identity and without a valid line, the file is not a ledger.
    match id {
        None if found.head.seq == 0 => Err(absent("a file without a line of a ledger")),
        _ => Ok((found, redactions, last)),
    }
}
