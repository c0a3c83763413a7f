//! SIGINT and SIGTERM during a load: the first ends the input, a second ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use parking_lot::Mutex;
use sidx_command::driver::Signal;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// Nothing asked for the end of the input.
const NONE: i32 = 0;
/// The load itself did; signals have positive numbers.
const BY_THE_LOAD: i32 = -1;

/// Who waits for input, and has to be woken when there will be no more.
type Waker = Box<dyn Fn() + Send>;

/// Whether the input is to end before its end.
pub(crate) struct Interruption {
    cause: AtomicI32,
    waker: Mutex<Option<Waker>>,
}

impl Interruption {
    /// One that no signal causes.
    pub(crate) fn new() -> Arc<Interruption> {
        Arc::new(Interruption {
            cause: AtomicI32::new(NONE),
            waker: Mutex::new(None),
        })
    }

    /// Has a signal to this process cause it from now on. Signals that whoever started the process has it
    /// ignore, as shells do with SIGINT for commands in the background, stay ignored.
    pub(crate) fn listen(self: &Arc<Self>) -> io::Result<()> {
        let ignored = ignored_signals();
        let wanted = [SIGINT, SIGTERM].into_iter();
        let wanted = wanted.filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let mut signals = Signals::new(wanted)?;
        let noted = Arc::clone(self);
        let watch = move || {
            for signal in signals.forever() {
                if noted.signal().is_some() {
                    // What it did before this command began to listen: the process ends here.
                    let _ = low_level::emulate_default_handler(signal);
                }
                noted.raise(signal);
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(watch)?;
        Ok(())
    }

    /// Ends the input, because nothing can be done with more of it.
    pub(crate) fn end_input(&self) {
        self.raise(BY_THE_LOAD);
    }

    fn raise(&self, cause: i32) {
        let _ = self
            .cause
            .compare_exchange(NONE, cause, Ordering::SeqCst, Ordering::SeqCst);
        if let Some(wake) = self.waker.lock().as_ref() {
            wake();
        }
    }

    /// Whether there is to be no more input.
    pub(crate) fn is_raised(&self) -> bool {
        self.cause.load(Ordering::SeqCst) != NONE
    }

    /// The signal that asked for it, if one did.
    pub(crate) fn signal(&self) -> Option<Signal> {
        match self.cause.load(Ordering::SeqCst) {
            SIGINT => Some(Signal::Interrupt),
            SIGTERM => Some(Signal::Terminate),
            _ => None,
        }
    }

    /// Has `waker` called whenever the input is to end.
    pub(crate) fn wake(&self, waker: impl Fn() + Send + 'static) {
        *self.waker.lock() = Some(Box::new(waker));
    }
}

/// The signals that this process was started to ignore, a bit each; none where the system does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0)
}
