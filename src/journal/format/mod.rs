//! The content and the names of a journal's files. This folder is pure, except that it reads a few small files.

pub(crate) mod event;
pub(crate) mod header;
pub(crate) mod identity;
mod layout;
pub(crate) mod line;

pub(crate) use layout::Layout;
