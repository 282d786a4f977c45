//! Searches the files of a table in order.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::affix::{is_ending, without};
use super::found::Match;
use super::layer::{Found, Layer, Served, lower};
use super::pattern::Rule;
use super::region::Region;
use super::spelling::{Asked, LATEST, Spelling, closest, date};
use crate::cost::row::Row;

/// The name of the rule that is used if several providers have the model at the same price.
const SAME_PRICE: &str = "same price at every provider";

/// The files of a price table, one layer each. A row has the prices of one model of one provider. Usually, the first
/// file that has a row for a call prices the call.
#[derive(Clone)]
pub(in crate::cost) struct Layers {
    layers: Vec<Arc<Layer>>,
    /// Maps each name of a provider, in lower case, to the **shared name** of the provider. A provider can have
    /// different names in different layers. Its shared name is its name in the last layer that has it. So
    /// `azure_openai` in a user's table means `azure` in the bundled table.
    shared: HashMap<String, String>,
    /// For each layer, the indexes of its providers, by the provider's shared name.
    places: Vec<HashMap<String, Vec<usize>>>,
    /// For rows of later layers, the names in earlier layers that mean the same model. The prices of the earlier
    /// layers take precedence over the prices of such a row. The key has the index of the later layer, and the index
    /// of the row in this layer.
    earlier: HashMap<(usize, usize), Vec<Earlier>>,
}

/// A name in an earlier layer that means the same model as a row of a later layer.
#[derive(Debug, Clone)]
struct Earlier {
    layer: usize,
    /// The index of the row that has the name.
    row: usize,
    /// The name or alias, in lower case.
    name: String,
}

