//! Whether a ledger is what it was.
