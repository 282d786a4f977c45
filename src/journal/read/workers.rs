//! Processes the blocks of a journal, which are parts of its segments, on several cores. Joins the results in the order
//! of the journal.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, Builder};

use super::blocks::{Block, Blocks};
use crate::error::{Error, ErrorKind, Result};
use crate::mutex::lock;

const THREADS_MAX: usize = 16;

/// The maximum number of blocks per thread that are in progress or wait to be joined. This limits the memory for the
/// results of the blocks.
const AHEAD_MAX: u64 = 8;

/// How threads share the work. The result is the same for any values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sharing {
    /// The number of blocks that the calling thread processes alone before it starts other threads. If the journal has
    /// fewer blocks than this, no other threads are started.
    pub(crate) blocks_alone: u64,
    /// The number of threads that the calling thread starts. With `None`, there is one thread per core in total, but at
    /// most [`THREADS_MAX`].
    pub(crate) threads: Option<usize>,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { blocks_alone: 4, threads: None }
    }
}

impl Sharing {
    fn threads(self) -> usize {
        self.threads.unwrap_or_else(|| {
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            cores.min(THREADS_MAX) - 1
        })
    }
}

/// Calls `work` with each of `blocks` on several threads. Each thread has its own buffer. Calls `join` with each block
/// and its result in order, on one thread at a time.
///
/// The returned list has an error for each segment that this process has no permission to read. `work` is not called
/// for such a segment. At most [`AHEAD_MAX`] results per thread are in memory at once, however long the journal is.
///
/// # Errors
/// Returns the first error of `work` or `join`, [`ErrorKind::Io`] if a segment cannot be opened, or
/// [`ErrorKind::Abandoned`] if a thread that was started here panicked.
pub(crate) fn in_order<R: Send>(
    blocks: Blocks<'_>,
    sharing: Sharing,
    work: impl Fn(&Block, &mut Vec<u8>) -> Result<R> + Sync,
    join: impl FnMut(&Block, R) -> Result<()> + Send,
) -> Result<Vec<Error>> {
    let mut shared = Shared {
        blocks: Mutex::new((blocks, 0)),
        joining: Mutex::new(Joining { joined: 0, waiting: VecDeque::new(), join, failed: None }),
        progress: Condvar::new(),
        ahead_max: AHEAD_MAX,
        work,
    };
    let mut buffer = Vec::new();
    shared.work_through(&mut buffer, sharing.blocks_alone);
    // If the journal has few blocks, all of them are already done. Then do not count the cores, because counting them
    // takes longer than reading a few blocks.
    let threads = if lock(&shared.blocks).1 < sharing.blocks_alone { 0 } else { sharing.threads() };
    shared.ahead_max *= threads as u64 + 1;
    thread::scope(|scope| {
        let start = |_| {
            let run = || shared.work_through(&mut Vec::new(), u64::MAX);
            Builder::new().name("runledger".to_owned()).spawn_scoped(scope, run).ok()
        };
        // The system may refuse to start some threads. Then the other threads do the work, or the calling thread does
        // it alone.
        let started: Vec<_> = (0..threads).map_while(start).collect();
        shared.work_through(&mut buffer, u64::MAX);
        // Join the threads here and ignore their panics, which are already recorded as errors. If the scope joined a
        // thread that panicked, the scope would panic too.
        started.into_iter().for_each(|handle| drop(handle.join()));
    });
    match shared.joining.into_inner().unwrap_or_else(PoisonError::into_inner).failed {
        Some(error) => Err(error),
        None => Ok(shared.blocks.into_inner().unwrap_or_else(PoisonError::into_inner).0.into_unreadable()),
    }
}

struct Shared<'j, W, J, R> {
    /// The blocks that no thread has taken yet, and the number of blocks that were taken.
    blocks: Mutex<(Blocks<'j>, u64)>,
    joining: Mutex<Joining<J, R>>,
    /// Signals that another result was joined, or that something failed.
    progress: Condvar,
    ahead_max: u64,
    work: W,
}

struct Joining<J, R> {
    /// The number of blocks whose results were joined.
    joined: u64,
    /// Results that wait for the results of earlier blocks. The first entry belongs to the next block to join. An entry
    /// is `None` as long as its block is unfinished.
    waiting: VecDeque<Option<(Block, R)>>,
    join: J,
    failed: Option<Error>,
}

