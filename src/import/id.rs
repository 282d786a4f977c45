//! Ids that are derived from names: UUIDs of version 5, as in [RFC 9562, section
//! 5.5](https://www.rfc-editor.org/rfc/rfc9562#section-5.5).

use uuid::{Builder, Uuid};

/// Returns the UUID of version 5 that `name` has in `namespace`. The same name always has the same id.
///
/// ```
/// use runledger::{Uuid, import::id_of_name};
///
/// // The example of RFC 9562, appendix A.4. Its namespace is that of DNS names.
/// let dns = Uuid::from_u128(0x6ba7b810_9dad_11d1_80b4_00c04fd430c8);
/// assert_eq!(id_of_name(dns, "www.example.com").to_string(), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
/// ```
pub fn id_of_name(namespace: Uuid, name: &str) -> Uuid {
    let [a, b, c, d, _] = sha1(&[namespace.as_bytes(), name.as_bytes()].concat());
    let bytes = [a, b, c, d].map(u32::to_be_bytes).concat();
    Builder::from_sha1_bytes(std::array::from_fn(|at| bytes[at])).into_uuid()
}

/// Returns the SHA-1 of `message` (FIPS 180-4). UUIDs of version 5 require this hash. It is not used for security.
fn sha1(message: &[u8]) -> [u32; 5] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.as_chunks::<64>().0 {
        let mut words = [0; 80];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for at in 16..80 {
            words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.into_iter().enumerate() {
            let (mixed, constant) = match at {
                ..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let sum = [mixed, e, constant, word].into_iter().fold(a.rotate_left(5), u32::wrapping_add);
            (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_1() {
        let hex = |message: &[u8]| sha1(message).map(|word| format!("{word:08x}")).concat();
        // The examples of FIPS 180-1, and messages around the length of a block.
        for (message, hash) in [
            (b"".to_vec(), "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc".to_vec(), "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (vec![b'a'; 55], "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
            (vec![b'a'; 56], "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
            (vec![b'a'; 63], "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
            (vec![b'a'; 64], "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
            (vec![b'a'; 1_000_000], "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ] {
            assert_eq!(hex(&message), hash, "{} bytes", message.len());
        }
    }
}
