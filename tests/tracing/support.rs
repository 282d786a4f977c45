//! A ledger in which the tests record spans.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use runledger::tracing::LedgerLayer;
use runledger::{Durability, ExecutionMetrics, Ledger, Options};
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt;

/// A timeout that is long enough even on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(120);

pub(crate) struct Place {
    _directory: TempDir,
    pub(crate) ledger: Ledger,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&warnings);
        let ledger = Options::new()
            .durability(Durability::Flushed)
            .on_warning(move |error| heard.lock().unwrap().push(error.to_string()))
            .open(directory.path().join("execution_metrics.jsonl"))
            .unwrap();
        Self { _directory: directory, ledger, warnings }
    }

    pub(crate) fn layer(&self) -> LedgerLayer {
        LedgerLayer::new(self.ledger.clone())
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().clone()
    }

    /// Returns the records in the order in which they were stored.
    pub(crate) fn records(&self) -> Vec<ExecutionMetrics> {
        self.ledger.reader().records().map(Result::unwrap).collect()
    }

    /// Returns the only record of a skill.
    #[track_caller]
    pub(crate) fn record(&self, skill: &str) -> ExecutionMetrics {
        let mut found: Vec<_> = self.records().into_iter().filter(|record| record.skill_name == skill).collect();
        assert_eq!(found.len(), 1, "{skill}: {:?}", self.records());
        found.remove(0)
    }
}

/// Runs `body` with a subscriber that has the layer, and stores what it recorded.
pub(crate) fn traced<T>(layer: &LedgerLayer, body: impl FnOnce() -> T) -> T {
    let subscriber = tracing_subscriber::registry().with(layer.clone());
    let done = tracing::subscriber::with_default(subscriber, body);
    assert!(layer.flush(LONG));
    done
}
