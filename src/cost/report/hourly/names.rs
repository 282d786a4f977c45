//! The names of skills and models. Rows (sums of executions) refer to names by number.

use std::collections::HashMap;
use std::sync::Arc;

use super::numbers::{Reader, push};

/// The names, in the order of their numbers, which begin at 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<Arc<str>>);

impl Names {
    /// Reads the bytes that [`HourlySums::names`](super::HourlySums::names) returned. Returns `None` if the bytes do
    /// not have the form of names.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut names = Vec::new();
        while !reader.0.is_empty() {
            names.push(reader.text()?.into());
        }
        Some(Self(names))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for name in &self.0 {
            push(&mut bytes, name.len() as u64);
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes
    }

    pub(super) fn get(&self, number: u32) -> Option<&str> {
        self.0.get(number as usize).map(|name| &**name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

/// Names with a table in which the number of a name can be looked up.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    names: Names,
    numbers: HashMap<Arc<str>, u32>,
    /// The length of all names together.
    bytes: usize,
}

impl From<Names> for Numbered {
    fn from(names: Names) -> Self {
        let numbers = names.0.iter().cloned().zip(0..).collect();
        let bytes = names.iter().map(str::len).sum();
        Self { names, numbers, bytes }
    }
}

impl Numbered {
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Returns the approximate memory use, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        /// The memory that a name needs in addition to its text: two reference counters, and the entries in the list
        /// and in the table.
        const NAME_BYTES: usize = 128;
        self.bytes + self.names.0.len() * NAME_BYTES
    }

    /// Returns the number of a name. Adds the name if it is new. Returns `None` if there are too many names.
    pub(super) fn number(&mut self, name: &str) -> Option<u32> {
        /// How many names there can be. Each name has an index below this limit. The code of a
        /// [`Spot`](super::key::Spot) is at most twice the index of its model, plus 5, so it fits in 32 bits.
        const NAMES_MAX: usize = u32::MAX as usize / 4;
        if let Some(&number) = self.numbers.get(name) {
            return Some(number);
        }
        let number = u32::try_from(self.names.0.len()).ok().filter(|_| self.names.0.len() < NAMES_MAX)?;
        self.bytes += name.len();
        let name: Arc<str> = name.into();
        self.names.0.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        Some(number)
    }
}
