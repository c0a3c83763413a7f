//! Waiting for the lock of whoever writes an index, or for the lease of one, to become free.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{ErrorKind, Result};
use crate::storage::{Lock, Storage};

/// Between two tries; in a bucket each is a request.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes the lock of a place, and waits for it at most so long. `conflict` when it is still held then.
pub(crate) fn take(storage: &dyn Storage, wait: Duration) -> Result<Lock> {
    let begun = Instant::now();
    loop {
        match storage.lock() {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let left = wait.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    return Err(error);
                }
                thread::sleep(left.min(PAUSE));
            }
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::storage::MemoryStorage;

    #[test]
    fn a_lock_is_waited_for_and_not_for_ever() {
        let storage = Arc::new(MemoryStorage::new("x"));
        let held = storage.lock().unwrap();
        let none = take(storage.as_ref(), Duration::from_millis(1)).err();
        assert_eq!(none.map(|error| error.kind()), Some(ErrorKind::Conflict));
        let waiting = {
            let storage = Arc::clone(&storage);
            thread::spawn(move || take(storage.as_ref(), Duration::from_secs(60)).is_ok())
        };
        thread::sleep(Duration::from_millis(20));
        drop(held);
        assert!(waiting.join().unwrap());
    }
}
