//! Takes control of the terminal, and restores it at the end, even after a panic.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use signal_hook::consts::SIGTSTP;
use signal_hook::low_level;

/// The terminal of `top`, in raw mode and with the alternate screen.
pub(super) struct Screen {
    /// The terminal is never dropped. If the device is closed, the drop would write to stderr, and this write would
    /// panic.
    pub(super) terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<File>>>>,
    taken: Taken<File>,
}

impl Screen {
    /// Takes control of the terminal of stdout. The terminal is restored when the screen is dropped, and before the
    /// text of a panic is written.
    pub(super) fn take() -> io::Result<Self> {
        // The descriptor of stdout is copied, because this thread holds the lock of stdout. Another thread that panics
        // must not wait for this lock.
        let stdout = || io::stdout().as_fd().try_clone_to_owned().map(File::from);
        let taken = Taken::new(stdout()?, disable_raw_mode);
        taken.leave_at_panic();
        taken.0.enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::new(stdout()?)))?;
        Ok(Self { terminal: ManuallyDrop::new(terminal), taken })
    }

    /// Restores the terminal, and stops the process. When the process is continued, takes the terminal again. The next
    /// frame is then drawn completely.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        self.taken.0.leave();
        low_level::emulate_default_handler(SIGTSTP)?;
        self.taken.0.enter()?;
        // `Terminal::clear` would ask the terminal for the position of the cursor, and another thread reads the answer.
        self.terminal.backend_mut().clear()?;
        // The buffer of the last frame becomes empty, so the next frame differs from it in every cell.
        self.terminal.swap_buffers();
        Ok(())
    }
}

/// A terminal that has to be restored. Dropping this value restores it.
struct Taken<W: Write + Send>(Arc<Guard<W>>);

struct Guard<W> {
    is_taken: AtomicBool,
    out: Mutex<W>,
    /// Ends the raw mode.
    cook: fn() -> io::Result<()>,
}

impl<W: Write + Send + 'static> Taken<W> {
    fn new(out: W, cook: fn() -> io::Result<()>) -> Self {
        Self(Arc::new(Guard { is_taken: AtomicBool::new(true), out: Mutex::new(out), cook }))
    }

    /// Restores the terminal before the text of a panic is written, so that the text can be read.
    fn leave_at_panic(&self) {
        let (guard, before) = (Arc::clone(&self.0), panic::take_hook());
        panic::set_hook(Box::new(move |panic| {
            guard.leave();
            before(panic);
        }));
    }
}

impl<W: Write> Guard<W> {
    /// Takes the terminal.
    fn enter(&self) -> io::Result<()> {
        self.is_taken.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        execute!(out, EnterAlternateScreen)
    }

    /// Restores the terminal, but only once. If a terminal leaves the alternate screen a second time, it moves the
    /// cursor.
    fn leave(&self) {
        if self.is_taken.swap(false, Ordering::SeqCst) {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            // If the terminal is closed, these calls fail, and there is nothing to restore.
            let _ = execute!(out, LeaveAlternateScreen, Show);
            let _ = (self.cook)();
        }
    }
}

impl<W: Write + Send> Drop for Taken<W> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const LEFT: &str = "\u{1b}[?1049l\u{1b}[?25h";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn a_panic_restores_the_terminal() {
        static COOKED: AtomicUsize = AtomicUsize::new(0);
        let cook = || {
            COOKED.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let written = Written::default();
        let taken = Taken::new(written.clone(), cook);
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _taken = taken;
            panic!("in the loop");
        }));
        assert!(panicked.is_err());
        assert_eq!((written.text().as_str(), COOKED.load(Ordering::SeqCst)), (LEFT, 1));
    }

    #[test]
    fn the_terminal_is_restored_once() {
        let written = Written::default();
        let taken = Taken::new(written.clone(), || Ok(()));
        assert_eq!(written.text(), "");
        taken.0.leave();
        assert_eq!(written.text(), LEFT);
        drop(taken);
        assert_eq!(written.text(), LEFT);
    }

    #[test]
    fn the_raw_mode_ends_even_if_the_terminal_is_closed() {
        static COOKED: AtomicBool = AtomicBool::new(false);
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        drop(Taken::new(Closed, || {
            COOKED.store(true, Ordering::SeqCst);
            Ok(())
        }));
        assert!(COOKED.load(Ordering::SeqCst));
    }
}
