//! Runs the queue and the promises of the async calls in many orders of threads. Each async task is simulated by a
//! thread with its own waker. The scheduler reports a task that waits forever.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use super::draw;
use super::promise::{Broken, Promise, Promised, promise};
use super::queue::{Put, Queue};

const BOUND: usize = 4;

/// Wakes the thread of a task.
#[derive(Default)]
struct Signal {
    is_woken: shuttle::sync::Mutex<bool>,
    woken: shuttle::sync::Condvar,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.is_woken.lock().unwrap() = true;
        self.woken.notify_all();
    }
}

/// Polls `future` in this thread until it is ready, at most `polls` times. A task may get another waker at each poll.
fn wait<F: Future + Unpin>(future: &mut F, polls: usize) -> Option<F::Output> {
    let mut signal = Arc::new(Signal::default());
    for poll in 0..polls {
        if draw(2) == 0 {
            signal = Arc::default();
        }
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut Context::from_waker(&Waker::from(signal.clone())))
        {
            return Some(output);
        }
        if poll + 1 < polls {
            let woken = signal.is_woken.lock().unwrap();
            *signal.woken.wait_while(woken, |woken| !std::mem::take(woken)).unwrap() = false;
        }
    }
    None
}

const FOR_EVER: usize = usize::MAX;

/// The task, and the number of its job.
type Id = (usize, usize);

struct Job {
    id: Id,
    cost: usize,
    /// True if the thread that takes the job panics, so that the promise is broken.
    breaks: bool,
    promise: Promise<Id>,
}

/// What a task does with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    Await,
    /// Drops the `Put` after this number of polls, while it waits or after it was given room.
    Drop(usize),
    /// Takes the job back after this number of polls, if it is not in the queue.
    TakeBack(usize),
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Given,
    Broken,
    /// The task left before the value came.
    Left,
    TakenBack,
}

/// How many jobs of a scene had each fate, by whether the job waited for room.
type Seen = BTreeMap<(bool, Fate), usize>;

/// Runs tasks that put jobs, and one thread that takes them. Returns how many jobs had each fate, by whether the job
/// waited for room.
fn play(tasks: usize, jobs: usize) -> Seen {
    let patience = (draw(2) == 0).then_some(Duration::from_millis(1));
    let queue = shuttle::sync::Arc::new(Queue::new(BOUND, patience));
    let unread = Arc::new(Mutex::new(Vec::new()));
    let taker = {
        let (queue, unread) = (queue.clone(), Arc::clone(&unread));
        shuttle::thread::spawn(move || take_all(&queue, &unread))
    };
    let threads: Vec<_> = (0..tasks)
        .map(|task| {
            let queue = queue.clone();
            shuttle::thread::spawn(move || (0..jobs).map(|number| run(&queue, (task, number))).collect::<Vec<_>>())
        })
        .collect();
    let fates: Vec<(Id, bool, Fate)> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    // All room was given back: a job as large as the bound fits, and then nothing more does.
    let (last, mut value) = put(&queue, (tasks, 0), BOUND);
    assert!(wait(&mut { last }, FOR_EVER).is_some());
    queue.close();
    let taken = taker.join().unwrap();
    assert!(!queue.is_idle(), "the thread has ended");
    assert_eq!(value.take().map(|value| value.is_ok()), Some(true));
    let (whole, _value) = put(&queue, (tasks, 1), BOUND);
    assert!(whole.is_done());
    let (above, _value) = put(&queue, (tasks, 2), 1);
    assert!(!above.is_done());

    let expected = fates.iter().filter(|(.., fate)| *fate != Fate::TakenBack).map(|(id, ..)| *id);
    for task in 0..=tasks {
        let of_task = |id: &Id| id.0 == task;
        let mut expected: Vec<_> = expected.clone().filter(of_task).collect();
        if task == tasks {
            expected.push((tasks, 0));
        }
        assert_eq!(
            taken.iter().copied().filter(of_task).collect::<Vec<_>>(),
            expected,
            "the jobs in their order, once"
        );
    }
    // A value that was given after the task left is returned to the giver.
    let unread = unread.lock().unwrap();
    let left = |id: &Id| fates.iter().any(|(other, _, fate)| other == id && *fate == Fate::Left);
    assert!(unread.iter().all(left), "{unread:?} of {fates:?}");
    fates.into_iter().fold(Seen::new(), |mut seen, (_, waited, fate)| {
        *seen.entry((waited, fate)).or_default() += 1;
        seen
    })
}

