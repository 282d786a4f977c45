//! Pages of rows. A row is a sum by hour, skill and model. Each page can be read without the other pages.

use super::key::{Key, Spot};
use super::numbers::{Reader, push, push_signed};
use super::small::SmallSum;

/// Returns pages of at most `page_bytes`, each with the hour of its first row. A single row that needs more bytes
/// gets a page of its own. The rows must be sorted.
pub(super) fn pages<'r>(
    rows: impl Iterator<Item = (&'r Key, &'r SmallSum)>,
    page_bytes: usize,
) -> impl Iterator<Item = (i64, Vec<u8>)> {
    let mut rows = rows.peekable();
    std::iter::from_fn(move || {
        let first = rows.peek()?.0.hour();
        let mut page = Vec::with_capacity(page_bytes);
        let mut before = 0;
        while let Some((key, sum)) = rows.peek() {
            let len = page.len();
            push_row(&mut page, key, sum, before);
            if page.len() > page_bytes && len > 0 {
                page.truncate(len);
                break;
            }
            before = key.hour();
            rows.next();
        }
        Some((first, page))
    })
}

/// Writes a row. The hour is written as the difference from `before`, the hour of the previous row.
fn push_row(page: &mut Vec<u8>, key: &Key, sum: &SmallSum, before: i64) {
    push_signed(page, key.hour() - before);
    push(page, key.skill.into());
    push(page, key.spot.0.into());
    sum.push(page);
}

/// Reads the rows of a page. If a row cannot be read, its item is `None`, and no item follows.
#[derive(Debug)]
pub(super) struct PageRows<'b> {
    rest: Reader<'b>,
    /// The hour of the previous row.
    before: i64,
}

impl<'b> PageRows<'b> {
    pub(super) fn of(page: &'b [u8]) -> Self {
        Self { rest: Reader(page), before: 0 }
    }

    fn read(&mut self) -> Option<(Key, SmallSum)> {
        let rest = &mut self.rest;
        let hour = self.before.checked_add(rest.signed()?)?;
        let key = Key::of_hour(hour, rest.number_u32()?, Spot(rest.number_u32()?))?;
        self.before = hour;
        Some((key, SmallSum::read(rest)?))
    }
}

impl Iterator for PageRows<'_> {
    type Item = Option<(Key, SmallSum)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.0.is_empty() {
            return None;
        }
        let row = self.read();
        if row.is_none() {
            self.rest = Reader(&[]);
        }
        Some(row)
    }
}
