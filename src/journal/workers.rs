//! Work on the blocks of a journal by all cores, joined in the order of the journal.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, RecvError, SendError, SyncSender, sync_channel};
use std::thread::{self, Builder, Scope, ScopedJoinHandle};

use super::blocks::{Block, Blocks};
use crate::error::{Error, ErrorKind, Result};

/// The calling thread reads, and hands out no more than so many can use.
const THREADS_MAX: usize = 16;

/// One that a thread works on, and those that wait for it.
const BLOCKS_PER_THREAD: usize = 8;

/// How the work is shared out; what comes of it is the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sharing {
    /// How many blocks the calling thread works on alone, before it starts others: a small journal is done by then.
    pub(crate) blocks_alone: usize,
    /// How many threads it starts; `None`: one a core, and none if there is one core.
    pub(crate) threads: Option<usize>,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { blocks_alone: 4, threads: None }
    }
}

impl Sharing {
    fn threads(self) -> usize {
        self.threads.unwrap_or_else(|| match thread::available_parallelism().map_or(1, NonZero::get) {
            1 => 0,
            cores => cores.min(THREADS_MAX),
        })
    }
}

/// Calls `work` with each of `blocks`, on several threads, and `join` with each block and what `work` made of it, on this
/// thread and in order.
///
/// Holds [`BLOCKS_PER_THREAD`] blocks a thread and their results, however long the journal is; their memory is used
/// again.
///
/// # Errors
/// [`ErrorKind::Io`] when a segment cannot be read; [`ErrorKind::Abandoned`] when `work` panicked on a thread of its own.
pub(crate) fn in_order<R: Send>(
    mut blocks: Blocks<'_>,
    sharing: Sharing,
    work: impl Fn(&Block) -> R + Sync,
    mut join: impl FnMut(&Block, R),
) -> Result<()> {
    let mut buffer = Vec::new();
    let mut alone = |blocks: &mut Blocks<'_>, join: &mut dyn FnMut(&Block, R)| -> Result<bool> {
        let Some(block) = blocks.next_block(std::mem::take(&mut buffer))? else { return Ok(false) };
        join(&block, work(&block));
        buffer = block.into_buffer();
        Ok(true)
    };
    for _ in 0..sharing.blocks_alone {
        if !alone(&mut blocks, &mut join)? {
            return Ok(());
        }
    }
    let done = thread::scope(|scope| {
        // As many as the system gives; the work is done with fewer, or none.
        let started = (0..sharing.threads()).map_while(|_| Worker::start(scope, &work));
        let (workers, handles): (Vec<_>, Vec<_>) = started.unzip();
        if workers.is_empty() {
            return None;
        }
        let done = share_out(&mut blocks, workers, &mut join);
        // By hand, or the scope would panic when one of them did: the error has said so.
        handles.into_iter().for_each(|handle| drop(handle.join()));
        Some(done)
    });
    if let Some(done) = done {
        return done;
    }
    while alone(&mut blocks, &mut join)? {}
    Ok(())
}

/// A thread that works on the blocks it is sent, in turn; it ends when this is dropped, or with a panic.
struct Worker<R> {
    blocks: SyncSender<Block>,
    results: Receiver<(Block, R)>,
}

impl<R: Send> Worker<R> {
    fn start<'s>(
        scope: &'s Scope<'s, '_>,
        work: &'s (impl Fn(&Block) -> R + Sync),
    ) -> Option<(Self, ScopedJoinHandle<'s, ()>)>
    where
        R: 's,
    {
        let (blocks, given) = sync_channel::<Block>(BLOCKS_PER_THREAD);
        let (done, results) = sync_channel(BLOCKS_PER_THREAD);
        let run = move || {
            for block in given {
                let result = work(&block);
                if done.send((block, result)).is_err() {
                    break;
                }
            }
        };
        let handle = Builder::new().name("runledger".to_owned()).spawn_scoped(scope, run).ok()?;
        Some((Self { blocks, results }, handle))
    }
}

