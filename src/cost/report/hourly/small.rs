//! A compact form of a [`Sum`], in memory and in bytes.

use super::numbers::{Reader, push, push_signed};
use crate::cost::report::sum::{Count, Sum};
use crate::metrics::Usd;

/// A [`Sum`] whose values fit into 32 or 64 bits. A `SmallSum` uses less than a third of the memory of a [`Sum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SmallSum {
    /// Nine numbers of executions: all executions, `unpriced`, `at_standard`, the number of unknown values of each of
    /// the five token counts, and `lower_bounds`.
    executions: [u32; 9],
    /// `cost` and `at_standard_cost` in pico-dollars. An unknown value is 0.
    amounts: [i64; 2],
    /// The token counts. An unknown value is 0.
    tokens: [u64; 5],
    /// One bit for each of `amounts`, and then one for each of `tokens`. A bit is 1 if the value is known.
    known: u8,
}

/// The number of bits in `known`.
const VALUES: u32 = 7;

impl SmallSum {
    /// Returns the sum of one execution that used no model.
    pub(super) fn without_model() -> Self {
        Self { executions: [1, 0, 0, 0, 0, 0, 0, 0, 0], ..Self::default() }
    }

    /// Converts a sum. Returns `None` if a value does not fit.
    pub(super) fn of(sum: &Sum) -> Option<Self> {
        let Sum { input_uncached, output, cache_write, cache_read, total, .. } = sum;
        let counts = [input_uncached, output, cache_write, cache_read, total];
        let mut small = Self::default();
        let unknown = counts.map(|count| count.unknown);
        let executions =
            [sum.executions, sum.unpriced, sum.at_standard].into_iter().chain(unknown).chain([sum.lower_bounds]);
        for (place, count) in small.executions.iter_mut().zip(executions) {
            *place = count.try_into().ok()?;
        }
        let amounts = [sum.cost, sum.at_standard_cost];
        for (place, amount) in small.amounts.iter_mut().zip(amounts) {
            *place = amount.map_or(0, Usd::pico).try_into().ok()?;
        }
        for (place, count) in small.tokens.iter_mut().zip(counts) {
            *place = count.known.unwrap_or(0).try_into().ok()?;
        }
        let known = amounts.iter().map(Option::is_some).chain(counts.iter().map(|count| count.known.is_some()));
        small.known = known.zip(0..).fold(0, |bits, (is_known, at)| bits | u8::from(is_known) << at);
        Some(small)
    }

    #[inline]
    pub(super) fn to_sum(self) -> Sum {
        let [executions, unpriced, at_standard, ref unknown @ .., lower_bounds] = self.executions.map(u64::from);
        let is_known = |at: usize| self.known >> at & 1 == 1;
        let amount = |at: usize| is_known(at).then_some(Usd::from_pico(self.amounts[at].into()));
        let count = |at: usize| Count {
            known: is_known(self.amounts.len() + at).then_some(self.tokens[at].into()),
            unknown: unknown[at],
        };
        Sum {
            executions,
            cost: amount(0),
            unpriced,
            at_standard,
            at_standard_cost: amount(1),
            lower_bounds,
            input_uncached: count(0),
            output: count(1),
            cache_write: count(2),
            cache_read: count(3),
            total: count(4),
        }
    }

    /// Adds another sum. Returns `None` if a result does not fit.
    pub(super) fn merge(&mut self, other: &Self) -> Option<()> {
        for (mine, others) in self.executions.iter_mut().zip(other.executions) {
            *mine = mine.checked_add(others)?;
        }
        for (mine, others) in self.amounts.iter_mut().zip(other.amounts) {
            *mine = mine.checked_add(others)?;
        }
        for (mine, others) in self.tokens.iter_mut().zip(other.tokens) {
            *mine = mine.checked_add(others)?;
        }
        self.known |= other.known;
        Some(())
    }

    /// Writes two bytes of flags, the number of all executions, and then the values for which a flag is set. The lowest
    /// seven flags are `known`. Each higher flag says that one of `executions`, from the second one on, is not 0.
    pub(super) fn push(&self, bytes: &mut Vec<u8>) {
        let [executions, others @ ..] = self.executions;
        let others_there = others.iter().zip(VALUES..).fold(0, |bits, (&count, at)| bits | u16::from(count > 0) << at);
        bytes.extend((others_there | u16::from(self.known)).to_le_bytes());
        push(bytes, executions.into());
        for count in others.into_iter().filter(|&count| count > 0) {
            push(bytes, count.into());
        }
        let is_known = |at: u32| self.known >> at & 1 == 1;
        for (&amount, _) in self.amounts.iter().zip(0..).filter(|(_, at)| is_known(*at)) {
            push_signed(bytes, amount);
        }
        for (&count, _) in self.tokens.iter().zip(2..).filter(|(_, at)| is_known(*at)) {
            push(bytes, count);
        }
    }

    /// Reads what [`push`](Self::push) wrote. Returns `None` if the bytes do not have this form.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let bits = u16::from_le_bytes(reader.array()?);
        let is_there = |at: u32| bits >> at & 1 == 1;
        let mut small = Self { known: (bits & 0x7f) as u8, ..Self::default() };
        let [executions, others @ ..] = &mut small.executions;
        *executions = reader.number_u32()?;
        for (count, _) in others.iter_mut().zip(VALUES..).filter(|(_, at)| is_there(*at)) {
            *count = reader.number_u32()?;
        }
        for (amount, _) in small.amounts.iter_mut().zip(0..).filter(|(_, at)| is_there(*at)) {
            *amount = reader.signed()?;
        }
        for (count, _) in small.tokens.iter_mut().zip(2..).filter(|(_, at)| is_there(*at)) {
            *count = reader.number()?;
        }
        Some(small)
    }
}
