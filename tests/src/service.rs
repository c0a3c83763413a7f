//! A simulated object service that behaves and fails as S3 does, for tests of code that must cope with it.
//!
//! All clients of a service see the same objects, at once and in one order. What goes wrong is drawn from a
//! seed and depends on nothing but the name of a client and the number of its request. Errors come in the
//! kinds and with the texts of the S3 client of `object_store` with its own retries turned off.

mod call;
mod client;
mod effect;
mod failure;
mod faults;
mod gate;
mod journal;
mod latency;
mod listing;
mod numbered;
mod request;
mod shared;
mod source;
mod state;
mod upload;
mod uploads;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use object_store::Attributes;

pub use self::client::Client;
pub use self::faults::{Fault, Faults};
pub use self::gate::{Gate, Hook, Step};
pub use self::journal::{Entry, Journal, Landing, Outcome};
pub use self::latency::Latency;
pub use self::request::{Kind, Request};
pub use self::state::Quirks;
pub use self::uploads::UnfinishedUpload;

use self::effect::tag_of;
use self::shared::Shared;

/// A service with one bucket. Clones are the same service.
#[derive(Clone, Debug)]
pub struct Service {
    shared: Arc<Shared>,
}

impl Service {
    /// An empty service whose faults are drawn from a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            shared: Arc::new(Shared::new(seed)),
        }
    }

    /// A client, which is an `ObjectStore` and a `MultipartStore`. One of the same name continues with the
    /// numbers, the faults, the hook and the latency of the one before.
    pub fn client(&self, name: &str) -> Arc<Client> {
        Arc::new(Client::new(Arc::clone(&self.shared), name))
    }

    /// What goes wrong with the requests of a client that begin from now on.
    pub fn set_faults(&self, client: &str, faults: Faults) {
        self.shared.set(client, |settings| settings.faults = faults);
    }

    /// Who is asked about each request of a client that begins from now on, before the service sees it.
    pub fn set_hook(&self, client: &str, hook: Option<Hook>) {
        self.shared.set(client, |settings| settings.hook = hook);
    }

    /// How far away a client is from now on.
    pub fn set_latency(&self, client: &str, latency: Latency) {
        self.shared
            .set(client, |settings| settings.latency = latency);
    }

    /// In what the service differs from S3 from now on.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.shared.state.lock().quirks = quirks;
    }

    // ---- time ----

    /// Stops the clock of the service at this time; with none it shows the real time again.
    pub fn set_time(&self, time: Option<SystemTime>) {
        self.shared.state.lock().time = time;
    }

    /// Advances the clock of the service, which stands still from now on if it did not before.
    pub fn advance(&self, by: Duration) {
        let mut state = self.shared.state.lock();
        state.time = Some(state.time.unwrap_or_else(SystemTime::now) + by);
    }

    // ---- late effects ----

    /// Lets everything happen that was asked for and is late, in the order in which it was asked for or is
    /// due. Tells how much that was.
    pub fn land_late(&self) -> usize {
        self.shared.state.lock().land_all()
    }

    /// Lets nothing happen that was asked for and is late. Tells how much that was.
    pub fn forget_late(&self) -> usize {
        self.shared.state.lock().forget_late()
    }

    /// How much was asked for and is late.
    pub fn late_count(&self) -> usize {
        self.shared.state.lock().late_count()
    }

    // ---- journal ----

    /// What was asked since the last journal was taken.
    pub fn journal(&self) -> Journal {
        self.shared.state.lock().recorder.journal().clone()
    }

    /// The same, and begins a new journal. Requests that have not ended stay as running in the old one, and
    /// no chain of the new one continues them.
    pub fn take_journal(&self) -> Journal {
        self.shared.state.lock().recorder.take()
    }

    // ---- what is there, without requests ----

    /// All objects.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        let state = self.shared.state.lock();
        let objects = state.objects.iter();
        objects
            .map(|(key, object)| (key.clone(), object.bytes.clone()))
            .collect()
    }

    /// All uploads that were begun and have not ended.
    pub fn uploads(&self) -> Vec<UnfinishedUpload> {
        self.shared.state.lock().uploads.unfinished()
    }

    /// Puts an object, whatever was there.
    pub fn put_raw(&self, key: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        let tag = tag_of(&bytes);
        let mut state = self.shared.state.lock();
        state.store(key, bytes, tag, Attributes::new());
    }

    /// Removes an object, and tells whether there was one.
    pub fn remove_raw(&self, key: &str) -> bool {
        self.shared.state.lock().objects.remove(key).is_some()
    }

    /// Changes the bytes of an object and nothing else, neither its tag nor its time, as a medium does that
    /// decays. Tells whether there is such an object. `change` must not call the service.
    pub fn corrupt(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut state = self.shared.state.lock();
        let Some(object) = state.objects.get_mut(key) else {
            return false;
        };
        let mut bytes = Vec::from(std::mem::take(&mut object.bytes));
        change(&mut bytes);
        object.bytes = Bytes::from(bytes);
        true
    }
}
