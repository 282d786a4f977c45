//! Finds the line with the largest usage of each call whose lines report different usages. The lines can be in several
//! places. A place is a file, or a turn of a file. This search runs before the import.
//!
//! A resumed or forked session repeats the lines of the original session. The original session may have ended in the
//! middle of a message. Its file then has only a part of the usage of a call, and the copy can have the whole usage.
//! The call belongs to the original session, and the record of the call must not change later. A session can also
//! repeat a message in a later turn of its file. So the search compares the lines of all files before the import. It
//! then gives the import the line with the largest usage of each such call.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;

use super::line::Line;
use super::message::calls_of;
use crate::import::lenient::{Text, parsed};
use crate::import::state::{Import, hash};
use crate::import::work::Worker;
use crate::metrics::Timestamp;

/// Every line with a usage contains this text.
const MARK: &str = "\"usage\":";

/// Holds the usage of each call in each place. An entry needs 32 bytes.
#[derive(Debug, Default)]
pub struct Copies(Vec<Seen>);

/// The usage of a call in one place, or in several places of a file without another call between them.
#[derive(Debug, Clone)]
struct Seen {
    call: u64,
    offset: u64,
    file: u32,
    /// The number of tokens of the line at `offset`, which has the largest usage.
    tokens: u32,
    /// The smallest number of tokens of a line.
    least: u32,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Call<'a> {
    #[serde(borrow)]
    request_id: Text<'a>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    usage: Option<Tokens>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
}

impl Copies {
    /// Notes the call of a line, which begins at byte `offset` of `file`. The caller chooses the numbers of the
    /// files.
    pub fn line(&mut self, line: &[u8], file: u32, offset: u64) {
        let Some(line) = std::str::from_utf8(line).ok().filter(|line| line.contains(MARK)) else { return };
        let line: Call<'_> = serde_json::from_str(line).unwrap_or_default();
        let (Some(request), Some(Message { id, usage: Some(usage) })) = (line.request_id.get(), line.message) else {
            return;
        };
        let counts =
            [usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens];
        let tokens = counts.into_iter().flatten().fold(0, u64::saturating_add).try_into().unwrap_or(u32::MAX);
        let Some(id) = id.get() else { return };
        let mut hasher = DefaultHasher::new();
        (id, request).hash(&mut hasher);
        let copy = Seen { call: hasher.finish(), offset, file, tokens, least: tokens };
        match self.0.last_mut() {
            Some(last) if (last.call, last.file) == (copy.call, copy.file) => {
                let least = last.least.min(tokens);
                if tokens > last.tokens {
                    *last = copy;
                }
                last.least = least;
            }
            _ => self.0.push(copy),
        }
    }

    /// Returns the file and the first byte of one line of each call whose lines report different usages. This line has
    /// the largest usage of the call. Pass these lines to [`foresee`].
    pub fn larger(mut self) -> Vec<(u32, u64)> {
        self.0.sort_unstable_by_key(|copy| (copy.call, copy.file));
        let mut larger = Vec::new();
        for copies in self.0.chunk_by(|one, other| one.call == other.call) {
            let least = copies.iter().map(|copy| copy.least).min();
            let most = copies.iter().max_by_key(|copy| copy.tokens);
            if let (Some(least), Some(most)) = (least, most)
                && least < most.tokens
            {
                larger.push((most.file, most.offset));
            }
        }
        larger.sort_unstable();
        larger
    }
}

/// Tells `import` the largest usage of a call before the import reads the call. The import then counts at least this
/// usage.
pub fn foresee(line: &[u8], import: &mut Import) {
    let Some(line) = parsed::<Line<'_>>(line) else { return };
    let at = line.timestamp.get().and_then(|at| at.parse::<Timestamp>().ok());
    let (Some(at), Some(message)) = (at, &line.message) else { return };
    let (Some(id), Some(request)) = (message.id.get(), line.request_id.get()) else { return };
    for call in calls_of(message, &format!("{id}/{request}"), &Worker::Own, at, line.cost_usd) {
        import.larger.insert(hash(&call.name), call);
    }
}
