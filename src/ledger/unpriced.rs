//! Remembers the models whose calls have an unknown cost, so that the ledger warns about each model only once.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Mutex;

use crate::disk::per_process::PerProcess;
use crate::metrics::{Call, cut};
use crate::mutex::lock;

/// The maximum number of models that a process warns about. This limits the memory if a program makes up model names.
const MODELS_MAX: usize = 256;
/// A model is remembered by at most this number of characters of its name and its provider.
const CHARS_MAX: usize = 200;

/// The models that this process has warned about.
#[derive(Debug)]
pub(super) struct Unpriced(PerProcess<Mutex<BTreeSet<String>>>);

impl Default for Unpriced {
    fn default() -> Self {
        Self(PerProcess::new(Mutex::default()))
    }
}

impl Unpriced {
    /// Returns true at the first call for the model of `call`. After [`MODELS_MAX`] models, always returns false.
    pub(super) fn is_new(&self, call: &Call) -> bool {
        let name = format!("{} {}", call.model, call.provider.as_deref().unwrap_or_default());
        let Ok(models) = self.0.get_or_make(|| Ok::<_, Infallible>(Mutex::default()));
        let mut models = lock(models);
        models.len() < MODELS_MAX && models.insert(cut(name, CHARS_MAX))
    }
}
