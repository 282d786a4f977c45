//! What a terminal shows: tables, colours, short numbers and ids, messages on stderr, and the progress bar. Nothing
//! here depends on the ledger or the commands.

pub(crate) mod audience;
pub(crate) mod bar;
mod cell;
pub(crate) mod color;
mod escaped;
pub(crate) mod output;
mod printable;
mod quoted;
pub(crate) mod short;
pub(crate) mod short_id;
mod table;
mod width;
mod wrap;

pub(crate) use cell::{cell, minutes};
pub(crate) use color::{paint, paint_like};
pub(crate) use escaped::Escaped;
pub(crate) use output::Style;
pub(crate) use printable::printable;
pub(crate) use quoted::quoted;
pub(crate) use table::{Column, Table, cut};
pub(crate) use width::{Width, width};
pub(crate) use wrap::paragraph;
