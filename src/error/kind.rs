//! The kinds of errors.

/// What went wrong, in a form that a program can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused or failed an operation. [`source`](std::error::Error::source) returns its error.
    Io,
    /// A deadline passed before the lock could be acquired, or before the lines were written.
    Timeout,
    /// A value is missing or impossible. [`Error::details`](super::Error::details) lists every fault.
    Invalid,
    /// The path cannot hold a ledger. For example, it is a directory, a symlink or a FIFO, or it is on a network file
    /// system.
    Unsuitable,
    /// The bytes do not follow the format. Examples are invalid JSON, a damaged line, and a table that does not parse.
    Malformed,
    /// The file was written by a newer version of this crate.
    Newer,
    /// The file, such as a checkpoint, was computed by another version of this crate, or from a file that has changed
    /// since then. It must be computed again.
    Stale,
    /// The price table has no entry for the call. There are two cases, and [`Error::details`](super::Error::details)
    /// shows which one applies:
    ///
    /// - The table does not contain the model. The details list the nearest known names.
    /// - Several providers offer the model, and the call names none of them. The details list these providers.
    UnknownModel,
    /// The model is known, but a part of the usage, such as cached tokens, has no price at the time of the call.
    /// [`Error::details`](super::Error::details) names that part.
    Unpriced,
    /// No limit has that name. [`Error::details`](super::Error::details) lists the known names.
    UnknownLimit,
    /// No execution in flight has this id, and no record has it either.
    UnknownExecution,
    /// The execution already has its record, and nothing was changed. [`Error::details`](super::Error::details) says
    /// how the execution ended.
    Ended,
    /// A sum or product exceeded the range of its type.
    Overflow,
    /// A thread that worked for the caller panicked. If that thread was writing records, the caller's record may or may
    /// not have been written.
    Abandoned,
    /// Lines that were copied from a ledger are no longer in it, because the ledger was truncated or rewritten.
    Diverged,
    /// Lines that were still to be read were moved to an archive. [`Error::details`](super::Error::details) names them.
    Archived,
    /// A database could not be reached, refused a statement, or has unexpected tables.
    Database,
}
