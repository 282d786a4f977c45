//! The payloads of a batch, which are the JSON objects that the batch appends.

use std::collections::HashSet;
use std::sync::Arc;

use super::keys::{Key, KnownKeys, NotAppended};
use super::mark::Mark;
use crate::journal::format::line::TRAILER_BYTES_MAX;

/// The payloads of one batch, one for each line. `bytes` has the payloads one after the other, and `ends` has the
/// offset in `bytes` at which each payload ends.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The keys, each with the index of its payload, in ascending order of the indexes. A payload need not have a key.
    keys: Vec<(usize, Key)>,
    /// The index of the keys of all lines, or `None` if no payload has a key.
    known: Option<Arc<dyn KnownKeys>>,
}

/// The payloads of a batch that were not appended, each with its index in the batch, in the order of the indexes.
pub(super) type Skipped = Arc<[(usize, NotAppended)]>;

impl Payloads {
    pub(super) fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
    }

    /// Adds a payload that is appended only if no line has its key, or if it replaces the last line with its key. All
    /// calls for a journal must pass the same `known`.
    pub(super) fn push_new(&mut self, payload: &[u8], key: Key, known: &Arc<dyn KnownKeys>) {
        self.keys.push((self.count(), key));
        self.known.get_or_insert_with(|| Arc::clone(known));
        self.push(payload);
    }

    /// Returns the payloads that must not be appended. The caller must hold the lock of the journal. `end` is the end
    /// of the journal.
    pub(super) fn skipped(&self, end: Mark) -> Skipped {
        let Some(known) = &self.known else { return Skipped::default() };
        let keys: Vec<_> = self.keys.iter().map(|(_, key)| *key).collect();
        let places = match known.places(&keys, end) {
            Ok(places) => places,
            Err(error) => {
                return self.keys.iter().map(|(index, _)| (*index, NotAppended::Unknown(error.clone()))).collect();
            }
        };
        let mut appended = HashSet::new();
        let skipped = self.keys.iter().zip(places).filter_map(|(&(index, key), place)| match place {
            Some(place) if key.replaces != Some(place) => Some((index, NotAppended::Known(place))),
            _ if !appended.insert(key.id) => Some((index, NotAppended::InBatch)),
            _ => None,
        });
        skipped.collect()
    }

    /// Adds the lines of all payloads to the index of keys. The lines were written from `before` to `after`, and
    /// `starts` has the offset of each line. Does nothing if a payload has no key, or if the payloads were written as
    /// several [`runs`](Self::runs).
    pub(super) fn written(&self, starts: &[u64], before: Mark, after: Mark) {
        if let Some(known) = &self.known
            && self.keys.len() == self.count()
            && starts.len() == self.count()
        {
            let lines: Vec<_> = self.keys.iter().zip(starts).map(|((_, key), start)| (key.id, *start)).collect();
            known.written(&lines, before, after);
        }
    }

    /// Returns the payloads without those that are skipped.
    pub(super) fn without(&self, skipped: &Skipped) -> Self {
        let mut kept = Self::default();
        for (index, payload) in self.all().iter().enumerate() {
            if skipped.binary_search_by_key(&index, |(skipped, _)| *skipped).is_err() {
                kept.push(payload);
            }
        }
        kept
    }

    /// Removes all payloads and keeps the allocated memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.keys.clear();
        self.known = None;
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
    /// bytes. A payload whose line does not fit into such a file becomes a separate run. Without a limit, there is one
    /// run.
    pub(super) fn runs(&self, limit: Option<u64>) -> Vec<Run<'_>> {
        let mut runs = Vec::new();
        let mut rest = self.all();
        let Some(limit) = limit else {
            runs.extend(Some(rest).filter(|all| all.count() > 0));
            return runs;
        };
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::error::Result;
    use crate::journal::format::line::Link;
    use crate::journal::write::LinePlace;

    #[derive(Debug, Default)]
    struct Noted(Mutex<Vec<(u128, u64)>>);

    impl KnownKeys for Noted {
        fn places(&self, keys: &[Key], _end: Mark) -> Result<Vec<Option<LinePlace>>> {
            Ok(vec![None; keys.len()])
        }

        fn written(&self, lines: &[(u128, u64)], _before: Mark, _after: Mark) {
            self.0.lock().unwrap().extend(lines);
        }
    }

    /// Returns the lines that are recorded for payloads with these `keys`. `starts` has the offsets of the lines in the
    /// last run.
    fn noted(keys: &[Option<u128>], starts: &[u64]) -> Vec<(u128, u64)> {
        let (noted, mut payloads) = (Arc::new(Noted::default()), Payloads::default());
        let known: Arc<dyn KnownKeys> = Arc::clone(&noted) as _;
        for key in keys {
            match key {
                Some(id) => payloads.push_new(b"{}", Key { id: *id, replaces: None }, &known),
                None => payloads.push(b"{}"),
            }
        }
        let mark = Mark { segment: 1, len: 0, link: Link::START };
        payloads.written(starts, mark, mark);
        noted.0.lock().unwrap().clone()
    }

    #[test]
    fn lines_are_recorded_only_if_every_payload_has_a_key_and_there_was_one_run() {
        assert_eq!(noted(&[Some(7), Some(8)], &[0, 300]), [(7, 0), (8, 300)]);
        assert_eq!(noted(&[Some(7), None], &[0, 300]), []);
        // If there are several runs, `starts` has only the offsets of the last run.
        assert_eq!(noted(&[Some(7), None], &[300]), []);
        assert_eq!(noted(&[Some(7), Some(8)], &[300]), []);
    }
}
