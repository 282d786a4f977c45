//! The cost of executions: usage priced exactly by a dated table.
//!
//! The module does no I/O and reads no clock. A [`PriceTable`] is data: the [bundled](PriceTable::bundled) table, JSON
//! of the same form ([`PriceTable::from_json`]), or one table over another ([`PriceTable::or`]). [`PriceTable::cost`]
//! returns a [`Cost`] that is exact to the pico-dollar, or an error. An unknown price is never zero.
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
//! The table must have `version`, `as_of` and `source`. Each model must have `model`, `provider` and `prices`.
//!
//! **Prices** are US dollars, as decimal strings or as JSON numbers, which are read digit by digit. Each key says what
//! the price is for; see [`Meter`](crate::metrics::Meter).
//!
//! * A million tokens, with at most six decimals: `input`, `output`, `cache_read`, `cache_write`, `cache_write_1h`,
//!   `reasoning`, `citation`, `input_audio`, `input_image`, `input_video`, `cache_read_audio`, `cache_read_image`,
//!   `output_audio`, `output_image`, `output_video`; also `million_characters`.
//! * A thousand, with at most nine decimals: `thousand_requests`, `thousand_web_searches`, `thousand_file_searches`,
//!   `thousand_messages`, `thousand_pages`, `thousand_annotated_pages`.
//! * An hour, with at most twelve decimals: `audio_hour`, `video_hour`, `deployment_hour`.
//!
//! With these limits one token or one request costs a whole number of pico-dollars. `audio_seconds_min` is the minimum
//! duration of audio that is billed for a call.
//!
//! **Tiers** follow a price in a list. If the call has more input tokens than `above`, or at least `from`, the whole
//! call costs the price of the tier.
//!
//! **Periods** limit when a price applies. The last price that applies is used.
//!
//! * `from` is a day, and the price applies from 00:00 UTC of that day. Prices that apply all day must be in
//!   chronological order.
//! * `hours` are hours of the day in UTC, including the first minute and excluding the last. They span midnight if the
//!   first time is later than the second.
//! * `weekdays` are days of the week in UTC.
//!
//! **Variants** are prices for calls that were not served in the standard way. For each price, the last variant that
//! applies and whose `when` matches the call replaces the standard price with all its tiers. The other standard prices
//! stay in effect.
//!
//! **Names** are patterns: `*` matches any text, `#` a digit and `?` a character. `~` at the start matches nothing or a
//! route to the model, such as `bedrock/`. `~` at the end matches nothing or endings that keep the model: dates, versions
//! and words such as `-latest`, `-preview` and `[1m]`. So `m~` matches `m-2026-01-31`, but neither `m:free` nor
//! `m-mini`. `unlike` next to `like` excludes names. `serves` matches the models that belong to a provider if a call names
//! no provider. `falls_back_to` names the providers whose prices apply to models for which the provider has no row, as
//! Azure sells OpenAI's models.
//!
//! # Rules
//!
//! * **Tables.** Each table is searched in full before the next one, so your own table takes precedence over the
//!   bundled one under every spelling of a model. Tables may spell a provider differently, such as `azure_openai` and
//!   `azure`.
//! * **Model with a provider.** The row is found by the model's name, an alias, or the first pattern that matches,
//!   ignoring case. Then the providers that it falls back to are searched in the same way, at their standard prices.
//! * **Model without a provider.** The first of these that exists is used:
//!     1. `provider/model`, if the provider declares the name;
//!     2. the row of the provider that serves models of that name;
//!     3. a name that only one provider declares, or several at the same price;
//!     4. `provider/model`, if a pattern of the provider matches.
//!
//!   A name that several providers declare at different prices is an error that lists them.
//! * **Spellings.** If no table has the name, rules translate it step by step: a gateway, a route or a provider before
//!   the name, ids and ARNs of Bedrock, resource names of Google Cloud, regions, the version of Claude before its
//!   family, other separators in versions and dates, and suffixes such as `[1m]`, `:online` and `-thinking`.
//!   [`Cost::matched_by`] names the rules. If the nearest spellings fit rows with different prices, this is an error
//!   that lists the rows. A name that is only similar is never used, since it has another price.
//! * **Regions.** A region in the name, or in the variant `region` of the call, selects the row of that region. Without
//!   such a row the standard prices apply, and [`Cost::region_unpriced`] names the region.
//! * **Time.** The price at the time of the call applies.
//! * **Parts.** Each token is priced once, at the price of the innermost part that has one. Without their own price,
//!   tokens read from a cache cost the input price, since no vendor charges more. Likewise, reasoning costs as much as
//!   other output. Audio, images and video cost as much as text, which may be too low, so [`Cost::part_unpriced`] names
//!   them. Parts of different kinds, such as cached tokens and audio, are
//!   assumed to be disjoint unless the usage reports their overlap.
//! * **Requests.** A call is one request unless it reports more.
//! * **No price** is an error. This applies to cache writes without their own price, which may cost more than plain
//!   input (1.25 times as much at Anthropic, twice for an hour). It applies to searches, to rented deployments, and to
//!   input or output tokens if the row has no price for that side. It also applies to time, characters, messages or
//!   pages, if the usage has no tokens and the row has no price for them. If the usage has tokens, these counts measure
//!   the same content again and are not billed, unless the row has a price for them. Requests without a price cost
//!   nothing, but requests without tokens are an error if the row bills tokens.
//! * **Unpriced variants.** A call that was served in a way for which the row has no prices costs the standard prices,
//!   and [`Cost::variant_unpriced`] says so. The amount is too low for priority and too high for a batch. `default` and
//!   `standard` are the standard service. A `service_tier` of `batch`, as Anthropic and Groq report it, is the
//!   `processing` of that name.
//! * **Not reported.** A part that is `None` is priced as its whole, which is too low for cache writes. Searches that
//!   are `None` are not billed.
//! * **Tier of the model.** It is the tier that the table states, or else follows from the price of a million output
//!   tokens: `Premium` from 25 USD, and `Standard` below. It is `Free` if and only if all prices are zero.
//!
//! Tiers depend on the input of one call, so price each call by itself and not a sum of calls.
//!
//! # The bundled table
//!
//! It is a snapshot of [genai-prices](https://github.com/pydantic/genai-prices) (MIT licence), overridden by a few rows
//! of this crate. Models without a price there are left out. The feature `cli` adds the module `cost::import`, which
//! made the snapshot. It also reads LiteLLM's table, which contains more models and has other prices for some.
//!
//! With [`or`](PriceTable::or), an imported table overrides the rows of the bundled table, including those of this crate.
//! All other bundled rows stay in force. The importer copies the minimum of billed audio from the rows of this crate,
//! since the other projects do not have it.

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
pub use table::{PriceFile, PriceTable};
