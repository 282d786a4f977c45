//! Says which commands read the ledger.

use super::Command;

impl Command {
    /// Returns true if the command may read the whole ledger before it prints its output. While such a command runs, a
    /// terminal shows a progress bar.
    pub(crate) fn reads_all(&self) -> bool {
        matches!(
            self,
            Self::List(_)
                | Self::Show(_)
                | Self::Top(_)
                | Self::Verify(_)
                | Self::Head(_)
                | Self::Cost(_)
                | Self::Baseline(_)
                | Self::Compare(_)
                | Self::Export(_)
                | Self::Metrics(_)
                | Self::Report(_)
                | Self::Index(_)
                | Self::Retention(_)
                | Self::Gate(_)
                | Self::Escalate(_)
        )
    }

    /// Returns true if `main` must check whether the ledger was truncated before it runs the command. Every other
    /// command checks this itself, or does not need the check.
    pub(crate) fn needs_truncation_check(&self) -> bool {
        let checks_itself = matches!(self, Self::Verify(_) | Self::Head(_) | Self::Gate(_) | Self::Report(_));
        (self.reads_all() && !checks_itself)
            || matches!(self, Self::Tail(_) | Self::Open(_) | Self::Errors(_) | Self::Pg(_) | Self::Ship(_))
    }
}
