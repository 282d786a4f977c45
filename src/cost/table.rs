//! The price table: which model, at what time, at what price.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock};

use super::nearest::nearest;
use super::pattern::Rule;
use super::price::{CostPart, overflow};
use super::row::{Priced, Row};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{
    Call, CostProvenance, CostSource, CostTier, ExecutionMetrics, Meter, Timestamp, Usage, Usd, shortened,
};

/// Prices of models, by name and by time: plain data with a version and a source.
///
/// ```
/// use runledger::{Timestamp, Usage, cost::PriceTable};
///
/// let at: Timestamp = "2026-11-20T12:00:00Z".parse()?;
/// let cost = PriceTable::bundled()?.cost("gpt-4", &Usage::new(1_000, 500), at)?;
/// assert_eq!(cost.usd.to_string(), "0.06");
/// assert_eq!((cost.provider, cost.matched), ("openai", "gpt-4"));
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Clone)]
pub struct PriceTable {
    /// The first one that has a row for a call prices it; never empty.
    layers: Vec<Arc<Layer>>,
}

/// The rows of one file.
pub(super) struct Layer {
    pub(super) version: String,
    pub(super) as_of: Timestamp,
    pub(super) source: String,
    pub(super) providers: Vec<Provider>,
    /// Every provider's name, to its place in `providers`.
    pub(super) provider_names: HashMap<String, usize>,
    pub(super) rows: Vec<Row>,
    /// Every model's name and aliases in lower case, to the places in `rows`, one for each provider.
    pub(super) names: HashMap<String, Vec<usize>>,
}

/// Who serves models.
pub(super) struct Provider {
    pub(super) name: String,
    /// What other names it goes by.
    pub(super) names: Rule,
    /// Models that are its own where no provider is named.
    pub(super) serves: Rule,
    /// Whose prices hold for models of which it has no row, by their places.
    pub(super) falls_back_to: Vec<usize>,
    /// Its rows that match by a rule, by their places.
    pub(super) ruled: Vec<usize>,
}

/// A file of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriceFile<'t> {
    /// Its own version, as records keep it.
    pub version: &'t str,
    /// The day on which its prices were looked up, at 00:00 UTC.
    pub as_of: Timestamp,
    /// Where its prices come from, and under which licence.
    pub source: &'t str,
    /// How many models it has.
    pub models: usize,
}

/// What a call cost, and by which row of which table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost<'t> {
    /// The exact amount in US dollars, not rounded.
    pub usd: Usd,
    /// What it is the sum of, in the order of [`Meter::ALL`]; what was not used is not in it.
    pub parts: Vec<CostPart>,
    /// The tier of the model at the time.
    pub tier: CostTier,
    /// Whose prices these are: not who served the call, where the table says that others' prices hold.
    pub provider: &'t str,
    /// The model as the table names it, even if it was asked for by another name.
    pub matched: &'t str,
    /// The table's version.
    pub table: &'t str,
    /// The prices are those of an input above this many tokens; `None`: of any input.
    pub tier_above: Option<u64>,
    /// What of the call's variant the prices are of, such as `processing` batch; empty: the standard prices.
    pub variant: BTreeMap<&'t str, &'t str>,
    /// What of the call's variant the row has no prices for, so that the standard ones were taken: too low if it is
    /// priority, too high if it is a batch. What vendors call the usual way, `default` and `standard`, is not in it.
    pub variant_unpriced: BTreeMap<String, String>,
    /// The time whose prices these are.
    pub at: Timestamp,
}

impl Cost<'_> {
    /// Where the amount comes from, as a record keeps it.
    pub fn provenance(&self) -> CostProvenance {
        CostProvenance {
            source: Some(CostSource::Computed),
            table: Some(self.table.to_owned()),
            provider: Some(self.provider.to_owned()),
            matched: Some(self.matched.to_owned()),
            tier_above: self.tier_above,
            variant: text_of(&self.variant),
            variant_unpriced: text_of(&self.variant_unpriced),
            at: Some(self.at),
            ..CostProvenance::default()
        }
    }

    /// Writes the cost into `record`: `cost_usd` rounded to 8 decimals, half to even, `cost_tier`, where they come from,
    /// and the provider unless the record names one already. The estimate stays.
    pub fn fill(&self, record: &mut ExecutionMetrics) {
        record.cost_usd = Some(self.usd.round_to_record());
        record.cost_tier = Some(self.tier.clone());
        record.cost = CostProvenance { estimated_usd: record.cost.estimated_usd, ..self.provenance() };
        record.model.provider.get_or_insert_with(|| self.provider.to_owned());
    }
}