impl<W, J, R> Shared<'_, W, J, R>
where
    W: Fn(&Block, &mut Vec<u8>) -> Result<R>,
    J: FnMut(&Block, R) -> Result<()>,
{
    /// Works until all threads together have taken `blocks_max` blocks, no block is left, or something failed.
    fn work_through(&self, buffer: &mut Vec<u8>, blocks_max: u64) {
        let on_panic = OnPanic(|| self.fail(abandoned()));
        if let Err(error) = self.work_or_fail(buffer, blocks_max) {
            self.fail(error);
        }
        drop(on_panic);
    }

    fn work_or_fail(&self, buffer: &mut Vec<u8>, blocks_max: u64) -> Result<()> {
        while let Some((number, block)) = self.take(blocks_max)? {
            if !self.has_room(number) {
                break;
            }
            let made = (self.work)(&block, buffer)?;
            self.join(number, block, made)?;
        }
        Ok(())
    }

    /// Returns the next block and its number, counting from 0.
    fn take(&self, blocks_max: u64) -> Result<Option<(u64, Block)>> {
        let (blocks, taken) = &mut *lock(&self.blocks);
        if *taken >= blocks_max {
            return Ok(None);
        }
        let block = blocks.next_block()?;
        *taken += u64::from(block.is_some());
        Ok(block.map(|block| (*taken - 1, block)))
    }

    /// Waits while the results of at least `ahead_max` blocks before block `number` are not joined yet. Returns false
    /// if something failed.
    fn has_room(&self, number: u64) -> bool {
        let full = |joining: &mut Joining<J, R>| joining.failed.is_none() && number >= joining.joined + self.ahead_max;
        let joining = self.progress.wait_while(lock(&self.joining), full).unwrap_or_else(PoisonError::into_inner);
        joining.failed.is_none()
    }

    /// Adds the result of a block. Then joins results in order, up to the first block that is unfinished.
    fn join(&self, number: u64, block: Block, made: R) -> Result<()> {
        let Joining { joined, waiting, join, .. } = &mut *lock(&self.joining);
        let place = (number - *joined) as usize;
        if waiting.len() <= place {
            waiting.resize_with(place + 1, || None);
        }
        waiting[place] = Some((block, made));
        while let Some(Some((block, made))) = waiting.front_mut().map(Option::take) {
            waiting.pop_front();
            join(&block, made)?;
            *joined += 1;
        }
        self.progress.notify_all();
        Ok(())
    }

    fn fail(&self, error: Error) {
        lock(&self.joining).failed.get_or_insert(error);
        self.progress.notify_all();
    }
}

/// Runs the function if this thread panics. Without this, the other threads would wait forever for the result of this
/// thread's block.
struct OnPanic<F: Fn()>(F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0();
        }
    }
}

