//! Changes of the files of a ledger. They are random, or read from a script with one change on each line.

use std::fmt;
use std::str::FromStr;

use runledger::hash_bytes;

use super::{ACTIVE, Tree};

/// Pseudo-random numbers, which are the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, or 0 if that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.next().checked_rem(end as u64).unwrap_or(0) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }
}

/// One change of a file. An offset beyond the end of the file counts as its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) file: String,
    pub(crate) how: How,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    Flip {
        at: usize,
        mask: u8,
    },
    Set {
        at: usize,
        bytes: Vec<u8>,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
    Delete {
        at: usize,
        len: usize,
    },
    Zero {
        at: usize,
        len: usize,
    },
    Cut {
        at: usize,
    },
    Append {
        bytes: Vec<u8>,
    },
    /// The whole content is replaced by pseudo-random bytes.
    Noise {
        len: usize,
        seed: u64,
    },
    Remove,
    /// The file, which may be new, gets the content of another file.
    Copy {
        from: String,
    },
    Swap {
        with: String,
    },
    /// The `line`th line of the file is repeated before its `before`th.
    Repeat {
        line: usize,
        before: usize,
    },
    /// The hash of the line at an offset is computed again, so that it matches its bytes.
    Seal {
        at: usize,
    },
    /// A directory replaces the file.
    Directory,
}

/// The names under which a file may be copied.
const NEW_NAMES: [&str; 8] = [
    "metrics.ledger/sealed/000003.jsonl",
    "metrics.ledger/sealed/000009.jsonl",
    "metrics.ledger/sealed/+1.jsonl",
    "metrics.ledger/sealed/1.jsonl",
    "metrics.ledger/sealed/000000.jsonl",
    "metrics.ledger/sealed/18446744073709551615.jsonl",
    "metrics.ledger/inflight/stranger.slots",
    "metrics.ledger/ledger.new",
];

impl Change {
    /// Returns a change of a file of `tree`, only of its bytes if `bytes_only`.
    pub(crate) fn generate(tree: &Tree, random: &mut Random, bytes_only: bool) -> Self {
        let names: Vec<&String> = tree.files.keys().collect();
        let commit = "metrics.ledger/commit".to_owned();
        // At least half of all changes affect a segment.
        let segments: Vec<_> = names.iter().copied().filter(|name| Tree::is_segment(name)).collect();
        let of = if random.below(2) == 0 && !segments.is_empty() { &segments } else { &names };
        let Some(file) = of.get(random.below(of.len())).copied() else {
            return Self { file: commit, how: How::Append { bytes: random.bytes(5) } };
        };
        let bytes = &tree.files[file];
        // The commit area is large, and empty except for its header and its first lines.
        let len = if *file == commit { 4096 + 2_500 } else { bytes.len() };
        let mut at = random.below(len);
        if *file == commit && random.below(2) == 0 {
            at %= 340;
        }
        let line_count = bytes[..len.min(bytes.len())].iter().filter(|&&byte| byte == b'\n').count();
        let kinds = if bytes_only { 9 } else { 16 };
        let how = match random.below(kinds) {
            0 | 1 => How::Flip { at, mask: 1 << random.below(8) },
            2 => How::Flip { at, mask: (random.next() as u8).max(1) },
            3 => {
                let count = 1 + random.below(8);
                let tempting = [b"\n".to_vec(), b"}\n{".to_vec(), b"9".to_vec(), b"\0".to_vec(), random.bytes(count)];
                How::Set { at, bytes: random.pick(&tempting).clone() }
            }
            4 => {
                let count = 1 + random.below(40);
                let tempting = [b"\n".to_vec(), b"\n\n".to_vec(), b"{}\n".to_vec(), random.bytes(count)];
                How::Insert { at, bytes: random.pick(&tempting).clone() }
            }
            5 => How::Delete { at, len: 1 + random.below(900) },
            6 => How::Zero { at, len: 1 + random.below(1_500) },
            7 => How::Cut { at },
            8 => {
                let count = random.below(300);
                How::Append { bytes: random.bytes(count) }
            }
            9 => How::Noise { len: random.below(6_000), seed: random.next() },
            10 => How::Remove,
            11 => {
                let from = random.pick(&names).to_string();
                let target = if random.below(2) == 0 { (*random.pick(&NEW_NAMES)).to_owned() } else { file.clone() };
                return Self { file: target, how: How::Copy { from } };
            }
            12 => How::Swap { with: random.pick(&names).to_string() },
            13 => How::Repeat { line: random.below(line_count), before: random.below(line_count + 1) },
            14 => How::Seal { at },
            _ => How::Directory,
        };
        Self { file: file.clone(), how }
    }

