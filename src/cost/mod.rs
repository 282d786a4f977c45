//! What it cost: token usage priced by a dated table, exactly.
//!
//! Pure: no I/O and no clock. A [`PriceTable`] is data, never code: the [bundled](PriceTable::bundled) one, or JSON of
//! the same form ([`PriceTable::from_json`]). [`PriceTable::cost`] answers with a [`Cost`], exact to the pico-dollar, or
//! with an error; a price that is not known is never zero.
//!
//! # The table
//!
//! ```json
//! {"version": "2026-11-20", "as_of": "2026-11-20", "source": "price page of example.com", "models": [
//!   {"model": "m-1", "aliases": ["m-1-latest"], "provider": "example", "tier": "Standard", "prices": [
//!     {"input": "3", "output": "15", "cache_read": "0.3", "cache_write": "3.75", "cache_write_1h": "6"},
//!     {"from": "2026-12-01", "input": "2.5", "output": "12.5"}]}]}
//! ```
//!
//! Prices are US dollars for a million tokens, as decimal strings or as JSON numbers taken digit by digit, with at most
//! six decimals. `from` is a day, beginning at 00:00 UTC; only a model's first price may lack it and then holds for all
//! time before the next. `aliases` may be left out, and so may the three cache prices.
//!
//! # Rules
//!
//! * **Model.** The exact name, a declared alias, or either after the row's provider and a slash (`openai/gpt-4`).
//!   Nothing is guessed: a near name has another price.
//! * **Time.** The price in force when the call was made.
//! * **Cache.** Cached tokens are part of the input and are priced once: at their own price, the rest at the input
//!   price. Reads without a price of their own cost the input price, since no vendor asks more for them. Writes without
//!   one are an error, since they may cost more than plain input: 1.25 times as much at Anthropic, twice for the
//!   one-hour cache. No factor is assumed; a table whose vendor asks no more says so with the input price.
//! * **Not reported.** A cached part that is `None` is priced as plain input: too high for reads, too low for writes that
//!   nobody reported.
//! * **Reasoning** is part of the output and has no price of its own.
//! * **Tier.** As the table states it: `Standard` or `Premium`, or `Free` if and only if all prices of the row are zero.
//!   A model that is free in one period only is `Free` in that one. The bundled table calls `Premium` what costs 25 USD
//!   or more for a million output tokens.
//!
//! The bundled table leaves out models whose price depends on the length of the prompt or on the hour: at one price
//! they would be billed too low.

pub mod import;
mod nearest;
mod parse;
mod pattern;
mod price;
mod row;
mod table;

pub use price::CostPart;
pub use table::{Cost, PriceFile, PriceTable};
