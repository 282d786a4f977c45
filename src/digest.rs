//! SHA-256 as lower-case hex. This is the only file that uses sha2.
//!
//! The hash chain of the journal and the content hashes of a record (`input_hash`, `output_hash`) use SHA-256.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// A SHA-256 as 64 lower-case hex digits.
pub(crate) type Hex = [u8; 64];

/// Returns the SHA-256 of `bytes` as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> Hex {
    encode(&sha256(bytes))
}

/// Returns the SHA-256 of `bytes` as 32 bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn encode(digest: &[u8]) -> Hex {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 64];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// Returns the SHA-256 of `bytes` as 64 lower-case hex digits, which is the form of `input_hash` and `output_hash`.
///
/// ```
/// assert_eq!(
///     runledger::hash_bytes(b"abc"),
///     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, example B.1
/// );
/// ```
pub fn hash_bytes(bytes: impl AsRef<[u8]>) -> String {
    hex(bytes.as_ref()).iter().copied().map(char::from).collect()
}

/// Returns the SHA-256 of all bytes that `reader` yields, as 64 lower-case hex digits. Reads 64 KiB at a time, and
/// repeats a read that a signal interrupted.
///
/// # Errors
/// Fails with the reader's own error.
pub fn hash_reader(mut reader: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(encode(&hasher.finalize()).iter().copied().map(char::from).collect()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
