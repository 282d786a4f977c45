//! The lines that a reader skips because they are not records, and the segments that it has no permission to read.

use std::path::Path;

use super::Error;

/// The lines that a reader skipped because they are not records, and the segments (files of the ledger) that it has no
/// permission to read. All skipped lines are counted. Errors are kept only for the first
/// [`ERRORS_MAX`](Self::ERRORS_MAX) skipped lines.
#[derive(Debug, Clone, Default)]
pub struct Skipped {
    count: u64,
    /// At most `ERRORS_MAX` errors, in the order of their positions.
    errors: Vec<Error>,
    unreadable: Vec<Error>,
}

impl Skipped {
    /// The maximum number of errors that are kept.
    pub const ERRORS_MAX: usize = 20;

    /// Returns the number of lines that were skipped, including those whose error is not kept.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns at most [`ERRORS_MAX`](Self::ERRORS_MAX) errors: the first ones when all errors are sorted by path, line
    /// and byte.
    ///
    /// Errors without a path come before all others, in the order in which they were found. If only the last records of
    /// a ledger were read, the errors are in the order of the ledger instead.
    pub fn errors(&self) -> &[Error] {
        &self.errors
    }

    /// Returns one error for each segment that this process has no permission to read, in the order of the segments.
    /// The lines of these segments are neither read nor counted.
    pub fn unreadable(&self) -> &[Error] {
        &self.unreadable
    }

    pub(crate) fn add_unreadable(&mut self, segments: Vec<Error>) {
        self.unreadable.extend(segments);
    }

    pub(crate) fn add(&mut self, error: Error) {
        self.count += 1;
        self.keep(error);
    }

    /// Counts lines without keeping their errors. The caller has already added [`ERRORS_MAX`](Self::ERRORS_MAX) errors
    /// of earlier lines of the same file.
    pub(crate) fn add_unnamed(&mut self, count: u64) {
        self.count += count;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.unreadable.extend(other.unreadable);
        other.errors.into_iter().for_each(|error| self.keep(error));
    }

    /// Adds the skipped lines and the unreadable segments of an earlier part of the ledger. Their errors come before
    /// the errors that are already here.
    pub(crate) fn follow(&mut self, earlier: Self) {
        let later = std::mem::replace(self, earlier);
        self.count += later.count;
        self.unreadable.extend(later.unreadable);
        self.errors.extend(later.errors);
        self.errors.truncate(Self::ERRORS_MAX);
    }

    /// Keeps the errors with the earliest positions, so that the order in which files are read does not matter.
    fn keep(&mut self, error: Error) {
        let at = self.errors.partition_point(|kept| position(kept) <= position(&error));
        if at < Self::ERRORS_MAX {
            self.errors.insert(at, error);
            self.errors.truncate(Self::ERRORS_MAX);
        }
    }
}

fn position(error: &Error) -> (Option<&Path>, Option<u64>, Option<u64>) {
    (error.file(), error.line(), error.byte())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn error(line: u64) -> Error {
        Error::new(ErrorKind::Malformed, "read a record").at(line, line * 100)
    }

    #[test]
    fn the_earliest_errors_are_kept_in_order_and_all_are_counted() {
        let (mut skipped, mut later) = (Skipped::default(), Skipped::default());
        for line in (1..=40).rev() {
            if line % 2 == 0 { skipped.add(error(line)) } else { later.add(error(line)) }
        }
        skipped.merge(later);
        assert_eq!(skipped.count(), 40);
        let lines: Vec<_> = skipped.errors().iter().filter_map(Error::line).collect();
        assert_eq!(lines, (1..=20).collect::<Vec<_>>());
    }

    #[test]
    fn the_skipped_lines_of_an_earlier_part_come_first_and_are_counted() {
        let of = |line| {
            let mut skipped = Skipped::default();
            skipped.add(error(line));
            skipped.add_unreadable(vec![error(10 * line)]);
            skipped
        };
        let mut skipped = of(3);
        skipped.follow(of(2));
        skipped.follow(of(1));
        let lines = |errors: &[Error]| errors.iter().filter_map(Error::line).collect::<Vec<_>>();
        assert_eq!((skipped.count(), lines(skipped.errors())), (3, vec![1, 2, 3]));
        assert_eq!(lines(skipped.unreadable()), [10, 20, 30]);
    }
}
