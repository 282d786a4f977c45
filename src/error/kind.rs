//! The kinds of errors.

/// What went wrong, in a form that a program can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused or failed an operation. [`cause`](super::Error::cause) returns its error.
    Io,
    /// A deadline passed before the lock could be acquired, or before the disk responded.
    Timeout,
    /// A value is missing or impossible. [`Error::details`](super::Error::details) lists every fault.
    Invalid,
    /// The operation is not possible with this path, file or process. For example, a ledger cannot be at a path that is
    /// a directory, a symlink or a FIFO, or on a network file system. A forked process cannot use the async calls.
    Unsuitable,
    /// Text or bytes that were read do not have the expected format. Examples are invalid JSON, a damaged line, and a
    /// table that does not parse.
    Malformed,
    /// A newer version of this crate wrote a file or upgraded the tables of a database, and this version cannot use
    /// them.
    Newer,
    /// A computed file, such as a checkpoint, must be computed again. The computed file is damaged, another version of
    /// this crate wrote it, or the ledger has changed since then.
    Stale,
    /// The price table has no single entry for the call. There are two cases, and
    /// [`Error::details`](super::Error::details) shows which one applies:
    ///
    /// - The table does not contain the model. The details list the nearest known names.
    /// - Several providers offer the model, and the call does not name a provider. The details list these providers.
    UnknownModel,
    /// The model is known, but a part of the usage, such as cached tokens, has no price at the time of the call.
    /// [`Error::details`](super::Error::details) names that part.
    Unpriced,
    /// The table of limits has no limit for the API that the caller named. [`Error::details`](super::Error::details)
    /// lists the APIs in the table.
    UnknownLimit,
    /// No execution in flight and no record has the id that the caller passed.
    UnknownExecution,
    /// No open reservation of the quota has the id that the caller passed.
    UnknownHold,
    /// The execution has already ended and has its record, or the reservation of a quota has already ended. Nothing was
    /// changed. [`Error::details`](super::Error::details) says how the execution or the reservation ended.
    Ended,
    /// The ledger has a record with the same id and other content, so nothing was changed.
    /// [`Error::details`](super::Error::details) lists what differs.
    Conflict,
    /// A number exceeded its range. Examples are a sum, a product, and the number of a line or of a file.
    Overflow,
    /// A thread that worked for the caller panicked. If that thread was writing records, the caller's record may or may
    /// not have been written.
    Abandoned,
    /// The ledger was truncated or rewritten, so it lacks lines that it had before. A program that copies all lines
    /// also gets this error if lines were moved to an archive (another ledger) before they were copied. A program that
    /// ships lines also gets this error if two ledgers have the same id.
    Diverged,
    /// A reader has skipped lines, because they were moved to an archive before the reader reached them.
    /// [`Error::details`](super::Error::details) states the numbers of these lines.
    Archived,
    /// A database could not be reached, refused a statement, or has unexpected tables.
    Database,
}
