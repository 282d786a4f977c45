//! One call of a model, with everything that its price depends on.

use std::collections::BTreeMap;

use super::{Timestamp, Usage, Usd};
use crate::error::{Error, ErrorKind, Result};

/// One call of a model: the model, its provider, how the call was served, and its usage.
///
/// ```
/// use runledger::{Usage, metrics::Call};
///
/// let call = Call::new("o3", Usage::new(1_000, 500)).provider("openai").variant("service_tier", "flex");
/// assert_eq!((call.provider.as_deref(), call.variant["service_tier"].as_str()), (Some("openai"), "flex"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The model, as the vendor names it.
    pub model: String,
    /// The provider that served the model. `None` means the provider that the price table assumes for this model.
    pub provider: Option<String>,
    /// How the call was served, in pairs such as `service_tier=flex` or `processing=batch`. Only what changes the price
    /// is listed.
    pub variant: BTreeMap<String, String>,
    /// The usage of the call.
    pub usage: Usage,
    /// The time of the call, UTC. If it is `None`, a price table uses the time that the caller passes with the call. A
    /// ledger uses the time at which it records the call.
    pub at: Option<Timestamp>,
    /// The cost that the vendor reported, at least 0. `None` if the vendor reported no cost. The cost is then computed.
    pub reported_usd: Option<Usd>,
}

impl Call {
    /// Returns a call of `model` that used `usage`. The provider, the variant, the time and the reported cost are not
    /// set.
    pub fn new(model: impl Into<String>, usage: Usage) -> Self {
        Self { model: model.into(), provider: None, variant: BTreeMap::new(), usage, at: None, reported_usd: None }
    }

    /// Sets the provider that served the model.
    #[must_use]
    pub fn provider(self, provider: impl Into<String>) -> Self {
        Self { provider: Some(provider.into()), ..self }
    }

    /// Adds one fact about how the call was served: a key such as `service_tier`, and a value such as `flex`. Pass
    /// the value in the vendor's response, not the value that you requested. For example, the vendor may have served
    /// a priority request in the standard way.
    #[must_use]
    pub fn variant(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.variant.insert(key.into(), value.into());
        self
    }

    /// Sets the time of the call.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { at: Some(at), ..self }
    }

    /// Checks that the parts of the usage do not exceed their wholes. For example, there cannot be more cached tokens
    /// than input tokens. Also checks that the reported cost is from 0 to 18,446,744.07 USD, which is the range of a
    /// budget.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`], with one entry in [`details`](Error::details) for each fault. The reported
    /// cost is checked only if the usage has no fault.
    pub fn validate(&self) -> Result<()> {
        const MOST: Usd = Usd::from_pico(u64::MAX as i128);
        self.usage.validate()?;
        match self.reported_usd.filter(|amount| !(Usd::ZERO..=MOST).contains(amount)) {
            Some(amount) => Err(Error::new(ErrorKind::Invalid, "accept a call")
                .detail(format!("reported_usd: expected an amount from 0 to {MOST}, found {amount}"))),
            None => Ok(()),
        }
    }

    /// Sets the cost that the vendor reported.
    #[must_use]
    pub fn reported_usd(self, amount: Usd) -> Self {
        Self { reported_usd: Some(amount), ..self }
    }
}
