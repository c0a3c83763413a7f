//! Locks of loom's in the shape of those that the host uses.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// As `parking_lot::Mutex`.
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

/// Its guard, which a condition variable takes and gives back.
pub(crate) struct Guard<'a, T>(
    Option<loom::sync::MutexGuard<'a, T>>,
    &'a loom::sync::Mutex<T>,
);

/// As `parking_lot::Condvar`.
pub(crate) struct Condvar(loom::sync::Condvar);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard(Some(self.0.lock().unwrap()), &self.0)
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap()
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
        let held = guard.0.take().unwrap();
        guard.0 = Some(self.0.wait(held).unwrap());
    }

    /// No time passes in a model: the waiting ends at any moment, once the others had a chance.
    pub(crate) fn wait_for<T>(&self, guard: &mut Guard<'_, T>, _: Duration) {
        let lock = guard.1;
        drop(guard.0.take());
        loom::thread::yield_now();
        guard.0 = Some(lock.lock().unwrap());
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
