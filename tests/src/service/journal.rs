//! What the service was asked, for tests that count.

use std::collections::BTreeMap;

use super::faults::Fault;
use super::request::{Kind, Request};

/// What came of a request, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended.
    Running,
    /// It succeeded.
    Done,
    /// It failed with this status: with 200 if the failure was in the body.
    Status(u16),
    /// No answer came, or not all of it.
    Lost,
    /// The client stopped waiting for it.
    Dropped,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was asked.
    pub request: Request,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// What came of it.
    pub outcome: Outcome,
    /// Bytes of content that it brought.
    pub bytes_in: u64,
    /// Bytes of content that were answered.
    pub bytes_out: u64,
    /// How many requests of the client had to end one after another before this one could end, itself
    /// included.
    pub wave: u64,
}

/// A change that landed late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// The request that asked for it.
    pub request: Request,
    /// Whether its condition held then.
    pub is_applied: bool,
}

/// What the service was asked since the last journal was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// All requests, in the order in which they began.
    pub requests: Vec<Entry>,
    /// All changes that landed late, in that order.
    pub landings: Vec<Landing>,
}

impl Journal {
    /// How many requests there were of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts().get(&kind).copied().unwrap_or(0)
    }

    /// How many requests there were of each kind that occurs.
    pub fn counts(&self) -> BTreeMap<Kind, u64> {
        let mut counts = BTreeMap::new();
        for entry in &self.requests {
            *counts.entry(entry.request.kind).or_default() += 1;
        }
        counts
    }

    /// Bytes of content that were brought.
    pub fn bytes_in(&self) -> u64 {
        self.requests.iter().map(|entry| entry.bytes_in).sum()
    }

    /// Bytes of content that were answered.
    pub fn bytes_out(&self) -> u64 {
        self.requests.iter().map(|entry| entry.bytes_out).sum()
    }

    /// Dependent round trips of a client: the longest chain of its requests of which each began after the one
    /// before had ended. With enough requests at the same time it could not have been faster.
    pub fn waves(&self, client: &str) -> u64 {
        let of_client = self.of(client);
        of_client.map(|entry| entry.wave).max().unwrap_or(0)
    }

    /// The requests of a client.
    pub fn of(&self, client: &str) -> impl Iterator<Item = &Entry> {
        self.requests
            .iter()
            .filter(move |entry| entry.request.client == client)
    }
}

/// Writes the journal.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    journal: Journal,
    /// How many journals were taken before.
    taken: u64,
    /// For each client the longest chain that has ended.
    ended: BTreeMap<String, u64>,
}

/// Where the end of a request is to be entered.
#[derive(Debug)]
pub(super) struct Place {
    taken: u64,
    index: usize,
}

impl Recorder {
    /// Enters a request that begins.
    pub(super) fn begin(&mut self, request: &Request, bytes_in: u64) -> Place {
        let place = Place {
            taken: self.taken,
            index: self.journal.requests.len(),
        };
        let ended = self.ended.get(&request.client).copied().unwrap_or(0);
        self.journal.requests.push(Entry {
            request: request.clone(),
            fault: None,
            outcome: Outcome::Running,
            bytes_in,
            bytes_out: 0,
            wave: ended + 1,
        });
        place
    }

    /// Enters that a request has ended, unless the journal with its beginning is gone.
    pub(super) fn end(&mut self, place: &Place, fault: Option<Fault>, outcome: Outcome, out: u64) {
        if place.taken != self.taken {
            return;
        }
        let Some(entry) = self.journal.requests.get_mut(place.index) else {
            return;
        };
        entry.fault = fault;
        entry.outcome = outcome;
        entry.bytes_out = out;
        let ended = self.ended.entry(entry.request.client.clone()).or_default();
        *ended = (*ended).max(entry.wave);
    }

    pub(super) fn landed(&mut self, landing: Landing) {
        self.journal.landings.push(landing);
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Gives the journal away and begins a new one, with new chains.
    pub(super) fn take(&mut self) -> Journal {
        self.taken += 1;
        self.ended.clear();
        std::mem::take(&mut self.journal)
    }
}
