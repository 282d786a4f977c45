//! The rows of one file of prices, and how a name finds one of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::pattern::Rule;
use crate::cost::breakdown::Cost;
use crate::cost::price::overflow;
use crate::cost::row::{Priced, Row};
use crate::error::Result;
use crate::metrics::{Timestamp, Usage, Usd};

/// The rows of one file.
pub(in crate::cost) struct Layer {
    pub(in crate::cost) version: String,
    pub(in crate::cost) as_of: Timestamp,
    pub(in crate::cost) source: String,
    pub(in crate::cost) providers: Vec<Provider>,
    /// The index in `providers` of each provider, by its name.
    pub(in crate::cost) provider_names: HashMap<String, usize>,
    pub(in crate::cost) rows: Vec<Row>,
    /// The indexes in `rows` of each model, by its name and its aliases in lower case, one for each provider.
    pub(in crate::cost) names: HashMap<String, Vec<usize>>,
}

/// A vendor that serves models.
pub(in crate::cost) struct Provider {
    pub(in crate::cost) name: String,
    /// Other names for it.
    pub(in crate::cost) names: Rule,
    /// The models that it serves if a call names no provider.
    pub(in crate::cost) serves: Rule,
    /// The indexes of the providers whose prices apply to models for which it has no row.
    pub(in crate::cost) falls_back_to: Vec<usize>,
    /// The indexes of its rows that match by a rule.
    pub(in crate::cost) ruled: Vec<usize>,
}

/// A row that was found.
#[derive(Clone, Copy)]
pub(in crate::cost) struct Match<'t> {
    pub(in crate::cost) layer: &'t Layer,
    pub(in crate::cost) row: &'t Row,
    /// False if the row belongs to another provider, whose standard prices apply.
    pub(in crate::cost) at_home: bool,
}

/// The result of a search for a name in a layer.
pub(in crate::cost) enum Found<'t> {
    Row(Match<'t>),
    /// These providers each have a row, and nothing decides between them.
    Several(Vec<&'t str>),
    Nothing,
}

impl<'t> Match<'t> {
    /// Returns the cost of `usage` at `at`. `call` is the variant of the call.
    pub(in crate::cost) fn price(
        self,
        call: &BTreeMap<String, String>,
        usage: &Usage,
        at: Timestamp,
    ) -> Result<Cost<'t>> {
        let Self { layer, row, at_home } = self;
        let standard = BTreeMap::new();
        let priced_variant = if at_home { call } else { &standard };
        let Priced { rates, variant } = row.priced(at, priced_variant).ok_or_else(|| row.not_yet(at))?;
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
    /// Returns the row for `name`. Both `name` and `provider` are in lower case.
    pub(in crate::cost) fn find(&self, name: &str, provider: Option<&str>) -> Found<'_> {
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
        // A name that another provider declares takes precedence over a rule of the prefix's provider. For example
        // `deepseek/deepseek-r1-distill-qwen-14b` is declared by others and is not a model that DeepSeek sells.
        match self.names.get(name).map(Vec::as_slice) {
            Some(&[only]) => Found::Row(self.found(&self.rows[only])),
            Some(several) => Found::Several(several.iter().map(|&place| self.rows[place].provider.as_str()).collect()),
            None => {
                let found = prefixed.and_then(|(place, rest)| self.served_by(place, rest));
                found.map_or(Found::Nothing, Found::Row)
            }
        }
    }

    pub(in crate::cost) fn found<'t>(&'t self, row: &'t Row) -> Match<'t> {
        Match { layer: self, row, at_home: true }
    }

    /// Returns the row with these names, spelled as in another row.
    pub(in crate::cost) fn has(&self, provider: &str, model: &str) -> Option<&Row> {
        let place = *self.provider_names.get(&*lower(provider))?;
        self.declared(place, &lower(model))
    }

    /// Returns the index of the provider with this name.
    pub(in crate::cost) fn provider(&self, name: &str) -> Option<usize> {
        let by_rule = || self.providers.iter().position(|provider| provider.names.matches(name));
        self.provider_names.get(name).copied().or_else(by_rule)
    }

    /// Returns what `find` finds for the provider at `place`, or else for the first of its fallback providers.
    fn first_of<'t>(&'t self, place: usize, find: impl Fn(usize) -> Option<&'t Row>) -> Option<Match<'t>> {
        let others = || self.providers[place].falls_back_to.iter().copied().find_map(&find);
        let other = |row| Match { at_home: false, ..self.found(row) };
        find(place).map(|row| self.found(row)).or_else(|| others().map(other))
    }

    /// Returns the row for the model that the provider at `place` calls `name`, with or without the provider's name in
    /// front.
    fn served_by(&self, place: usize, name: &str) -> Option<Match<'_>> {
        let rest = name.split_once('/').filter(|(prefix, _)| self.provider(prefix) == Some(place));
        let names = || std::iter::once(name).chain(rest.map(|(_, rest)| rest));
        self.first_of(place, |one| names().find_map(|name| self.own(one, name)))
    }

    /// Returns the row for `name` of the provider at `place` itself.
    fn own(&self, place: usize, name: &str) -> Option<&Row> {
        self.declared(place, name).or_else(|| self.ruled(place, name))
    }

    /// Returns the row of the provider at `place` that has `name` as its name or as an alias.
    fn declared(&self, place: usize, name: &str) -> Option<&Row> {
        let mut rows = self.names.get(name).into_iter().flatten().map(|&row| &self.rows[row]);
        rows.find(|row| row.provider == self.providers[place].name)
    }

    /// Returns the first row of the provider at `place` whose rule matches `name`.
    fn ruled(&self, place: usize, name: &str) -> Option<&Row> {
        let mut rows = self.providers[place].ruled.iter().map(|&row| &self.rows[row]);
        rows.find(|row| row.rule.matches(name))
    }
}

/// Returns the name in the form in which tables store it. Most names are already in lower case.
pub(in crate::cost) fn lower(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(name.to_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
