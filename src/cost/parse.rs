//! Reads a price table from JSON. The table from one file is called a layer.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::LazyLock;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::lookup::layer::{Layer, Provider};
use super::lookup::pattern::{Pattern, Rule};
use super::price::{Rate, Tier};
use super::row::{Period, Prices, Row, RowPrices, Variant, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::json::path_at;
use crate::metrics::{CostTier, Meter, Timestamp, Usd};

// The values of these types are slices of the file's text. The position of a faulty value in this text gives the line
// that the error reports. Numbers stay text, so they are not rounded to floats.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText<'a, P, V: Default> {
    #[serde(borrow)]
    version: &'a RawValue,
    #[serde(borrow)]
    as_of: &'a RawValue,
    #[serde(borrow)]
    source: &'a RawValue,
    #[serde(borrow, default)]
    providers: Vec<ProviderText<'a>>,
    #[serde(borrow)]
    models: Vec<RowText<'a, P, V>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderText<'a> {
    #[serde(borrow)]
    provider: &'a RawValue,
    #[serde(borrow, default)]
    names: RuleText<'a>,
    #[serde(borrow, default)]
    serves: RuleText<'a>,
    #[serde(borrow, default)]
    falls_back_to: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RuleText<'a> {
    #[serde(borrow)]
    like: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    unlike: Vec<&'a RawValue>,
}

/// A row. `P` and `V` are the types of the prices and the variants, which are parsed either with the row or later.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowText<'a, P, V: Default> {
    #[serde(borrow)]
    model: &'a RawValue,
    #[serde(borrow, default)]
    aliases: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    names: RuleText<'a>,
    #[serde(borrow)]
    provider: &'a RawValue,
    #[serde(borrow)]
    tier: Option<&'a RawValue>,
    prices: P,
    #[serde(default)]
    variants: V,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantText<'a> {
    #[serde(borrow)]
    when: Entries<'a>,
    #[serde(borrow)]
    prices: Vec<Entries<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierText<'a> {
    #[serde(borrow)]
    above: Option<&'a RawValue>,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow)]
    price: &'a RawValue,
}

/// The keys and values of an object in the order of the file. A key that occurs twice is included twice.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(4);
                while let Some(entry) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((entry.0.0, entry.1));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A key, which is borrowed from the file's text if it contains no escape.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the table in `text`. Fails at the first fault in the text.
pub(super) fn layer(text: &str) -> Result<Layer> {
    let table: TableText<'_, Vec<Entries<'_>>, Vec<VariantText<'_>>> = table(text)?;
    let reader = Reader { text };
    reader.table(&table, |row| {
        let prices = reader.prices(row.model, row.tier, &row.prices, &row.variants)?;
        Ok(LazyLock::new(Box::new(|| prices)))
    })
}

/// Like [`layer`], but parses the prices of a row only when they are first needed. A program needs only a few of the
/// thousands of rows. If the prices of a row are not valid, the row has no prices and there is no error. So a test must
/// check that [`layer`] can read each table that is read in this way.
pub(super) fn layer_of_unread_rows(text: &'static str) -> Result<Layer> {
    let table: TableText<'static, &'static RawValue, Option<&'static RawValue>> = table(text)?;
    let reader = Reader { text };
    reader.table(&table, |row| {
        let &RowText { model, tier, prices, variants, .. } = row;
        let read = move || {
            let prices: Vec<Entries<'_>> = serde_json::from_str(prices.get()).ok()?;
            let variants = variants.map_or("[]", RawValue::get);
            reader.prices(model, tier, &prices, &serde_json::from_str::<Vec<_>>(variants).ok()?).ok()
        };
        Ok(LazyLock::new(Box::new(move || read().unwrap_or_default())))
    })
}

/// Returns the name in lower case. Most names are in lower case already, and are not copied.
fn lower_case(name: String) -> String {
    let is_lower = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { name } else { name.to_lowercase() }
}

fn table<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| malformed().at_json(text, &error))
}

fn malformed() -> Error {
    Error::new(ErrorKind::Malformed, "read a price table")
}

