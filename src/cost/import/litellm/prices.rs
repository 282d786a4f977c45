//! Reads the prices of one model from LiteLLM's table.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::digits::times;
use super::super::draft::Draft;
use super::entry::{Entry, text_of};
use super::keys::{self, DECISIONS, Key};
use crate::metrics::{Meter, Usd};

/// The prices of a model.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Prices {
    standard: Rates,
    /// For each variant, the prices that replace the standard prices. A variant is another way of serving a call,
    /// such as in batches. The key is the suffix of the variant, such as `_batches`.
    served: BTreeMap<&'static str, Rates>,
    /// The prices that replace standard prices at times of low demand.
    off_peak: (Vec<Window>, Rates),
}

/// The prices of each meter. Each price is for [`Meter::per`] units. The key of a price is the number of tokens that an
/// input must exceed for the price to apply. At xAI, the input need only reach this number. The key is 0 if the price
/// applies to any input.
type Rates = BTreeMap<Meter, BTreeMap<u64, Usd>>;

/// Hours and days in which off-peak prices apply.
#[derive(Debug, Clone, PartialEq)]
struct Window {
    /// The hours, such as 10:00-00:00; `None` for the whole day.
    hours: Option<String>,
    /// The days; `None` for every day.
    weekdays: Option<Vec<&'static str>>,
}

impl Prices {
    /// Returns the prices of the model in `entry`, and its prices in the vendor's [API for decisions](DECISIONS), which
    /// becomes a separate provider. Each of the two values is `None` if the entry lacks these prices. For each price
    /// that is left out, adds its key and the reason to `draft`.
    pub(super) fn read(key: &str, entry: &Entry, draft: &mut Draft) -> (Option<Self>, Option<Self>) {
        let mut reader = Reader { mode: text_of(entry, "mode").unwrap_or_default(), out: BTreeMap::new(), rounded: 0 };
        let mut prices = Self::default();
        for (key, value) in entry.iter().filter(|(_, value)| value.get() != "null") {
            match (key.as_str(), Key::read(key, reader.mode)) {
                ("tiered_pricing", _) => reader.ranges(value, &mut prices.standard),
                ("off_peak_pricing", _) => prices.off_peak = reader.off_peak(value),
                (_, Some(read)) => {
                    let rates = match read.served {
                        "" => &mut prices.standard,
                        served => prices.served.entry(served).or_default(),
                    };
                    reader.price(key, read, value, rates);
                }
                _ if is_price(key, value) => reader.leave_out(UNKNOWN, key),
                _ => {}
            }
        }
        let mut decisions = Self { standard: prices.served.remove(DECISIONS).unwrap_or_default(), ..Self::default() };
        prices.settle(entry, &mut reader);
        decisions.settle(entry, &mut reader);
        if reader.left_out_output() && !prices.standard.keys().any(|&meter| is_output(meter)) {
            // The remaining prices would bill only the input of a call, so they are dropped too.
            prices = Self::default();
        }
        draft.rounded += reader.rounded;
        for (why, keys) in &reader.out {
            let keys: Vec<_> = keys.iter().copied().collect();
            draft.left_out.push(format!("{key}: {}: {why}", keys.join(", ")));
        }
        if prices.standard.is_empty() {
            draft.left_out.push(format!("{key}: it has no price"));
        }
        let any = |prices: Self| Some(prices).filter(|prices| !prices.standard.is_empty());
        (any(prices), any(decisions))
    }