/// A variant as text: `processing=batch`; several in order, with commas between them; `None` for none.
fn text_of<T: fmt::Display>(variant: &BTreeMap<T, T>) -> Option<String> {
    let text = |(key, value): (&T, &T)| format!("{key}={value}");
    (!variant.is_empty()).then(|| variant.iter().map(text).collect::<Vec<_>>().join(","))
}

impl fmt::Debug for PriceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.layers.iter().map(|layer| (&layer.version, layer.rows.len()));
        f.debug_map().entries(files).finish()
    }
}

impl PriceTable {
    pub(super) fn new(layer: Layer) -> Self {
        Self { layers: vec![Arc::new(layer)] }
    }

    /// The table that comes with the crate, read once, when it is first asked for: a snapshot of genai-prices, and the
    /// few rows that this crate adds.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json); a released crate's table reads, since its tests read it.
    pub fn bundled() -> Result<&'static Self> {
        static BUNDLED: LazyLock<Result<PriceTable>> = LazyLock::new(|| {
            let snapshot = PriceTable::from_json(include_str!("prices.json"))?;
            Ok(PriceTable::from_json(include_str!("additions.json"))?.or(&snapshot))
        });
        BUNDLED.as_ref().map_err(Error::clone)
    }

    /// This table, and `other` for what it has no row of: a file of one's own over the bundled one.
    ///
    /// It goes row by row: a model that both have keeps all the names by which `other` knows it, and what they mean, but
    /// has the prices, aliases and rules of this table too.
    ///
    /// ```
    /// use runledger::{Usage, cost::PriceTable};
    ///
    /// let own = r#"{"version": "contract 7", "as_of": "2026-11-01", "source": "our contract", "models": [
    ///     {"model": "gpt-4", "provider": "openai", "prices": [{"input": "24", "output": "48"}]}]}"#;
    /// let prices = PriceTable::from_json(own)?.or(PriceTable::bundled()?);
    /// let (usage, at) = (Usage::new(1_000, 500), "2026-11-20T12:00:00Z".parse()?);
    /// assert_eq!(prices.cost("gpt-4", &usage, at)?.table, "contract 7");
    /// assert_eq!(prices.cost("gpt-4o", &usage, at)?.table, "genai-prices 0.2.3");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.layers.extend(other.layers.iter().cloned());
        self
    }

    /// The files that it was read from, the first that counts first.
    ///
    /// ```
    /// let bundled = runledger::PriceTable::bundled()?;
    /// assert!(bundled.files().any(|file| file.version == "genai-prices 0.2.3" && file.models == 2_151));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    pub fn files(&self) -> impl Iterator<Item = PriceFile<'_>> {
        self.layers.iter().map(|layer| PriceFile {
            version: &layer.version,
            as_of: layer.as_of,
            source: &layer.source,
            models: layer.rows.len(),
        })
    }

    /// The provider and the name of each model, without aliases, in the table's order.
    pub fn models(&self) -> impl Iterator<Item = (&str, &str)> {
        let rows = self.layers.iter().flat_map(|layer| &layer.rows);
        rows.map(|row| (row.provider.as_str(), row.model.as_str()))
    }

    /// What `usage` of `model` costs at the prices of the time `at` when the call was made, served as usual by whoever
    /// serves models of that name.
    ///
    /// The [module](crate::cost#rules) states the rules.
    ///
    /// ```
    /// use runledger::{ErrorKind, Usage, cost::PriceTable};
    ///
    /// let (prices, at) = (PriceTable::bundled()?, "2026-11-20T12:00:00Z".parse()?);
    /// let usage = Usage::new(10_000, 500).cache_read(8_000); // 2,000 × $5 + 8,000 × $0.50 + 500 × $25, each a million
    /// assert_eq!(prices.cost("claude-opus-4-5", &usage, at)?.usd.to_string(), "0.0265");
    ///
    /// let error = prices.cost("gpt-4oo", &usage, at).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::UnknownModel);
    /// assert_eq!(error.details()[0], "gpt-4o");
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::UnknownModel`]: the table does not know the model (the nearest known names are in the
    ///   [`details`](Error::details)), or several providers serve it and none is named (they are in the details).
    /// * [`ErrorKind::Unpriced`]: the model has no price at `at`, or something was used that it has no price for.
    /// * [`ErrorKind::Invalid`]: parts of the usage exceed their whole ([`Usage::validate`]).
    /// * [`ErrorKind::Overflow`]: the amount leaves the range of [`Usd`].
    pub fn cost(&self, model: &str, usage: &Usage, at: Timestamp) -> Result<Cost<'_>> {
        self.row(model, None)?.price(&BTreeMap::new(), usage, at)
    }

    /// What `call` costs at the prices of the time when it was made: `at`, unless the call tells that itself. What its
    /// vendor reported is not looked at.
    ///
    /// ```
    /// use runledger::{Usage, cost::PriceTable, metrics::Call};
    ///
    /// let call = Call::new("o3", Usage::new(1_000_000, 1_000_000)).variant("service_tier", "flex");
    /// let cost = PriceTable::bundled()?.cost_of(&call, "2026-11-20T12:00:00Z".parse()?)?;
    /// assert_eq!((cost.usd.to_string().as_str(), cost.variant["service_tier"]), ("5", "flex"));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`cost`](Self::cost), and [`ErrorKind::UnknownModel`] when the table does not know the provider.
    pub fn cost_of(&self, call: &Call, at: Timestamp) -> Result<Cost<'_>> {
        self.row(&call.model, call.provider.as_deref())?.price(&call.variant, &call.usage, call.at.unwrap_or(at))
    }

    /// The most that `call` can cost, to be reserved before it is made. Its usage says how much input it will send, and
    /// as output the most that the model may give.
    ///
    /// Parts that are not told are taken at the dearest rate that they could have: input as audio if the model hears, or
    /// as written to a cache, for an hour if the vendor sells that; output as images or reasoning. Nothing is taken to be
    /// read from a cache, which cannot be relied on, unless that is dearer. What the vendor counts by itself, such as
    /// searches, is in it as far as the usage says.
    ///
    /// ```
    /// use runledger::{Usage, cost::PriceTable, metrics::Call};
    ///
    /// let call = Call::new("claude-opus-4-5", Usage::new(10_000, 4_096));
    /// let most = PriceTable::bundled()?.worst_case(&call, "2026-11-20T12:00:00Z".parse()?)?;
    /// assert_eq!(most.usd.to_string(), "0.2024"); // 10,000 × $10 + 4,096 × $25, each a million
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`cost_of`](Self::cost_of).
    pub fn worst_case(&self, call: &Call, at: Timestamp) -> Result<Cost<'_>> {
        let row = self.row(&call.model, call.provider.as_deref())?;
        let price = |usage: &Usage| row.price(&call.variant, usage, call.at.unwrap_or(at));
        let mut usage = call.usage;
        (usage.parts.cache_read, usage.parts.cache_read_audio, usage.parts.cache_read_image) = (None, None, None);
        let mut dearest = price(&usage)?;
        for whole in [Meter::Input, Meter::Output] {
            let before = usage;
            for part in whole.parts().filter(|&part| before.get(part).is_none()) {
                let with = before.with(part, untold(&before, part));
                // Where the vendor has no price for it, it cannot be that.
                if let Ok(cost) = price(&with)
                    && cost.usd > dearest.usd
                {
                    (usage, dearest) = (with, cost);
                }
            }
        }
        Ok(dearest)
    }

    /// As [`cost_of`](Self::cost_of), for who does not want to know why there is none: no near names are looked for.
    pub(crate) fn cost_if_known(&self, call: &Call, at: Timestamp) -> Option<Cost<'_>> {
        let row = self.find(&call.model, call.provider.as_deref()).ok()?;
        row.price(&call.variant, &call.usage, call.at.unwrap_or(at)).ok()
    }

    /// The row for a model, or why there is none.
    fn row(&self, model: &str, provider: Option<&str>) -> Result<Match<'_>> {
        self.find(model, provider).map_err(|several| self.no_row(model, provider, several))
    }

    /// The row for a model; or who has one each, if several do.
    fn find(&self, model: &str, provider: Option<&str>) -> Result<Match<'_>, Vec<&str>> {
        if model.len() > NAME_BYTES_MAX {
            return Err(Vec::new());
        }
        let (name, provider) = (lower(model), provider.map(lower));
        // CostBy the name that the first file has for the provider: one's own rows go by the names of the bundle.
        let provider = provider.map(|provider| {
            let known =
                self.layers.iter().find_map(|layer| Some(layer.providers[layer.provider(&provider)?].name.as_str()));
            known.map_or(provider, lower)
        });
        for (place, layer) in self.layers.iter().enumerate() {
            let found = match layer.find(&name, provider.as_deref()) {
                Found::Row(row) => row,
                Found::Several(providers) => return Err(providers),
                Found::Nothing => continue,
            };
            let below = &self.layers[place + 1..];
            // A model's own name means what the other file says: a price of Azure's `gpt-4o` is not OpenAI's.
            let by_own_name = provider.is_none() && name == lower(&found.row.model);
            if by_own_name && below.iter().any(|below| matches!(below.find(&name, None), Found::Row(_))) {
                continue;
            }
            let mut above = self.layers[..place].iter();
            let own = above.find_map(|layer| {
                let of = |provider: &str| layer.has(provider, &found.row.model);
                let sold = provider.as_deref().and_then(of).map(|row| layer.found(row));
                sold.or_else(|| Some(Match { layer, row: of(&found.row.provider)?, at_home: found.at_home }))
            });
            return Ok(own.unwrap_or(Match { layer, ..found }));
        }
        Err(Vec::new())
    }

    /// Why there is no row, `providers` being those that have one each.
    fn no_row(&self, model: &str, provider: Option<&str>, providers: Vec<&str>) -> Error {
        let shown = shortened(model);
        if !providers.is_empty() {
            let operation = format!("price {shown} without a provider, as several have it");
            return with_names(operation, providers.into_iter().map(|provider| format!("{provider}/{model}")));
        }
        let known = |name: &&str| self.layers.iter().any(|layer| layer.provider(&lower(name)).is_some());
        let (operation, near) = match (provider, provider.filter(known)) {
            (Some(provider), None) => {
                let known = self.layers.iter().flat_map(|layer| &layer.providers);
                let near = nearest(&lower(provider), known.map(|provider| provider.name.as_str()));
                (format!("price {shown} of the unknown provider {}", shortened(provider)), near)
            }
            (Some(provider), Some(_)) => {
                let elsewhere = match self.find(model, None) {
                    Ok(found) => vec![found.row.provider.as_str()],
                    Err(providers) => providers,
                };
                let operation = format!("price {shown} of {provider}, which has no price for it");
                if !elsewhere.is_empty() {
                    let names = elsewhere.into_iter().map(|provider| format!("{provider}/{model}"));
                    return with_names(operation + ", while others have", names);
                }
                (operation, self.near(model))
            }
            (None, _) => (format!("price the unknown model {shown}"), self.near(model)),
        };
        let operation = if near.is_empty() { operation } else { operation + ", nearest known names" };
        with_names(operation, near.into_iter().map(str::to_owned))
    }

    fn near(&self, model: &str) -> Vec<&str> {
        nearest(&lower(model), self.layers.iter().flat_map(|layer| layer.names.keys()).map(String::as_str))
    }
}

