//! Pins of readers: objects of a place named `<epoch, 16 hex digits>-<lease in milliseconds>-<32 hex
//! digits>.pin`, which their readers renew. A writer sees in one listing which there are, and by its own
//! clock which have not changed for a lease: those were given up.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use sidx_engine::{ErrorKind, ReaderPin, Result};

use crate::place::Place;
use crate::storage::Storage;

const LEASE_MS_MIN: u64 = 1_000;

/// Whether what a reader needs stays in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// Nothing was pinned yet.
    Nothing,
    /// Writers keep it.
    Held,
    /// It was not renewed in time, or is gone.
    Lost,
    /// Nothing can be written in the place.
    Impossible,
}

/// A pin that was made.
struct Pin {
    epoch: u64,
    name: String,
    version: String,
    /// When it was surely renewed last: before the call that did.
    renewed_ms: u64,
    /// How often.
    renewals: u64,
    is_lost: bool,
}

/// The pins of a session, of which the newest comes last.
pub(crate) struct Pins<S: Storage> {
    place: Place<S>,
    lease_ms: u64,
    pins: RefCell<Vec<Pin>>,
    is_impossible: Cell<bool>,
    /// When some pin is to be renewed.
    due_ms: Cell<u64>,
}

impl<S: Storage> Pins<S> {
    pub(crate) fn new(place: Place<S>, lease_ms: u64) -> Self {
        Self {
            place,
            lease_ms: lease_ms.clamp(LEASE_MS_MIN, ReaderPin::LEASE_MS_MAX),
            pins: RefCell::default(),
            is_impossible: Cell::new(false),
            due_ms: Cell::new(u64::MAX),
        }
    }

