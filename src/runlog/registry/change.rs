//! Resolves and reopens registered errors, and sets their severity.

use super::event::Event;
use super::{ErrorId, ErrorRegistry, ErrorStatus, RegisteredError, Severity};
use crate::error::{Error, ErrorKind, Result};

impl ErrorRegistry {
    /// Marks an error as resolved, with a text that says how it was resolved. If the error already has a resolution,
    /// the new text replaces it.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if `resolution` is blank, no error has the number `id`, or the clock shows a time
    ///   outside the years 0 to 9999. Nothing is written then.
    /// - [`ErrorKind::Unsuitable`] if `error-registry.md` was not written by the registry. Nothing is written then.
    /// - [`ErrorKind::Io`] if the journal or `error-registry.md` cannot be read or written.
    /// - [`ErrorKind::Malformed`] if a line of the journal was written by a newer version and cannot be understood. The
    ///   error names the line.
    /// - [`ErrorKind::Timeout`] if another process still holds a lock of the registry at the deadline.
    /// - [`ErrorKind::Abandoned`] if another thread of this process panicked while it wrote the line of this call.
    pub fn resolve(&self, id: ErrorId, resolution: &str) -> Result<RegisteredError> {
        if resolution.trim().is_empty() {
            return Err(Error::new(ErrorKind::Invalid, format!("resolve {id}"))
                .detail("found an empty resolution; expected a text that says how the error was resolved"));
        }
        self.change(&format!("resolve {id}"), id, Event::Resolved { number: id.0, resolution: resolution.to_owned() })
    }

    /// Marks a resolved error as open again.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if no error has the number `id`, the error is not resolved, or the clock shows a time
    ///   outside the years 0 to 9999. Nothing is written then.
    /// - [`ErrorKind::Unsuitable`] if `error-registry.md` was not written by the registry. Nothing is written then.
    /// - [`ErrorKind::Io`] if the journal or `error-registry.md` cannot be read or written.
    /// - [`ErrorKind::Malformed`] if a line of the journal was written by a newer version and cannot be understood. The
    ///   error names the line.
    /// - [`ErrorKind::Timeout`] if another process still holds a lock of the registry at the deadline.
    /// - [`ErrorKind::Abandoned`] if another thread of this process panicked while it wrote the line of this call.
    pub fn reopen(&self, id: ErrorId) -> Result<RegisteredError> {
        let operation = format!("reopen {id}");
        let error = self.find(&operation, id)?;
        if error.status != ErrorStatus::Resolved {
            return Err(Error::new(ErrorKind::Invalid, operation)
                .detail(format!("found an error that is {}; expected a resolved one", error.status)));
        }
        self.change(&operation, id, Event::Reopened { number: id.0 })
    }

    /// Sets the severity of an error. From then on, this severity replaces the severity that the [rule](Severity)
    /// gives.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if no error has the number `id`, or the clock shows a time outside the years 0 to 9999.
    ///   Nothing is written then.
    /// - [`ErrorKind::Unsuitable`] if `error-registry.md` was not written by the registry. Nothing is written then.
    /// - [`ErrorKind::Io`] if the journal or `error-registry.md` cannot be read or written.
    /// - [`ErrorKind::Malformed`] if a line of the journal was written by a newer version and cannot be understood. The
    ///   error names the line.
    /// - [`ErrorKind::Timeout`] if another process still holds a lock of the registry at the deadline.
    /// - [`ErrorKind::Abandoned`] if another thread of this process panicked while it wrote the line of this call.
    pub fn set_severity(&self, id: ErrorId, severity: Severity) -> Result<RegisteredError> {
        self.change(&format!("set the severity of {id}"), id, Event::Rated { number: id.0, severity })
    }

    fn change(&self, operation: &str, id: ErrorId, event: Event) -> Result<RegisteredError> {
        self.find(operation, id)?;
        self.check_rendered()?;
        self.append(event)?;
        self.render()?;
        self.find(operation, id)
    }
}
