//! Reads the windows of a subscription from a rollout of Codex.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::import::lenient::Text;
use crate::import::state::Import;
use crate::metrics::Timestamp;
use crate::quota::ObservedWindow;

/// The id of the general limit of Codex. Other limits, such as the limit of one model, have other ids.
const OWN: &str = "codex";

#[derive(Deserialize, Default)]
#[serde(default)]
struct RateLimits<'a> {
    #[serde(borrow)]
    limit_id: Text<'a>,
    #[serde(borrow)]
    plan_type: Text<'a>,
    #[serde(borrow)]
    primary: Option<&'a RawValue>,
    #[serde(borrow)]
    secondary: Option<&'a RawValue>,
}

/// A window, such as `primary`. If its length is unknown, the window is named after its key in the JSON.
#[derive(Deserialize)]
struct Window {
    used_percent: f64,
    window_minutes: Option<u64>,
    resets_at: Option<i64>,
}

/// Adds the windows of `rate_limits`, which Codex wrote at `at`.
pub(super) fn observe(agent: &str, rate_limits: &RawValue, at: Timestamp, import: &mut Import) {
    let limits: RateLimits<'_> = serde_json::from_str(rate_limits.get()).unwrap_or_default();
    for (place, window) in [("primary", limits.primary), ("secondary", limits.secondary)] {
        let Some(window) = window.and_then(|window| serde_json::from_str::<Window>(window.get()).ok()) else {
            continue;
        };
        let name = window.window_minutes.map_or_else(|| place.to_owned(), ObservedWindow::name_of_minutes);
        if let Some(observed) = ObservedWindow::new(agent, &name, window.used_percent, at) {
            let limit_id = limits.limit_id.get().filter(|id| *id != OWN);
            import.observe(observed.resets_at_unix(window.resets_at).limit_id(limit_id).plan(limits.plan_type.get()));
        }
    }
}
