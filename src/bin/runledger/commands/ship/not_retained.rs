//! The part of `runledger retention` that asks whether segments were shipped, in a build without Parquet: it has no
//! option.

use runledger::ledger::SealedSegment;

use crate::failure::Failure;
use crate::global::Global;

/// No options.
#[derive(Debug, clap::Args)]
pub(crate) struct ShippedTo {}

impl ShippedTo {
    pub(crate) fn require(&self, _: &mut [SealedSegment], _: &Global) -> Result<(), Failure> {
        Ok(())
    }
}
