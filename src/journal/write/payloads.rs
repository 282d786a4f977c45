//! What a batch appends.

use crate::journal::format::line::TRAILER_BYTES_MAX;

/// One line for each payload: where the payloads end in a buffer that holds them one after the other.
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

    /// Keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How many bytes its memory has room for.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// All of them.
    pub(super) fn all(&self) -> Run<'_> {
        Run { bytes: &self.bytes, begin: 0, ends: &self.ends }
    }

    /// All of them, in runs whose lines fit into a file of `limit` bytes. One that does not is a run of its own.
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

/// Some of the payloads, one after the other.
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

    /// More bytes than the lines will have.
    pub(super) fn line_bytes_max(self) -> u64 {
        let payload_bytes = self.ends.last().map_or(0, |end| end - self.begin);
        (payload_bytes + self.ends.len() * TRAILER_BYTES_MAX) as u64
    }
}
