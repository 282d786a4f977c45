//! What the files of a journal hold and how they are named. Pure, but for the reading of small files.

pub(crate) mod event;
pub(crate) mod header;
pub(crate) mod identity;
mod layout;
pub(crate) mod line;

pub(crate) use layout::Layout;
