//! Keeps track of how far the sources of an account were counted. This module does no I/O and reads no clock.
//!
//! A source is a file that grows, such as the file of a session. Each of its bytes counts at most once.
//!
//! An account remembers at most [`SOURCES_MAX`] sources. It forgets a source only when a new one is added. To count
//! nothing of a forgotten source twice, the account remembers the time of the latest line among all lines of forgotten
//! sources. From a source that it does not know, the account counts only uses that are later than this time plus
//! [`SKEW_MS`]. It ignores earlier uses, even uses that it has never counted. Only a use that was counted more than
//! [`SKEW_MS`] before its own time can count again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::metrics::Timestamp;

/// The largest number of sources that are remembered.
pub(super) const SOURCES_MAX: usize = 1024;
/// A source may be forgotten if it had no line for this time, in milliseconds: seven days. If there is no room for a
/// new source, the source with the oldest last line is forgotten earlier.
pub(super) const IDLE_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How far the time of a use can be after the time of its line, because clocks differ: ten minutes.
const SKEW_MS: u64 = 10 * 60 * 1000;

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::quota) struct Sources {
    known: HashMap<String, Source>,
    /// The time of the latest line among all lines of forgotten sources, plus [`SKEW_MS`]. `None` if no source was
    /// forgotten.
    forgotten: Option<Timestamp>,
}

/// A source, and how far it was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::quota) struct Source {
    /// The number of bytes that were counted.
    pub(in crate::quota) counted: u64,
    /// The state that the reader of the next bytes needs.
    pub(in crate::quota) state: String,
    /// Only uses after this time count. With `None`, all uses count.
    counts_after: Option<Timestamp>,
    /// The time of the latest line of this source.
    last: Timestamp,
}

impl Source {
    /// Returns true if a use at this time counts.
    pub(in crate::quota) fn counts(&self, at: Timestamp) -> bool {
        self.counts_after.is_none_or(|after| at > after)
    }
}

impl Sources {
    pub(in crate::quota) fn get(&self, source: &str) -> Option<&Source> {
        self.known.get(source)
    }

    /// Notes that a line at `at` reports the bytes from `from` to `to`. Returns the source, or `None` if the line does
    /// not count.
    pub(in crate::quota) fn advance(
        &mut self,
        source: &str,
        from: u64,
        to: u64,
        state: &str,
        at: Timestamp,
    ) -> Option<&Source> {
        if from != self.get(source).map_or(0, |known| known.counted) || from >= to {
            return None;
        }
        if !self.known.contains_key(source) {
            self.make_room(at);
            let new = Source { counted: 0, state: String::new(), counts_after: self.forgotten, last: at };
            self.known.insert(source.to_owned(), new);
        }
        let known = self.known.get_mut(source)?;
        (known.counted, known.last) = (to, known.last.max(at));
        state.clone_into(&mut known.state);
        Some(known)
    }

    /// Forgets the sources that are idle at `at`. If there is still no room, also forgets the source whose last line
    /// is the oldest.
    fn make_room(&mut self, at: Timestamp) {
        let forgotten = &mut self.forgotten;
        self.known.retain(|_, source| {
            let is_idle = at.ms_since(source.last).is_some_and(|idle| idle > IDLE_MS);
            if is_idle {
                *forgotten = (*forgotten).max(Some(source.last.plus_ms(SKEW_MS)));
            }
            !is_idle
        });
        if self.known.len() >= SOURCES_MAX {
            let oldest = self.known.iter().min_by_key(|(name, source)| (source.last, *name));
            if let Some((name, last)) = oldest.map(|(name, source)| (name.clone(), source.last)) {
                self.known.remove(&name);
                self.forgotten = self.forgotten.max(Some(last.plus_ms(SKEW_MS)));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
