//! What a power cut takes: every decision that it makes goes through here.

use super::call::Loss;
use super::random::{Lean, Random};

/// The decisions of one power cut. The first option of each is that nothing unsynced reached the disk.
#[derive(Debug)]
pub(super) enum Choices {
    Random(Random),
    /// The digits of a number, the first decision's first; each was below its bound.
    Numbered {
        rest: u64,
        made: Vec<(u64, u64)>,
    },
}

impl Choices {
    /// `None`: it was no power cut, and nothing is taken.
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

    /// One of `options`, the first where the number says no more; `None` if there are none.
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

    /// As [`pick`](Self::pick), but where the choice is random, the first and the last are as common as all together.
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

    /// Whether no number gives other decisions that comes after these.
    pub(super) fn are_last(&self) -> bool {
        match self {
            Self::Random(_) => false,
            Self::Numbered { made, .. } => made.iter().all(|&(digit, bound)| digit + 1 == bound),
        }
    }

    /// The number of the decisions after these, in an order that comes to all there are, each once; `None` after the last,
    /// or where a number is too large.
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
