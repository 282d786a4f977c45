//! Reads the JSON that an agent writes to the status line command.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use runledger::quota::ObservedWindow;
use runledger::{Timestamp, Usd};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::observed::CLAUDE_CODE;
use crate::stdin_value;

/// The largest number of bytes that are read. The input of Claude Code has a few thousand bytes.
const BYTES_MAX: u64 = 1024 * 1024;
/// The largest number of windows of a subscription that are read.
const WINDOWS_MAX: usize = 16;

/// The values that the agent reports. A value that is missing, or that has an unknown form, is `None` or empty.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Input {
    /// The id of the session.
    pub(super) session: Option<String>,
    /// The cost of the session.
    pub(super) session_usd: Option<Usd>,
    pub(super) windows: Vec<ObservedWindow>,
}

type Object<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Deserialize)]
struct Cost {
    total_cost_usd: Usd,
}

#[derive(Deserialize)]
struct Window<'a> {
    used_percentage: f64,
    #[serde(borrow, default)]
    resets_at: Option<&'a RawValue>,
}

/// Reads stdin. Returns `None` if stdin is a terminal or empty.
///
/// # Errors
/// Fails with the reason if stdin does not have a JSON object.
pub(super) fn read(now: Timestamp) -> Result<Option<Input>, String> {
    if io::stdin().is_terminal() {
        return Ok(None);
    }
    let bytes = stdin_value::read(BYTES_MAX).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("found more than {BYTES_MAX} bytes; expected one object of JSON"))?;
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
    parse(text, now).map(Some).map_err(|error| error.to_string())
}

fn parse(text: &str, now: Timestamp) -> serde_json::Result<Input> {
    let document: Object<'_> = serde_json::from_str(text)?;
    let cost = document.get("cost").and_then(|cost| serde_json::from_str::<Cost>(cost.get()).ok());
    let windows = document.get("rate_limits").and_then(|limits| serde_json::from_str::<Object<'_>>(limits.get()).ok());
    let window = |(name, window): (&String, &&RawValue)| {
        let Window { used_percentage, resets_at } = serde_json::from_str(window.get()).ok()?;
        // The time is in seconds, and can have a fraction.
        let seconds = resets_at.and_then(|at| at.get().parse::<f64>().ok()).map(|seconds| seconds as i64);
        Some(ObservedWindow::new(CLAUDE_CODE, name, used_percentage, now)?.resets_at_unix(seconds))
    };
    Ok(Input {
        session: document.get("session_id").and_then(|id| serde_json::from_str(id.get()).ok()),
        session_usd: cost.map(|cost| cost.total_cost_usd).filter(|usd| *usd >= Usd::ZERO),
        windows: windows.unwrap_or_default().iter().filter_map(window).take(WINDOWS_MAX).collect(),
    })
}
