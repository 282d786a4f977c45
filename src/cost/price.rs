//! Prices by meter, and the arithmetic of a call.

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Meter, Usage, Usd};

/// What one meter costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) meter: Meter,
    /// For [`Meter::per`] of what it counts.
    pub(super) price: Usd,
    /// What it costs instead once the whole input is larger: by its least size, rising.
    pub(super) tiers: Vec<Tier>,
    /// At least so much is billed of what is counted at all.
    pub(super) min: u64,
}

/// A cliff: from this size of the input on, everything costs the price of the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tier {
    /// The least number of input tokens that belongs to it.
    pub(super) from: u64,
    pub(super) price: Usd,
}

impl Rate {
    fn tier(&self, input: u64) -> Option<&Tier> {
        self.tiers.iter().rfind(|tier| tier.from <= input)
    }

    fn price(&self, input: u64) -> Usd {
        self.tier(input).map_or(self.price, |tier| tier.price)
    }

    pub(super) fn is_free(&self) -> bool {
        self.price == Usd::ZERO && self.tiers.iter().all(|tier| tier.price == Usd::ZERO)
    }
}

/// One summand of a cost. No token is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CostPart {
    /// What was counted.
    pub meter: Meter,
    /// How many are billed at this price: those that are in no other part, and at least the vendor's minimum.
    pub count: u64,
    /// What [`Meter::per`] of them cost.
    pub price: Usd,
    /// `count` × `price` ÷ [`Meter::per`]. Exact for everything but time, which is rounded to the pico-dollar, half to
    /// even, since a third of an hour's price need not be a decimal.
    pub usd: Usd,
}

/// What each meter counted, in the order of [`Meter::ALL`].
type Counts = [Option<u64>; Meter::COUNT];

/// The rates of one row at one time, for one variant.
#[derive(Debug, Clone)]
pub(super) struct Rates<'t>([Option<&'t Rate>; Meter::COUNT]);

impl<'t> Rates<'t> {
    pub(super) fn new(standard: &'t [Rate]) -> Self {
        let mut rates = Self([None; Meter::COUNT]);
        rates.replace(standard);
        rates
    }

    /// Takes `rates` instead of what there is for their meters.
    pub(super) fn replace(&mut self, rates: &'t [Rate]) {
        for rate in rates {
            self.0[rate.meter as usize] = Some(rate);
        }
    }

