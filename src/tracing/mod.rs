//! Records spans.

mod attributes;
mod ended;
mod instrument;
mod layer;
mod names;
mod role;
mod sink;
mod span;
mod to_record;
mod usage;

pub use layer::LedgerLayer;
pub use sink::WhenFull;
