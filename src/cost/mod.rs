//! What it cost: usage priced by a dated table, exactly.
//!
//! Pure: no I/O and no clock. A [`PriceTable`] is data, never code: the [bundled](PriceTable::bundled) one, JSON of the
//! same form ([`PriceTable::from_json`]), or one over the other ([`PriceTable::or`]). [`PriceTable::cost`] answers with a
//! [`Cost`], exact to the pico-dollar, or with an error; a price that is not known is never zero.
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
//! Required are `version`, `as_of`, `source`, and of each model `model`, `provider` and `prices`.
//!
//! **Prices** are US dollars as decimal strings, or as JSON numbers taken digit by digit: for a million tokens
//! (`input`, `output`, `cache_read`, `cache_write`, `cache_write_1h`, `reasoning`, `citation`, `input_audio`,
//! `input_image`, `input_video`, `cache_read_audio`, `cache_read_image`, `output_audio`, `output_image`, `output_video`),
//! or for what their key says (`thousand_requests`, `thousand_web_searches`, `thousand_file_searches`, `audio_hour`,
//! `video_hour`, `deployment_hour`, `million_characters`, `thousand_messages`, `thousand_pages`,
//! `thousand_annotated_pages`); see [`Meter`](crate::metrics::Meter). Those for a million have at most six decimals, those
//! for a thousand nine, so that one costs whole pico-dollars; those for an hour have twelve. `audio_seconds_min` is the
//! least time of audio that a call is billed.
//!
//! **Tiers** stand in a list behind the price: `above` this many input tokens, or `from` that many on, all of the call
//! costs the price of the tier.
//!
//! **When** a price holds: `from` a day on, 00:00 UTC; in `hours` of the day, UTC, the first minute included and the last
//! not, over midnight if the first is the later one; on `weekdays`, UTC. The last price that holds counts. Those that
//! hold all day stand in order of time.
//!
//! **Variants** are calls that were served otherwise than usual. Of each price, tiers and all, the one of the last variant
//! whose `when` the call fits and whose time it is stands for the standard one; the others stay.
//!
//! **Names** are patterns: `*` is any text, `#` a digit, `?` a character. `unlike` beside `like` takes names out again.
//! `serves` are models that are a provider's where none is named; `falls_back_to` names providers whose prices hold for
//! models of which it has no row, as Azure sells OpenAI's.
//!
//! # Rules
//!
//! * **Model.** Of a named provider: the model's name, an alias, or the first rule that fits, upper and lower case being
//!   one; then the same of those it falls back to, at their standard prices. Without one: `provider/model`, if the
//!   provider declares the name; what the provider has that serves models of that name; a name that one provider alone
//!   declares, while several are an error that names them; `provider/model`, if a rule of the provider fits. Nothing is
//!   guessed: a near name has another price.
//! * **Time.** The price in force when the call was made.
//! * **Parts.** Each token is priced once: at the price of the innermost part that has one. So what is read from a cache
//!   without a price of its own costs the input price, since no vendor asks more; reasoning costs as much as other output,
//!   audio and images as much as text. Parts of different kinds, cached tokens and audio, are taken to be apart unless it
//!   is told what is both.
//! * **Requests.** A call is one request, unless it is told to be more.
//! * **No price** is an error, not zero: for cache writes without a price of their own, which may cost more than plain
//!   input (1.25 times as much at Anthropic, twice for an hour); for searches and rented deployments; for tokens on whose
//!   side the row has no price; for time, characters, messages or pages alone, where the row has no price for them. Beside
//!   tokens they are another count of the same, and of rows that are billed by them, tokens are. Requests without a price
//!   cost nothing by themselves.
//! * **Unpriced variants.** A call that was served in a way for which the row has no prices costs the standard ones, and
//!   [`Cost::variant_unpriced`] says so: too little for priority, too much for a batch. `default` and `standard` are the
//!   usual way. A `service_tier` of `batch`, as Anthropic and Groq report it, is the `processing` of that name.
//! * **Not reported.** A part that is `None` is priced as its whole, too low for writes that nobody reported; searches that
//!   nobody reported are not billed.
//! * **Tier of the model.** As the table states it, or else by the price of a million output tokens: `Premium` from 25 USD
//!   on, `Standard` below; `Free` if and only if all prices are zero.
//!
//! Tiers go by the input of one call: price each call by itself, and not a sum of calls.
//!
//! # The bundled table
//!
//! It is a snapshot of [genai-prices](https://github.com/pydantic/genai-prices) (MIT licence), made by
//! [`import::genai_prices`], and a few rows of this crate over it. Models without a price there are not in it.
//! [`import::litellm`] reads LiteLLM's table, which knows more models and tells some prices otherwise.

pub mod import;
mod nearest;
mod parse;
mod pattern;
mod price;
mod report;
mod row;
mod table;

pub(crate) use pattern::Pattern;
pub use price::CostPart;
pub use report::{CostBy, Count, Discrepancies, Discrepancy, Excess, Group, Report, Sum};
pub use table::{Cost, PriceFile, PriceTable};
