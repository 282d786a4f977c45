//! Recognizes the price tables that other projects publish.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::term::quoted;

/// A project whose table `runledger prices import` converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Project {
    GenaiPrices,
    Litellm,
}

impl Project {
    /// Returns the name and the licence of the project.
    pub(crate) fn credit(self) -> &'static str {
        match self {
            Self::GenaiPrices => "genai-prices, MIT licence",
            Self::Litellm => "LiteLLM, MIT licence",
        }
    }

    /// Returns the name of the project, as the argument --from expects it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GenaiPrices => "genai-prices",
            Self::Litellm => "litellm",
        }
    }

    /// Returns the project that published `text`, or `None` if `text` is not the price table of a known project.
    pub(crate) fn of(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Provider {
            #[serde(rename = "id")]
            _id: String,
            #[serde(rename = "models")]
            _models: Vec<IgnoredAny>,
        }
        type Entries = BTreeMap<String, BTreeMap<String, IgnoredAny>>;
        let is_code = || text.contains("\nproviders") && text.contains("Provider(");
        let is_list = || serde_json::from_str::<Vec<Provider>>(text).is_ok_and(|list| !list.is_empty());
        let has_key = |entries: Entries| entries.values().any(|entry| entry.contains_key("litellm_provider"));
        match text.trim_start().as_bytes().first()? {
            b'[' => is_list().then_some(Self::GenaiPrices),
            b'{' => serde_json::from_str(text).is_ok_and(has_key).then_some(Self::Litellm),
            _ => is_code().then_some(Self::GenaiPrices),
        }
    }

    /// Returns the command that imports the file, and the name of the file that this command writes. `day` is the day
    /// on which the prices were looked up.
    pub(crate) fn import_command(self, path: &Path, day: &str) -> (String, String) {
        let (name, out) = (self.name(), format!("{}-{day}.json", self.name()));
        let path = quoted(&path.display().to_string());
        let command = format!(
            "runledger prices import {path} --from {name} --as-of {day} --table-version '{name} {day}' --out {out}"
        );
        (command, out)
    }
}
