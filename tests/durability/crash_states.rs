//! Promise: acknowledged lines are in the ledger after a crash at any time, once and in order, and the ledger
//! continues.
//!
//! The tests use a simulated disk, and cut the power after each call. If a cut can leave only a few states, all of them
//! are tried. Otherwise, random states are tried.

#![cfg(feature = "simulation")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::simulation::{Answered, Chain, PATH, Used};
use runledger::disk::simulated::{InjectedFault, Loss, Op, SimulatedDisk, When};
use runledger::{Answer, Ledger, Skill, Uuid};

/// The least number of crash states. `RUNLEDGER_CRASH_STATES` may ask for more.
const STATES_MIN: usize = 10_000;
/// How many times a journal is used until a crash. If a tenth of `RUNLEDGER_CRASH_STATES` is more, the tenth is used.
const USES: u64 = 150;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}: expected a number")))
}

/// A disk that was used, and the conditions that must hold on it after a crash.
trait Workload: Sync {
    fn name(&self) -> &'static str;
    fn disk(&self) -> &SimulatedDisk;
    /// Returns the number of answers that the first `calls` calls gave.
    fn answers(&self, calls: usize) -> usize;
    fn check(&self, after: &SimulatedDisk, calls: usize, loss: Loss);
    /// Returns the number of states that are tried after each call in the first round.
    fn states_each(&self) -> usize;
}

/// The crash states that were checked: the readable content, and the number of answers.
#[derive(Default)]
struct Seen(Mutex<HashSet<(&'static str, u64, usize)>>);

impl Seen {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn is_new(&self, state: (&'static str, u64, usize)) -> bool {
        self.0.lock().unwrap().insert(state)
    }
}

/// Checks at most `limit` states after each call, until `seen` has `wanted` states.
fn sweep(workload: &dyn Workload, limit: usize, seed: u64, seen: &Seen, wanted: usize) {
    let disk = workload.disk();
    let calls = disk.calls();
    // The pages of a new area are equal, so only every 32nd of their writes is cut.
    let alike = |n: usize| {
        let writes =
            |n: usize| calls.get(n).is_some_and(|call| call.op == Op::WriteAt && call.path.ends_with("commit.new"));
        !n.is_multiple_of(32) && n > 0 && writes(n - 1) && writes(n)
    };
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n > calls.len() || seen.count() >= wanted {
                        return;
                    }
                    if alike(n) {
                        continue;
                    }
                    for loss in disk.losses(n, limit, seed ^ ((n as u64) << 32)) {
                        let after = disk.crash_after(n, loss);
                        if seen.is_new((workload.name(), after.fingerprint(), workload.answers(n))) {
                            workload.check(&after, n, loss);
                        }
                    }
                }
            });
        }
    });
}

impl Workload for (&'static str, usize, Used) {
    fn name(&self) -> &'static str {
        self.0
    }

    fn disk(&self) -> &SimulatedDisk {
        &self.2.disk
    }

    fn answers(&self, calls: usize) -> usize {
        self.2.answered_after(calls).0
    }

    fn check(&self, after: &SimulatedDisk, calls: usize, loss: Loss) {
        self.2.check(after, calls, loss);
    }

    fn states_each(&self) -> usize {
        self.1
    }
}

const SMALL: [usize; 4] = [20, 900, 300, 5];

/// Writes small lines, in segments of a few lines, and opens the journal twice.
fn rotations() -> (&'static str, usize, Used) {
    let mut used = Used::new(SimulatedDisk::new(), 4_000, Chain::Whole);
    for numbers in [0..30, 30..56] {
        let journal = used.open();
        used.append(&journal, numbers, |number| SMALL[number % 4]);
    }
    assert!(
        used.disk.calls().iter().filter(|call| call.op == Op::Rename).count() > 4,
        "no rotation was among the calls"
    );
    ("rotations", 160, used)
}

/// Writes lines that fill the commit area, so that its base is moved, and lines that are larger than the area.
fn area_moves() -> (&'static str, usize, Used) {
    let mut used = Used::new(SimulatedDisk::new(), 100_000_000, Chain::Whole);
    let journal = used.open();
    used.append(&journal, 0..12, |number| [20, 250_000, 900, 300_000, 1_200_000, 5][number % 6]);
    ("area moves", 6, used)
}

/// Writes lines while the sync of the area fails, and later while the syncs of the area and the segment both fail.
fn failed_syncs() -> (&'static str, usize, Used) {
    let mut used = Used::new(SimulatedDisk::new(), 4_000, Chain::Repeated);
    let journal = used.open();
    for (begin, failures) in [(0, 0), (6, 1), (9, 0), (13, 2), (17, 2), (20, 0)] {
        (0..failures).for_each(|_| used.disk.inject(When::Next(Op::Sync), InjectedFault::Os(5)));
        used.append(&journal, begin..begin + 3, |number| SMALL[number % 4]);
    }
    ("failed syncs", 112, used)
}

