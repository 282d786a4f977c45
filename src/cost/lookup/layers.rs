//! The files of a table, searched in order.

use std::collections::HashMap;
use std::sync::Arc;

use super::affix::without;
use super::found::Match;

use super::layer::{Found, Layer, Served, lower};
use super::region::Region;
use super::spelling::{Spelling, closest};
use crate::cost::breakdown::SAME_PRICE;
use crate::cost::row::Row;

/// The files of a table, the first of which that has a row prices a call.
#[derive(Clone)]
pub(in crate::cost) struct Layers {
    layers: Vec<Arc<Layer>>,
    /// The name that all layers share for a provider, by each of its declared names in lower case. The last layer that
    /// knows the provider decides, so that a user's `azure_openai` is the bundle's `azure`.
    shared: HashMap<String, String>,
    /// For each layer, the indexes of each of its providers, by the shared name.
    places: Vec<HashMap<String, Vec<usize>>>,
}

/// Why there is no row.
pub(super) enum Missing<'t> {
    /// No table has the model.
    Unknown,
    /// These rows of several providers have the name, and nothing decides between them.
    Several(Vec<&'t Row>),
    /// The spelling fits these rows with different prices.
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
                all.places[at].entry(shared.clone()).or_insert_with(Vec::new).push(place);
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
    pub(super) fn find(
        &self,
        model: &str,
        provider: Option<&str>,
        region: Option<&str>,
    ) -> Result<Match<'_>, Missing<'_>> {
        let given = Spelling::given(model, provider, region);
        if let Some(found) = self.find_spelled(&given) {
            return found;
        }
        let is_provider = |name: &str| self.shared_name(name).is_some();
        let all = closest(given, &is_provider, |spelling| self.find_spelled(spelling));
        let (found, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
        let mut found: Vec<Match<'_>> = found.into_iter().flatten().collect();
        // A row for the region comes before one that is not for it.
        found.sort_by_key(|found| found.region_unpriced.is_some());
        match found.split_first() {
            Some((first, others)) if others.iter().all(|other| other.row.prices_like(first.row)) => Ok(first.clone()),
            Some(_) => Err(Missing::Ambiguous(found.iter().map(|found| found.row).collect())),
            None => Err(missing.into_iter().find_map(Result::err).unwrap_or(Missing::Unknown)),
        }
    }

    /// Searches all layers for one spelling.
    fn find_spelled(&self, spelling: &Spelling) -> Option<Result<Match<'_>, Missing<'_>>> {
        let Some(region) = spelling.region.as_deref().filter(|_| Region::split(&spelling.name).is_none()) else {
            return self.search(spelling, &spelling.name);
        };
        let with_region = || [".", "/"].map(|separator| format!("{region}{separator}{}", spelling.name));
        if let Some(found) = with_region().iter().find_map(|name| self.search(spelling, name)) {
            return Some(found);
        }
        let mut found = self.search(spelling, &spelling.name)?;
        if let Ok(found) = &mut found
            && !found.row.is_for_every_region()
        {
            found.region_unpriced = Some(region.to_owned());
        }
        Some(found)
    }

    /// Searches all layers for `name`, as `spelling` describes it. Returns `None` if no layer has it.
    fn search(&self, spelling: &Spelling, name: &str) -> Option<Result<Match<'_>, Missing<'_>>> {
        let provider = match &spelling.provider {
            None => None,
            Some(provider) => Some(self.shared_name(provider)?),
        };
        // A provider's name has no colon, although its rule may accept any text.
        let prefixed = name.split_once('/').filter(|(prefix, _)| !prefix.contains(':'));
        let prefixed = prefixed.and_then(|(prefix, rest)| Some((self.shared_name(prefix)?, rest)));
        let home = if provider.is_none() { self.home(name) } else { None };
        let in_layer = |at: usize| {
            let places =
                |shared: Option<&str>| shared.and_then(|name| self.places[at].get(name)).map_or(&[][..], Vec::as_slice);
            let served = match provider {
                Some(provider) => {
                    let rest = prefixed.filter(|(prefix, _)| *prefix == provider).map(|(_, rest)| rest);
                    Served::By(places(Some(provider)), rest)
                }
                None => Served::ByAny {
                    prefixed: prefixed.map(|(prefix, rest)| (places(Some(prefix)), rest)),
                    home: places(home),
                },
            };
            self.layers[at].find(name, served)
        };
        for at in 0..self.layers.len() {
            let (row, at_home) = match in_layer(at) {
                Found::Row(row, at_home) => (row, at_home),
                Found::Several(rows) => return Some(self.same_price(at, rows, spelling)),
                Found::Nothing => continue,
            };
            let owner = self.owner(row);
            let is_expected = provider.is_some() || [prefixed.map(|(prefix, _)| prefix), home].contains(&Some(owner));
            if let (false, Some(home)) = (is_expected, home) {
                // A reseller's row is not meant by another spelling of the vendor's name.
                let is_respelled = !spelling.by.is_empty() && self.places[at].contains_key(home);
                // The files below decide whose model has this name: a price for Azure's `gpt-4o` is not OpenAI's.
                let is_known = || self.places[at + 1..].iter().any(|places| places.contains_key(owner));
                let has_another = || (at + 1..self.layers.len()).any(|below| matches!(in_layer(below), Found::Row(..)));
                if is_respelled || is_known() && has_another() {
                    continue;
                }
            }
            let found = |at: usize, row, at_home| Match {
                layer: &self.layers[at],
                row,
                at_home,
                region_unpriced: None,
                routing: spelling.routing,
                by: spelling.by.clone(),
            };
            // A file above may have the row under a part of the name, or under the name that it has here.
            let model = lower(&row.model);
            let above = (0..at).find_map(|above| {
                let has = |provider: &str| {
                    let places = self.places[above].get(provider)?;
                    without(name).chain([&*model]).find_map(|name| self.layers[above].has(places, name))
                };
                let sold = provider.and_then(has).map(|row| found(above, row, true));
                sold.or_else(|| Some(found(above, has(owner)?, at_home)))
            });
            return Some(Ok(above.unwrap_or_else(|| found(at, row, at_home))));
        }
        None
    }

    /// Returns the shared name of the provider that serves models of this name if a call names none.
    fn home(&self, name: &str) -> Option<&str> {
        let mut providers = self.layers.iter().flat_map(|layer| &layer.providers);
        let home = providers.find(|provider| provider.serves.matches(name))?;
        self.shared.get(&*lower(&home.name)).map(String::as_str)
    }

    /// Returns the shared name of a row's provider.
    pub(super) fn owner<'t>(&'t self, row: &'t Row) -> &'t str {
        self.shared.get(&*lower(&row.provider)).map_or(&row.provider, String::as_str)
    }

    /// Returns the first of `rows` if the standard prices of all are the same.
    fn same_price<'t>(&'t self, at: usize, rows: Vec<&'t Row>, spelling: &Spelling) -> Result<Match<'t>, Missing<'t>> {
        match rows.split_first() {
            Some((&row, others)) if others.iter().all(|other| other.prices_like(row)) => Ok(Match {
                layer: &self.layers[at],
                row,
                at_home: false,
                region_unpriced: None,
                routing: spelling.routing,
                by: spelling.by.iter().copied().chain([SAME_PRICE]).collect(),
            }),
            _ => Err(Missing::Several(rows)),
        }
    }
}
