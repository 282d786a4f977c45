//! Prices by meter, and how the cost of a call is computed from them. A meter counts units of one kind, such as output
//! tokens. A meter can be a part of another meter, which is called its whole. For example, cache reads are a part of
//! the input. A row of the price table has the prices of one model of one provider.

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Meter, Usage, Usd};

/// The price of one meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) meter: Meter,
    /// The price of [`Meter::per`] units.
    pub(super) price: Usd,
    /// The prices for larger inputs, in ascending order of `from`.
    pub(super) tiers: Vec<Tier>,
    /// The minimum number of units that is billed. The minimum applies only if the meter counts at least one unit.
    pub(super) min: u64,
}

/// The price of all units of a call whose input has at least `from` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tier {
    /// The smallest number of input tokens in the tier.
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

/// One part of a cost, for the units that one meter counted. No token is in two parts of the same cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CostPart {
    /// The meter that counted the units.
    pub meter: Meter,
    /// The number of units billed at this price. These are the units that no other part of the cost includes. If the
    /// vendor's minimum is larger, `count` is the minimum.
    pub count: u64,
    /// The price of [`Meter::per`] units.
    pub price: Usd,
    /// `count` × `price` ÷ [`Meter::per`]. For most meters, the amount is exact. The amount for a time, such as a
    /// third of an hour, may have infinitely many decimals. It is then rounded half to even to the pico-dollar.
    pub usd: Usd,
}

/// The meters of tokens that are not text. Vendors often charge other prices for them than for text.
const OTHER_MEDIA: [Meter; 6] = [
    Meter::InputAudio,
    Meter::InputImage,
    Meter::InputVideo,
    Meter::OutputAudio,
    Meter::OutputImage,
    Meter::OutputVideo,
];

/// The count of each meter, in the order of [`Meter::ALL`].
type Counts = [Option<u64>; Meter::COUNT];

/// The rates of one row of the price table, at one time and for one variant.
#[derive(Debug, Clone)]
pub(super) struct Rates<'t>([Option<&'t Rate>; Meter::COUNT]);

impl<'t> Rates<'t> {
    pub(super) fn new(standard: &'t [Rate]) -> Self {
        let mut rates = Self([None; Meter::COUNT]);
        rates.replace(standard);
        rates
    }

    /// Replaces the rate of each meter that has a rate in `rates`. Does not change the other rates.
    pub(super) fn replace(&mut self, rates: &'t [Rate]) {
        for rate in rates {
            self.0[rate.meter as usize] = Some(rate);
        }
    }

