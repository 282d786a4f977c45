//! Computes the exact cost of executions: the units that they used, such as tokens, multiplied by the prices at the
//! time of the execution.
//!
//! The module does no I/O and reads no clock. A [`PriceTable`] is data: the [bundled](PriceTable::bundled) table, or
//! your own table in the same JSON format ([`PriceTable::from_json`]). One table can be the fallback of another table
//! ([`PriceTable::or`]). [`PriceTable::cost`] returns a [`Cost`] that is exact to the pico-dollar, or an error. An
//! unknown price is never treated as zero.
//!
//! # The table
//!
//! ```json
//! {"version": "7", "as_of": "2026-11-20", "source": "price page of example.com",
//!  "providers": [
//!   {"provider": "example", "names": {"like": ["*example*"]}, "serves": {"like": ["m-*"]}, "falls_back_to": []}],
//!  "models": [
//!   {"model": "m-1", "aliases": ["m-1-latest"], "names": {"like": ["m-1-####-##-##"]}, "provider": "example",
//!    "tier": "Standard",
//!    "prices": [
//!     {"input": ["3", {"above": 200000, "price": "6"}], "output": "15", "cache_read": "0.3", "cache_write": "3.75"},
//!     {"from": "2026-12-01", "input": "2.5", "output": "12.5"},
//!     {"hours": "22:00-06:00", "weekdays": ["Sat", "Sun"], "input": "2", "output": "10"}],
//!    "variants": [
//!     {"when": {"processing": "batch"}, "prices": [{"input": "1.5", "output": "7.5"}]}]}]}
//! ```
//!
//! The table must have `version`, `as_of` and `source`. Each element of `models` is called a row, and must have
//! `model`, `provider` and `prices`.
//!
//! **Prices** are US dollars, written as decimal strings or as JSON numbers. The numbers are read digit by digit, so
//! they are not rounded. Each key says what the price is for; see [`Meter`](crate::metrics::Meter).
//!
//! * For a million tokens, with at most six decimals: `input`, `output`, `cache_read`, `cache_write`, `cache_write_1h`,
//!   `reasoning`, `citation`, `input_audio`, `input_image`, `input_video`, `cache_read_audio`, `cache_read_image`,
//!   `output_audio`, `output_image`, `output_video`. Likewise `million_characters` for a million characters.
//! * For a thousand units, with at most nine decimals: `thousand_requests`, `thousand_web_searches`,
//!   `thousand_file_searches`, `thousand_messages`, `thousand_pages`, `thousand_annotated_pages`.
//! * For an hour, with at most twelve decimals: `audio_hour`, `video_hour`, `deployment_hour`.
//!
//! Because of these limits on decimals, one token or one request costs a whole number of pico-dollars.
//! `audio_seconds_min` is the minimum duration of audio, in seconds, that is billed for a call.
//!
//! **Tiers** are prices for calls with a large input. The value of a key with tiers is a list: first the price for
//! small inputs, and then the tiers in ascending order. A tier applies to all units of a call that has more than
//! `above` input tokens, or at least `from` input tokens. If several tiers apply, the last one is used.
//!
//! **Periods** say when the prices in an entry of `prices` apply. If several entries apply, the last one is used.
//!
//! * `from` is a day, and the price applies from 00:00 UTC of that day. Entries without `hours` and `weekdays` must be
//!   in chronological order.
//! * `hours` are a start and an end in UTC. The price applies from the start until just before the end. If the start
//!   is later than the end, the hours span midnight.
//! * `weekdays` are days of the week in UTC. Hours that span midnight belong to the day on which they begin.
//!
//! **Variants** are prices for calls that were not served in the standard way, such as batches. The key-value pairs of
//! a call that say how it was served are called the variant of the call. The prices in an entry of `variants` apply if
//! the time of the call is in their period, and if the variant of the call has all pairs in `when`. If several entries
//! that apply have a price for the same key, such as `input`, the price in the last entry is used. This price replaces
//! the standard price of the key and the tiers of the standard price. If no entry that applies has a price for the key,
//! the standard price is used.
//!
//! **Names.** `names` has patterns for other names of a provider or a model. In a pattern, `*` matches any text, `#` a
//! digit and `?` a character. `~` at the start matches an optional route to the model, such as `bedrock/`. `~` at the
//! end matches optional endings that do not change the model: dates, versions and words such as `-latest`, `-preview`
//! and `[1m]`. So `m~` matches `m-2026-01-31`, but neither `m:free` nor `m-mini`. The patterns in the key `unlike`
//! exclude names that the patterns in `like` match. `serves` has patterns for models. If a call for such a model names
//! no provider, the call is assumed to go to this provider. `falls_back_to` lists other providers. Their prices apply
//! to models for which this provider has no row. For example, Azure sells OpenAI's models, so it falls back to OpenAI.
//!
//! # Rules
//!
//! * **Tables.** Each table is searched before its fallback. So your own table takes precedence over the bundled table,
//!   even if a call and your table spell the model differently. Two tables may have different names for the same
//!   provider, such as `azure_openai` and `azure`. There is an exception for a call without a provider, if your table
//!   has the model only at a reseller, such as Azure. If the fallback knows this reseller, and has the model at the
//!   provider that serves it, the fallback prices the call.
//! * **Model with a provider.** The row that has the name as `model` or in `aliases` is used. If there is no such row,
//!   the first row with a pattern that matches is used. Case is ignored. If the provider has neither of these rows, the
//!   providers in `falls_back_to` are searched in the same way. If a row of one of these other providers is found, only
//!   the standard prices of the row are used.
//! * **Model without a provider.** A provider declares a name if one of its rows has the name as `model` or in
//!   `aliases`. A provider serves a name if its `serves` matches the name. The name can also have the form
//!   `provider/model`. The first of these rows that exists is used:
//!     1. for `provider/model`, the row of this provider, if it declares the model;
//!     2. the row of the provider that serves the name, if this provider declares the name or has a pattern without
//!        `*` that matches;
//!     3. the row of the only provider that declares the name;
//!     4. the row of the provider that serves the name, if a pattern with `*` matches;
//!     5. for `provider/model`, the row of this provider, if a pattern matches the model;
//!     6. the first of several rows that declare the name at the same price.
//!
//!   If several providers declare the name at different prices, the result is an error that lists these providers.
//! * **Spellings.** If no table has the name, rules change the name step by step until a table has the new name.
//!   [`Cost::matched_by`] names the rules that were used. The row that needs the fewest steps is used. If several
//!   rows need the same number of steps and have different prices, the result is an error that lists these rows. A
//!   name that is only similar is never accepted, because similar models can have different prices. The rules
//!   concern:
//!   - a gateway, a route or a provider before the name;
//!   - ids and ARNs of Bedrock, and resource names of Google Cloud;
//!   - regions;
//!   - the order of version and family in the names of Claude models;
//!   - separators in versions and dates;
//!   - suffixes such as `[1m]`, `:online` and `-thinking`.
//! * **Regions.** A region in the name, or under the key `region` in the variant of the call, selects the row of that
//!   region. If the table has no row for the region, the standard prices apply, and [`Cost::region_unpriced`] names the
//!   region.
//! * **Time.** The price at the time of the call applies.
//! * **Parts.** A part, such as cached input, belongs to a whole, such as all input. A part can have parts itself.
//!   Each token is priced once, at the price of the innermost part that contains the token and has a price. If there
//!   is no price for tokens that were read from a cache, they cost the input price. Vendors usually charge less for
//!   such tokens, so the amount may be too high. If there is no price for reasoning, it costs as much as other
//!   output. If there is no price for audio, images or video, these cost as much as text. The price of text may be
//!   too low for them, so [`Cost::part_unpriced`] names these parts. Parts of different kinds, such as cached tokens
//!   and audio, can overlap. If the usage does not report the overlap, it counts as 0.
//! * **Requests.** A call counts as one request if its usage does not report the number of requests.
//! * **No price.** The result is an error if the usage has one of these counts and the row has no price for that count:
//!   - cache writes, which may cost more than other input. At Anthropic, they cost 1.25 times as much, or twice as much
//!     if the cache keeps the input for an hour;
//!   - searches and rented deployments;
//!   - cached audio, if the row has prices for both cache reads and audio input, and likewise cached images;
//!   - input or output tokens, if the row bills tokens. Tokens of a part that has its own price do not count here;
//!   - time, characters, messages and pages, if the row bills tokens and the usage has no tokens. If the usage has
//!     tokens, these counts measure the same content as the tokens, so they are billed only if they have a price;
//!   - requests, if the row bills tokens and the usage has no tokens. In all other cases, requests without a price
//!     cost nothing.
//!
//!   The result is also an error if the row bills no tokens, and the usage has none of the counts that the row bills.
//! * **Unpriced variants.** The row may have no prices for the way in which a call was served. Then the standard prices
//!   apply, and [`Cost::variant_unpriced`] has the pairs without a price. The amount is then too low for a call with
//!   priority, and too high for a batch. The values `default` and `standard` mean the standard service. Anthropic and
//!   Groq report a batch as `service_tier` `batch`, which means the same as `processing` `batch`.
//! * **Not reported.** If the count of a part is `None`, its tokens cost the price of the whole. The amount is too low
//!   if these tokens were written to a cache. Searches whose count is `None` are not billed.
//! * **Tier of the model.** The tier is `Free` if and only if all prices that apply to the call are zero. In all other
//!   cases, the tier that the table states is used. If the table does not state a tier, the price of a million output
//!   tokens decides: `Premium` from 25 USD on, and `Standard` below.
//!
//! The tier of a price depends on the input of one call. So price each call separately; the price of a sum of calls
//! would be wrong.
//!
//! # The bundled table
//!
//! The bundled table is a snapshot of [genai-prices](https://github.com/pydantic/genai-prices) (MIT licence),
//! overridden by a few rows of this crate. Models for which genai-prices has no price are left out. The feature `cli`
//! adds the module `cost::import`, which made the snapshot. The module can also convert LiteLLM's table. That table has
//! more models than genai-prices, and its prices differ for some models.
//!
//! An imported table can override the bundled table ([`or`](PriceTable::or)). The imported table then replaces the
//! bundled rows of the same models, including the rows of this crate. All other bundled rows stay in effect. The tables
//! of other projects do not state the minimum duration of billed audio. So an import copies this minimum from the rows
//! of this crate.

mod breakdown;
mod fill;
#[cfg(feature = "cli")]
pub mod import;
mod lookup;
mod parse;
mod price;
mod provenance;
mod report;
mod row;
mod table;
mod worst_case;

pub use breakdown::Cost;
pub(crate) use lookup::pattern::Pattern;
pub use price::CostPart;
pub(crate) use provenance::{common, dearer};
pub use report::{CostBy, Count, Discrepancies, Discrepancy, Excess, Group, Report, Sum};
pub(crate) use report::{HourlySums, Names, rows};
pub use table::{PriceFile, PriceTable};