fn abandoned() -> Error {
    Error::new(ErrorKind::Abandoned, "read the journal").detail("a thread that worked on a part of it panicked")
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::blocks::tests::write_segments;
    use super::*;
    use crate::disk::{Disk, Storage};
    use crate::journal::format::Layout;

    const LINES: usize = 40;

    /// Creates a journal of one-digit lines in two segments. With blocks of two bytes, each line is a separate block.
    fn journal(directory: &tempfile::TempDir) -> Layout {
        let text: Vec<u8> = (0..LINES).flat_map(|line| [b'0' + (line % 10) as u8, b'\n']).collect();
        let (sealed, active) = text.split_at(LINES);
        write_segments(directory.path(), [sealed, active])
    }

    fn digit(block: &Block, buffer: &mut Vec<u8>) -> u8 {
        let mut digits = Vec::new();
        block.read(buffer, |_, bytes| digits.push(bytes[0])).unwrap();
        assert_eq!(digits.len(), 1);
        digits[0]
    }

    /// Fails if `run` hangs.
    fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, answer) = mpsc::channel();
        thread::spawn(move || done.send(run()));
        answer.recv_timeout(Duration::from_secs(60)).expect("the work hangs or panicked")
    }

    #[test]
    fn results_are_joined_in_order_with_their_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let layout = journal(&directory);
        for (blocks_alone, threads) in [(0, 0), (0, 1), (0, 2), (0, 5), (3, 2), (LINES as u64 + 1, 2)] {
            let sharing = Sharing { blocks_alone, threads: Some(threads) };
            let blocks = Blocks::of(&Disk, &layout, 2).unwrap();
            let mut found = Vec::new();
            let work = |block: &Block, buffer: &mut Vec<u8>| {
                let digit = digit(block, buffer);
                // Delay the first of each ten blocks, so that this block is likely to finish last.
                thread::sleep(Duration::from_millis(u64::from(digit == b'0') * 5));
                Ok(digit)
            };
            in_order(blocks, sharing, work, |block, result| {
                assert_eq!(result, digit(block, &mut Vec::new()));
                found.push(result);
                Ok(())
            })
            .unwrap();
            assert_eq!(found, (0..LINES).map(|line| b'0' + (line % 10) as u8).collect::<Vec<_>>(), "{sharing:?}");
        }
    }

    #[test]
    fn a_panic_in_a_thread_causes_an_error_and_not_a_hang() {
        for threads in 1..4 {
            for bad in 0..LINES {
                let outcome = in_time(move || {
                    let directory = tempfile::tempdir().unwrap();
                    let layout = journal(&directory);
                    let sharing = Sharing { blocks_alone: 0, threads: Some(threads) };
                    let taken = AtomicUsize::new(0);
                    let work = |_: &Block, _: &mut Vec<u8>| {
                        assert_ne!(taken.fetch_add(1, Ordering::Relaxed), bad, "injected panic");
                        Ok(())
                    };
                    let mut joined = 0;
                    let blocks = Blocks::of(&Disk, &layout, 2).unwrap();
                    let join = |_: &Block, ()| {
                        joined += 1;
                        Ok(())
                    };
                    let outcome = catch_unwind(AssertUnwindSafe(|| in_order(blocks, sharing, work, join)));
                    assert!(joined < LINES);
                    outcome
                });
                // A panic of the calling thread reaches the caller, and is not turned into an error.
                if let Ok(done) = outcome {
                    assert_eq!(done.unwrap_err().kind(), ErrorKind::Abandoned, "{threads} threads, block {bad}");
                }
            }
        }
    }

    /// The limit holds even if one thread is so slow that the other threads could get far ahead.
    #[test]
    fn the_number_of_results_waiting_to_be_joined_is_limited() {
        let directory = tempfile::tempdir().unwrap();
        let layout = journal(&directory);
        let (worked, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |block: &Block, buffer: &mut Vec<u8>| {
            let first = block.segment == 1 && block.start() == 0;
            while first && most.load(Ordering::Relaxed) < 2 * AHEAD_MAX as usize - 1 {
                thread::yield_now();
            }
            // Leave enough time for the other threads to exceed the limit.
            thread::sleep(Duration::from_millis(u64::from(first) * 50));
            most.fetch_max(worked.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            Ok(digit(block, buffer))
        };
        let mut before_first = None;
        let sharing = Sharing { blocks_alone: 0, threads: Some(1) };
        in_order(Blocks::of(&Disk, &layout, 2).unwrap(), sharing, work, |_, _| {
            before_first.get_or_insert(worked.load(Ordering::Relaxed));
            Ok(())
        })
        .unwrap();
        assert_eq!(before_first, Some(2 * AHEAD_MAX as usize));
    }

    #[test]
    fn an_error_of_work_or_join_ends_the_work() {
        let fails = |error: &str| Err(Error::new(ErrorKind::Invalid, "test").detail(error));
        for threads in 0..3 {
            let directory = tempfile::tempdir().unwrap();
            let layout = journal(&directory);
            let sharing = Sharing { blocks_alone: 1, threads: Some(threads) };
            let blocks = || Blocks::of(&Disk, &layout, 2).unwrap();
            let work = |block: &Block, _: &mut Vec<u8>| if block.start() == 8 { fails("work") } else { Ok(()) };
            let error = in_order(blocks(), sharing, work, |_, ()| Ok(())).unwrap_err();
            assert_eq!(error.details(), ["work"]);
            let join = |block: &Block, ()| if block.start() == 0 { fails("join") } else { Ok(()) };
            let error = in_order(blocks(), sharing, |_, _| Ok(()), join).unwrap_err();
            assert_eq!(error.details(), ["join"]);
        }
    }

    /// The segment disappears after the segments were listed and before it is opened.
    #[test]
    fn a_segment_that_cannot_be_read_is_an_error() {
        let error = in_time(|| {
            let directory = tempfile::tempdir().unwrap();
            let layout = journal(&directory);
            write_segments(directory.path(), [b"1\n2\n3\n4\n5\n6\n".as_slice(), b"7\n", b"8\n"]);
            let blocks = Blocks::of(&Disk, &layout, 2).unwrap();
            Disk.remove(&layout.sealed_segment(2)).unwrap();
            let sharing = Sharing { blocks_alone: 0, threads: Some(2) };
            let work = |_: &Block, _: &mut Vec<u8>| {
                thread::sleep(Duration::from_millis(2));
                Ok(())
            };
            in_order(blocks, sharing, work, |_, ()| Ok(())).unwrap_err()
        });
        assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::NotFound)));
    }
}