/// No vendor's name is as long: it would be compared with thousands of patterns.
const NAME_BYTES_MAX: usize = 512;

fn with_names(operation: String, names: impl Iterator<Item = String>) -> Error {
    names.fold(Error::new(ErrorKind::UnknownModel, operation), Error::detail)
}

/// How much of its whole may be `part`: what is in no other part that was told.
fn untold(usage: &Usage, part: Meter) -> u64 {
    let whole = match part.wholes() {
        [Meter::CacheWrite] if usage.get(Meter::CacheWrite).is_none() => Meter::Input,
        wholes => wholes.first().copied().unwrap_or(part),
    };
    let beside = Meter::ALL.into_iter().filter(|meter| meter.wholes().contains(&whole));
    let told = beside.filter_map(|meter| usage.get(meter)).fold(0, u64::saturating_add);
    usage.get(whole).unwrap_or(0).saturating_sub(told)
}

/// The name as a table is asked for it. Most are in lower case already.
fn lower(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    match name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        true => Cow::Owned(name.to_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// A row that was found.
#[derive(Clone, Copy)]
struct Match<'t> {
    layer: &'t Layer,
    row: &'t Row,
    /// Whether it is the provider's own, and not that of another whose standard prices hold.
    at_home: bool,
}

/// What a layer has for a name.
enum Found<'t> {
    Row(Match<'t>),
    /// Rows of these providers, and nothing says whose it is.
    Several(Vec<&'t str>),
    Nothing,
}

impl<'t> Match<'t> {
    fn price(self, call: &BTreeMap<String, String>, usage: &Usage, at: Timestamp) -> Result<Cost<'t>> {
        let Self { layer, row, at_home } = self;
        let standard = BTreeMap::new();
        let told = if at_home { call } else { &standard };
        let Priced { rates, variant } = row.priced(at, told).ok_or_else(|| row.not_yet(at))?;
        let parts = rates.parts(&row.model, usage)?;
        let usd = parts.iter().try_fold(Usd::ZERO, |sum, part| sum.checked_add(part.usd));
        let unpriced = |value: &str| !["default", "standard"].contains(&value);
        let used = |value: &str| variant.values().any(|used| used.eq_ignore_ascii_case(value));
        let unpriced = call.iter().filter(|(_, value)| unpriced(value) && !used(value));
        Ok(Cost {
            usd: usd.ok_or_else(|| overflow(&row.model))?,
            parts,
            tier: row.tier(&rates),
            provider: &row.provider,
            matched: &row.model,
            table: &layer.version,
            tier_above: rates.tier_from(usage.input).map(|from| from - 1),
            variant_unpriced: unpriced.map(|(key, value)| (key.clone(), value.clone())).collect(),
            variant,
            at,
        })
    }
}

impl Layer {
    /// The row for `name`, which is in lower case, as is `provider`.
    fn find(&self, name: &str, provider: Option<&str>) -> Found<'_> {
        if let Some(provider) = provider {
            return self
                .provider(provider)
                .and_then(|place| self.served_by(place, name))
                .map_or(Found::Nothing, Found::Row);
        }
        let prefixed = name.split_once('/').and_then(|(prefix, rest)| Some((self.provider(prefix)?, rest)));
        let declared = |(place, rest)| self.first_of(place, |one| self.declared(one, rest));
        let home = || self.providers.iter().position(|provider| provider.serves.matches(name));
        let at_home = || Some(self.found(self.own(home()?, name)?));
        if let Some(found) = prefixed.and_then(declared).or_else(at_home) {
            return Found::Row(found);
        }
        // What others declare comes before what the rules of a provider in front say:
        // `deepseek/deepseek-r1-distill-qwen-14b` is their name, and not one more name of what DeepSeek sells.
        match self.names.get(name).map(Vec::as_slice) {
            Some(&[only]) => Found::Row(self.found(&self.rows[only])),
            Some(several) => Found::Several(several.iter().map(|&place| self.rows[place].provider.as_str()).collect()),
            None => {
                let found = prefixed.and_then(|(place, rest)| self.served_by(place, rest));
                found.map_or(Found::Nothing, Found::Row)
            }
        }
    }

    fn found<'t>(&'t self, row: &'t Row) -> Match<'t> {
        Match { layer: self, row, at_home: true }
    }

    /// The row of that provider and of that name, both as a row has them.
    fn has(&self, provider: &str, model: &str) -> Option<&Row> {
        let place = *self.provider_names.get(&*lower(provider))?;
        self.declared(place, &lower(model))
    }

    /// The place of the provider that goes by `name`.
    fn provider(&self, name: &str) -> Option<usize> {
        let by_rule = || self.providers.iter().position(|provider| provider.names.matches(name));
        self.provider_names.get(name).copied().or_else(by_rule)
    }

    /// What the provider at `place` has, or else one of those whose prices hold for its other models.
    fn first_of<'t>(&'t self, place: usize, find: impl Fn(usize) -> Option<&'t Row>) -> Option<Match<'t>> {
        let others = || self.providers[place].falls_back_to.iter().copied().find_map(&find);
        let other = |row| Match { at_home: false, ..self.found(row) };
        find(place).map(|row| self.found(row)).or_else(|| others().map(other))
    }

    /// The row for what the provider at `place` calls `name`, with or without that provider in front.
    fn served_by(&self, place: usize, name: &str) -> Option<Match<'_>> {
        let rest = name.split_once('/').filter(|(prefix, _)| self.provider(prefix) == Some(place));
        let names = || std::iter::once(name).chain(rest.map(|(_, rest)| rest));
        self.first_of(place, |one| names().find_map(|name| self.own(one, name)))
    }

    /// The row of the provider at `place` itself for `name`.
    fn own(&self, place: usize, name: &str) -> Option<&Row> {
        self.declared(place, name).or_else(|| self.ruled(place, name))
    }

    /// The row of the provider at `place` that has `name` as its own or as an alias.
    fn declared(&self, place: usize, name: &str) -> Option<&Row> {
        let mut rows = self.names.get(name).into_iter().flatten().map(|&row| &self.rows[row]);
        rows.find(|row| row.provider == self.providers[place].name)
    }

    /// The first row of the provider at `place` whose rule knows `name`.
    fn ruled(&self, place: usize, name: &str) -> Option<&Row> {
        let mut rows = self.providers[place].ruled.iter().map(|&row| &self.rows[row]);
        rows.find(|row| row.rule.matches(name))
    }
}

impl Row {
    fn not_yet(&self, at: Timestamp) -> Error {
        let error = Error::new(ErrorKind::Unpriced, format!("price the model {:?} at {at}", self.model));
        match self.prices.iter().filter_map(|period| period.from).min() {
            Some(from) if from > at => error.detail(format!("its first price begins at {from}")),
            _ => error.detail("it has no price at that hour"),
        }
    }
}