    /// Copies each tier of the standard prices to the variants that have no price for this tier. Then leaves out
    /// three kinds of prices:
    ///
    /// * the prices of a second of input, a second of output and a character of input, if there is a price for input
    ///   tokens;
    /// * all prices of a meter that has no price for small inputs;
    /// * the price of a part, such as audio input, if `is_redundant` says that this price is not needed.
    fn settle<'k>(&mut self, entry: &'k Entry, reader: &mut Reader<'k>) {
        let by_tokens = [Meter::Input, Meter::InputAudio].iter().any(|meter| self.standard.contains_key(meter));
        for (key, meter) in [
            ("input_cost_per_second", Meter::AudioMs),
            ("output_cost_per_second", Meter::AudioMs),
            ("input_cost_per_character", Meter::Characters),
        ] {
            if by_tokens && entry.contains_key(key) && self.standard.remove(&meter).is_some() {
                reader.leave_out(BY_TOKENS, key);
            }
        }
        for (meter, rate) in self.served.values_mut().flatten() {
            for (&above, &price) in self.standard.get(meter).into_iter().flatten() {
                rate.entry(above).or_insert(price);
            }
        }
        for rates in [&mut self.standard, &mut self.off_peak.1].into_iter().chain(self.served.values_mut()) {
            rates.retain(|meter, rate| {
                let has_base = rate.contains_key(&0);
                if !has_base {
                    reader.leave_out(NO_BASE, meter.price_key());
                }
                has_base
            });
        }
        self.served.retain(|_, rates| !rates.is_empty());
        let redundant: Vec<Meter> = self.standard.keys().copied().filter(|&part| self.is_redundant(part)).collect();
        self.standard.retain(|meter, _| !redundant.contains(meter));
    }

    /// Returns true if the price of `part`, such as audio input, is not needed because it equals the price of the
    /// whole, such as input. Keeping it would be wrong: it would also apply in tiers and variants in which the whole
    /// has a different price.
    fn is_redundant(&self, part: Meter) -> bool {
        // The price of cached tokens is always needed, even if this price equals the price of other input.
        let is_cached = matches!(part, Meter::CacheRead | Meter::CacheWrite | Meter::CacheWrite1h);
        let [whole] = part.wholes() else { return false };
        let (Some(own), Some(whole)) = (self.standard.get(&part), self.standard.get(whole)) else { return false };
        let same = own.get(&0) == whole.get(&0) && (own.len() == 1 || own == whole);
        same && !is_cached && self.served.values().all(|rates| !rates.contains_key(&part))
    }

    /// Returns the keys `prices` and `variants` of a row of the price table, with their values.
    pub(super) fn values(&self, provider: &str) -> Map<String, Value> {
        let (windows, off_peak) = &self.off_peak;
        let standard = values(&self.standard, provider);
        let mut low = standard.clone();
        low.extend(values(off_peak, provider));
        let mut prices = vec![Value::Object(standard)];
        for Window { hours, weekdays } in windows {
            let mut period = low.clone();
            period.extend(hours.as_ref().map(|hours| ("hours".to_owned(), json!(hours))));
            period.extend(weekdays.as_ref().map(|days| ("weekdays".to_owned(), json!(days))));
            prices.push(Value::Object(period));
        }
        let mut row = Map::new();
        row.insert("prices".to_owned(), Value::Array(prices));
        let mut variants = Vec::new();
        for (served, rates) in &self.served {
            let rates = Value::Object(values(rates, provider));
            for &(key, value) in keys::when(served) {
                variants.push(json!({"when": {key: value}, "prices": [rates]}));
            }
        }
        if !variants.is_empty() {
            row.insert("variants".to_owned(), Value::Array(variants));
        }
        row
    }
}

fn values(rates: &Rates, provider: &str) -> Map<String, Value> {
    // At xAI, a tier also applies if the input has exactly the tier's size. LiteLLM's own computation does the same.
    let bound = if provider == "x-ai" { "from" } else { "above" };
    let value = |(meter, rate): (&Meter, &BTreeMap<u64, Usd>)| {
        let mut list: Vec<Value> = Vec::with_capacity(rate.len());
        for (&above, price) in rate {
            list.push(match above {
                0 => json!(price.to_string()),
                _ => json!({bound: above, "price": price.to_string()}),
            });
        }
        let value = match list.len() {
            1 => list.remove(0),
            _ => Value::Array(list),
        };
        (meter.price_key().to_owned(), value)
    };
    rates.iter().map(value).collect()
}

const UNKNOWN: &str = "not supported by the importer";
const NO_PRICE: &str = "not a price of at least 0";
const ZERO: &str = "a price of 0, which may mean that the price is unknown";
const TOO_SMALL: &str = "a price that would be rounded to 0";
const TWICE: &str = "two prices for the same unit, of which the higher one is used";
const SIZES: &str = "a price that depends on how much a search reads";
const BY_TOKENS: &str = "a price per second or character, left out because the price per token is used";
const NO_BASE: &str = "a price only for large inputs";
const CALENDAR: &str = "hours or days that are missing, unknown or not in UTC";

/// Reads the values of one entry, and collects the keys that are left out.
struct Reader<'k> {
    mode: &'k str,
    /// The keys that are left out, by reason.
    out: BTreeMap<&'static str, BTreeSet<&'k str>>,
    rounded: u64,
}

impl<'k> Reader<'k> {
    fn leave_out(&mut self, why: &'static str, key: &'k str) {
        self.out.entry(why).or_default().insert(key);
    }

    /// Returns true if a price for output was left out because the importer does not support it.
    fn left_out_output(&self) -> bool {
        self.out.get(UNKNOWN).is_some_and(|keys| keys.iter().any(|key| key.starts_with("output_cost")))
    }

    /// Adds the price in `value` to `rates`. If this is not possible, leaves out `key`.
    fn price(&mut self, key: &'k str, read: Key, value: &RawValue, rates: &mut Rates) {
        let value = match read.meter {
            Meter::WebSearches => of_every_size(value),
            _ => Ok(value.get()),
        };
        let digits = match value {
            Ok(digits) => digits,
            Err(why) => return self.leave_out(why, key),
        };
        let Some((price, rounded)) = times(digits, read.times, read.meter) else {
            return self.leave_out(NO_PRICE, key);
        };
        if price == Usd::ZERO {
            return self.leave_out(if rounded { TOO_SMALL } else { ZERO }, key);
        }
        self.rounded += u64::from(rounded);
        let known = rates.entry(read.meter).or_default().entry(read.above).or_insert(price);
        if *known != price {
            *known = price.max(*known);
            self.leave_out(TWICE, key);
        }
    }

