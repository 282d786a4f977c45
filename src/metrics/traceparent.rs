//! Reads the W3C Trace Context that a parent process passes on.

use super::RunIds;
use super::text::shortened;
use super::validate::is_trace_id;
use crate::error::{Error, ErrorKind, Result};

impl RunIds {
    /// Sets `trace_id` and `span_id` from a [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header),
    /// such as the value of the environment variable `TRACEPARENT`.
    ///
    /// A traceparent has the form `00-<trace id>-<span id>-<flags>`, where 00 is the version. A later version may have
    /// more text after the flags, which is skipped.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if `text` has a different form. `trace_id` and `span_id` are then unchanged.
    ///
    /// ```
    /// let mut run = runledger::metrics::RunIds::default();
    /// run.set_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?;
    /// assert_eq!(run.trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    /// assert_eq!(run.span_id.as_deref(), Some("00f067aa0ba902b7"));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn set_traceparent(&mut self, text: &str) -> Result<()> {
        let (trace, span) = ids(text).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, "read a traceparent").detail(format!(
                "expected 00-<32 hex digits>-<16 hex digits>-<2 hex digits> in lower case, found {}",
                shortened(text)
            ))
        })?;
        self.trace_id = Some(trace.to_owned());
        self.span_id = Some(span.to_owned());
        Ok(())
    }
}

fn ids(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let byte = |text: &str| text.len() == 2 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let whole = match version {
        "00" => parts.next().is_none(),
        "ff" => false,
        version => byte(version),
    };
    (whole && byte(flags) && is_trace_id(trace, 32) && is_trace_id(span, 16)).then_some((trace, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_traceparent_is_refused_and_changes_nothing() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for text in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("0-{trace}-{span}-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-{span}-0x"),
            format!("00-{trace}-{span}-01\n"),
        ] {
            let mut run = RunIds::default();
            assert_eq!(run.set_traceparent(&text).unwrap_err().kind(), ErrorKind::Malformed, "{text}");
            assert_eq!(run, RunIds::default());
        }
        assert_eq!(ids(&format!("01-{trace}-{span}-01-more")), Some((trace, span)));
    }
}