/// Parses values, and reports the position of a faulty value in `text`.
#[derive(Clone, Copy)]
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn table<'t, P, V: Default>(
        &self,
        table: &TableText<'t, P, V>,
        prices: impl Fn(&RowText<'t, P, V>) -> Result<RowPrices>,
    ) -> Result<Layer> {
        let mut layer = Layer {
            version: self.name(table.version)?,
            as_of: self.day(table.as_of)?,
            source: self.name(table.source)?,
            providers: Vec::with_capacity(table.providers.len()),
            provider_names: HashMap::with_capacity(table.providers.len()),
            rows: Vec::with_capacity(table.models.len()),
            names: HashMap::with_capacity(table.models.len() * 2),
        };
        for provider in &table.providers {
            let name = self.name(provider.provider)?;
            let place = layer.providers.len();
            if layer.provider_names.insert(name.to_lowercase(), place).is_some() {
                return Err(self.fault(provider.provider, "expected a provider that is not yet in the list, found"));
            }
            let (names, serves) = (self.rule(&provider.names)?, self.rule(&provider.serves)?);
            layer.providers.push(Provider { name, names, serves, falls_back_to: Vec::new(), ruled: Vec::new() });
        }
        for (place, provider) in table.providers.iter().enumerate() {
            for &other in &provider.falls_back_to {
                let known = layer.provider_names.get(&self.name(other)?.to_lowercase());
                let &known = known.ok_or_else(|| self.fault(other, "expected a provider in \"providers\", found"))?;
                layer.providers[place].falls_back_to.push(known);
            }
        }
        for row in &table.models {
            self.add(row, prices(row)?, &mut layer)?;
        }
        Ok(layer)
    }

    fn add<P, V: Default>(&self, text: &RowText<'_, P, V>, prices: RowPrices, layer: &mut Layer) -> Result<()> {
        let place = layer.rows.len();
        let (model, provider) = (self.name(text.model)?, self.name(text.provider)?);
        let mut row = Row { place, model, provider, rule: self.rule(&text.names)?, prices };
        let provider_name = lower_case(row.provider.clone());
        let known = layer.provider_names.get(&provider_name).copied();
        if let Some(known) = known.and_then(|known| layer.providers.get(known)) {
            // In all rows of a provider, its name is spelled as in the list of providers.
            row.provider.clone_from(&known.name);
        }
        for &value in [text.model].iter().chain(&text.aliases) {
            let same_name = layer.names.entry(lower_case(self.name(value)?)).or_default();
            if same_name.iter().any(|&other| other == place || layer.rows[other].provider == row.provider) {
                return Err(self.fault(value, "expected a name that this provider does not yet have, found"));
            }
            same_name.push(place);
        }
        let provider = known.unwrap_or_else(|| {
            let (names, serves) = (Rule::default(), Rule::default());
            let name = row.provider.clone();
            layer.providers.push(Provider { name, names, serves, falls_back_to: Vec::new(), ruled: Vec::new() });
            let place = layer.providers.len() - 1;
            layer.provider_names.insert(provider_name, place);
            place
        });
        if !row.rule.is_empty() {
            layer.providers[provider].ruled.push(place);
        }
        layer.rows.push(row);
        Ok(())
    }

    fn prices(
        &self,
        model: &RawValue,
        tier: Option<&RawValue>,
        prices: &[Entries<'_>],
        variant_texts: &[VariantText<'_>],
    ) -> Result<Prices> {
        let mut variants = Vec::with_capacity(variant_texts.len());
        for variant in variant_texts {
            let mut when = BTreeMap::new();
            for (key, value) in &variant.when.0 {
                if when.insert(key.to_string(), self.name(value)?).is_some() {
                    return Err(self.fault(value, &format!("expected {key:?} once, found it again with the value")));
                }
            }
            if when.is_empty() {
                return Err(self.fault(model, "expected at least one pair in \"when\" of a variant, found none for"));
            }
            for entries in &variant.prices {
                variants.push(Variant { when: when.clone(), period: self.period(entries)? });
            }
        }
        let parsed = Prices { tier: None, standard: self.periods(model, prices)?, variants };
        let tier = tier.map(|tier| self.tier(tier, parsed.is_free())).transpose()?;
        Ok(Prices { tier, ..parsed })
    }

    fn rule(&self, rule: &RuleText) -> Result<Rule> {
        let patterns = |values: &[&RawValue]| -> Result<Vec<Pattern>> {
            values.iter().map(|value| Ok(Pattern::new(&self.name(value)?))).collect()
        };
        Ok(Rule { like: patterns(&rule.like)?, unlike: patterns(&rule.unlike)? })
    }

    /// Returns the standard prices, one period for each entry of `prices`. Periods that apply all day must be in
    /// chronological order. Each period must have a price.
    fn periods(&self, model: &RawValue, prices: &[Entries<'_>]) -> Result<Vec<Period>> {
        let mut periods = Vec::with_capacity(prices.len());
        let mut last = None;
        for entries in prices {
            let period = self.period(entries)?;
            if period.rates.is_empty() {
                return Err(
                    self.fault(model, "expected a price in each entry of \"prices\", found an entry without one for")
                );
            }
            if period.window.is_always() {
                if last.is_some_and(|last| period.from <= last) {
                    return Err(self.fault(
                        model,
                        "expected each \"from\" to be later than the one before it, found another order for",
                    ));
                }
                last = Some(period.from);
            }
            periods.push(period);
        }
        if periods.is_empty() {
            return Err(self.fault(model, "expected at least one price, found none for"));
        }
        Ok(periods)
    }

    fn period(&self, entries: &Entries) -> Result<Period> {
        let mut period = Period { from: None, window: Window::default(), rates: Vec::with_capacity(entries.0.len()) };
        let mut audio_ms_min = None;
        for (place, (key, value)) in entries.0.iter().enumerate() {
            if entries.0[..place].iter().any(|(other, _)| other == key) {
                return Err(self.fault(value, &format!("expected {key:?} once, found it again with the value")));
            }
            match key.as_ref() {
                "from" => period.from = Some(self.day(value)?),
                "hours" => period.window.minutes = Some(self.hours(value)?),
                "weekdays" => period.window.weekdays = Some(self.weekdays(value)?),
                "audio_seconds_min" => audio_ms_min = Some(self.count(value)?.saturating_mul(1000)),
                price_key => {
                    let meter = Meter::ALL.into_iter().find(|meter| meter.price_key() == price_key);
                    let meter = meter.ok_or_else(|| {
                        self.fault(value, &format!("expected only known keys, found {price_key:?} with the value"))
                    })?;
                    period.rates.push(self.rate(meter, value)?);
                }
            }
        }
        if let Some(min) = audio_ms_min {
            if period.rates.iter().all(|rate| rate.meter != Meter::AudioMs)
                && let Some((_, value)) = entries.0.first()
            {
                return Err(self.fault(
                    value,
                    "expected \"audio_hour\" next to \"audio_seconds_min\", found none in the entry that begins with",
                ));
            }
            for rate in period.rates.iter_mut().filter(|rate| rate.meter == Meter::AudioMs) {
                rate.min = min;
            }
        }
        Ok(period)
    }

    /// Reads a price, or a list of a price and its tiers.
    fn rate(&self, meter: Meter, value: &RawValue) -> Result<Rate> {
        if !value.get().starts_with('[') {
            return Ok(Rate { meter, price: self.price(meter, value)?, tiers: Vec::new(), min: 0 });
        }
        let expected = "expected a price and then tiers such as {\"above\": 200000, \"price\": \"2.5\"}, found";
        let list: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|_| self.fault(value, expected))?;
        let (first, rest) = list.split_first().ok_or_else(|| self.fault(value, expected))?;
        let mut tiers: Vec<Tier> = Vec::with_capacity(rest.len());
        for text in rest {
            let tier: TierText = serde_json::from_str(text.get()).map_err(|_| self.fault(text, expected))?;
            let from = match (tier.above, tier.from) {
                (Some(above), None) => self.count(above)?.checked_add(1),
                (None, Some(from)) => Some(self.count(from)?),
                _ => None,
            };
            let from = from.filter(|&from| from > tiers.last().map_or(0, |last| last.from));
            let from = from.ok_or_else(|| {
                self.fault(text, "expected \"above\" or \"from\" with more tokens than in earlier tiers, found")
            })?;
            tiers.push(Tier { from, price: self.price(meter, tier.price)? });
        }
        Ok(Rate { meter, price: self.price(meter, first)?, tiers, min: 0 })
    }

    fn tier(&self, value: &RawValue, is_free: bool) -> Result<CostTier> {
        match (CostTier::from(self.name(value)?.as_str()), is_free) {
            (tier @ CostTier::Free, true) | (tier @ (CostTier::Standard | CostTier::Premium), false) => Ok(tier),
            (_, true) => Err(self.fault(value, "expected \"Free\", since every price is zero, found")),
            (_, false) => {
                Err(self.fault(value, "expected \"Standard\" or \"Premium\", since a price is not zero, found"))
            }
        }
    }

    /// Reads a string that is not blank.
    fn name(&self, value: &RawValue) -> Result<String> {
        let name = serde_json::from_str::<String>(value.get()).ok().filter(|name| !name.trim().is_empty());
        name.ok_or_else(|| self.fault(value, "expected a string that is not blank, found"))
    }

    fn count(&self, value: &RawValue) -> Result<u64> {
        value.get().parse().map_err(|_| self.fault(value, "expected a whole number, found"))
    }

    /// Reads a day such as 2026-11-20 as its first moment in UTC.
    fn day(&self, value: &RawValue) -> Result<Timestamp> {
        let day = format!("{}T00:00:00Z", self.name(value)?).parse();
        day.map_err(|_| self.fault(value, "expected a day such as \"2026-11-20\", found"))
    }

    /// Reads hours such as 00:30-16:30 as minutes of the day.
    fn hours(&self, value: &RawValue) -> Result<(u32, u32)> {
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let (hour, minute): (u32, u32) = (two_digits(hour)?, two_digits(minute)?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let text = self.name(value)?;
        let hours = text.split_once('-').and_then(|(start, end)| minute(start).zip(minute(end)));
        hours
            .filter(|(start, end)| start != end)
            .ok_or_else(|| self.fault(value, "expected hours in UTC such as \"00:30-16:30\", found"))
    }

    fn weekdays(&self, value: &RawValue) -> Result<[bool; 7]> {
        const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let expected = "expected days such as [\"Mon\", \"Tue\"], found";
        let names: Vec<&str> = serde_json::from_str(value.get()).map_err(|_| self.fault(value, expected))?;
        let mut days = [false; 7];
        for name in &names {
            let day = NAMES.iter().position(|known| known == name).ok_or_else(|| self.fault(value, expected))?;
            days[day] = true;
        }
        if names.is_empty() {
            return Err(self.fault(value, expected));
        }
        Ok(days)
    }

    /// Reads the price of [`Meter::per`] units. For all meters that do not count time, one unit must cost a whole
    /// number of pico-dollars.
    fn price(&self, meter: Meter, value: &RawValue) -> Result<Usd> {
        let digits =
            if value.get().starts_with('"') { Cow::Owned(self.name(value)?) } else { Cow::Borrowed(value.get()) };
        let (step, decimals) = match meter.per() {
            1_000_000 => (1_000_000, 6),
            1_000 => (1_000, 9),
            _ => (1, 12),
        };
        let fits = |price: &Usd| price.pico() >= 0 && price.pico() % step == 0;
        digits.parse::<Usd>().ok().filter(fits).ok_or_else(|| {
            self.fault(value, &format!("expected a price of at least 0 with at most {decimals} decimals, found"))
        })
    }

    /// Returns an error about `value`, at the position at which `value` begins.
    fn fault(&self, value: &RawValue, expected: &str) -> Error {
        let error = malformed().at_part(self.text, value.get());
        let path = path_at(self.text, error.byte().and_then(|byte| usize::try_from(byte).ok()).unwrap_or_default());
        error.detail(format!("{path}: {expected} {}", value.get()))
    }
}

fn two_digits(text: &str) -> Option<u32> {
    let is_two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_two_digits.then(|| text.parse().ok())?
}
