//! The content and the names of a journal's files. This folder consists of pure functions, except that it reads and
//! writes a few small files.

pub(crate) mod event;
pub(crate) mod header;
pub(crate) mod identity;
mod layout;
pub(crate) mod line;

pub(crate) use layout::Layout;