/// An execution: its id, and the numbers of calls after which it had begun and its end was answered.
struct Run {
    id: Uuid,
    begun: usize,
    ended: Option<usize>,
}

/// A ledger with executions that end, are swept, or are spilled and appended later.
struct Executions {
    disk: SimulatedDisk,
    runs: Vec<Run>,
    states_each: usize,
    is_async: bool,
}

fn open_ledger(disk: &SimulatedDisk) -> runledger::Result<Ledger> {
    let options = runledger::Options::new().storage(Arc::new(disk.clone())).sync_begin(true);
    options.rotate_bytes(Some(6_000)).on_warning(|_| {}).open(PATH)
}

/// Waits in this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

impl Executions {
    /// Records with the synchronous calls or with the async ones.
    fn new(is_async: bool) -> Self {
        // A process that was killed while two executions ran.
        let before = SimulatedDisk::new();
        let ledger = open_ledger(&before).unwrap();
        let dead = [ledger.begin(Skill::new("s", "1")), ledger.begin(Skill::new("s", "1"))];
        let killed = before.crash_after(usize::MAX, Loss::Nothing);
        let mut all = Self { disk: killed, runs: Vec::new(), states_each: 16, is_async };
        all.runs.extend(dead.iter().map(|run| Run { id: run.id(), begun: 0, ended: None }));
        drop((dead, ledger));
        let ledger = open_ledger(&all.disk).unwrap();
        all.record(&ledger, 4, |answer| matches!(answer, Answer::Durable { .. }));
        all.disk.inject_lasting(|_, op, path| op == Op::Append && path.to_str() == Some(PATH), InjectedFault::Os(28));
        all.record(&ledger, 3, |answer| matches!(answer, Answer::Spilled(_)));
        all.disk.lift_faults();
        all.record(&ledger, 5, |answer| matches!(answer, Answer::Durable { .. }));
        all
    }

    fn record(&mut self, ledger: &Ledger, count: usize, expected: impl Fn(&Answer) -> bool) {
        if self.is_async {
            return self.record_at_once(ledger, count, expected);
        }
        for _ in 0..count {
            let run = ledger.begin(Skill::new("s", "1"));
            let (id, begun) = (run.id(), self.disk.calls().len());
            let recorded = run.succeed();
            assert!(expected(&recorded.answer), "{recorded:?}");
            self.runs.push(Run { id, begun, ended: Some(self.disk.calls().len()) });
        }
    }
}

/// The async calls.
impl Executions {
    /// Ends all executions before it awaits the first answer, so that the ledger's thread can store many with one sync.
    fn record_at_once(&mut self, ledger: &Ledger, count: usize, expected: impl Fn(&Answer) -> bool) {
        let mut recordings = Vec::new();
        for _ in 0..count {
            let run = block_on(ledger.begin_async(Skill::new("s", "1")));
            let (id, begun) = (run.id(), self.disk.calls().len());
            recordings.push((id, begun, run.succeed_async()));
        }
        for (id, begun, recording) in recordings {
            let recorded = block_on(recording);
            assert!(expected(&recorded.answer), "{recorded:?}");
            self.runs.push(Run { id, begun, ended: Some(self.disk.calls().len()) });
        }
    }
}

impl Workload for Executions {
    fn name(&self) -> &'static str {
        if self.is_async { "async executions" } else { "executions" }
    }

    fn disk(&self) -> &SimulatedDisk {
        &self.disk
    }

    fn answers(&self, calls: usize) -> usize {
        let by_then = |at: Option<usize>| usize::from(at.is_some_and(|at| at <= calls));
        self.runs.iter().map(|run| by_then(Some(run.begun)) + by_then(run.ended)).sum()
    }

    fn check(&self, after: &SimulatedDisk, calls: usize, loss: Loss) {
        let at = format!("after call {calls} of {}, {loss:?}", self.disk.calls().len());
        let ledger = open_ledger(after).unwrap_or_else(|error| panic!("{at}: {error:?}"));
        let records: Vec<_> = ledger.reader().records().map(Result::unwrap).collect();
        for Run { id, begun, ended } in &self.runs {
            let of_it: Vec<_> = records.iter().filter(|record| record.execution_id == *id).collect();
            assert!(*begun > calls || of_it.len() == 1, "{at}: no record of {id}, begun at call {begun}");
            if ended.is_some_and(|ended| ended <= calls) {
                assert_eq!(of_it[0].execution_succeeded, Some(true), "{at}: {id} was answered as recorded");
            }
        }
        assert!(ledger.begin(Skill::new("s", "1")).succeed().is_durable(), "{at}");
        assert_eq!(ledger.reader().records().count(), records.len() + 1, "{at}");
        let verification = ledger.reader().verify(&[]).unwrap();
        assert!(verification.is_clean(), "{at}: {:?}", verification.faults);
        // `records` leaves out all lines of an execution but the last one.
        assert_eq!(verification.repeated_count, 0, "{at}: {:?}", verification.repeated);
    }

    fn states_each(&self) -> usize {
        self.states_each
    }
}

