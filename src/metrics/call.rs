//! One call of a model, as far as its price depends on it.

use std::collections::BTreeMap;

use super::{Timestamp, Usage, Usd};
use crate::error::{Error, ErrorKind, Result};

/// One call of a model: who served what, how, and what it used.
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
    /// Who served it; `None`: whoever is known to serve models of that name.
    pub provider: Option<String>,
    /// How it was served, where that changes the price: `service_tier` flex, `processing` batch.
    pub variant: BTreeMap<String, String>,
    /// What it used.
    pub usage: Usage,
    /// When it was made, UTC; `None`: now, at the time it is priced or recorded.
    pub at: Option<Timestamp>,
    /// What the vendor says it cost, from 0 on; `None`: it does not say, so that is computed.
    pub reported_usd: Option<Usd>,
}

impl Call {
    /// A call of `model` that used `usage`, served as usual by whoever serves models of that name.
    pub fn new(model: impl Into<String>, usage: Usage) -> Self {
        Self { model: model.into(), provider: None, variant: BTreeMap::new(), usage, at: None, reported_usd: None }
    }

    /// Says who served it.
    #[must_use]
    pub fn provider(self, provider: impl Into<String>) -> Self {
        Self { provider: Some(provider.into()), ..self }
    }

    /// Says how it was served. Pass what the vendor's answer reports, not what was asked for: a request for priority may
    /// have been served as usual.
    #[must_use]
    pub fn variant(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.variant.insert(key.into(), value.into());
        self
    }

    /// Says when it was made.
    #[must_use]
    pub fn at(self, at: Timestamp) -> Self {
        Self { at: Some(at), ..self }
    }

    /// Checks that no parts of the usage are more than their whole, and that what the vendor reported can be a cost: from 0
    /// to 18,446,744.07 USD, which is what a budget can count.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with one entry in [`details`](Error::details) for each fault.
    pub fn validate(&self) -> Result<()> {
        const MOST: Usd = Usd::from_pico(u64::MAX as i128);
        self.usage.validate()?;
        match self.reported_usd.filter(|amount| !(Usd::ZERO..=MOST).contains(amount)) {
            Some(amount) => Err(Error::new(ErrorKind::Invalid, "accept a call")
                .detail(format!("reported_usd: expected an amount from 0 to {MOST}, found {amount}"))),
            None => Ok(()),
        }
    }

    /// Says what the vendor says it cost.
    #[must_use]
    pub fn reported_usd(self, amount: Usd) -> Self {
        Self { reported_usd: Some(amount), ..self }
    }
}