fn put(queue: &shuttle::sync::Arc<Queue<Job>>, id: Id, cost: usize) -> (Put<Job>, Promised<Id>) {
    let (promise, promised) = promise();
    (queue.put(Job { id, cost, breaks: cost < BOUND && draw(4) == 0, promise }, cost), promised)
}

/// Takes jobs until the queue is closed and empty. Returns their ids.
fn take_all(queue: &Queue<Job>, unread: &Mutex<Vec<Id>>) -> Vec<Id> {
    const BATCH: usize = 3;
    let (mut taken, mut batch) = (Vec::new(), Vec::new());
    while queue.take(&mut batch, BATCH) {
        let cost: usize = batch.iter().map(|job| job.cost).sum();
        assert!(!batch.is_empty() && (batch.len() == 1 || cost <= BATCH), "a batch of {cost}");
        for Job { id, breaks, promise, .. } in batch.drain(..) {
            taken.push(id);
            if !breaks && promise.give(id).is_err() {
                unread.lock().unwrap().push(id);
            }
        }
    }
    taken
}

/// Puts a job and awaits its value, as the plan says. Returns whether the `Put` waited, and the fate.
fn run(queue: &shuttle::sync::Arc<Queue<Job>>, id: Id) -> (Id, bool, Fate) {
    let plan = match draw(4) {
        0 => Plan::Drop(draw(3)),
        1 => Plan::TakeBack(draw(3)),
        _ => Plan::Await,
    };
    let (mut job, mut promised) = put(queue, id, 1 + draw(BOUND + 2));
    let waits = !job.is_done();
    let fate = match plan {
        Plan::Await => wait(&mut job, FOR_EVER).map(|()| None),
        Plan::Drop(polls) => wait(&mut job, polls).map(|()| None),
        Plan::TakeBack(polls) => {
            wait(&mut job, polls);
            Some(job.take_back().map(|taken| {
                assert_eq!(taken.id, id);
                Fate::TakenBack
            }))
        }
    }
    .flatten();
    drop(job);
    let fate = fate.unwrap_or_else(|| match draw(4) {
        0 => promised.leave().map_or(Fate::Left, |value| {
            assert_eq!(value, id);
            Fate::Given
        }),
        1 if wait(&mut promised, 1).is_none() => {
            drop(promised);
            Fate::Left
        }
        1 => Fate::Left,
        _ => match pin!(wait(&mut promised, FOR_EVER)).unwrap() {
            Ok(value) => {
                assert_eq!(value, id);
                Fate::Given
            }
            Err(Broken) => Fate::Broken,
        },
    });
    (id, waits, fate)
}

fn played(scheduler: impl Scheduler + 'static, tasks: usize, jobs: usize) -> Seen {
    let seen = Arc::new(Mutex::new(Seen::new()));
    let seen_too = Arc::clone(&seen);
    Runner::new(scheduler, Config::new()).run(move || {
        let mut all = seen_too.lock().unwrap().clone();
        for (what, count) in play(tasks, jobs) {
            *all.entry(what).or_default() += count;
        }
        *seen_too.lock().unwrap() = all;
    });
    seen.lock().unwrap().clone()
}

const SEED: u64 = 33;
const ORDERS: usize = 4000;

