//! Finds the row of the price table that prices a model.
//!
//! A table consists of one or more files, which [`layers`] searches in order. A [`layer`] has the rows of one file.
//! The layer finds a row by the names of the model and the provider, or by a [`pattern`] in the row. If no file has
//! the name, [`spelling`] makes other spellings of the name, which mean the same model.

mod affix;
pub(super) mod found;
pub(super) mod layer;
pub(super) mod layers;
mod nearest;
pub(in crate::cost) mod pattern;
mod region;
mod spelling;

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{Call, shortened};
use found::Match;
use layer::lower;
use layers::{Layers, Missing};
use nearest::nearest;
use spelling::Asked;

/// A name with more bytes than this is treated as unknown, because comparing it with thousands of patterns would be
/// slow.
const NAME_BYTES_MAX: usize = 512;

/// Returns the row for the model of a call, or an error that says why there is none.
pub(super) fn row<'t>(layers: &'t Layers, call: &Call) -> Result<Match<'t>> {
    let provider = call.provider.as_deref();
    find(layers, &call.model, provider, &call.variant).map_err(|missing| no_row(layers, &call.model, provider, missing))
}

/// Returns the row for the model of a call. Returns `None` if there is no row, or if there are several rows and no rule
/// prefers one of them.
pub(super) fn row_if_known<'t>(layers: &'t Layers, call: &Call) -> Option<Match<'t>> {
    find(layers, &call.model, call.provider.as_deref(), &call.variant).ok()
}

/// Returns the row for a call of `model` that names no provider, region or service tier. If there is no such row, the
/// error says why.
pub(super) fn standard_row<'t>(layers: &'t Layers, model: &str) -> Result<Match<'t>> {
    find(layers, model, None, &BTreeMap::new()).map_err(|missing| no_row(layers, model, None, missing))
}

fn find<'t>(
    layers: &'t Layers,
    model: &str,
    provider: Option<&str>,
    variant: &BTreeMap<String, String>,
) -> Result<Match<'t>, Missing<'t>> {
    let region = variant.get("region");
    let is_too_long = |name: &str| name.len() > NAME_BYTES_MAX;
    if is_too_long(model) || provider.is_some_and(is_too_long) || region.is_some_and(|region| is_too_long(region)) {
        return Err(Missing::Unknown);
    }
    let region = region.map(|region| lower(region));
    layers.find(Asked::given(&lower(model), provider.map(lower).as_deref(), region.as_deref()))
}

/// Returns the error that says why there is no row.
fn no_row(layers: &Layers, model: &str, provider: Option<&str>, missing: Missing<'_>) -> Error {
    let shown = shortened(model);
    match missing {
        Missing::Several(rows) => {
            let operation = format!("price {shown} without a provider; name one of the providers that offer it");
            return unknown(operation, rows.iter().map(|row| format!("{}/{model}", row.provider)));
        }
        Missing::Ambiguous(rows) => {
            let operation = format!("price {shown}, whose spelling fits several models at different prices; name one");
            return unknown(operation, rows.iter().map(|row| row.full_name()));
        }
        Missing::Unknown => {}
    }
    let Some(provider) = provider else {
        let known: Vec<_> = layers.iter().flat_map(|layer| layer.names.keys()).map(String::as_str).collect();
        let near = nearest(&lower(model), &known);
        // A name that several providers have at different prices cannot be priced without a provider. So the
        // suggestion shows the name with one of these providers.
        let names = near.into_iter().map(|name| match layers.find(Asked::given(name, None, None)) {
            Err(Missing::Several(rows)) => rows[0].full_name(),
            _ => name.to_owned(),
        });
        return unknown(suggesting(format!("price the unknown model {shown}"), &names), names);
    };
    let Some(shared) = layers.shared_name(&lower(provider)) else {
        let known = layers.iter().flat_map(|layer| &layer.providers).map(|known| known.name.as_str());
        let near = nearest(&lower(provider), &known.collect::<Vec<_>>()).into_iter().map(str::to_owned);
        return unknown(
            suggesting(format!("price {shown} of the unknown provider {}", shortened(provider)), &near),
            near,
        );
    };
    let operation = format!("price {shown} of {provider}, which has no price for it");
    let elsewhere = match layers.find(Asked::given(&lower(model), None, None)) {
        Ok(found) => vec![found.row],
        Err(Missing::Several(rows)) => rows,
        Err(_) => Vec::new(),
    };
    if !elsewhere.is_empty() {
        return unknown(
            operation + "; other providers have one",
            elsewhere.iter().map(|row| format!("{}/{model}", row.provider)),
        );
    }
    let of_provider = layers.iter().flat_map(|layer| &layer.rows).filter(|row| layers.owner(row) == shared);
    let names: Vec<_> = of_provider.map(|row| lower(&row.model)).collect();
    let near = nearest(&lower(model), &names.iter().map(|name| &**name).collect::<Vec<_>>());
    let near = near.into_iter().map(str::to_owned);
    unknown(suggesting(operation, &near), near)
}

/// Adds to `operation` the words that announce the nearest names. Adds nothing if there are no near names.
fn suggesting(operation: String, names: &impl ExactSizeIterator) -> String {
    if names.len() == 0 { operation } else { operation + ", nearest known names" }
}

fn unknown(operation: String, names: impl Iterator<Item = String>) -> Error {
    names.fold(Error::new(ErrorKind::UnknownModel, operation), Error::detail)
}
