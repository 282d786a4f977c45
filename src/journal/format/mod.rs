//! The names and the formats of a journal's files. The functions are pure, except for a few that list a directory, or
//! read or write a small file.

mod checksum;
pub(crate) mod event;
pub(crate) mod header;
pub(crate) mod identity;
mod layout;
pub(crate) mod line;

pub(crate) use checksum::checksum;
pub(crate) use layout::Layout;
