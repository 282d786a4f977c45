//! Says which hook reserved a hold, so that another hook can find out whether the hold is still needed.

use runledger::Uuid;
use serde::{Deserialize, Serialize};

use super::process;
use crate::global::Global;

/// The hook that reserved a hold, and the call of a tool for which the hook reserved it. This value is stored with the
/// hold as a text.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Holder {
    /// The execution of the call.
    pub(super) execution: Uuid,
    /// The name of the ledger's file. Several ledgers in a directory share the same quota.
    ledger: String,
    /// Identifies the process of the hook; `None` if this is unknown.
    pub(super) process: Option<String>,
}

impl Holder {
    pub(super) fn of_this_hook(execution: Uuid, global: &Global) -> Self {
        Self { execution, ledger: name_of(global), process: process::own() }
    }

    /// Reads the text of a hold. Returns `None` if a hook of another ledger reserved the hold, or if no hook did.
    pub(super) fn read(text: &str, global: &Global) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|holder: &Self| holder.ledger == name_of(global))
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn name_of(global: &Global) -> String {
    global.ledger.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
