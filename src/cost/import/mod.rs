//! Converts price tables of other projects to the format of this crate's tables. Requires the feature `cli`.
//!
//! The module does no I/O: it gets the text of a table, and returns the text of the converted table.

mod digits;
mod draft;
mod genai_prices;
mod litellm;
mod minimum;
mod python;
mod regex;

pub use draft::{Imported, Stamp};
pub use genai_prices::genai_prices;
pub use litellm::litellm;
