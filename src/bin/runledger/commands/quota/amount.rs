//! Parses an amount that is given as an argument. The unit of the amount is known only when the limit has been read.

use runledger::Usd;

use crate::failure::Failure;

/// An amount, or `unknown`.
#[derive(Debug, Clone)]
pub(super) struct AmountArg(String);

/// Accepts the text of an argument. [`count`](AmountArg::count) or [`usd`](AmountArg::usd) later parses the amount in
/// the unit of the limit.
pub(super) fn amount(text: &str) -> Result<AmountArg, String> {
    if text.is_empty() {
        return Err("expected an amount, or `unknown`".to_owned());
    }
    Ok(AmountArg(text.to_owned()))
}

/// Reads the id of a hold.
pub(super) fn hold(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected the id that `runledger quota reserve` printed, which is a number".to_owned())
}

impl AmountArg {
    /// Returns a number of tokens or calls; `None` if it is unknown.
    pub(super) fn count(&self) -> Result<Option<u64>, Failure> {
        self.known(|text| text.parse().ok().filter(|_| !text.starts_with('+')), "a whole number of at least 0")
    }

    /// Returns an amount of dollars; `None` if it is unknown.
    pub(super) fn usd(&self) -> Result<Option<Usd>, Failure> {
        let usd = |text: &str| text.parse().ok().filter(|amount| *amount >= Usd::ZERO);
        self.known(usd, "an amount of at least 0 US dollars with at most 12 decimals, such as 0.05")
    }

    fn known<A>(&self, read: impl Fn(&str) -> Option<A>, expected: &'static str) -> Result<Option<A>, Failure> {
        if self.0 == "unknown" {
            return Ok(None);
        }
        read(&self.0).map(Some).ok_or_else(|| Failure::Amount { found: self.0.clone(), expected })
    }
}
