//! Promise: in any order of threads, each caller of a group commit gets the outcome of its own batch. No caller waits
//! forever, even if the thread that works for all of them fails or panics (row 26 of the page on guarantees).
//!
//! `src/journal/write/group.rs` is compiled here again, with other synchronisation primitives. Their scheduler decides
//! which thread runs at each lock, wait, wake-up and unlock. The scheduler reports threads that wait forever. An order
//! that fails is printed and can be replayed. [`Scene::work`] stands for the work of the journal on a batch. Only the
//! last test uses a real journal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a test's report")]

mod committer;
mod few_switches;
#[path = "../../src/journal/write/group.rs"]
mod group;
mod primitives;
#[path = "../../src/committer/promise.rs"]
mod promise;
#[path = "../../src/committer/queue.rs"]
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use few_switches::FewSwitches;
use group::{Abandoned, Forming, Group};
use runledger::ErrorKind;
use runledger::journal::{Journal, JournalOptions};
use shuttle::rand::RngCore;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// Returns a number below `below`. The scheduler chooses it, so that a replayed order has it again.
fn draw(below: usize) -> usize {
    (shuttle::rand::thread_rng().next_u64() % below as u64) as usize
}

/// The fault of a call, which happens if the call leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    None,
    /// The disk refuses.
    Error,
    // The leader panics …
    Gathering,
    Closing,
    Writing,
    Syncing,
}

impl Fault {
    fn is_before_the_write(self) -> bool {
        matches!(self, Self::Gathering | Self::Closing | Self::Writing)
    }
}

/// A panic of a leader that the test causes on purpose. It bypasses the panic hook, so that it prints nothing.
struct Panicked;

/// The caller, and the number of its call.
type Call = (usize, usize);

/// The number of the batch on the disk, as a success or as an error.
type Outcome = Result<usize, usize>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// The place in the batch, and its outcome.
    Ended(usize, Outcome),
    Abandoned(usize),
    Panicked,
}

/// The events in one order of threads. Its locks do not use the scheduler, since no thread is switched while they are
/// held.
#[derive(Default)]
struct History {
    /// The calls in the order in which they joined, each with the number of earlier calls in its batch.
    joined: Mutex<Vec<(Call, usize)>>,
    answers: Mutex<BTreeMap<Call, Answer>>,
    leads: AtomicBool,
}

/// Callers that share a group, each with several calls one after the other.
struct Scene {
    group: Group<Vec<Call>, Outcome>,
    /// The batches that were written. They are locked like the journal's tail.
    disk: shuttle::sync::Mutex<Vec<Vec<Call>>>,
    faults: BTreeMap<Call, Fault>,
    history: History,
}

