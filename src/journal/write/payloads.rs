//! The payloads of a batch.

use crate::journal::format::line::TRAILER_BYTES_MAX;

/// The payloads of one batch, one for each line. `bytes` has the payloads one after the other, and `ends` has the
/// offset in `bytes` at which each payload ends.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Payloads {
    pub(super) fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
    }

    /// Removes all payloads and keeps the allocated memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Returns how many bytes fit into the allocated memory.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Returns all payloads.
    pub(super) fn all(&self) -> Run<'_> {
        Run { bytes: &self.bytes, begin: 0, ends: &self.ends }
    }

    /// Divides all payloads into runs of consecutive payloads, so that the lines of each run fit into a file of `limit`
    /// bytes. A payload whose line does not fit into such a file is a run of its own.
    pub(super) fn runs(&self, limit: u64) -> Vec<Run<'_>> {
        let mut runs = Vec::new();
        let mut rest = self.all();
        while !rest.ends.is_empty() {
            let fits = |count: usize| Run { ends: &rest.ends[..count], ..rest }.line_bytes_max() <= limit;
            let count = (2..=rest.ends.len()).take_while(|&count| fits(count)).last().unwrap_or(1);
            let (now, later) = rest.ends.split_at(count);
            runs.push(Run { ends: now, ..rest });
            rest = Run { begin: now[count - 1], ends: later, ..rest };
        }
        runs
    }
}

/// Consecutive payloads of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'p> {
    bytes: &'p [u8],
    begin: usize,
    ends: &'p [usize],
}

impl<'p> Run<'p> {
    pub(super) fn iter(self) -> impl Iterator<Item = &'p [u8]> {
        let starts = std::iter::once(self.begin).chain(self.ends.iter().copied());
        starts.zip(self.ends).map(move |(start, &end)| &self.bytes[start..end])
    }

    pub(super) fn count(self) -> usize {
        self.ends.len()
    }

    /// Returns an upper bound of the length of the lines in bytes.
    pub(super) fn line_bytes_max(self) -> u64 {
        let payload_bytes = self.ends.last().map_or(0, |end| end - self.begin);
        (payload_bytes + self.ends.len() * TRAILER_BYTES_MAX) as u64
    }
}
