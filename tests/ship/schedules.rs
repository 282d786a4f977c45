//! Each record is shipped exactly once, whatever happens: two shippers take turns at every call of the store in a random
//! order, calls fail, answers are lost, shippers are killed, and lists come in pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use runledger::ship::Store;
use runledger::{ErrorKind, LedgerReader, Result};

use crate::support::{Random, append, assert_exactly_once, open, shipper};

/// How a call of the store ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Works,
    /// Nothing happens, and the call fails.
    Fails,
    /// The call works, but fails for the caller.
    LosesAnswer,
    /// The process of the caller dies before the call.
    DiesBefore,
    /// The process of the caller dies after the call.
    DiesAfter,
}

/// What the calls of all shippers share.
#[derive(Debug)]
struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    random: u64,
    /// True for each shipper that waits for its turn. `None` for one that has ended.
    waiting: Vec<Option<bool>>,
    turn: Option<usize>,
    faults: bool,
}

/// An object store in memory, as one shipper sees it.
#[derive(Debug, Clone)]
struct Double {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    shipper: usize,
    is_dead: Arc<Mutex<bool>>,
}

impl Double {
    /// Waits until it is the turn of this shipper, does `work`, and passes the turn on.
    fn call<T>(&self, may_lose: bool, work: impl FnOnce(&mut Shared) -> T) -> Result<T> {
        let (shared, changed) = &*self.shared;
        let mut state = shared.lock().unwrap();
        state.waiting[self.shipper] = Some(true);
        state.choose();
        changed.notify_all();
        state = changed.wait_while(state, |state| state.turn != Some(self.shipper)).unwrap();
        state.turn = None;
        state.waiting[self.shipper] = Some(false);
        let fates = if state.faults { 12 } else { u64::MAX };
        let fate = match state.random(fates) {
            _ if *self.is_dead.lock().unwrap() => Fate::Fails,
            0 => Fate::Fails,
            1 if may_lose => Fate::LosesAnswer,
            2 => Fate::DiesBefore,
            3 => Fate::DiesAfter,
            _ => Fate::Works,
        };
        *self.is_dead.lock().unwrap() |= matches!(fate, Fate::DiesBefore | Fate::DiesAfter);
        match fate {
            Fate::Fails | Fate::DiesBefore => Err(failure()),
            Fate::LosesAnswer | Fate::DiesAfter => {
                work(&mut state);
                Err(failure())
            }
            Fate::Works => Ok(work(&mut state)),
        }
    }

    /// Notes that the shipper makes no more calls.
    fn end(&self) {
        let (shared, changed) = &*self.shared;
        let mut state = shared.lock().unwrap();
        state.waiting[self.shipper] = None;
        state.choose();
        changed.notify_all();
    }
}

/// An error of the store. Only the library can create errors, so this one is from elsewhere.
fn failure() -> runledger::Error {
    LedgerReader::open("/nowhere/ledger.jsonl").unwrap_err()
}

impl Shared {
    fn random(&mut self, end: u64) -> u64 {
        let mut random = Random(self.random);
        let number = random.below(end);
        self.random = random.0;
        number
    }

    /// Gives the turn to one of the shippers as soon as all of them wait.
    fn choose(&mut self) {
        if self.turn.is_some() || self.waiting.contains(&Some(false)) {
            return;
        }
        let waiting: Vec<_> = (0..self.waiting.len()).filter(|&at| self.waiting[at] == Some(true)).collect();
        if !waiting.is_empty() {
            let at = self.random(waiting.len() as u64) as usize;
            self.turn = Some(waiting[at]);
        }
    }
}

impl Store for Double {
    fn address(&self) -> String {
        "double://".to_owned()
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        const PAGE: usize = 2;
        let (mut names, folder) = (Vec::<String>::new(), format!("{folder}/"));
        loop {
            let last = names.last().cloned().unwrap_or_default();
            let page: Vec<String> = self.call(false, |state| {
                let after = state.files.keys().filter(|name| name.starts_with(&folder) && **name > last);
                after.take(PAGE).cloned().collect()
            })?;
            let is_last = page.len() < PAGE;
            names.extend(page);
            if is_last {
                return Ok(names);
            }
        }
    }

    fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<bool> {
        self.call(true, |state| match state.files.contains_key(name) {
            true => false,
            false => {
                state.files.insert(name.to_owned(), bytes);
                true
            }
        })
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.call(false, |state| state.files.get(name).cloned())
    }

    fn get_end(&self, name: &str, len: usize) -> Result<Option<Vec<u8>>> {
        let whole = self.get(name)?;
        Ok(whole.map(|bytes| bytes[bytes.len().saturating_sub(len)..].to_vec()))
    }

    fn get_range(&self, name: &str, start: u64, end: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.get(name)?.map(|bytes| bytes[start as usize..bytes.len().min(end as usize)].to_vec()))
    }
}

/// Runs one schedule. Returns the number of calls that failed.
fn run(seed: u64) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("execution_metrics.jsonl");
    let mut random = Random(seed);
    let ledger = open(&path);
    let shared =
        Shared { files: BTreeMap::new(), random: seed ^ 0x5EED, waiting: Vec::new(), turn: None, faults: true };
    let shared = Arc::new((Mutex::new(shared), Condvar::new()));
    let (mut lines, mut failed) = (0, 0);
    for _ in 0..3 + random.below(3) {
        let more = 1 + random.below(12);
        append(&ledger, lines + 1..=lines + more);
        lines += more;
        let actives: Vec<bool> = (0..=random.below(2)).map(|_| random.below(3) > 0).collect();
        shared.0.lock().unwrap().waiting = vec![Some(false); actives.len()];
        thread::scope(|scope| {
            let shippers: Vec<_> = actives
                .iter()
                .enumerate()
                .map(|(at, &active)| {
                    let double = Double { shared: Arc::clone(&shared), shipper: at, is_dead: Arc::default() };
                    let path = &path;
                    scope.spawn(move || {
                        let mut shipper = shipper(path, double.clone());
                        let mut failed = 0;
                        // A shipper that is not killed tries again.
                        for _ in 0..3 {
                            match shipper.ship(active) {
                                Ok(_) => break,
                                Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "seed {seed}: {error}"),
                            }
                            failed += 1;
                            if *double.is_dead.lock().unwrap() {
                                break;
                            }
                        }
                        double.end();
                        failed
                    })
                })
                .collect();
            failed += shippers.into_iter().map(|shipper| shipper.join().unwrap()).sum::<u64>();
        });
    }
    let mut state = shared.0.lock().unwrap();
    (state.waiting, state.faults) = (vec![Some(false)], false);
    drop(state);
    let double = Double { shared, shipper: 0, is_dead: Arc::default() };
    shipper(&path, double.clone()).ship(true).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_exactly_once(&double, &path, lines);
    failed
}

#[test]
fn row_36_each_record_is_shipped_once_in_200_random_schedules() {
    let run_all = |first: u64| (first..200).step_by(4).map(run).sum::<u64>();
    let failed: u64 = thread::scope(|scope| {
        let parts: Vec<_> = (0..4).map(|first| scope.spawn(move || run_all(first))).collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    });
    assert!(failed > 200, "only {failed} calls failed, so the schedules test little");
}