    /// Pins an epoch; those before stay pinned until [`forget_older`](Self::forget_older). That nothing can
    /// be written must not keep anybody from reading.
    pub(crate) fn pin(&self, epoch: u64) -> Result<()> {
        let now_ms = self.place.storage().now_ms();
        self.renew(now_ms);
        let mut pins = self.pins.borrow_mut();
        if pins
            .last()
            .is_some_and(|pin| pin.epoch == epoch && !pin.is_lost)
        {
            return Ok(());
        }
        let name = ReaderPin {
            epoch,
            lease_ms: self.lease_ms,
            nonce: self.place.storage().random(),
        };
        let name = name.to_string();
        match self.place.put_if_absent(&name, &content(0)) {
            Ok(version) => {
                self.is_impossible.set(false);
                pins.push(Pin {
                    epoch,
                    name,
                    version,
                    renewed_ms: now_ms,
                    renewals: 0,
                    is_lost: false,
                });
                let due_ms = now_ms.saturating_add(self.lease_ms / 3);
                self.due_ms.set(self.due_ms.get().min(due_ms));
                Ok(())
            }
            // A medium that is read-only or full, or a process that may not.
            Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::ResourceExhausted) => {
                // It may be there all the same.
                let _ = self.place.remove_object(&name);
                self.is_impossible.set(true);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn state(&self) -> PinState {
        if self.is_impossible.get() {
            return PinState::Impossible;
        }
        match self.pins.borrow().last() {
            None => PinState::Nothing,
            Some(pin) if self.is_lost(pin, self.place.storage().now_ms()) => PinState::Lost,
            Some(_) => PinState::Held,
        }
    }

    fn is_lost(&self, pin: &Pin, now_ms: u64) -> bool {
        pin.is_lost || now_ms.saturating_sub(pin.renewed_ms) >= self.lease_ms
    }

    /// Whether [`renew`](Self::renew) has anything to do at any time.
    pub(crate) fn has_any(&self) -> bool {
        self.due_ms.get() < u64::MAX
    }

    /// Renews pins where a third of the lease is over. What cannot be renewed now is tried again a moment
    /// later.
    pub(crate) fn renew(&self, now_ms: u64) {
        if now_ms < self.due_ms.get() {
            return;
        }
        let third = self.lease_ms / 3;
        let mut due_ms = u64::MAX;
        for pin in self.pins.borrow_mut().iter_mut() {
            if pin.is_lost {
                continue;
            }
            if now_ms.saturating_sub(pin.renewed_ms) < third {
                due_ms = due_ms.min(pin.renewed_ms.saturating_add(third));
                continue;
            }
            let bytes = content(pin.renewals + 1);
            match self.place.compare_and_swap(&pin.name, &pin.version, &bytes) {
                Ok(version) => {
                    // Somebody may have taken it for given up before it was answered.
                    pin.is_lost = self.is_late(pin);
                    pin.version = version;
                    pin.renewals += 1;
                    pin.renewed_ms = now_ms;
                    due_ms = due_ms.min(now_ms.saturating_add(third));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {
                    pin.is_lost = !self.find_again(pin, &bytes);
                    if !pin.is_lost {
                        due_ms = due_ms.min(now_ms.saturating_add(third));
                    }
                }
                Err(_) => due_ms = due_ms.min(now_ms.saturating_add(third / 8 + 1)),
            }
        }
        self.due_ms.set(due_ms);
    }

    /// Whether the lease is over by now, since the last renewal that is known.
    fn is_late(&self, pin: &Pin) -> bool {
        let now_ms = self.place.storage().now_ms();
        now_ms.saturating_sub(pin.renewed_ms) >= self.lease_ms
    }

    /// Whether a pin was renewed by a swap whose answer got lost: nobody else writes it.
    fn find_again(&self, pin: &mut Pin, bytes: &[u8]) -> bool {
        let Ok(Some((found, version))) = self.place.get(&pin.name) else {
            return false;
        };
        if found != bytes || self.is_late(pin) {
            return false;
        }
        // When exactly is not known, so that it is due again soon.
        pin.version = version;
        pin.renewals += 1;
        true
    }

    /// Gives up all pins but the newest.
    pub(crate) fn forget_older(&self) {
        self.forget_but(1);
    }

    /// Gives up all pins.
    pub(crate) fn forget_all(&self) {
        self.forget_but(0);
        self.due_ms.set(u64::MAX);
    }

    fn forget_but(&self, kept: usize) {
        let mut pins = self.pins.borrow_mut();
        let end = pins.len().saturating_sub(kept);
        for pin in pins.drain(..end) {
            // What stays is taken for given up when its lease is over.
            let _ = self.place.remove_object(&pin.name);
        }
    }
}

/// Another one with each renewal, for media whose versions are made of bytes.
fn content(renewals: u64) -> Vec<u8> {
    format!("{{\"renewals\":{renewals}}}\n").into_bytes()
}

/// What a writer saw of the pins of others.
#[derive(Default)]
pub(crate) struct Watch {
    /// The version of each, and since when it has that.
    seen: RefCell<BTreeMap<String, (String, u64)>>,
}

impl Watch {
    /// The epochs of the pins among the objects of a place, ascending and each once. Those that were given up
    /// are removed on the way.
    pub(crate) fn epochs<S: Storage>(
        &self,
        place: &Place<S>,
        objects: &[String],
    ) -> Result<Vec<u64>> {
        let mut seen = self.seen.borrow_mut();
        seen.retain(|name, _| objects.contains(name));
        let mut epochs = BTreeSet::new();
        for name in objects {
            let Some(ReaderPin {
                epoch, lease_ms, ..
            }) = ReaderPin::parse(name)
            else {
                continue;
            };
            let asked_ms = place.storage().now_ms();
            let version = match place.get(name) {
                Ok(Some((_, version))) => version,
                Ok(None) => continue,
                // One that this process is not allowed to look at counts.
                Err(_) => {
                    epochs.insert(epoch);
                    continue;
                }
            };
            let answered_ms = place.storage().now_ms();
            match seen.get(name) {
                Some((known, since_ms)) if *known == version => {
                    if asked_ms.saturating_sub(*since_ms) >= lease_ms {
                        // Nobody relies on it any more, whether it can be removed or not.
                        let _ = place.remove_object(name);
                        continue;
                    }
                }
                // It may have changed at the last moment before the answer.
                _ => drop(seen.insert(name.clone(), (version, answered_ms))),
            }
            epochs.insert(epoch);
        }
        Ok(epochs.into_iter().collect())
    }
}
