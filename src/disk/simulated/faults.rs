//! Injected faults.

use std::fmt;
use std::io;
use std::path::Path;

use super::call::{InjectedFault, Op, When};

/// A function that returns true if a lasting fault affects the operation with this number, kind and path.
type Meant = Box<dyn Fn(usize, Op, &Path) -> bool + Send + Sync>;

/// The faults that affect one operation each, and the faults that last until they are lifted.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) once: Vec<(When, InjectedFault)>,
    pub(super) lasting: Vec<(Meant, InjectedFault)>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("once", &self.once).field("lasting", &self.lasting.len()).finish()
    }
}

impl InjectedFault {
    /// Returns the error, or `None` for a fault that is not an error.
    pub(super) fn error(&self) -> Option<io::Error> {
        match *self {
            Self::Error(kind) => Some(io::Error::from(kind)),
            Self::Os(code) => Some(io::Error::from_raw_os_error(code)),
            Self::Short(_) => None,
        }
    }
}

impl Faults {
    /// Returns the injected error for an operation. `at` holds two numbers of the operation: its number among all
    /// operations, and its number among the calls. A call is an operation that changes or syncs the disk.
    pub(super) fn take_error(&mut self, at: (usize, usize), op: Op, path: &Path) -> Option<io::Error> {
        self.take(at, op, path, InjectedFault::error)
    }

    /// Like [`take_error`](Self::take_error), but returns the number of bytes of an injected [`InjectedFault::Short`].
    pub(super) fn take_short(&mut self, at: (usize, usize), op: Op, path: &Path) -> Option<usize> {
        self.take(at, op, path, |fault| match *fault {
            InjectedFault::Short(bytes) => Some(bytes),
            InjectedFault::Error(_) | InjectedFault::Os(_) => None,
        })
    }

    /// Returns the first fault that affects this operation and that `select` accepts.
    fn take<T>(
        &mut self,
        (operation, call): (usize, usize),
        op: Op,
        path: &Path,
        select: impl Fn(&InjectedFault) -> Option<T>,
    ) -> Option<T> {
        let once = self.once.iter().enumerate().find_map(|(index, (when, fault))| {
            let meant = match *when {
                When::Operation(number) => number == operation,
                When::Call(number) => number == call,
                When::Next(wanted) => wanted == op,
            };
            if meant { Some((index, select(fault)?)) } else { None }
        });
        if let Some((index, selected)) = once {
            self.once.remove(index);
            return Some(selected);
        }
        self.lasting.iter().find_map(|(meant, fault)| select(fault).filter(|_| meant(operation, op, path)))
    }
}
