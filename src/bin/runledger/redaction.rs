//! What replaces the secrets in the texts that the command stores and reports.

use std::sync::OnceLock;

use runledger::redaction::Redactor;

static REDACTOR: OnceLock<Redactor> = OnceLock::new();

/// Sets the redactor of this process. Call this before any text is stored.
pub(crate) fn set(redactor: Redactor) {
    let _ = REDACTOR.set(redactor);
}

/// Returns the redactor of this process.
pub(crate) fn redactor() -> &'static Redactor {
    REDACTOR.get_or_init(Redactor::new)
}