impl Scene {
    /// Runs the scene once. Then one more caller must find everything in order.
    fn play(callers: usize, calls: usize, fault: impl Fn() -> Fault) -> Arc<Self> {
        let all = (0..callers).flat_map(|caller| (0..calls).map(move |number| (caller, number)));
        let scene = Arc::new(Self {
            group: Group::default(),
            disk: shuttle::sync::Mutex::default(),
            faults: all.map(|call| (call, fault())).chain([((callers, 0), Fault::None)]).collect(),
            history: History::default(),
        });
        let threads: Vec<_> = (0..callers)
            .map(|caller| {
                let scene = Arc::clone(&scene);
                shuttle::thread::spawn(move || (0..calls).for_each(|number| scene.call((caller, number))))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        scene.call((callers, 0));
        scene
    }

    fn call(&self, call: Call) {
        let fault = self.faults[&call];
        primitives::CLOCK_PANICS.with(|panics| panics.set(fault == Fault::Gathering));
        let add = |collected: &mut Vec<Call>| {
            if let Some(first) = collected.first() {
                assert!(!self.history.answers.lock().unwrap().contains_key(first), "the batch of {first:?} is over");
            }
            self.history.joined.lock().unwrap().push((call, collected.len()));
            collected.push(call);
        };
        let joined = catch_unwind(AssertUnwindSafe(|| self.group.join(add, |forming| self.work(call, fault, forming))));
        let answer = match joined {
            Ok((place, Ok(outcome))) => Answer::Ended(place, outcome),
            Ok((place, Err(Abandoned))) => Answer::Abandoned(place),
            Err(panic) if panic.is::<Panicked>() => Answer::Panicked,
            Err(panic) => resume_unwind(panic),
        };
        self.history.answers.lock().unwrap().insert(call, answer);
    }

    /// Writes under the disk's lock and syncs after it, like the journal's writer.
    fn work(&self, call: Call, fault: Fault, forming: Forming<'_, Vec<Call>, Outcome>) -> Outcome {
        let panic_at = |place| {
            if fault == place {
                self.history.leads.store(false, Ordering::Relaxed);
                resume_unwind(Box::new(Panicked));
            }
        };
        assert!(!self.history.leads.swap(true, Ordering::Relaxed), "two threads lead");
        let number = {
            let mut disk = group::lock(&self.disk);
            panic_at(Fault::Closing);
            let mut calls = Vec::new();
            forming.close(&mut calls);
            assert_eq!(calls.first(), Some(&call), "another than the first comer leads");
            panic_at(Fault::Writing);
            disk.push(calls);
            disk.len()
        };
        shuttle::thread::yield_now();
        panic_at(Fault::Syncing);
        self.history.leads.store(false, Ordering::Relaxed);
        if fault == Fault::Error { Err(number) } else { Ok(number) }
    }

    /// Derives from the order in which the callers joined which answer each must have, and which batches were written.
    /// Returns each batch's fault and the number of its followers.
    fn check(&self) -> Vec<(Fault, usize)> {
        let (mut disk, mut answers, mut batches) = (Vec::new(), BTreeMap::new(), Vec::new());
        let joined = self.history.joined.lock().unwrap();
        for batch in joined.chunk_by(|_, (_, before)| *before > 0) {
            let calls: Vec<Call> = batch.iter().map(|(call, _)| *call).collect();
            let fault = self.faults[&calls[0]];
            if !fault.is_before_the_write() {
                disk.push(calls.clone());
            }
            for (place, call) in calls.into_iter().enumerate() {
                let answer = match fault {
                    Fault::None => Answer::Ended(place, Ok(disk.len())),
                    Fault::Error => Answer::Ended(place, Err(disk.len())),
                    _ if place == 0 => Answer::Panicked,
                    _ => Answer::Abandoned(place),
                };
                answers.insert(call, answer);
            }
            batches.push((fault, batch.len() - 1));
        }
        assert_eq!(*self.history.answers.lock().unwrap(), answers);
        assert_eq!(*group::lock(&self.disk), disk);
        assert!(answers.keys().eq(self.faults.keys()), "a call is missing");
        batches
    }
}

/// Runs the scene of `scene` in each order of `scheduler`. Returns the number of orders, and the batches in any of
/// them.
fn played(
    scheduler: impl Scheduler + 'static,
    scene: impl Fn() -> Arc<Scene> + Send + Sync + 'static,
) -> (usize, BTreeSet<(Fault, usize)>) {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let seen_too = Arc::clone(&seen);
    let orders = Runner::new(scheduler, Config::new()).run(move || {
        let batches = scene().check();
        seen_too.lock().unwrap().extend(batches);
    });
    let seen = seen.lock().unwrap().clone();
    (orders, seen)
}

const SEED: u64 = 26;
const ORDERS: usize = 2000;

/// Plays two to four callers with one to three calls each, in random orders of threads. About every second call has one
/// of `faults`, which happens if the call leads.
fn in_random_orders(faults: &'static [Fault]) {
    let scene = || {
        let fault = || if draw(2) == 0 { Fault::None } else { faults[draw(faults.len())] };
        Scene::play(2 + draw(3), 1 + draw(3), fault)
    };
    let (_, seen) = played(RandomScheduler::new_from_seed(SEED, ORDERS), scene);
    let (_, seen_too) = played(PctScheduler::new_from_seed(SEED, 3, ORDERS), scene);
    for &fault in faults {
        for seen in [&seen, &seen_too] {
            assert!(seen.contains(&(fault, 0)) && seen.contains(&(fault, 2)), "{fault:?} is not among {seen:?}");
        }
    }
}

#[test]
fn row_26_each_caller_gets_the_outcome_of_its_own_batch() {
    in_random_orders(&[Fault::None]);
}

#[test]
fn row_26_a_leader_that_fails_gives_its_error_to_its_own_followers() {
    in_random_orders(&[Fault::Error]);
}

#[test]
fn row_26_a_leader_that_panics_while_it_gathers_leaves_none_behind() {
    in_random_orders(&[Fault::Gathering]);
}

#[test]
fn row_26_a_leader_that_panics_before_it_closes_its_batch_leaves_none_behind() {
    in_random_orders(&[Fault::Closing]);
}

#[test]
fn row_26_a_leader_that_panics_while_it_writes_leaves_none_behind() {
    in_random_orders(&[Fault::Writing]);
}

#[test]
fn row_26_a_leader_that_panics_after_it_wrote_leaves_none_behind() {
    in_random_orders(&[Fault::Syncing]);
}

#[test]
fn row_26_leaders_that_fail_and_panic_in_turn() {
    in_random_orders(&[Fault::Error, Fault::Gathering, Fault::Closing, Fault::Writing, Fault::Syncing]);
}

/// Plays every order of threads with at most `switches_max` switches. In one play, every leader has the same fault.
/// Errors are left out, because for the order of threads they equal successes.
fn in_every_order(callers: usize, calls: usize, switches_max: usize) {
    for fault in [Fault::None, Fault::Gathering, Fault::Closing, Fault::Writing, Fault::Syncing] {
        let (orders, seen) = played(FewSwitches::new(switches_max), move || Scene::play(callers, calls, || fault));
        println!("{callers} × {calls}, {fault:?}: {orders} orders");
        assert!(seen.contains(&(fault, callers - 1)), "{fault:?} is not among {seen:?}");
    }
}

#[test]
fn row_26_every_order_of_two_callers_with_few_switches() {
    in_every_order(2, 2, 2);
}

#[test]
fn row_26_every_order_of_three_callers_with_few_switches() {
    in_every_order(3, 1, 1);
}

/// The journal itself, with the system's threads. Its clock, which is read under its locks for each batch, panics every
/// third time. Each call is answered. Acknowledged lines are there once, and the others are not.
#[test]
fn row_26_a_journal_whose_leaders_panic_answers_every_caller_and_continues() {
    const THREADS: usize = 8;
    const CALLS: usize = 40;
    // So long that only a caller that waits forever reaches it.
    const PATIENCE: Duration = Duration::from_secs(120);
    let directory = tempfile::tempdir().unwrap();
    let armed = Arc::new(AtomicBool::new(false));
    let (looks, is_armed) = (AtomicUsize::new(0), Arc::clone(&armed));
    let options = JournalOptions::new(Arc::new(move || {
        if is_armed.load(Ordering::Relaxed) && looks.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
            resume_unwind(Box::new(Panicked));
        }
        0
    }));
    let journal = Journal::open(directory.path().join("x.jsonl"), options.rotate_daily(true)).unwrap();
    journal.append(b"{}").unwrap();
    armed.store(true, Ordering::Relaxed);

    let (mut acknowledged, mut abandoned, mut panicked) = (BTreeMap::new(), 0, 0);
    let mut calls = 0;
    let begin = Instant::now();
    while abandoned == 0 || panicked == 0 {
        assert!(begin.elapsed() < PATIENCE, "no leader panicked that had followers");
        let (answer, answers) = mpsc::channel();
        for thread in 0..THREADS {
            let (journal, answer, begin) = (journal.clone(), answer.clone(), calls + thread * CALLS);
            std::thread::spawn(move || {
                for call in begin..begin + CALLS {
                    let payload = format!("{{\"call\":{call}}}");
                    let appended = catch_unwind(AssertUnwindSafe(|| journal.append(payload.as_bytes())));
                    answer.send((payload, appended)).unwrap();
                }
            });
        }
        for _ in 0..THREADS * CALLS {
            let (payload, appended) = answers.recv_timeout(PATIENCE).expect("a caller waits for ever");
            match appended {
                Ok(Ok(appended)) => assert_eq!(acknowledged.insert(appended.seq, payload), None),
                Ok(Err(error)) => {
                    assert_eq!(error.kind(), ErrorKind::Abandoned, "{error}");
                    abandoned += 1;
                }
                Err(panic) => {
                    assert!(panic.is::<Panicked>());
                    panicked += 1;
                }
            }
        }
        calls += THREADS * CALLS;
    }
    armed.store(false, Ordering::Relaxed);
    acknowledged.insert(1, "{}".to_owned());
    let last = journal.append(b"{\"call\":\"last\"}").unwrap();
    acknowledged.insert(last.seq, "{\"call\":\"last\"}".to_owned());

    let mut lines = journal.lines();
    for (seq, payload) in acknowledged {
        let line = lines.next_line().unwrap().unwrap();
        assert_eq!(line.seq, Some(seq));
        assert!(line.bytes.starts_with(payload.trim_end_matches('}').as_bytes()), "{payload} is not line {seq}");
    }
    assert!(lines.next_line().unwrap().is_none());
}
