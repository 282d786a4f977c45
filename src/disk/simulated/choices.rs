//! Decides what a power cut loses.

use super::call::Loss;
use super::random::{Lean, Random};

/// The decisions of one power cut. In each decision, the first option is that no unsynced change reached the disk.
#[derive(Debug)]
pub(super) enum Choices {
    Random(Random),
    /// Each decision takes the next digit of a number, starting with the lowest digit. The base of a digit is the
    /// number of options that the decision has. `rest` is the number without the digits taken so far. `made` holds each
    /// digit taken so far, with its base.
    Numbered {
        rest: u64,
        made: Vec<(u64, u64)>,
    },
}

impl Choices {
    /// Returns the choices for `loss`, or `None` for [`Loss::Nothing`]. With that loss there are no choices, because
    /// there was no power cut.
    pub(super) fn new(loss: Loss, calls: usize) -> Option<Self> {
        match loss {
            Loss::Nothing => None,
            Loss::Unsynced => Some(Self::numbered(0)),
            Loss::Numbered(number) => Some(Self::numbered(number)),
            Loss::Random(seed) => Some(Self::Random(Random::new(Random::new(seed).next() ^ calls as u64))),
        }
    }

    pub(super) fn numbered(number: u64) -> Self {
        Self::Numbered { rest: number, made: Vec::new() }
    }

    /// Picks one of `options`. If the choices are numbered and the number has no digits left, picks the first option.
    /// Returns `None` if there are no options.
    pub(super) fn pick<'a, T>(&mut self, options: &'a [T]) -> Option<&'a T> {
        match self {
            Self::Random(random) => random.pick(options),
            Self::Numbered { rest, made } => {
                let bound = (options.len() as u64).max(1);
                let digit = *rest % bound;
                *rest /= bound;
                made.push((digit, bound));
                options.get(digit as usize)
            }
        }
    }

    /// Like [`pick`](Self::pick), but a random choice takes the first option in a third of the cases, and the last in
    /// another third.
    pub(super) fn pick_leaning<'a, T>(&mut self, options: &'a [T]) -> Option<&'a T> {
        match self {
            Self::Random(random) => match random.lean() {
                Lean::Old => options.first(),
                Lean::New => options.last(),
                Lean::Any => random.pick(options),
            },
            Self::Numbered { .. } => self.pick(options),
        }
    }

    /// Returns true if each decision took its last option, so that no higher number gives other decisions.
    pub(super) fn are_last(&self) -> bool {
        match self {
            Self::Random(_) => false,
            Self::Numbered { made, .. } => made.iter().all(|&(digit, bound)| digit + 1 == bound),
        }
    }

    /// Returns the number that gives the next combination of decisions. Repeated calls give each combination once.
    /// Returns `None` after the last combination, or if the number would be too large.
    pub(super) fn next_number(&self) -> Option<u64> {
        let Self::Numbered { made, .. } = self else { return None };
        let last = made.iter().rposition(|&(digit, bound)| digit + 1 < bound)?;
        let (mut number, mut weight) = (0u64, 1u64);
        for (index, &(digit, bound)) in made.iter().enumerate().take(last + 1) {
            let digit = if index == last { digit + 1 } else { digit };
            number = number.checked_add(digit.checked_mul(weight)?)?;
            if index < last {
                weight = weight.checked_mul(bound)?;
            }
        }
        Some(number)
    }
}
