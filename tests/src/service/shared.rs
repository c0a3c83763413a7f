//! What all handles of a service share, and what it knows of each client.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::faults::{Draw, Faults};
use super::gate::Hook;
use super::journal::Place;
use super::latency::{Latency, Link};
use super::request::{Kind, Request};
use super::state::State;

/// A service.
pub(super) struct Shared {
    pub(super) seed: u64,
    pub(super) state: Mutex<State>,
    pub(super) clients: Mutex<BTreeMap<String, Settings>>,
}

/// What the service knows of a client.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) faults: Faults,
    pub(super) latency: Latency,
    pub(super) hook: Option<Hook>,
    requests: u64,
    link_in: Link,
    link_out: Link,
}

/// What a request starts with.
pub(super) struct Start {
    pub(super) request: Request,
    pub(super) draw: Draw,
    pub(super) latency: Latency,
    pub(super) hook: Option<Hook>,
    pub(super) place: Place,
}

/// Where bytes go, as the service sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            state: Mutex::default(),
            clients: Mutex::default(),
        }
    }

    /// Changes what is known of a client.
    pub(super) fn set(&self, client: &str, change: impl FnOnce(&mut Settings)) {
        change(self.clients.lock().entry(client.to_owned()).or_default());
    }

    /// Numbers a request, draws what befalls it and enters it into the journal.
    pub(super) fn start(&self, client: &str, kind: Kind, key: &str, bytes_in: usize) -> Start {
        let mut clients = self.clients.lock();
        let settings = clients.entry(client.to_owned()).or_default();
        let request = Request {
            client: client.to_owned(),
            number: settings.requests,
            kind,
            key: key.to_owned(),
        };
        settings.requests += 1;
        let draw = settings
            .faults
            .draw(self.seed, client, request.number, kind);
        let place = self.state.lock().recorder.begin(&request, bytes_in as u64);
        Start {
            draw,
            latency: settings.latency,
            hook: settings.hook.clone(),
            place,
            request,
        }
    }

    /// When so many bytes of a transfer that began at `begun` are through.
    pub(super) fn reserve(
        &self,
        client: &str,
        direction: Direction,
        latency: &Latency,
        begun: Instant,
        bytes: usize,
    ) -> Instant {
        let mut clients = self.clients.lock();
        let settings = clients.entry(client.to_owned()).or_default();
        let link = match direction {
            Direction::In => &mut settings.link_in,
            Direction::Out => &mut settings.link_out,
        };
        link.reserve(latency, begun, bytes)
    }
}
