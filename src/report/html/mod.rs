//! The report as one HTML file. It needs no network, can be printed, and is light or dark like the reader's system.
//! Its only script sorts tables, and everything is visible without it.

mod charts;
mod markup;
mod page;
mod script;
mod sections;
mod style;

pub use page::page;
