//! The prices of one model in one period, and the arithmetic of a call.

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Usage, Usd};

/// What one token costs, by what it was used for. `None`: the table states no price.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prices {
    pub(super) input: Usd,
    pub(super) output: Usd,
    pub(super) cache_read: Option<Usd>,
    pub(super) cache_write: Option<Usd>,
    pub(super) cache_write_1h: Option<Usd>,
}

/// The exact amounts that make up a cost, each in US dollars. No token is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CostParts {
    /// The input that is in none of the cached parts.
    pub input: Usd,
    /// Input read from a prompt cache.
    pub cache_read: Usd,
    /// Input written to a prompt cache for 5 minutes.
    pub cache_write: Usd,
    /// Input written to a prompt cache for an hour.
    pub cache_write_1h: Usd,
    /// All output, reasoning included.
    pub output: Usd,
}

impl CostParts {
    /// The sum of the parts; `None` when it leaves the range of [`Usd`].
    pub fn total(&self) -> Option<Usd> {
        [self.cache_read, self.cache_write, self.cache_write_1h, self.output]
            .into_iter()
            .try_fold(self.input, Usd::checked_add)
    }
}

impl Prices {
    /// Whether every stated price is zero.
    pub(super) fn is_free(&self) -> bool {
        let stated = [Some(self.input), Some(self.output), self.cache_read, self.cache_write, self.cache_write_1h];
        stated.into_iter().flatten().all(|price| price == Usd::ZERO)
    }

    /// What `usage` of `model` costs, part by part.
    pub(super) fn parts(&self, model: &str, usage: &Usage) -> Result<CostParts> {
        Ok(CostParts {
            input: amount(model, self.input, plain_input(model, usage)?)?,
            cache_read: amount(model, self.cache_read.unwrap_or(self.input), usage.cache_read.unwrap_or(0))?,
            cache_write: write(model, "cache_write", self.cache_write, usage.cache_write)?,
            cache_write_1h: write(model, "cache_write_1h", self.cache_write_1h, usage.cache_write_1h)?,
            output: amount(model, self.output, usage.output)?,
        })
    }
}

/// The input tokens that are in none of the cached parts, once the parts are known to fit their wholes.
fn plain_input(model: &str, usage: &Usage) -> Result<u64> {
    let cached = [usage.cache_read, usage.cache_write, usage.cache_write_1h];
    let cached = cached.into_iter().flatten().try_fold(0, u64::checked_add);
    let plain = cached.and_then(|cached| usage.input.checked_sub(cached));
    let reasoning = usage.reasoning.filter(|&reasoning| reasoning > usage.output);
    if let (Some(plain), None) = (plain, reasoning) {
        return Ok(plain);
    }
    let mut error = Error::new(ErrorKind::Invalid, format!("price the usage of {model:?}"));
    if plain.is_none() {
        error = error.detail(format!("the cached parts together exceed the input of {} tokens", usage.input));
    }
    if let Some(reasoning) = reasoning {
        error = error.detail(format!("{reasoning} reasoning tokens exceed the output of {} tokens", usage.output));
    }
    Err(error)
}

/// Cache writes have no ceiling to fall back on: without a stated price only none of them can be priced.
fn write(model: &str, field: &str, price: Option<Usd>, tokens: Option<u64>) -> Result<Usd> {
    match (price, tokens.unwrap_or(0)) {
        (_, 0) => Ok(Usd::ZERO),
        (Some(price), tokens) => amount(model, price, tokens),
        (None, tokens) => Err(Error::new(ErrorKind::UnknownModel, format!("price the usage of {model:?}"))
            .detail(format!("the table has no {field} price for {tokens} tokens"))),
    }
}

fn amount(model: &str, price: Usd, tokens: u64) -> Result<Usd> {
    let pico = price.pico().checked_mul(i128::from(tokens));
    pico.map(Usd::from_pico).ok_or_else(|| overflow(model))
}

pub(super) fn overflow(model: &str) -> Error {
    Error::new(ErrorKind::Overflow, format!("price the usage of {model:?}"))
}
