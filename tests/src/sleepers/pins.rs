//! Pins as hosts without locks have them: renewed by whoever holds one whenever it is awake, and given up
//! when a writer has seen one unchanged for so many steps of all.

use std::sync::{Arc, Mutex, MutexGuard};

use sidx_host::storage::{Held, Lock};

/// The pins of a run.
#[derive(Default)]
pub struct Pins {
    all: Mutex<Vec<Pin>>,
    /// Steps after which a pin is given up; none where pins are held by locks.
    pub patience: Option<u64>,
    made: Mutex<u64>,
}

struct Pin {
    number: u64,
    actor: usize,
    /// Of the storage.
    place: String,
    epoch: u64,
    /// The step of its last renewal.
    renewed: u64,
    /// Nobody renews it any more.
    is_lost: bool,
}

impl Pin {
    fn is_alive(&self, now: u64, patience: u64) -> bool {
        !self.is_lost && now.saturating_sub(self.renewed) < patience
    }
}

impl Pins {
    /// Pins that are given up after so many steps without a renewal; none where locks hold them.
    pub fn given_up_after(patience: Option<u64>) -> Self {
        Self {
            patience,
            ..Self::default()
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Pin>> {
        self.all.lock().unwrap()
    }

    /// An actor is awake at a step, and renews what it holds, unless that may have been given up.
    pub fn renew(&self, actor: usize, now: u64) {
        let Some(patience) = self.patience else {
            return;
        };
        for pin in self.all().iter_mut().filter(|pin| pin.actor == actor) {
            match pin.is_alive(now, patience) {
                true => pin.renewed = now,
                false => pin.is_lost = true,
            }
        }
    }

    /// Takes a pin in a place.
    pub fn take(self: &Arc<Self>, actor: usize, (place, epoch): (String, u64), now: u64) -> Lock {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        self.all().push(Pin {
            number: *made,
            actor,
            place,
            epoch,
            renewed: now,
            is_lost: false,
        });
        Box::new(Holder {
            pins: Arc::clone(self),
            number: *made,
        })
    }

    /// The epochs that are pinned in a place, as a writer sees it at a step. What it gives up stays so.
    pub fn held(&self, place: &str, now: u64, patience: u64) -> Vec<u64> {
        let mut all = self.all();
        for pin in all.iter_mut().filter(|pin| pin.place == place) {
            pin.is_lost |= !pin.is_alive(now, patience);
        }
        let held = all.iter().filter(|pin| pin.place == place && !pin.is_lost);
        let mut epochs: Vec<u64> = held.map(|pin| pin.epoch).collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs
    }
}

struct Holder {
    pins: Arc<Pins>,
    number: u64,
}

impl Held for Holder {
    /// As of the last call of its actor, which is awake when it asks.
    fn is_held(&self) -> bool {
        let all = self.pins.all();
        let pin = all.iter().find(|pin| pin.number == self.number);
        pin.is_some_and(|pin| !pin.is_lost)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.pins.all().retain(|pin| pin.number != self.number);
    }
}