/// The reason why there is no row for a call.
pub(super) enum Missing<'t> {
    /// No table has the model.
    Unknown,
    /// Several rows, of several providers, have the name, and no rule prefers one of them.
    Several(Vec<&'t Row>),
    /// No row has the name of the call. But several rows with different prices have other spellings of the name.
    Ambiguous(Vec<&'t Row>),
}

impl Layers {
    pub(in crate::cost) fn new(layers: Vec<Arc<Layer>>) -> Self {
        let places = layers.iter().map(|_| HashMap::new()).collect();
        let mut all = Self { layers, shared: HashMap::new(), places, earlier: HashMap::new() };
        for at in (0..all.layers.len()).rev() {
            let layer = Arc::clone(&all.layers[at]);
            for (place, provider) in layer.providers.iter().enumerate() {
                let name = lower(&provider.name).into_owned();
                // Patterns with wildcards are ignored here. So a provider `openai-eu` in a user's table is not
                // OpenAI, even if a pattern in a later layer matches this name.
                let shared = all.shared_name_from(at + 1, &name, Rule::lists).map_or(name.clone(), str::to_owned);
                all.places[at].entry(shared.clone()).or_default().push(place);
                all.shared.entry(name).or_insert(shared);
            }
            if at + 1 == all.layers.len() {
                continue;
            }
            for (name, rows) in &layer.names {
                for &row in rows {
                    all.add_earlier(Earlier { layer: at, row, name: name.clone() });
                }
            }
        }
        all
    }

    /// Searches the layers after `earlier.layer` for the name in `earlier`. If a row is found, adds `earlier` to the
    /// list of this row.
    fn add_earlier(&mut self, earlier: Earlier) {
        let provider = lower(&self.layers[earlier.layer].rows[earlier.row].provider).into_owned();
        let found = self.search_from(earlier.layer + 1, Asked::given(&earlier.name, Some(&provider), None));
        let Some(Ok(found)) = found else { return };
        let later = self.layers.iter().position(|layer| std::ptr::eq(&**layer, found.layer));
        if let Some(later) = later {
            let key = (later, found.row.place);
            self.earlier.entry(key).or_default().push(earlier);
        }
    }

    /// Returns these layers with `others` as their fallbacks.
    pub(in crate::cost) fn or(&self, others: &Self) -> Self {
        Self::new(self.layers.iter().chain(&others.layers).cloned().collect())
    }

    pub(in crate::cost) fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().map(Arc::as_ref)
    }

    /// Returns the shared name of the provider `name`, which must be in lower case.
    pub(super) fn shared_name(&self, name: &str) -> Option<&str> {
        self.shared_name_from(0, name, Rule::matches)
    }

    /// Returns the shared name of the provider `name`. If no provider has exactly this name, searches the layers from
    /// `first` on for a provider whose rule for names fits. `fits` decides whether a rule fits `name`.
    fn shared_name_from(&self, first: usize, name: &str, fits: fn(&Rule, &str) -> bool) -> Option<&str> {
        let by_rule = || {
            let mut providers = self.layers[first..].iter().flat_map(|layer| &layer.providers);
            let provider = providers.find(|provider| fits(&provider.names, name))?;
            self.shared.get(&*lower(&provider.name))
        };
        self.shared.get(name).or_else(by_rule).map(String::as_str)
    }

    /// Returns the row for a model, or the reason why there is none.
    pub(super) fn find(&self, given: Asked<'_>) -> Result<Match<'_>, Missing<'_>> {
        if let Some(found) = self.find_spelled(given) {
            return found;
        }
        let shared = |name: &str| self.shared_name(name).map(str::to_owned);
        let all = closest(Spelling::from(given), &shared, |spelling| self.find_spelled(spelling.asked()));
        let (found, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
        let mut found: Vec<Match<'_>> = found.into_iter().flatten().collect();
        // Rows for the region of the call come before other rows.
        found.sort_by_key(|found| found.region_unpriced.is_some());
        match found.split_first() {
            Some((first, others)) if others.iter().all(|other| other.row.prices_like(first.row)) => Ok(first.clone()),
            Some(_) => Err(Missing::Ambiguous(found.iter().map(|found| found.row).collect())),
            None => Err(missing.into_iter().find_map(Result::err).unwrap_or(Missing::Unknown)),
        }
    }

    /// Searches all layers for one spelling. Returns `None` if no layer has this spelling.
    fn find_spelled(&self, asked: Asked<'_>) -> Option<Result<Match<'_>, Missing<'_>>> {
        let Some(region) = asked.region.filter(|_| Region::split(asked.name).is_none()) else {
            return self.search(asked);
        };
        let in_region = |separator| self.search(Asked { name: &format!("{region}{separator}{}", asked.name), ..asked });
        if let Some(found) = in_region('.').or_else(|| in_region('/')) {
            return Some(found);
        }
        let mut found = self.search(asked)?;
        if let Ok(found) = &mut found {
            // Some tables have two rows for a model: one for the global service, and a more expensive one for all
            // calls in a region. If the row that was found is the wrong one of the two, the region counts as
            // unpriced.
            let is_global = Region::read(region) == Some(Region::Everywhere);
            found.region_unpriced = (is_global == found.row.is_for_every_region()).then(|| region.to_owned());
        }
        Some(found)
    }

    /// Searches all layers for one spelling. Ignores the region in `asked`.
    fn search(&self, asked: Asked<'_>) -> Option<Result<Match<'_>, Missing<'_>>> {
        self.search_from(0, asked)
    }

    /// Searches the layers from `first` on.
    fn search_from(&self, first: usize, asked: Asked<'_>) -> Option<Result<Match<'_>, Missing<'_>>> {
        let name = asked.name;
        let provider = match asked.provider {
            None => None,
            Some(provider) => Some(self.shared_name(provider)?),
        };
        // A text with a colon is not the name of a provider, even if the pattern of a provider matches this text.
        let prefixed = name.split_once('/').filter(|(prefix, _)| !prefix.contains(':'));
        let prefixed = prefixed.and_then(|(prefix, rest)| Some((self.shared_name(prefix)?, rest)));
        // A provider in front of the name takes precedence over the provider that usually serves this model.
        let is_home = |(_, home): &(usize, &str)| prefixed.is_none_or(|(prefix, _)| prefix == *home);
        let home = if provider.is_none() { self.home(name).filter(is_home) } else { None };
        let in_layer = |at: usize| {
            let places = |shared: &str| self.places[at].get(shared).map_or(&[][..], Vec::as_slice);
            let served = match provider {
                Some(provider) => {
                    let rest = prefixed.filter(|(prefix, _)| *prefix == provider).map(|(_, rest)| rest);
                    // A table may list one provider under several names with the same shared name. The name that the
                    // call uses is searched first.
                    let named = asked.provider.and_then(|name| self.layers[at].provider_names.get(name));
                    let named = named.map(|place| Served::By(std::slice::from_ref(place), rest));
                    match named.map(|served| self.layers[at].find(name, served)) {
                        Some(found @ Found::Row(..)) => return found,
                        _ => Served::By(places(provider), rest),
                    }
                }
                None => Served::ByAny {
                    prefixed: prefixed.map(|(prefix, rest)| (places(prefix), rest)),
                    home: home.map_or(&[], |(_, home)| places(home)),
                },
            };
            self.layers[at].find(name, served)
        };
        for at in first..self.layers.len() {
            let (row, at_home) = match in_layer(at) {
                Found::Row(row, at_home) => (row, at_home),
                Found::Other(row) => {
                    let is_in = |layer: usize, provider: &str| self.places[layer].contains_key(provider);
                    // If this layer says which provider serves models of this name, the row of another provider, such
                    // as a reseller, is used only for the original spelling of the name.
                    let is_respelled = !asked.by.is_empty() && home.is_some_and(|(layer, _)| layer == at);
                    // A later layer can have a row of the provider that serves models of this name. That row is used
                    // instead of `row` if a later layer also has the provider of `row`. For example, a user's price for
                    // Azure's `gpt-4o` is not used for OpenAI's `gpt-4o`.
                    let mut below = at + 1..self.layers.len();
                    let is_known = || below.clone().any(|layer| is_in(layer, self.owner(row)));
                    if is_respelled || is_known() && below.any(|layer| matches!(in_layer(layer), Found::Row(..))) {
                        continue;
                    }
                    (row, true)
                }
                Found::Several(rows) => return Some(self.same_price(at, rows, asked)),
                Found::Nothing => continue,
            };
            let earlier = self.earlier(first..at, row, at, at_home, provider, asked);
            return Some(earlier.unwrap_or_else(|| self.checked(self.found(at, row, at_home, asked), asked)));
        }
        None
    }

    /// Returns a row for the same model as `row`, from one of `layers`. These layers come before `at`, the layer of
    /// `row`. Returns `None` if there is no such row.
    ///
    /// An earlier layer can have several names for the model. A name that is a part of the call's name is tried
    /// first, then the name of `row`, and then any other name. A name whose date differs from the date in the call's
    /// name is ignored, because it means another release.
    fn earlier(
        &self,
        mut layers: Range<usize>,
        row: &Row,
        at: usize,
        at_home: bool,
        provider: Option<&str>,
        asked: Asked<'_>,
    ) -> Option<Result<Match<'_>, Missing<'_>>> {
        let same = self.earlier.get(&(at, row.place))?;
        let is_release = |name: &str| date(name).zip(date(asked.name)).is_none_or(|(one, other)| one == other);
        layers.find_map(|layer| {
            let of = |owner: &str| -> Vec<(&str, &Row)> {
                let here = same.iter().filter(|one| one.layer == layer && is_release(&one.name));
                let rows = here.map(|one| (one.name.as_str(), &self.layers[layer].rows[one.row]));
                rows.filter(|(_, row)| self.owner(row) == owner).collect()
            };
            // If the provider that the call names has rows, they are used. Otherwise, the rows of `row`'s provider are
            // used, because the named provider falls back to the prices of that provider.
            let (rows, at_home) = match provider.map(of).filter(|rows| !rows.is_empty()) {
                Some(rows) => (rows, true),
                None => (of(self.owner(row)), at_home),
            };
            let named = |name: &str| rows.iter().find(|(other, _)| *other == name).map(|(_, row)| *row);
            let found = match without(asked.name).chain([&*lower(&row.model)]).find_map(named) {
                Some(row) => row,
                None => {
                    let (_, first) = rows.first()?;
                    if !rows.iter().all(|(_, row)| row.prices_like(first)) {
                        return Some(Err(Missing::Ambiguous(rows.iter().map(|(_, row)| *row).collect())));
                    }
                    first
                }
            };
            Some(Ok(self.found(layer, found, at_home, asked)))
        })
    }

    /// Returns `found`, unless it is ambiguous. It is ambiguous if the call asks for the latest release of a model,
    /// and the table has another release with a different price.
    fn checked<'t>(&'t self, found: Match<'t>, asked: Asked<'_>) -> Result<Match<'t>, Missing<'t>> {
        if !asked.by.contains(&LATEST) {
            return Ok(found);
        }
        let is_release = |name: &String| name.starts_with(asked.name) && is_ending(name, asked.name.len());
        let releases = found.layer.names.iter().filter(|(name, _)| is_release(name));
        let rows = releases.flat_map(|(_, rows)| rows.iter().map(|&row| &found.layer.rows[row]));
        let mut others = rows.filter(|row| row.provider == found.row.provider && !row.prices_like(found.row));
        others.next().map_or(Ok(found.clone()), |other| Err(Missing::Ambiguous(vec![found.row, other])))
    }

    fn found<'t>(&'t self, at: usize, row: &'t Row, at_home: bool, asked: Asked<'_>) -> Match<'t> {
        Match {
            layer: &self.layers[at],
            row,
            at_home,
            region_unpriced: None,
            routing: asked.routing,
            by: asked.by.to_vec(),
        }
    }

    /// Returns the provider that is assumed to serve models of this name if a call names no provider. The result has
    /// the index of the layer that says so, and the shared name of the provider.
    fn home(&self, name: &str) -> Option<(usize, &str)> {
        let providers = self.layers.iter().enumerate();
        let mut providers = providers.flat_map(|(at, layer)| layer.providers.iter().map(move |one| (at, one)));
        let (at, home) = providers.find(|(_, provider)| provider.serves.matches(name))?;
        Some((at, self.shared.get(&*lower(&home.name))?))
    }

    /// Returns the shared name of a row's provider.
    pub(super) fn owner<'t>(&'t self, row: &'t Row) -> &'t str {
        self.shared.get(&*lower(&row.provider)).map_or(&row.provider, String::as_str)
    }

    /// Returns the first of `rows`, which are rows of several providers. Fails if their standard prices differ.
    fn same_price<'t>(&'t self, at: usize, rows: Vec<&'t Row>, asked: Asked<'_>) -> Result<Match<'t>, Missing<'t>> {
        match rows.split_first() {
            Some((&row, others)) if others.iter().all(|other| other.prices_like(row)) => {
                let mut found = self.found(at, row, false, asked);
                found.by.push(SAME_PRICE);
                Ok(found)
            }
            _ => Err(Missing::Several(rows)),
        }
    }
}