    /// Adds prices that are listed for ranges of the input size. Each price applies to inputs that exceed the lower
    /// end of its range.
    fn ranges(&mut self, value: &RawValue, rates: &mut Rates) {
        const KEY: &str = "tiered_pricing";
        let ranges: Vec<Entry> = serde_json::from_str(value.get()).unwrap_or_default();
        let starts = ranges.iter().map(start).collect::<Option<Vec<_>>>().filter(|starts| !starts.is_empty());
        let Some(starts) = starts else { return self.leave_out(UNKNOWN, KEY) };
        for (range, above) in ranges.iter().zip(starts) {
            for (key, value) in range.iter().filter(|(key, _)| *key != "range") {
                match Key::read(key, self.mode) {
                    Some(read) if read.served.is_empty() => self.price(KEY, Key { above, ..read }, value, rates),
                    _ => self.leave_out(UNKNOWN, KEY),
                }
            }
        }
    }

    fn off_peak(&mut self, value: &RawValue) -> (Vec<Window>, Rates) {
        const KEY: &str = "off_peak_pricing";
        let mut rates = Rates::new();
        let block: Entry = serde_json::from_str(value.get()).unwrap_or_default();
        let Some(windows) = windows(&block) else {
            self.leave_out(CALENDAR, KEY);
            return (Vec::new(), rates);
        };
        for (key, value) in block.iter().filter(|(key, _)| *key != "windows") {
            match Key::read(key, self.mode) {
                Some(read) if read.served.is_empty() => self.price(KEY, read, value, &mut rates),
                _ => self.leave_out(UNKNOWN, KEY),
            }
        }
        (windows, rates)
    }
}

fn is_price(key: &str, value: &RawValue) -> bool {
    // If `provider_specific_entry` contains only numbers, the numbers are factors by which prices are multiplied, for
    // example in one region. Any other value of this key does not concern prices.
    let factors = || serde_json::from_str::<BTreeMap<String, f64>>(value.get()).is_ok();
    keys::is_price(key) || key == "provider_specific_entry" && factors()
}

fn is_output(meter: Meter) -> bool {
    matches!(meter.wholes(), [Meter::Output]) || matches!(meter, Meter::Output | Meter::AudioMs | Meter::VideoMs)
}

/// Returns the price of a search. Fails if the price depends on the size of the search context, or if the value does
/// not list prices by size. The error is the reason for leaving the price out.
fn of_every_size(value: &RawValue) -> Result<&str, &'static str> {
    let sizes: BTreeMap<&str, &RawValue> = serde_json::from_str(value.get()).map_err(|_| UNKNOWN)?;
    let mut prices = sizes.values().map(|price| price.get());
    let first = prices.next().ok_or(UNKNOWN)?;
    if prices.all(|other| other == first) { Ok(first) } else { Err(SIZES) }
}

/// Returns the lower end of the input sizes for which `range` has prices. An input in the range exceeds this number
/// of tokens. LiteLLM writes the number as a float. Returns `None` if the number is missing or is not whole.
fn start(range: &Entry) -> Option<u64> {
    let bounds: Vec<f64> = serde_json::from_str(range.get("range")?.get()).ok()?;
    bounds.first().filter(|from| from.fract() == 0.0 && (0.0..9e15).contains(*from)).map(|&from| from as u64)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowText {
    hours_utc: Hours,
    /// The days of the week, where 1 is Monday; `None` for every day.
    weekdays: Option<Vec<usize>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Hours {
    One(String),
    Several(Vec<String>),
}

/// Returns the hours and days in which off-peak prices apply. Returns `None` if `block` states them in an unknown
/// form, or with a time zone for the days.
fn windows(block: &Entry) -> Option<Vec<Window>> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    if block.contains_key("weekday_timezone") {
        return None;
    }
    let texts: Vec<WindowText> = serde_json::from_str(block.get("windows")?.get()).ok()?;
    let mut windows = Vec::new();
    for WindowText { hours_utc, weekdays } in texts {
        let day = |number: &usize| DAYS.get(number.checked_sub(1)?).copied();
        let weekdays = match &weekdays {
            Some(numbers) => Some(numbers.iter().map(day).collect::<Option<Vec<_>>>().filter(|days| !days.is_empty())?),
            None => None,
        };
        let all = match hours_utc {
            Hours::One(hours) => vec![hours],
            Hours::Several(all) => all,
        };
        for hours in all {
            let (start, end) = hours.split_once('-').filter(|(start, end)| is_minute(start) && is_minute(end))?;
            windows.push(Window { hours: (start != end).then(|| hours.clone()), weekdays: weekdays.clone() });
        }
    }
    Some(windows)
}

/// Returns true if `text` is a time such as 04:30.
fn is_minute(text: &str) -> bool {
    let two = |digits: &str, below: u32| digits.len() == 2 && digits.parse::<u32>().is_ok_and(|number| number < below);
    text.split_once(':').is_some_and(|(hour, minute)| two(hour, 24) && two(minute, 60))
}
