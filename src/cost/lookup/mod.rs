//! Which row prices a model, or why there is none.
//!
//! The files of a table, one [`layer`] each, are searched in order. Within a file, the layer finds a row by name and
//! provider, or by the [`pattern`] of a row.

pub(super) mod layer;
mod nearest;
pub(in crate::cost) mod pattern;

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::shortened;
use layer::{Found, Layer, Match, lower};
use nearest::nearest;

/// Longer names are unknown without a lookup, because each would be compared with thousands of patterns.
const NAME_BYTES_MAX: usize = 512;

/// Returns the row for a model, or an error that says why there is none.
pub(super) fn row<'t>(layers: &'t [Arc<Layer>], model: &str, provider: Option<&str>) -> Result<Match<'t>> {
    find(layers, model, provider).map_err(|several| no_row(layers, model, provider, several))
}

/// Returns the row for a model, or the providers that each have one if several do.
pub(super) fn find<'t>(
    layers: &'t [Arc<Layer>],
    model: &str,
    provider: Option<&str>,
) -> Result<Match<'t>, Vec<&'t str>> {
    if model.len() > NAME_BYTES_MAX {
        return Err(Vec::new());
    }
    let (name, provider) = (lower(model), provider.map(lower));
    // The first file that contains the provider determines its spelling, so that rows of the user's own file match
    // names of the bundle.
    let provider = provider.map(|provider| {
        let known = layers.iter().find_map(|layer| Some(layer.providers[layer.provider(&provider)?].name.as_str()));
        known.map_or(provider, lower)
    });
    for (place, layer) in layers.iter().enumerate() {
        let found = match layer.find(&name, provider.as_deref()) {
            Found::Row(row) => row,
            Found::Several(providers) => return Err(providers),
            Found::Nothing => continue,
        };
        let below = &layers[place + 1..];
        // A model's own name keeps its meaning in the files below: a price for Azure's `gpt-4o` is not OpenAI's.
        let by_own_name = provider.is_none() && name == lower(&found.row.model);
        if by_own_name && below.iter().any(|below| matches!(below.find(&name, None), Found::Row(_))) {
            continue;
        }
        let mut above = layers[..place].iter();
        let own = above.find_map(|layer| {
            let of = |provider: &str| layer.has(provider, &found.row.model);
            let sold = provider.as_deref().and_then(of).map(|row| layer.found(row));
            sold.or_else(|| Some(Match { layer, row: of(&found.row.provider)?, at_home: found.at_home }))
        });
        return Ok(own.unwrap_or(Match { layer, ..found }));
    }
    Err(Vec::new())
}

/// Returns why there is no row. `several` are the providers that each have one.
fn no_row(layers: &[Arc<Layer>], model: &str, provider: Option<&str>, several: Vec<&str>) -> Error {
    let shown = shortened(model);
    let of_providers = |operation, providers: Vec<&str>| {
        unknown(operation, providers.into_iter().map(|provider| format!("{provider}/{model}")))
    };
    if !several.is_empty() {
        return of_providers(format!("price {shown} without a provider, as several offer it"), several);
    }
    let known = |name: &&str| layers.iter().any(|layer| layer.provider(&lower(name)).is_some());
    let near_models = || nearest(&lower(model), layers.iter().flat_map(|layer| layer.names.keys()).map(String::as_str));
    let (operation, near) = match (provider, provider.filter(known)) {
        (Some(provider), None) => {
            let known = layers.iter().flat_map(|layer| &layer.providers);
            let near = nearest(&lower(provider), known.map(|provider| provider.name.as_str()));
            (format!("price {shown} of the unknown provider {}", shortened(provider)), near)
        }
        (Some(provider), Some(_)) => {
            let elsewhere =
                find(layers, model, None).map_or_else(|several| several, |found| vec![found.row.provider.as_str()]);
            let operation = format!("price {shown} of {provider}, which has no price for it");
            if !elsewhere.is_empty() {
                return of_providers(operation + ", while others have", elsewhere);
            }
            (operation, near_models())
        }
        (None, _) => (format!("price the unknown model {shown}"), near_models()),
    };
    let operation = if near.is_empty() { operation } else { operation + ", nearest known names" };
    unknown(operation, near.into_iter().map(str::to_owned))
}

fn unknown(operation: String, names: impl Iterator<Item = String>) -> Error {
    names.fold(Error::new(ErrorKind::UnknownModel, operation), Error::detail)
}
