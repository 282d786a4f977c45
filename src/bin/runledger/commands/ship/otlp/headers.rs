//! The headers in OTEL_EXPORTER_OTLP_HEADERS, which can contain credentials.

use std::fmt;

/// The names and values of headers. Its debug output has only the names.
#[derive(Default)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    /// Parses `NAME=VALUE` pairs that are separated by commas. A value can have percent-encoded bytes, such as `%20` for a
    /// blank. An error does not repeat the text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let pair = |(at, pair): (usize, &str)| {
            let fault = |what: &str| {
                format!("expected NAME=VALUE pairs that are separated by commas, found {what} in pair {}", at + 1)
            };
            let (name, value) = pair.split_once('=').ok_or_else(|| fault("no equals sign"))?;
            let (name, value) = (name.trim(), decoded(value.trim()).ok_or_else(|| fault("a wrong percent sign"))?);
            let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_of_name) {
                return Err(fault("a name that is not the name of a header"));
            }
            if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(fault("a value that is not printable ASCII"));
            }
            Ok((name.to_ascii_lowercase(), value))
        };
        let pairs = text.split(',').enumerate().filter(|(_, pair)| !pair.trim().is_empty());
        pairs.map(pair).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_errors_do_not_repeat_them() {
        let headers = Headers::parse("Authorization=Basic%20czNjcjN0, x-Version = 4,").unwrap();
        let pairs: Vec<_> = headers.iter().collect();
        assert_eq!(pairs, [("authorization", "Basic czNjcjN0"), ("x-version", "4")]);
        assert!(!format!("{headers:?}").contains("czNjcjN0"));
        for (text, why) in [
            ("s3cr3t", "no equals sign in pair 1"),
            ("a=b,s3cr3t: x=y", "a name that is not the name of a header in pair 2"),
            ("a=s3cr3t%0a", "a value that is not printable ASCII"),
            ("a=s3cr3t%2", "a wrong percent sign"),
            ("a=s3cr3t%é", "a wrong percent sign"),
        ] {
            let error = Headers::parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("s3cr3t"), "{text}: {error}");
        }
    }
}