/// Tries at least ten thousand crash states, which differ in their readable content or in the number of answers.
///
/// `RUNLEDGER_CRASH_STATES` sets a larger number, and `RUNLEDGER_TEST_SEED` another seed. The seed is printed, and a
/// failure names the call and the loss.
#[test]
fn row_04_power_cut_at_every_call() {
    let wanted = variable("RUNLEDGER_CRASH_STATES").map_or(STATES_MIN, |states| STATES_MIN.max(states as usize));
    let seed = variable("RUNLEDGER_TEST_SEED").unwrap_or(20_261_120);
    println!("RUNLEDGER_TEST_SEED={seed} RUNLEDGER_CRASH_STATES={wanted}");
    let (executions, in_tasks) = (Executions::new(false), Executions::new(true));
    let workloads: [&dyn Workload; 5] = [&rotations(), &area_moves(), &failed_syncs(), &executions, &in_tasks];
    let seen = Seen::default();
    for round in 0..32 {
        let before = seen.count();
        // The first round is completed.
        let enough = if round == 0 { usize::MAX } else { wanted };
        for workload in workloads {
            let (begin, before) = (std::time::Instant::now(), seen.count());
            sweep(workload, workload.states_each() << round.min(8), seed.wrapping_add(round << 48), &seen, enough);
            let count = seen.count() - before;
            println!("round {round}, {}: {count} states in {} ms", workload.name(), begin.elapsed().as_millis());
        }
        if seen.count() >= wanted {
            break;
        }
        assert!(seen.count() > before, "there are no more than {before} crash states");
    }
    println!("{} different crash states (RUNLEDGER_CRASH_STATES asks for more), seed {seed}", seen.count());
    assert!(seen.count() >= wanted);
}

/// Returns a number below `bound`, and advances `state`.
fn below(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % bound
}

/// Opens and closes up to three handles, until the process is killed or the power is cut. The handles append lines of
/// any length to segments of any length. This is repeated four times on one disk. A sync may fail while there is one
/// handle.
fn any_use(seed: u64) {
    let mut state = seed;
    let rotate_bytes = [400, 2_000, 300_000, 2_500_000, 100_000_000][below(&mut state, 5)];
    let (large, fails) = (below(&mut state, 3) == 0, below(&mut state, 2) == 0);
    let lengths: &[usize] =
        if large { &[10, 200, 1_500, 600_000, 1_048_400, 1_100_000] } else { &[10, 200, 400, 1_500] };
    let mut used = Used::new(SimulatedDisk::new(), rotate_bytes, Chain::Repeated);
    for round in 0..4 {
        let mut handles = Vec::new();
        for step in 0..=below(&mut state, 25) {
            match below(&mut state, 20) {
                0..=2 if handles.len() < if fails { 1 } else { 3 } => handles.push(used.open()),
                3 | 4 if !handles.is_empty() => drop(handles.swap_remove(below(&mut state, handles.len()))),
                5 if fails && !handles.is_empty() => used.disk.inject(When::Next(Op::Sync), InjectedFault::Os(5)),
                _ if !handles.is_empty() => {
                    let handle = &handles[below(&mut state, handles.len())];
                    let number = round * 100 + step;
                    let length = lengths[below(&mut state, lengths.len())];
                    used.append(handle, number..number + 1, |_| length);
                    used.disk.lift_faults();
                }
                _ => {}
            }
        }
        let made = used.disk.calls().len();
        let most_undone = if below(&mut state, 2) == 0 { made.min(30) } else { made };
        let calls = made - below(&mut state, most_undone + 1);
        let loss = [Loss::Nothing, Loss::Nothing, Loss::Unsynced, Loss::Random(state)][below(&mut state, 4)];
        let after = used.disk.crash_after(calls, loss);
        println!("round {round}: segments of {rotate_bytes}, after call {calls} of {made}, {loss:?}");
        used.check(&after.crash_after(0, Loss::Nothing), calls, loss);
        let acknowledged = used.answered_after(calls).1.to_vec();
        used.disk = after;
        used.answered = vec![Answered { calls: 0, acknowledged }];
    }
}

/// `RUNLEDGER_TEST_SEED` sets another seed, and `RUNLEDGER_CRASH_STATES` a larger number.
#[test]
fn row_04_any_use_and_any_crashes() {
    let first = variable("RUNLEDGER_TEST_SEED").unwrap_or(20_261_120);
    let runs = variable("RUNLEDGER_CRASH_STATES").map_or(USES, |states| USES.max(states / 10));
    for seed in first..first + runs {
        println!("RUNLEDGER_TEST_SEED={seed}");
        any_use(seed);
    }
}