/// The blocks go to the workers by turns, so the oldest result is always that of the worker whose turn it is.
fn share_out<R>(blocks: &mut Blocks<'_>, workers: Vec<Worker<R>>, join: &mut impl FnMut(&Block, R)) -> Result<()> {
    let mut spare = Vec::new();
    let (mut sent, mut joined, mut more) = (0, 0, true);
    loop {
        if more && sent - joined < workers.len() * BLOCKS_PER_THREAD {
            match blocks.next_block(spare.pop().unwrap_or_default())? {
                Some(block) => {
                    workers[sent % workers.len()].blocks.send(block).map_err(|SendError(_)| abandoned())?;
                    sent += 1;
                }
                None => more = false,
            }
        } else if joined < sent {
            let (block, result) = workers[joined % workers.len()].results.recv().map_err(|RecvError| abandoned())?;
            joined += 1;
            join(&block, result);
            spare.push(block.into_buffer());
        } else {
            return Ok(());
        }
    }
}

fn abandoned() -> Error {
    Error::new(ErrorKind::Abandoned, "read the journal").detail("a thread that worked on a part of it panicked")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::blocks::tests::write_segments;
    use super::super::segment::Layout;
    use super::super::storage::{Disk, Storage};
    use super::*;

    const LINES: usize = 40;

    /// A journal of lines of one digit, each a block of its own, in two segments.
    fn journal(directory: &tempfile::TempDir) -> Layout {
        let text: Vec<u8> = (0..LINES).flat_map(|line| [b'0' + (line % 10) as u8, b'\n']).collect();
        let (sealed, active) = text.split_at(LINES);
        write_segments(directory.path(), [sealed, active])
    }

    fn digit(block: &Block) -> u8 {
        block.pieces().next().map(|piece| block.bytes(piece)[0]).unwrap()
    }

    /// Fails when `run` hangs.
    fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, answer) = mpsc::channel();
        thread::spawn(move || done.send(run()));
        answer.recv_timeout(Duration::from_secs(60)).expect("it hangs, or it panicked")
    }

    #[test]
    fn results_come_in_order_with_their_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let layout = journal(&directory);
        for (blocks_alone, threads) in [(0, 0), (0, 1), (0, 2), (0, 5), (3, 2), (LINES + 1, 2)] {
            let sharing = Sharing { blocks_alone, threads: Some(threads) };
            let blocks = Blocks::of(&Disk, &layout, 2).unwrap();
            let mut found = Vec::new();
            let work = |block: &Block| {
                // The first of each ten comes last, if it can.
                thread::sleep(Duration::from_millis(u64::from(digit(block) == b'0') * 5));
                digit(block)
            };
            in_order(blocks, sharing, work, |block, result| {
                assert_eq!(result, digit(block));
                found.push(result);
            })
            .unwrap();
            assert_eq!(found, (0..LINES).map(|line| b'0' + (line % 10) as u8).collect::<Vec<_>>(), "{sharing:?}");
        }
    }

    #[test]
    fn a_panic_in_a_thread_is_an_error_and_no_hang() {
        for threads in 1..4 {
            for bad in 0..LINES {
                let error = in_time(move || {
                    let directory = tempfile::tempdir().unwrap();
                    let layout = journal(&directory);
                    let sharing = Sharing { blocks_alone: 0, threads: Some(threads) };
                    let work = |block: &Block| {
                        let number = (block.segment as usize - 1) * LINES / 2
                            + block.pieces().next().unwrap().offset as usize / 2;
                        assert_ne!(number, bad, "as the test wants it");
                    };
                    let mut joined = 0;
                    let done = in_order(Blocks::of(&Disk, &layout, 2).unwrap(), sharing, work, |_, ()| joined += 1);
                    assert!(joined <= bad);
                    done.unwrap_err()
                });
                assert_eq!(error.kind(), ErrorKind::Abandoned, "{threads} threads, block {bad}");
            }
        }
    }

    /// While the threads work.
    #[test]
    fn a_segment_that_cannot_be_read_is_an_error() {
        let error = in_time(|| {
            let directory = tempfile::tempdir().unwrap();
            let layout = journal(&directory);
            write_segments(directory.path(), [b"1\n2\n3\n4\n5\n6\n".as_slice(), b"7\n", b"8\n"]);
            let blocks = Blocks::of(&Disk, &layout, 2).unwrap();
            Disk.remove(&layout.sealed_segment(2)).unwrap();
            let sharing = Sharing { blocks_alone: 0, threads: Some(2) };
            in_order(blocks, sharing, |_| thread::sleep(Duration::from_millis(2)), |_, ()| {}).unwrap_err()
        });
        assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(std::io::ErrorKind::NotFound)));
    }
}