#[test]
fn row_33_each_job_is_taken_once_and_no_task_waits_forever() {
    for (tasks, jobs) in [(2, 2), (3, 2), (4, 3)] {
        for seen in [
            played(RandomScheduler::new_from_seed(SEED, ORDERS), tasks, jobs),
            played(PctScheduler::new_from_seed(SEED, 3, ORDERS), tasks, jobs),
        ] {
            println!("{tasks} × {jobs}: {seen:?}");
            for fate in [Fate::Given, Fate::Broken, Fate::Left] {
                assert!([true, false].iter().all(|&waits| seen.contains_key(&(waits, fate))), "{fate:?}: {seen:?}");
            }
            // A job that did not wait is in the queue, and is not taken back.
            assert!(seen.contains_key(&(true, Fate::TakenBack)) && !seen.contains_key(&(false, Fate::TakenBack)));
        }
    }
}

/// Returns which of the waiting tasks have room now.
fn ready(puts: &mut [&mut Put<Job>]) -> Vec<bool> {
    puts.iter_mut().map(|put| wait(*put, 1).is_some()).collect()
}

#[test]
fn row_33_tasks_are_served_in_turn_and_cancelled_jobs_are_bounded() {
    let scene = || {
        let patience = Some(Duration::from_millis(1));
        let queue = shuttle::sync::Arc::new(Queue::new(BOUND, patience));
        let new = |number, cost| put(&queue, (0, number), cost).0;
        assert!(new(0, 2).is_done());
        let mut large = new(1, 4);
        assert_eq!(ready(&mut [&mut large]), [false]);
        // The small jobs would fit, but the large one waits.
        let (mut small, mut later) = (new(2, 1), new(3, 1));
        assert_eq!(ready(&mut [&mut small, &mut later]), [false; 2]);
        let mut batch = Vec::new();
        assert!(queue.take(&mut batch, 2));
        assert_eq!(ready(&mut [&mut small, &mut large, &mut later]), [false, true, false]);
        assert!(queue.take(&mut batch, 4));
        // Room that was given to a task which is then cancelled is used by its job.
        drop(small);
        assert_eq!(ready(&mut [&mut later]), [true]);
        assert!(queue.take(&mut batch, 2));
        assert_eq!(batch.iter().map(|job| job.id.1).collect::<Vec<_>>(), [0, 1, 2, 3]);
        // Cancelled jobs go above the bound. This thread takes the jobs, so it does not wait for room that it makes.
        for number in 4..20 {
            drop(new(number, BOUND));
        }
        let mut waits = new(20, 1);
        assert_eq!(ready(&mut [&mut waits]), [false]);
        assert_eq!(waits.take_back().map(|job| job.id), Some((0, 20)));
        batch.clear();
        assert!(queue.take(&mut batch, usize::MAX));
        assert_eq!(batch.iter().map(|job| job.id.1).collect::<Vec<_>>(), (4..20).collect::<Vec<_>>());

        // Another thread waits once the jobs cost twice the bound, until there is room.
        let ended = Arc::new(Mutex::new(0));
        let ended_too = Arc::clone(&ended);
        let dropping = shuttle::thread::spawn(move || {
            let queue = shuttle::sync::Arc::new(Queue::new(BOUND, None));
            let taker = {
                let queue = queue.clone();
                shuttle::thread::spawn(move || {
                    let (mut batch, mut taken) = (Vec::new(), Vec::new());
                    while queue.take(&mut batch, 1) {
                        // The bound, what cancelled jobs may add, and the job that crossed the limit.
                        assert!(*ended_too.lock().unwrap() <= 3 + taken.len() + 1);
                        taken.append(&mut batch);
                    }
                    taken.len()
                })
            };
            for number in 0..8 {
                drop(put(&queue, (1, number), BOUND).0);
                *ended.lock().unwrap() += 1;
            }
            queue.close();
            assert_eq!(taker.join().unwrap(), 8);
        });
        dropping.join().unwrap();
    };
    let orders = Runner::new(RandomScheduler::new_from_seed(SEED, 1000), Config::new()).run(scene);
    assert_eq!(orders, 1000);
}