    fn get(&self, meter: Meter) -> Option<&'t Rate> {
        self.0[meter as usize]
    }

    /// Whether every price is zero.
    pub(super) fn is_free(&self) -> bool {
        self.0.iter().flatten().all(|rate| rate.is_free())
    }

    /// The price of a million output tokens of a small call, if there is one.
    pub(super) fn output(&self) -> Option<Usd> {
        self.get(Meter::Output).map(|rate| rate.price)
    }

    /// The tier that an input of so many tokens falls in: the largest that any of the rates has.
    pub(super) fn tier_from(&self, input: u64) -> Option<u64> {
        self.0.iter().flatten().filter_map(|rate| rate.tier(input)).map(|tier| tier.from).max()
    }

    /// What `usage` of `model` costs, part by part, in the order of [`Meter::ALL`].
    pub(super) fn parts(&self, model: &str, usage: &Usage) -> Result<Vec<CostPart>> {
        let counts = self.counts(model, usage)?;
        let mut parts = Vec::with_capacity(4);
        for (meter, count) in Meter::ALL.into_iter().zip(counts) {
            let (Some(rate), Some(count)) = (self.get(meter), count.filter(|&count| count > 0)) else { continue };
            let (count, price) = (count.max(rate.min), rate.price(usage.input));
            let usd = price.times(count, meter.per()).ok_or_else(|| overflow(model))?;
            parts.push(CostPart { meter, count, price, usd });
        }
        Ok(parts)
    }

    /// What is billed at each rate: the counts without what is billed at the rate of a part.
    fn counts(&self, model: &str, usage: &Usage) -> Result<Counts> {
        usage.validate()?;
        let mut reported = usage.counts_with_wholes();
        // A call is one request, whether or not somebody counted it.
        reported[Meter::Requests as usize].get_or_insert(1);
        self.check_priced(model, &reported)?;
        let by_tokens = self.0.iter().flatten().any(|rate| rate.meter.is_tokens());
        let mut billed = [None; Meter::COUNT];
        // The innermost first: parts stand behind their wholes.
        for meter in Meter::ALL.into_iter().rev() {
            let Some(whole) = reported[meter as usize] else { continue };
            // In 128 bits, so that no sum of counts overflows.
            let elsewhere: u128 = meter.parts().filter_map(|part| billed[part as usize]).map(u128::from).sum();
            let rest = u128::from(whole).checked_sub(elsewhere).and_then(|rest| u64::try_from(rest).ok());
            match (self.get(meter), rest) {
                (Some(_), Some(rest)) => billed[meter as usize] = Some(rest),
                (Some(_), None) => return Err(overlap(model, meter, whole, elsewhere)),
                // Tokens that no rate takes.
                (None, Some(rest @ 1..)) if by_tokens && matches!(meter, Meter::Input | Meter::Output) => {
                    return Err(no_price(model, meter, rest));
                }
                (None, _) => {}
            }
        }
        match by_tokens {
            true => self.check_other_counts(model, &reported)?,
            false => self.check_billed(model, &billed)?,
        }
        Ok(billed)
    }

    /// Refuses what would be billed too low if its price were guessed.
    fn check_priced(&self, model: &str, reported: &Counts) -> Result<()> {
        let has = |meter: Meter| self.get(meter).is_some();
        for meter in Meter::ALL {
            let Some(count) = reported[meter as usize].filter(|&count| count > 0) else { continue };
            let must_be_priced = match meter {
                // 1.25 times the input price at Anthropic for 5 minutes, twice for an hour.
                Meter::CacheWrite | Meter::CacheWrite1h => true,
                Meter::WebSearches | Meter::FileSearches | Meter::DeploymentMs => true,
                // Priced as either of its wholes, if only one has a price of its own.
                Meter::CacheReadAudio => has(Meter::CacheRead) && has(Meter::InputAudio),
                Meter::CacheReadImage => has(Meter::CacheRead) && has(Meter::InputImage),
                _ => false,
            };
            if must_be_priced && !has(meter) {
                return Err(no_price(model, meter, count));
            }
        }
        Ok(())
    }

    /// Time, pages and characters are another way to count what the tokens are of. Without tokens they are all there is,
    /// and refused where the row, which bills tokens, has no price for them.
    fn check_other_counts(&self, model: &str, reported: &Counts) -> Result<()> {
        if [Meter::Input, Meter::Output].iter().any(|&whole| reported[whole as usize] != Some(0)) {
            return Ok(());
        }
        for meter in [Meter::AudioMs, Meter::VideoMs, Meter::Characters, Meter::Messages, Meter::Pages] {
            if let (None, Some(count @ 1..)) = (self.get(meter), reported[meter as usize]) {
                return Err(no_price(model, meter, count));
            }
        }
        Ok(())
    }

    /// Refuses usage that tells nothing of what a row bills that does not bill tokens; that it was a request is not enough,
    /// unless that is all.
    fn check_billed(&self, model: &str, billed: &Counts) -> Result<()> {
        let mut others = self.0.iter().flatten().filter(|rate| rate.meter != Meter::Requests).peekable();
        if others.peek().is_none() || others.any(|rate| billed[rate.meter as usize].is_some()) {
            return Ok(());
        }
        let wanted: Vec<_> = self.0.iter().flatten().map(|rate| rate.meter.usage_key()).collect();
        Err(unpriced(model, format!("it is billed by {}, which the usage does not tell", wanted.join(", "))))
    }
}

/// Parts that overlap in a way that was not told: cached tokens that are audio, of a usage that tells only both apart.
fn overlap(model: &str, meter: Meter, whole: u64, parts: u128) -> Error {
    Error::new(ErrorKind::Invalid, format!("price the usage of {model:?}")).detail(format!(
        "its parts with prices of their own are {parts} of {whole} {}: tell which of them are both, such as {}",
        meter.usage_key(),
        Meter::CacheReadAudio.usage_key()
    ))
}

fn no_price(model: &str, meter: Meter, count: u64) -> Error {
    unpriced(model, format!("the table has no {} price for {count} {}", meter.price_key(), meter.usage_key()))
}

fn unpriced(model: &str, why: String) -> Error {
    Error::new(ErrorKind::Unpriced, format!("price the usage of {model:?}")).detail(why)
}

pub(super) fn overflow(model: &str) -> Error {
    Error::new(ErrorKind::Overflow, format!("price the usage of {model:?}"))
}
