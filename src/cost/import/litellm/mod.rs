//! Imports [LiteLLM](https://github.com/BerriAI/litellm)'s table `model_prices_and_context_window` (MIT licence).
//!
//! LiteLLM states most prices as floats for one token, request, page, character or second. The importer converts these
//! prices digit by digit to the units of this crate's tables, such as a million tokens. The name of a key says what its
//! price is for. The module `keys` reads these names.
//!
//! The importer follows these rules:
//!
//! * **A price of 0** is left out, because LiteLLM also writes 0 for an unknown price. Examples are Vertex AI's Llama
//!   models, fine-tuned models, and the six models on SageMaker, where the machine is billed. A call that needs the
//!   missing price is then billed at a higher price, or cannot be priced. For example, cached input then costs as much
//!   as other input. A model without any other price is left out. A user who knows that a model is free can add the
//!   model to their own table.
//! * **Tiers** are prices for large inputs. If the input of a call has more tokens than the tier's size, the tier's
//!   price applies to the whole call. At xAI, the price also applies if the input has exactly that size.
//! * **Variants** are prices for other ways of serving a call, such as batches. If a variant has no price for a tier,
//!   the standard price of the tier applies, as in LiteLLM's own computation.
//! * **The price of a part**, such as audio input, is left out if it equals the price of the whole, such as all
//!   input. Without a price of its own, the part costs as much as its whole in every tier and variant. The price of
//!   the part is kept if the part has other tiers than the whole, or if a variant has a price for the part. The price
//!   of cached tokens is always kept.
//! * **The price of a web search** is left out if it depends on how much the search reads. LiteLLM states this price
//!   for three sizes of search context.
//! * **The prices of seconds of audio and of characters** are left out if the model has a price for input tokens.
//!   Keeping both prices would bill the same input twice.
//! * **A model** is left out if it has prices for output, and the importer supports none of them.
//! * **Names.** The key of an entry, such as `xai/grok-4.3`, names a vendor and a model. The module `vendors`
//!   translates the name of the vendor. The key also becomes an alias of the model.

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

/// Converts LiteLLM's price table to a table of this crate. `text` is one of two files with the same content:
/// `model_prices_and_context_window.json` from LiteLLM's repository, or `model_prices_and_context_window_backup.json`
/// from its Python package.
///
/// Some vendors bill a minimum duration of audio for a call. LiteLLM does not state this minimum. If this crate's own
/// rows of the bundled price table include the same model, the importer copies the minimum from these rows. All prices
/// come from `text`.
///
/// Prices and models that the importer does not support are left out. [`left_out`](Imported::left_out) lists them.
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
/// Fails with [`ErrorKind::Malformed`] if `text` is not a JSON object whose values are objects, or if a key occurs
/// twice in an object.
pub fn litellm(text: &str, stamp: &Stamp) -> Result<Imported> {
    let entries: BTreeMap<String, Entry> = json::from_str(text)
        .map_err(|source| Error::new(ErrorKind::Malformed, "read a price table of LiteLLM").at_source(text, source))?;
    let mut draft = Draft::new();
    let mut models: BTreeMap<(String, String), Vec<Model>> = BTreeMap::new();
    let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    // The entry `sample_spec` is not a model. It documents the keys.
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
    /// The rank of the vendor. If several models have the same name and provider, the prices of the model with the
    /// lowest rank are used.
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

/// Returns one row for `models`, which have the same name. The row has the prices of the model with the lowest rank.
/// The key of this model, and the keys of other models with the same prices, become aliases. But a key that is also the
/// name of a model does not become an alias; `taken` contains the names of all models.
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