    pub(crate) fn apply(&self, tree: &mut Tree) {
        if tree.directories.contains(&self.file) {
            return;
        }
        let Some(bytes) = tree.files.get_mut(&self.file) else {
            if let How::Copy { from } = &self.how
                && let Some(content) = tree.files.get(from)
            {
                let content = content.clone();
                tree.files.insert(self.file.clone(), content);
            }
            return;
        };
        let end = |at: usize, len: usize, bytes: &[u8]| at.saturating_add(len).min(bytes.len());
        match &self.how {
            How::Flip { at, mask } => {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte ^= mask;
                }
            }
            How::Set { at, bytes: new } => bytes.iter_mut().skip(*at).zip(new).for_each(|(old, new)| *old = *new),
            How::Insert { at, bytes: new } => {
                let at = (*at).min(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            How::Delete { at, len } => {
                let end = end(*at, *len, bytes);
                bytes.drain((*at).min(end)..end);
            }
            How::Zero { at, len } => {
                let end = end(*at, *len, bytes);
                bytes[(*at).min(end)..end].fill(0);
            }
            How::Cut { at } => bytes.truncate(*at),
            How::Append { bytes: new } => bytes.extend_from_slice(new),
            How::Noise { len, seed } => *bytes = Random(*seed).bytes(*len),
            How::Remove => _ = tree.files.remove(&self.file),
            How::Copy { from } => {
                if let Some(content) = tree.files.get(from) {
                    let content = content.clone();
                    tree.files.insert(self.file.clone(), content);
                }
            }
            How::Swap { with } if tree.directories.contains(with) => {}
            How::Swap { with } => {
                let own = bytes.clone();
                if let Some(other) = tree.files.insert(with.clone(), own) {
                    tree.files.insert(self.file.clone(), other);
                } else {
                    tree.files.remove(&self.file);
                }
            }
            How::Repeat { line, before } => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
                if let Some(repeated) = lines.get(*line).cloned() {
                    lines.insert((*before).min(lines.len()), repeated);
                    *bytes = lines.concat();
                }
            }
            How::Seal { at } => seal(bytes, *at),
            How::Directory => {
                tree.files.remove(&self.file);
                tree.directories.insert(self.file.clone());
            }
        }
    }
}

/// Replaces the hash of the line at `at` by that of its bytes.
fn seal(bytes: &mut [u8], at: usize) {
    const HASH: &[u8] = b",\"hash\":\"";
    let at = at.min(bytes.len());
    let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |feed| feed + 1);
    let end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |feed| at + feed);
    let line = &mut bytes[start..end];
    let hashed = line.len().saturating_sub(HASH.len() + 64 + 2);
    if line[hashed..].starts_with(HASH) {
        let hash = hash_bytes(&line[..hashed]);
        line[hashed + HASH.len()..][..64].copy_from_slice(hash.as_bytes());
    }
}

/// Returns a file's name for a script. In-flight and spill files have random names, so their directory is used.
fn short(name: &str) -> &str {
    match name {
        ACTIVE => "active",
        _ if name.ends_with(".slots") && !name.contains("stranger") => "inflight",
        _ if name.starts_with("metrics.ledger/spill/") => "spill",
        _ => name.strip_prefix("metrics.ledger/").unwrap_or(name),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        write!(f, "{} ", short(&self.file))?;
        match &self.how {
            How::Flip { at, mask } => write!(f, "flip {at} {mask}"),
            How::Set { at, bytes } => write!(f, "set {at} {}", hex(bytes)),
            How::Insert { at, bytes } => write!(f, "insert {at} {}", hex(bytes)),
            How::Delete { at, len } => write!(f, "delete {at} {len}"),
            How::Zero { at, len } => write!(f, "zero {at} {len}"),
            How::Cut { at } => write!(f, "cut {at}"),
            How::Append { bytes } => write!(f, "append {}", hex(bytes)),
            How::Noise { len, seed } => write!(f, "noise {len} {seed}"),
            How::Remove => write!(f, "remove"),
            How::Copy { from } => write!(f, "copy {}", short(from)),
            How::Swap { with } => write!(f, "swap {}", short(with)),
            How::Repeat { line, before } => write!(f, "repeat {line} {before}"),
            How::Seal { at } => write!(f, "seal {at}"),
            How::Directory => write!(f, "directory"),
        }
    }
}

/// Reads the changes of a script, with one on each line in the form in which [`Change`] is displayed. `#` begins a
/// comment. The names are those of `tree`.
pub(crate) fn script(text: &str, tree: &Tree) -> Vec<Change> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| parse(line, tree).unwrap_or_else(|| panic!("no change: {line:?}"))).collect()
}

fn parse(line: &str, tree: &Tree) -> Option<Change> {
    fn number<T: FromStr>(word: Option<&str>) -> Option<T> {
        word?.parse().ok()
    }
    let name = |name: &str| match name {
        "active" => ACTIVE.to_owned(),
        "inflight" => tree.find("metrics.ledger/inflight/", ".slots").0.to_owned(),
        "spill" => tree.find("metrics.ledger/spill/", ".jsonl").0.to_owned(),
        other => format!("metrics.ledger/{other}"),
    };
    let bytes = |word: Option<&str>| {
        let hex = word.unwrap_or_default();
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        (0..hex.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()
    };
    let mut words = line.split(' ');
    let file = name(words.next()?);
    let kind = words.next()?;
    let (first, second) = (words.next(), words.next());
    let how = match kind {
        "flip" => How::Flip { at: number(first)?, mask: number(second)? },
        "set" => How::Set { at: number(first)?, bytes: bytes(second)? },
        "insert" => How::Insert { at: number(first)?, bytes: bytes(second)? },
        "delete" => How::Delete { at: number(first)?, len: number(second)? },
        "zero" => How::Zero { at: number(first)?, len: number(second)? },
        "cut" => How::Cut { at: number(first)? },
        "append" => How::Append { bytes: bytes(first)? },
        "noise" => How::Noise { len: number(first)?, seed: number(second)? },
        "remove" => How::Remove,
        "copy" => How::Copy { from: name(first?) },
        "swap" => How::Swap { with: name(first?) },
        "repeat" => How::Repeat { line: number(first)?, before: number(second)? },
        "seal" => How::Seal { at: number(first)? },
        "directory" => How::Directory,
        _ => return None,
    };
    Some(Change { file, how })
}
