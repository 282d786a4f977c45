//! Imports [LiteLLM](https://github.com/BerriAI/litellm)'s table `model_prices_and_context_window` (MIT licence).
//!
//! Its prices are floats for one token, request, page, character or second. They are converted digit by digit to prices
//! for a million, a thousand or an hour. The name of a key says which unit the price is for, and how the call was served. The
//! module `keys` reads these names.
//!
//! * **A price of 0** is left out, since LiteLLM also writes 0 for an unknown price. Examples are the six models on
//!   SageMaker (where the machine is billed), Vertex AI's Llamas and fine-tuned models. A part of a call that then has no
//!   price costs the price of its whole, which is higher, or the result is an error. A model without any other price is
//!   left out. A user who knows that a model is free can add it to their own table.
//! * **Tiers** apply to the whole call if its input is above the tier's size, and at xAI also if the input has exactly
//!   that size. If a variant has no price for a tier of the standard prices, the standard price of this tier applies,
//!   as in LiteLLM's own computation. If this price is wrong, it is too high rather than too low.
//! * **A part that costs as much as its whole**, in all tiers and variants that have a price for it, is left out.
//!   Otherwise the part would keep this price in tiers and variants in which the whole has another price.
//! * **Searches** are left out if their price depends on how much they read. The table has a price for each of three
//!   sizes.
//! * **Seconds and characters** are left out if the same input has a price for tokens, because otherwise both would be
//!   billed.
//! * **A model** is left out if it has prices for output, but none of them is understood.
//! * **Names.** The module `vendors` says which vendor a model belongs to. The key becomes an alias, and the model's
//!   name is the key without the vendor in front.

mod entry;
mod keys;
mod prices;
mod vendors;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::entry::{Entry, text_of};
use self::prices::Prices;
use super::draft::{Draft, Imported, Stamp};
use crate::error::{Error, ErrorKind, Result};
use crate::json;

/// Converts LiteLLM's table, its `model_prices_and_context_window.json`, to one of this crate. Its Python package has
/// the same table as `model_prices_and_context_window_backup.json`.
///
/// LiteLLM has no minimum of billed audio. The minimum is copied from this crate's own rows in the bundled table, if
/// one of them is for the same model. The importer copies no prices from there.
///
/// Anything that is not understood is left out, and [`left_out`](Imported::left_out) lists it.
///
/// ```
/// use runledger::{PriceTable, Usage, cost::import::{Stamp, litellm}};
///
/// let text = r#"{"xai/grok-4.3": {"litellm_provider": "xai", "mode": "chat", "input_cost_per_token": 1.25e-06,
///     "input_cost_per_token_above_200k_tokens": 2.5e-06, "output_cost_per_token": 2.5e-06}}"#;
/// let stamp = Stamp {
///     version: "litellm 1.109.1".to_owned(),
///     as_of: "2026-11-20".to_owned(),
///     source: "LiteLLM 1.109.1, MIT licence".to_owned(),
/// };
/// let table = PriceTable::from_json(&litellm(text, &stamp)?.json)?;
/// let cost = table.cost("grok-4.3", &Usage::new(200_000, 0), "2026-11-20T12:00:00Z".parse()?)?;
/// assert_eq!((cost.usd.to_string().as_str(), cost.provider), ("0.5", "x-ai"));
/// # Ok::<(), runledger::Error>(())
/// ```
///
/// # Errors
/// Fails with [`ErrorKind::Malformed`] if `text` is not an object of objects, or has a key twice.
pub fn litellm(text: &str, stamp: &Stamp) -> Result<Imported> {
    let entries: BTreeMap<String, Entry> = json::from_str(text)
        .map_err(|source| Error::new(ErrorKind::Malformed, "read a price table of LiteLLM").at_source(text, source))?;
    let mut draft = Draft::new();
    let mut models: BTreeMap<(String, String), Vec<Model>> = BTreeMap::new();
    let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    // The entry `sample_spec` explains the keys. It has no prices.
    for (key, entry) in entries.iter().filter(|(key, _)| *key != "sample_spec") {
        let Some(theirs) = text_of(entry, "litellm_provider").filter(|name| !name.trim().is_empty()) else {
            draft.left_out.push(format!("{key}: it names no provider"));
            continue;
        };
        let (rank, provider) = vendors::vendor(theirs);
        let name = vendors::model(key, provider);
        if name.trim().is_empty() {
            draft.left_out.push(format!("{key}: it has no name"));
            continue;
        }
        let prefix = key.strip_suffix(name).and_then(|prefix| prefix.strip_suffix('/'));
        names.entry(provider.to_owned()).or_default().extend(prefix.into_iter().chain([theirs]));
        let mut add = |provider: String, prices: Prices| {
            let same_name = models.entry((provider, name.to_lowercase())).or_default();
            same_name.push(Model { rank, key, name, prices });
        };
        let (prices, decisions) = Prices::read(key, entry, &mut draft);
        prices.into_iter().for_each(|prices| add(provider.to_owned(), prices));
        decisions.into_iter().for_each(|prices| add(format!("{provider}-decisions"), prices));
    }
    for provider in models.keys().map(|(provider, _)| provider.as_str()).collect::<BTreeSet<_>>() {
        draft.providers.push(provider_value(provider, names.get(provider)));
    }
    let taken: BTreeSet<_> = models.keys().cloned().collect();
    for ((provider, _), same_name) in models {
        let row = row(&provider, same_name, &taken, &mut draft);
        draft.models.extend(row);
    }
    draft.finish(stamp)
}

/// A model that has a price.
struct Model<'a> {
    /// Of several models with one name, the one with the lowest rank is used.
    rank: usize,
    key: &'a str,
    name: &'a str,
    prices: Prices,
}

fn provider_value(provider: &str, names: Option<&BTreeSet<&str>>) -> Value {
    let mut value = Map::new();
    value.insert("provider".to_owned(), json!(provider));
    let names: Vec<_> = names.into_iter().flatten().filter(|name| **name != provider).collect();
    if !names.is_empty() {
        value.insert("names".to_owned(), json!({"like": names}));
    }
    let at_home = vendors::at_home(provider);
    if !at_home.is_empty() {
        value.insert("serves".to_owned(), json!({"like": at_home}));
    }
    Value::Object(value)
}

/// Returns the row for models that have the same name. The row has the prices of the model with the lowest rank. The
/// keys of models with the same prices become aliases.
fn row(provider: &str, mut models: Vec<Model>, taken: &BTreeSet<(String, String)>, draft: &mut Draft) -> Option<Value> {
    models.sort_by_key(|model| (model.rank, model.key));
    let (first, others) = models.split_first()?;
    let (same, other): (Vec<_>, Vec<_>) = others.iter().partition(|model| model.prices == first.prices);
    for model in other {
        draft.left_out.push(format!("{}: {} has other prices, which are used", model.key, first.key));
    }
    let mut aliases: Vec<&str> = [first].into_iter().chain(same).map(|model| model.key).collect();
    aliases.retain(|key| !taken.contains(&(provider.to_owned(), key.to_lowercase())));
    aliases.dedup_by_key(|key| key.to_lowercase());
    let mut row = first.prices.values(provider);
    row.insert("model".to_owned(), json!(first.name));
    row.insert("provider".to_owned(), json!(provider));
    if !aliases.is_empty() {
        row.insert("aliases".to_owned(), json!(aliases));
    }
    Some(Value::Object(row))
}
