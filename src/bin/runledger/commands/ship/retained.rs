//! The option `--shipped-to` of `runledger retention`: which segments were shipped and verified.

use runledger::ledger::SealedSegment;
use runledger::ship::{Shipper, ShipperOptions};

use super::target;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::records;
use crate::term::output;

/// The store that must have a segment before the segment is archived.
#[derive(Debug, clap::Args)]
pub(crate) struct ShippedTo {
    /// Keep each segment that was not shipped to STORE by `runledger ship`. The shipped files with lines of the ledger
    /// are read, and their names, footers and hashes are checked
    #[arg(long, value_name = "STORE", value_parser = target::parse)]
    shipped_to: Option<String>,
}

impl ShippedTo {
    /// Sets `stays` for each segment that the store does not have completely, so that this segment is kept.
    pub(crate) fn require(&self, segments: &mut [SealedSegment], global: &Global) -> Result<(), Failure> {
        let Some(store) = &self.shipped_to else { return Ok(()) };
        let ledger = records::reader(global)?.follow()?;
        let mut shipper = Shipper::new(ledger, target::open(store)?, ShipperOptions::new());
        let verified = shipper.verify_shipped()?;
        if let Some(fault) = &verified.fault {
            output::warning(&failure::text(fault), failure::kind(fault), global.style());
        }
        let last = verified.last.map_or(0, |last| last.seq);
        for segment in segments {
            if segment.stays.is_none() && segment.last_seq() > last {
                segment.stays = Some(match last {
                    0 => "it was not shipped and verified".to_owned(),
                    _ => format!("it was shipped and verified only up to line {last}"),
                });
            }
        }
        Ok(())
    }
}
