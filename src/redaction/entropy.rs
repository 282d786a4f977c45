//! Judges whether a text looks random.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Other,
}

fn class(byte: u8) -> Class {
    match byte {
        b'a'..=b'z' => Class::Lower,
        b'A'..=b'Z' => Class::Upper,
        b'0'..=b'9' => Class::Digit,
        _ => Class::Other,
    }
}

/// Returns the entropy of a text in bits per byte, by the frequencies of its bytes.
pub(super) fn bits_per_byte(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    text.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let len = text.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / len).map(|p| -p * p.log2()).sum()
}

/// Returns true if the text looks like the output of a random generator, and not like words, names or a number.
///
/// A random text changes often between lower case, upper case and digits. Words do not, even if they are joined in
/// CamelCase or with hyphens.
pub(super) fn looks_random(text: &[u8]) -> bool {
    let count = |wanted| text.iter().filter(|byte| class(**byte) == wanted).count();
    let (lower, upper, digits) = (count(Class::Lower), count(Class::Upper), count(Class::Digit));
    let kinds = [lower, upper, digits].iter().filter(|count| **count > 0).count();
    if kinds < 2 || lower + upper + digits < 12 {
        return false;
    }
    let bits = bits_per_byte(text);
    if text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-') && (lower == 0 || upper == 0) {
        return digits > 1 && lower + upper > 1 && text.len() >= 16 && bits >= 2.5;
    }
    // A run of letters of one case is a part of a word. In CamelCase, only the runs in lower case show the word's
    // length.
    let is_camel = lower > 0 && upper > 0;
    let of_word = |class| class == Class::Lower || class == Class::Upper && !is_camel;
    let (mut pairs, mut changes, mut run, mut longest) = (0, 0, 0, 0);
    for pair in text.windows(2) {
        let (first, second) = (class(pair[0]), class(pair[1]));
        run = if first == second && of_word(second) { run + 1 } else { 0 };
        longest = longest.max(run + 1);
        if first != Class::Other && second != Class::Other {
            pairs += 1;
            changes += usize::from(first != second);
        }
    }
    let share = changes as f64 / f64::from(pairs.max(1));
    let (few, some, long) = if is_camel { (0.3, 0.4, 5) } else { (0.2, 0.3, 6) };
    let words = share < few || share < some && longest >= long;
    !words && bits >= if text.len() < 24 { 3.0 } else { 3.3 }
}

/// Returns the number of kinds of characters in a text: lower case, upper case, digits, and others.
pub(super) fn kinds(text: &[u8]) -> usize {
    [Class::Lower, Class::Upper, Class::Digit, Class::Other]
        .iter()
        .filter(|wanted| text.iter().any(|byte| class(*byte) == **wanted))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_texts_differ_from_words_and_numbers() {
        for random in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "9f86d081884c7d659a2feaa0c55ad015",
            "Zx3kQ9vLp2Rt7WnB4mYc",
            "k3j9x0q2m4z8v1b7n5c6",
        ] {
            assert!(looks_random(random.as_bytes()), "{random}");
        }
        for ordinary in [
            "ButtonGroupContainerItem2",
            "user-session-refresh-2024",
            "node-18-alpine-v3",
            "process.env.GITHUB_TOKEN",
            "1764540000000000000000",
            "src/components/Button.tsx",
            "AbstractSingletonProxyFactoryBean",
            "",
        ] {
            assert!(!looks_random(ordinary.as_bytes()), "{ordinary}");
        }
    }
}
