//! The locks of the code that a model checker explores: `tests/model` compiles the same files over
//! another module of this name.

use std::time::Duration;

pub(crate) use parking_lot::{Mutex, MutexGuard};

/// A condition variable.
#[derive(Default)]
pub(crate) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Waits until it is told, or for no reason.
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.0.wait(guard);
    }

    /// The same, at most so long.
    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, time: Duration) {
        self.0.wait_for(guard, time);
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
