//! Runs the loop of the live view.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyEvent};
use ratatui::crossterm::style::force_color_output;
use runledger::{LedgerReader, Uuid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::{flag, low_level};

use super::follow::Follow;
use super::input::action;
use super::screen::Screen;
use super::state::{Effect, State, Surroundings};
use super::surroundings::Sources;
use super::view::{Look, draw};
use crate::failure::{self, Failure};
use crate::{clock, term::color};

/// The time between two searches for new records. A search that finds nothing costs a few system calls.
const PAUSE: Duration = Duration::from_millis(20);
/// The shortest time between two readings of the surroundings, such as the executions in flight.
const SURROUNDINGS_PAUSE: Duration = Duration::from_secs(1);
/// A pause is at least this many times as long as the reading before it. So even slow readings use little of a
/// processor core.
const PAUSE_FACTOR: u32 = 100;

/// An event while the screen is shown.
enum Change {
    Key(KeyEvent),
    /// The terminal has another size.
    Size,
    /// The terminal cannot be read.
    Closed(io::Error),
    Surroundings(Surroundings),
}

/// The signals that end the view, each with a flag that is set when the signal arrives.
struct Endings(Vec<(i32, Arc<AtomicBool>)>);

impl Endings {
    fn catch() -> io::Result<Self> {
        let catch = |signal| {
            let came = Arc::new(AtomicBool::new(false));
            flag::register(signal, Arc::clone(&came)).map(|_| (signal, came))
        };
        [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().map(catch).collect::<io::Result<_>>().map(Self)
    }

    fn arrived(&self) -> Option<i32> {
        self.0.iter().find(|(_, came)| came.load(Ordering::SeqCst)).map(|(signal, _)| *signal)
    }
}

/// Returns a flag that is set when a signal asks the process to stop until it is continued.
fn catch_stop() -> io::Result<Arc<AtomicBool>> {
    let came = Arc::new(AtomicBool::new(false));
    flag::register(SIGTSTP, Arc::clone(&came)).map(|_| came)
}

/// Shows the state until the user quits or a signal arrives. If a signal arrives, the process then ends by this signal.
pub(super) fn show(
    state: &mut State,
    follow: &mut Follow,
    sources: Sources,
    reader: &LedgerReader,
) -> Result<(), Failure> {
    let endings = Endings::catch()?;
    let screen = Screen::take()?;
    // crossterm reads NO_COLOR itself, but --color takes precedence.
    force_color_output(color::is_on());
    let ended_by = watch(state, follow, sources, reader, screen, &endings)?;
    if let Some(signal) = ended_by {
        low_level::emulate_default_handler(signal)?;
    }
    Ok(())
}

/// Runs the loop until the user quits or a signal arrives. Returns the signal, or `None` if the user quit. The terminal
/// is restored when this function returns.
fn watch(
    state: &mut State,
    follow: &mut Follow,
    sources: Sources,
    reader: &LedgerReader,
    mut screen: Screen,
    endings: &Endings,
) -> Result<Option<i32>, Failure> {
    let (send, changes) = mpsc::channel();
    let keys = send.clone();
    // The threads end with the process.
    thread::spawn(move || read_keys(&keys));
    thread::spawn(move || read_surroundings(sources, &send));
    let look = Look { is_colored: color::is_on(), is_live: true };
    let stop = catch_stop()?;
    let mut is_old = true;
    loop {
        if stop.swap(false, Ordering::SeqCst) {
            screen.suspend()?;
            is_old = true;
        }
        if let signal @ Some(_) = endings.arrived() {
            return Ok(signal);
        }
        let now = clock::now();
        // The ages on the screen are in seconds, so the screen is drawn again each second.
        is_old |= now.unix_ms() / 1000 != state.now.unix_ms() / 1000;
        if is_old {
            state.now = now;
            screen.terminal.draw(|frame| draw(frame, state, look))?;
        }
        is_old = false;
        let first = changes.recv_timeout(PAUSE);
        for change in first.into_iter().chain(changes.try_iter()) {
            is_old = true;
            match change {
                Change::Key(key) => match action(key, &state.mode).map(|action| state.act(action)) {
                    Some(Effect::Quit) => return Ok(None),
                    Some(Effect::Suspend) => stop.store(true, Ordering::SeqCst),
                    Some(Effect::Read(id)) => open(id, reader, state),
                    Some(Effect::Nothing) | None => {}
                },
                Change::Size => {}
                // A signal may have closed the terminal.
                Change::Closed(error) => return endings.arrived().map_or(Err(error.into()), |signal| Ok(Some(signal))),
                Change::Surroundings(surroundings) => state.surround(surroundings),
            }
        }
        is_old |= follow.read(state)? > 0;
    }
}

fn open(id: Uuid, reader: &LedgerReader, state: &mut State) {
    match reader.find(id) {
        Ok(Some(record)) => state.open(&record),
        Ok(None) => state.cannot_open(format!("the record of {id} is no longer in the ledger")),
        Err(error) => state.cannot_open(failure::text(&error)),
    }
}

fn read_keys(send: &Sender<Change>) {
    loop {
        let change = match event::read() {
            Ok(Event::Key(key)) => Change::Key(key),
            Ok(Event::Resize(..)) => Change::Size,
            Ok(_) => continue,
            Err(error) => Change::Closed(error),
        };
        let is_last = matches!(change, Change::Closed(_));
        if send.send(change).is_err() || is_last {
            return;
        }
    }
}

fn read_surroundings(mut sources: Sources, send: &Sender<Change>) {
    loop {
        let begin = Instant::now();
        if send.send(Change::Surroundings(sources.read())).is_err() {
            return;
        }
        thread::sleep(SURROUNDINGS_PAUSE.max(begin.elapsed() * PAUSE_FACTOR));
    }
}
