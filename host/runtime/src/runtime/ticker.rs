//! The clock of interruptible calls: a thread that advances the epoch of an engine while calls run.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use wasmtime::Engine;

/// How often a running call is asked whether it must stop.
const TICK: Duration = Duration::from_millis(10);

/// Counts the calls that are under way; the thread sleeps while there are none.
pub(super) struct Ticker {
    calls: Mutex<usize>,
    begun: Condvar,
}

impl Ticker {
    /// Starts the thread, which lives as long as the process.
    pub(super) fn start(engine: Engine) -> io::Result<Arc<Self>> {
        let ticker = Arc::new(Self {
            calls: Mutex::new(0),
            begun: Condvar::new(),
        });
        let clock = Arc::clone(&ticker);
        thread::Builder::new()
            .name("sidx-ticker".to_owned())
            .spawn(move || clock.tick(&engine))?;
        Ok(ticker)
    }

    fn tick(&self, engine: &Engine) {
        loop {
            {
                let mut calls = self.calls.lock();
                while *calls == 0 {
                    self.begun.wait(&mut calls);
                }
            }
            thread::sleep(TICK);
            engine.increment_epoch();
        }
    }

    /// Keeps the clock going until the guard is dropped.
    pub(super) fn watch(self: &Arc<Self>) -> Watched {
        let mut calls = self.calls.lock();
        *calls += 1;
        if *calls == 1 {
            self.begun.notify_one();
        }
        Watched(Arc::clone(self))
    }
}

/// A call that is under way.
pub(crate) struct Watched(Arc<Ticker>);

impl Drop for Watched {
    fn drop(&mut self) {
        let mut calls = self.0.calls.lock();
        *calls = calls.saturating_sub(1);
    }
}
