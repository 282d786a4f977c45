//! The bytes of a file, divided into pages. The versions of a file share unchanged pages, so cloning is cheap, and a
//! write copies only the pages that it changes.

use std::collections::BTreeMap;
use std::iter;
use std::mem;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::random::mixed;

/// The unit of write-back, in bytes.
pub(super) const PAGE: usize = 4096;
/// The unit that the medium writes completely or not at all, in bytes.
pub(super) const SECTOR: usize = 512;
/// The number of pages whose pointers are copied together when one of the pages changes.
const CHUNK: u64 = 64;

/// The bytes that a read of a hole returns.
const NULS: [u8; PAGE] = [0; PAGE];

pub(super) type Page = Arc<PageBytes>;

/// The bytes of a page. All versions of the file share these bytes, so their fingerprint is computed only once.
#[derive(Debug)]
pub(super) struct PageBytes {
    bytes: [u8; PAGE],
    fingerprint: OnceLock<u64>,
}

impl PageBytes {
    pub(super) fn new(bytes: [u8; PAGE]) -> Self {
        Self { bytes, fingerprint: OnceLock::new() }
    }

    /// Returns a hash of the bytes. The hash of a page of NULs is 0, because a hole reads like such a page.
    fn fingerprint(&self) -> u64 {
        let words = || self.chunks_exact(8).filter_map(<[u8]>::first_chunk).map(|word| u64::from_le_bytes(*word));
        *self.fingerprint.get_or_init(|| if self.bytes == NULS { 0 } else { words().fold(1, mixed) })
    }
}

impl Deref for PageBytes {
    type Target = [u8; PAGE];

    fn deref(&self) -> &Self::Target {
        &self.bytes
    }
}

/// Returns true if two pages have the same content.
pub(super) fn same(a: Option<&Page>, b: Option<&Page>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a.bytes == b.bytes,
        (Some(page), None) | (None, Some(page)) => page.fingerprint() == 0,
        (None, None) => true,
    }
}

/// The new bytes of a page, or `None` for a hole, which reads as NULs.
#[derive(Debug, Clone)]
pub(super) struct PageWrite {
    pub(super) index: u64,
    pub(super) page: Option<Page>,
}

/// Length and bytes of a file. Bytes beyond the length are NULs.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) len: u64,
    chunks: BTreeMap<u64, Arc<BTreeMap<u64, Page>>>,
}

impl Content {
    pub(super) fn page(&self, index: u64) -> Option<&Page> {
        self.chunks.get(&(index / CHUNK))?.get(&index)
    }

    pub(super) fn set(&mut self, PageWrite { index, page }: PageWrite) {
        let chunk = Arc::make_mut(self.chunks.entry(index / CHUNK).or_default());
        match page {
            Some(page) => _ = chunk.insert(index, page),
            None => _ = chunk.remove(&index),
        }
    }

    /// Returns the number of pages that take space.
    pub(super) fn pages(&self) -> u64 {
        self.chunks.values().map(|chunk| chunk.len() as u64).sum()
    }

    /// Returns how many bytes of a write at `offset` fit if at most `free` new pages are available.
    pub(super) fn room_for(&self, len: usize, offset: u64, mut free: u64) -> usize {
        let mut room = 0;
        for (index, _, part) in parts(offset, len) {
            if self.page(index).is_none() {
                let Some(left) = free.checked_sub(1) else { break };
                free = left;
            }
            room += part;
        }
        room
    }

    /// Returns a hash of the length and the bytes. Equal content has equal hashes.
    pub(super) fn fingerprint(&self) -> u64 {
        let pages = self.chunks.values().flat_map(|chunk| chunk.iter());
        let pages = pages.filter(|(_, page)| page.fingerprint() != 0);
        pages.fold(mixed(0, self.len), |so_far, (&index, page)| mixed(mixed(so_far, index), page.fingerprint()))
    }

    /// Reads up to `buffer.len()` bytes from `offset` on, and returns their number.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let available = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let read = available.min(buffer.len());
        let mut rest = &mut buffer[..read];
        for (index, start, len) in parts(offset, read) {
            let (part, tail) = mem::take(&mut rest).split_at_mut(len);
            rest = tail;
            match self.page(index) {
                Some(page) => part.copy_from_slice(&page[start..start + len]),
                None => part.fill(0),
            }
        }
        read
    }

    /// Writes `bytes` at `offset` and returns the changed pages. The offset after the last byte must fit into a `u64`.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) -> Vec<PageWrite> {
        let mut rest = bytes;
        let mut changed = Vec::new();
        for (index, start, len) in parts(offset, bytes.len()) {
            let (part, tail) = rest.split_at(len);
            rest = tail;
            let mut page = self.page(index).map_or([0; PAGE], |page| ***page);
            page[start..start + len].copy_from_slice(part);
            changed.push(PageWrite { index, page: Some(Arc::new(PageBytes::new(page))) });
        }
        changed.iter().cloned().for_each(|page| self.set(page));
        self.len = self.len.max(offset + bytes.len() as u64);
        changed
    }

    /// Sets the length to `len`, fills added bytes with NULs, and returns the changed pages.
    pub(super) fn resize(&mut self, len: u64) -> Vec<PageWrite> {
        let first_beyond = len.div_ceil(PAGE as u64);
        let mut changed: Vec<_> = self
            .chunks
            .range(first_beyond / CHUNK..)
            .flat_map(|(_, chunk)| chunk.range(first_beyond..))
            .map(|(&index, _)| PageWrite { index, page: None })
            .collect();
        changed.extend(self.cut_page(len));
        changed.iter().cloned().for_each(|page| self.set(page));
        self.len = len;
        changed
    }

    /// Returns the page that contains offset `len`, with all its bytes from that offset on set to 0. Returns `None` if
    /// these bytes are 0 already, or if `len` is a page boundary.
    fn cut_page(&self, len: u64) -> Option<PageWrite> {
        let index = len / PAGE as u64;
        let end = (len % PAGE as u64) as usize;
        let mut page = ***self.page(index)?;
        let tail = &mut page[end..];
        if end == 0 || *tail == NULS[end..] {
            return None;
        }
        tail.fill(0);
        Some(PageWrite { index, page: Some(Arc::new(PageBytes::new(page))) })
    }
}

/// Splits the `len` bytes from `offset` on at page boundaries. For each page, yields the index of the page, the index
/// of the first byte within the page, and the number of bytes.
fn parts(mut offset: u64, mut len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    iter::from_fn(move || {
        let start = (offset % PAGE as u64) as usize;
        let part = (offset / PAGE as u64, start, len.min(PAGE - start));
        offset += part.2 as u64;
        len -= part.2;
        (part.2 > 0).then_some(part)
    })
}
