//! What is left.
mod limit;
mod window;
pub use limit::{Limit, Limits, Unit};
pub use window::Period;
