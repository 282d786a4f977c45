//! The files of a table, searched in order.

use std::collections::HashMap;
use std::sync::Arc;

use super::affix::without;
use super::found::Match;
use super::layer::{Found, Layer, Served, lower};
use super::region::Region;
use super::spelling::{Asked, Spelling, closest};
use crate::cost::breakdown::SAME_PRICE;
use crate::cost::row::Row;

/// The files of a table, one layer each. The first file that has a row for a call prices the call.
#[derive(Clone)]
pub(in crate::cost) struct Layers {
    layers: Vec<Arc<Layer>>,
    /// The name that all layers share for a provider, by each of its declared names in lower case. The last layer that
    /// knows the provider decides, so that `azure_openai` in a user's table means `azure` in the bundled table.
    shared: HashMap<String, String>,
    /// For each layer, the indexes of its providers, by the provider's shared name.
    places: Vec<HashMap<String, Vec<usize>>>,
}

/// Why there is no row.
pub(super) enum Missing<'t> {
    /// No table has the model.
    Unknown,
    /// These rows of several providers have the name, and nothing decides between them.
    Several(Vec<&'t Row>),
    /// The name as given fits no row. Other spellings of it fit these rows, which have different prices.
    Ambiguous(Vec<&'t Row>),
}

impl Layers {
    pub(in crate::cost) fn new(layers: Vec<Arc<Layer>>) -> Self {
        let places = layers.iter().map(|_| HashMap::new()).collect();
        let mut all = Self { layers, shared: HashMap::new(), places };
        for at in (0..all.layers.len()).rev() {
            let layer = Arc::clone(&all.layers[at]);
            for (place, provider) in layer.providers.iter().enumerate() {
                let name = lower(&provider.name).into_owned();
                let shared = all.shared_name_from(at + 1, &name).map_or(name.clone(), str::to_owned);
                all.places[at].entry(shared.clone()).or_default().push(place);
                all.shared.entry(name).or_insert(shared);
            }
        }
        all
    }

    /// Returns these layers with `others` as their fallbacks.
    pub(in crate::cost) fn or(&self, others: &Self) -> Self {
        Self::new(self.layers.iter().chain(&others.layers).cloned().collect())
    }

    pub(in crate::cost) fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().map(Arc::as_ref)
    }

    /// Returns the shared name of the provider that is called `name`, which is in lower case.
    pub(super) fn shared_name(&self, name: &str) -> Option<&str> {
        self.shared_name_from(0, name)
    }

    fn shared_name_from(&self, first: usize, name: &str) -> Option<&str> {
        let by_rule = || {
            let mut providers = self.layers[first..].iter().flat_map(|layer| &layer.providers);
            let provider = providers.find(|provider| provider.names.matches(name))?;
            self.shared.get(&*lower(&provider.name))
        };
        self.shared.get(name).or_else(by_rule).map(String::as_str)
    }

    /// Returns the row for a model, or why there is none.
    pub(super) fn find(&self, given: Asked<'_>) -> Result<Match<'_>, Missing<'_>> {
        if let Some(found) = self.find_spelled(given) {
            return found;
        }
        let is_provider = |name: &str| self.shared_name(name).is_some();
        let all = closest(Spelling::from(given), &is_provider, |spelling| self.find_spelled(spelling.asked()));
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

    /// Searches all layers for one spelling. Returns `None` if no layer has it.
    fn find_spelled(&self, asked: Asked<'_>) -> Option<Result<Match<'_>, Missing<'_>>> {
        let Some(region) = asked.region.filter(|_| Region::split(asked.name).is_none()) else {
            return self.search(asked);
        };
        let in_region = |separator| self.search(Asked { name: &format!("{region}{separator}{}", asked.name), ..asked });
        if let Some(found) = in_region('.').or_else(|| in_region('/')) {
            return Some(found);
        }
        let mut found = self.search(asked)?;
        if let Ok(found) = &mut found
            && !found.row.is_for_every_region()
        {
            found.region_unpriced = Some(region.to_owned());
        }
        Some(found)
    }

    /// Searches all layers for one spelling, without regard to its region.
    fn search(&self, asked: Asked<'_>) -> Option<Result<Match<'_>, Missing<'_>>> {
        let name = asked.name;
        let provider = match asked.provider {
            None => None,
            Some(provider) => Some(self.shared_name(provider)?),
        };
        // A provider's name has no colon. This is checked because the patterns of a provider may match any text.
        let prefixed = name.split_once('/').filter(|(prefix, _)| !prefix.contains(':'));
        let prefixed = prefixed.and_then(|(prefix, rest)| Some((self.shared_name(prefix)?, rest)));
        // A provider in front of the name that serves it takes precedence over the one that serves such names.
        let is_home = |(_, home): &(usize, &str)| prefixed.is_none_or(|(prefix, _)| prefix == *home);
        let home = if provider.is_none() { self.home(name).filter(is_home) } else { None };
        let in_layer = |at: usize| {
            let places = |shared: &str| self.places[at].get(shared).map_or(&[][..], Vec::as_slice);
            let served = match provider {
                Some(provider) => {
                    let rest = prefixed.filter(|(prefix, _)| *prefix == provider).map(|(_, rest)| rest);
                    Served::By(places(provider), rest)
                }
                None => Served::ByAny {
                    prefixed: prefixed.map(|(prefix, rest)| (places(prefix), rest)),
                    home: home.map_or(&[], |(_, home)| places(home)),
                },
            };
            self.layers[at].find(name, served)
        };
        for at in 0..self.layers.len() {
            let (row, at_home) = match in_layer(at) {
                Found::Row(row, at_home) => (row, at_home),
                Found::Other(row) => {
                    let is_in = |layer: usize, provider: &str| self.places[layer].contains_key(provider);
                    // If this layer says who serves models of this name, the row of another provider, such as a
                    // reseller, counts only for the name exactly as it was given.
                    let is_respelled = !asked.by.is_empty() && home.is_some_and(|(layer, _)| layer == at);
                    // Later layers can say which provider serves models of this name. Then a user's price for Azure's
                    // `gpt-4o` is not used for OpenAI's `gpt-4o`.
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
            return Some(Ok(self
                .above(at, row, at_home, provider, asked)
                .unwrap_or_else(|| self.found(at, row, at_home, asked))));
        }
        None
    }

    /// Returns the row for the model of `row`, which is in the layer `at`, from one of the layers before `at`. An
    /// earlier layer may have the model under a part of the name in the call, or under the name in `row`.
    fn above(
        &self,
        at: usize,
        row: &Row,
        at_home: bool,
        provider: Option<&str>,
        asked: Asked<'_>,
    ) -> Option<Match<'_>> {
        let model = lower(&row.model);
        (0..at).find_map(|above| {
            let has = |provider: &str| {
                let places = self.places[above].get(provider)?;
                let names = without(asked.name).take_while(|_| *model != *asked.name).chain([&*model]);
                names.into_iter().find_map(|name| self.layers[above].has(places, name))
            };
            let sold = provider.and_then(has).map(|row| self.found(above, row, true, asked));
            sold.or_else(|| Some(self.found(above, has(self.owner(row))?, at_home, asked)))
        })
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

    /// Returns the shared name of the provider that serves models of this name if a call names no provider, and the
    /// index of the layer that says so.
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

    /// Returns the first of `rows` if the standard prices of all are the same.
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