    fn get(&self, meter: Meter) -> Option<&'t Rate> {
        self.0[meter as usize]
    }

    /// Returns true if every price is zero.
    pub(super) fn is_free(&self) -> bool {
        self.0.iter().flatten().all(|rate| rate.is_free())
    }

    /// Returns the price of a million output tokens for an input below all tiers; `None` if the row has no price for
    /// output.
    pub(super) fn output(&self) -> Option<Usd> {
        self.get(Meter::Output).map(|rate| rate.price)
    }

    /// Returns the lower bound of the tier that an input of this many tokens reaches. If several rates have such a
    /// tier, returns the largest bound. Returns `None` if the input reaches no tier.
    pub(super) fn tier_from(&self, input: u64) -> Option<u64> {
        self.0.iter().flatten().filter_map(|rate| rate.tier(input)).map(|tier| tier.from).max()
    }

    /// Returns the parts of the cost of `usage`: one part for each meter that is billed, in the order of
    /// [`Meter::ALL`]. An error names `model`.
    pub(super) fn parts(&self, model: &str, usage: &Usage) -> Result<Vec<CostPart>> {
        let counts = self.counts(model, usage)?;
        let mut parts = Vec::with_capacity(4);
        for (meter, count) in Meter::ALL.into_iter().zip(counts) {
            let (Some(rate), Some(count)) = (self.get(meter), count.filter(|&count| count > 0)) else { continue };
            let count = count.max(rate.min);
            let price = rate.price(usage.input);
            let usd = price.times(count, meter.per()).ok_or_else(|| overflow(model))?;
            parts.push(CostPart { meter, count, price, usd });
        }
        Ok(parts)
    }

    /// Returns the parts of `usage`, such as audio, that cost as much as text because they have no price of their own.
    pub(super) fn part_unpriced(&self, usage: &Usage) -> Vec<Meter> {
        let is_unpriced = |part: &Meter| {
            let has_whole = part.wholes().iter().all(|&whole| self.get(whole).is_some());
            has_whole && self.get(*part).is_none() && usage.get(*part).is_some_and(|count| count > 0)
        };
        OTHER_MEDIA.into_iter().filter(is_unpriced).collect()
    }

    /// Returns, for each meter, the number of units that are billed at its rate. Does not include units that are
    /// already billed at the rate of a part of the meter.
    fn counts(&self, model: &str, usage: &Usage) -> Result<Counts> {
        usage.validate()?;
        let mut reported = usage.counts_with_wholes();
        self.check_priced(model, &reported)?;
        let by_tokens = self.0.iter().flatten().any(|rate| rate.meter.is_tokens());
        if by_tokens {
            self.check_other_counts(model, &reported)?;
        }
        // A call is one request, even if the usage does not report requests.
        reported[Meter::Requests as usize].get_or_insert(1);
        let mut billed = [None; Meter::COUNT];
        // In `Meter::ALL`, each meter comes after its wholes. So this backward loop handles all parts of a meter
        // before the meter itself.
        for meter in Meter::ALL.into_iter().rev() {
            let Some(whole) = reported[meter as usize] else { continue };
            // Any sum of counts fits in 128 bits.
            let elsewhere: u128 = meter.parts().filter_map(|part| billed[part as usize]).map(u128::from).sum();
            let rest = u128::from(whole).checked_sub(elsewhere).and_then(|rest| u64::try_from(rest).ok());
            match (self.get(meter), rest) {
                (Some(_), Some(rest)) => billed[meter as usize] = Some(rest),
                (Some(_), None) => return Err(overlap(model, meter, whole, elsewhere)),
                // The row has no price for these tokens.
                (None, Some(rest @ 1..)) if by_tokens && matches!(meter, Meter::Input | Meter::Output) => {
                    return Err(no_price(model, meter, rest));
                }
                (None, _) => {}
            }
        }
        if !by_tokens {
            self.check_billed(model, &billed)?;
        }
        Ok(billed)
    }

    /// Fails if the usage has a count that can be billed only at a price of its own, and the row has no such price.
    fn check_priced(&self, model: &str, reported: &Counts) -> Result<()> {
        let has = |meter: Meter| self.get(meter).is_some();
        for meter in Meter::ALL {
            let Some(count) = reported[meter as usize].filter(|&count| count > 0) else { continue };
            let must_be_priced = match meter {
                // At Anthropic, a cache write for 5 minutes costs 1.25 times the input price, and one for an hour
                // costs twice the input price. If a cache write were billed as other input, it would cost too little.
                Meter::CacheWrite | Meter::CacheWrite1h => true,
                Meter::WebSearches | Meter::FileSearches | Meter::DeploymentMs => true,
                // Cached audio is a part of the cache reads and of the audio input. If only one of these two wholes
                // has a price, cached audio is billed at this price. If both have a price, it is unknown which price
                // applies. Cached images are treated in the same way.
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

    /// Checks a usage for a row that bills tokens. Fails if the usage has no tokens, but has another count without a
    /// price.
    ///
    /// Time, pages and characters measure the same content as the tokens, so they are ignored if the usage has
    /// tokens. If a usage reports requests but no tokens, the requests used tokens that the usage does not report. So
    /// the requests are not free, and need a price.
    fn check_other_counts(&self, model: &str, reported: &Counts) -> Result<()> {
        if [Meter::Input, Meter::Output].iter().any(|&whole| reported[whole as usize] != Some(0)) {
            return Ok(());
        }
        for meter in [Meter::AudioMs, Meter::VideoMs, Meter::Characters, Meter::Messages, Meter::Pages, Meter::Requests]
        {
            if let (None, Some(count @ 1..)) = (self.get(meter), reported[meter as usize]) {
                return Err(no_price(model, meter, count));
            }
        }
        Ok(())
    }

    /// Checks a usage for a row that does not bill tokens. Fails if the usage reports none of the counts that the row
    /// bills. Every call counts as a request, so a count of requests is enough only if the row bills nothing else.
    fn check_billed(&self, model: &str, billed: &Counts) -> Result<()> {
        // If the meter is a part of another meter, a count of 0 is not enough, because the count of the other meter
        // can be unknown.
        let is_known =
            |meter: Meter| billed[meter as usize].is_some_and(|count| count > 0 || meter.wholes().is_empty());
        let mut others = self.0.iter().flatten().filter(|rate| rate.meter != Meter::Requests).peekable();
        if others.peek().is_none() || others.any(|rate| is_known(rate.meter)) {
            return Ok(());
        }
        let wanted: Vec<_> = self.0.iter().flatten().map(|rate| rate.meter.usage_key()).collect();
        Err(unpriced(model, format!("the model is billed by {}, which the usage does not report", wanted.join(", "))))
    }
}

/// Returns the error for a usage whose parts add up to more than their whole. Some units must then be in two parts,
/// but the usage does not report how many. For example, it reports cached tokens and audio tokens, but not cached
/// audio tokens.
fn overlap(model: &str, meter: Meter, whole: u64, parts: u128) -> Error {
    Error::new(ErrorKind::Invalid, format!("price the usage of {model:?}")).detail(format!(
        "its separately priced parts add up to {parts}, but {} is only {whole}. Report how many units belong to two \
         parts at once, for example as {}",
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
