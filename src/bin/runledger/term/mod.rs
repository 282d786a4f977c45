//! What a terminal shows: tables, short numbers and ids, messages on stderr, and the progress bar. Nothing here knows the
//! arguments or the ledger.

pub(crate) mod bar;
mod cell;
pub(crate) mod output;
mod printable;
pub(crate) mod short;
pub(crate) mod short_id;
mod table;
mod width;

pub(crate) use cell::{cell, minutes};
pub(crate) use output::Style;
pub(crate) use printable::printable;
pub(crate) use table::{Column, Table};
