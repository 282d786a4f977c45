//! What a reader passes over: lines that are no records, and segments that it may not read.

use std::path::Path;

use super::Error;

/// The lines that were passed over because they are no records: all counted, the first ones named.
#[derive(Debug, Clone, Default)]
pub struct Skipped {
    count: u64,
    /// In the order of their places, at most `ERRORS_MAX`.
    errors: Vec<Error>,
    unreadable: Vec<Error>,
}

impl Skipped {
    /// How many errors are kept.
    pub const ERRORS_MAX: usize = 20;

    /// How many lines were passed over, the unnamed ones too.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Why, of the first [`ERRORS_MAX`](Self::ERRORS_MAX) by path, line and byte; errors that carry no place come before
    /// all others, in the order in which they were met.
    pub fn errors(&self) -> &[Error] {
        &self.errors
    }

    /// The segments that this process may not read, in their order: none of their lines is counted, nor in what was read.
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

    /// Counts lines whose errors are not kept: as many came before them in their file.
    pub(crate) fn add_unnamed(&mut self, count: u64) {
        self.count += count;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.unreadable.extend(other.unreadable);
        other.errors.into_iter().for_each(|error| self.keep(error));
    }

    /// Puts those of a file before this one before these.
    pub(crate) fn follow(&mut self, earlier: Self) {
        let later = std::mem::replace(self, earlier);
        self.count += later.count;
        self.errors.extend(later.errors);
        self.errors.truncate(Self::ERRORS_MAX);
    }

    /// Keeps the earliest places, not the first errors met, so that the order of the records does not matter.
    fn keep(&mut self, error: Error) {
        let at = self.errors.partition_point(|kept| place(kept) <= place(&error));
        if at < Self::ERRORS_MAX {
            self.errors.insert(at, error);
            self.errors.truncate(Self::ERRORS_MAX);
        }
    }
}

fn place(error: &Error) -> (Option<&Path>, Option<u64>, Option<u64>) {
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
    fn the_earliest_places_are_kept_in_order_and_all_are_counted() {
        let (mut skipped, mut later) = (Skipped::default(), Skipped::default());
        for line in (1..=40).rev() {
            if line % 2 == 0 { skipped.add(error(line)) } else { later.add(error(line)) }
        }
        skipped.merge(later);
        assert_eq!(skipped.count(), 40);
        let lines: Vec<_> = skipped.errors().iter().filter_map(Error::line).collect();
        assert_eq!(lines, (1..=20).collect::<Vec<_>>());
    }
}
