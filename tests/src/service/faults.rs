//! What can go wrong with a request, and how often.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::request::Kind;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// 403, nothing happened.
    Denied,
    /// 404 for the bucket, nothing happened.
    NoBucket,
    /// 429, nothing happened.
    TooMany,
    /// 503, nothing happened.
    UnavailableBefore,
    /// 503, but it happened.
    UnavailableAfter,
    /// The connection is lost, nothing happened. The client sees the same as with `LostAfter`.
    LostBefore,
    /// The connection is lost after it happened.
    LostAfter,
    /// The client is told that the time is up. What it asked for happens later, or never.
    Late,
    /// It happens twice at once. The client sees the first answer.
    Duplicated,
    /// It happens at once and again later. The client sees the first answer.
    DuplicatedLate,
    /// It happens twice at once, and the client sees the second answer: that of a library below the client
    /// which asks again by itself. A create of a free key says that the key is taken.
    Resent,
    /// The answer is cut: a get and a page of a listing end with an error, a deletion deletes the first
    /// half of the keys and reports an error for each of the others.
    HalfAnswer,
    /// 409 for a conditional put, nothing happened.
    Conflict,
    /// 200 with an error in its body, nothing happened.
    ErrorInBody,
}

impl Fault {
    /// All faults, in their order.
    pub const ALL: [Self; 14] = [
        Self::Denied,
        Self::NoBucket,
        Self::TooMany,
        Self::UnavailableBefore,
        Self::UnavailableAfter,
        Self::LostBefore,
        Self::LostAfter,
        Self::Late,
        Self::Duplicated,
        Self::DuplicatedLate,
        Self::Resent,
        Self::HalfAnswer,
        Self::Conflict,
        Self::ErrorInBody,
    ];

    /// Whether a service can fail so at such a request.
    pub fn applies_to(self, kind: Kind) -> bool {
        match self {
            Self::Duplicated | Self::DuplicatedLate | Self::Resent => kind.is_write(),
            Self::HalfAnswer => matches!(kind, Kind::Get | Kind::List | Kind::Delete),
            Self::Conflict => kind.is_conditional_put(),
            Self::ErrorInBody => matches!(kind, Kind::Complete | Kind::Copy | Kind::Delete),
            _ => true,
        }
    }
}

/// How often each fault hits each kind of request of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    chances: BTreeMap<(Kind, Fault), f64>,
    late_after: Option<RangeInclusive<u64>>,
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// No faults. What is late lands after one to eight further requests, once there are chances.
    pub fn none() -> Self {
        Self {
            chances: BTreeMap::new(),
            late_after: Some(1..=8),
        }
    }

    /// Every fault that a client should outlive by asking again, each with this chance. Not among them are
    /// `Denied` and `NoBucket`, which are answers, and `Resent`, which needs a library that asks again by
    /// itself.
    pub fn passing(chance: f64) -> Self {
        let is_passing =
            |fault: &Fault| !matches!(fault, Fault::Denied | Fault::NoBucket | Fault::Resent);
        let faults = Fault::ALL.into_iter().filter(is_passing);
        faults.fold(Self::none(), |all, fault| all.with(fault, chance))
    }

    /// The same with this chance of a fault for every kind of request it applies to.
    #[must_use]
    pub fn with(self, fault: Fault, chance: f64) -> Self {
        let kinds = Kind::ALL.into_iter();
        kinds.fold(self, |all, kind| all.with_kind(kind, fault, chance))
    }

    /// The same with this chance of a fault for one kind of request. Does nothing if the fault makes no sense
    /// for it. One request has at most one fault, so the chances for one kind should not exceed one together.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind, fault: Fault, chance: f64) -> Self {
        if fault.applies_to(kind) {
            self.chances.insert((kind, fault), chance);
        }
        self
    }

    /// The same where late effects land after so many further requests of anyone.
    #[must_use]
    pub fn with_late_after(mut self, requests: RangeInclusive<u64>) -> Self {
        self.late_after = Some(requests);
        self
    }

    /// The same where late effects land only when the test says so, see `Service::land_late`.
    #[must_use]
    pub fn with_late_held(mut self) -> Self {
        self.late_after = None;
        self
    }

    /// What befalls a request. It depends on nothing but the seed, the client and the number of the
    /// request, so that other clients do not change it.
    pub(super) fn draw(&self, seed: u64, client: &str, number: u64, kind: Kind) -> Draw {
        let mut hasher = DefaultHasher::new();
        (seed, client, number).hash(&mut hasher);
        let mut random = SmallRng::seed_from_u64(hasher.finish());
        let mut left: f64 = random.random();
        let cut = random.random();
        let late_after = self.late_after.clone().map(|requests| {
            let most = (*requests.end()).max(*requests.start());
            random.random_range(*requests.start()..=most)
        });
        let of_kind = self.chances.iter().filter(|((of, _), _)| *of == kind);
        let mut fault = None;
        for ((_, candidate), chance) in of_kind {
            if left < *chance {
                fault = Some(*candidate);
                break;
            }
            left -= chance;
        }
        Draw {
            fault,
            late_after,
            cut,
        }
    }
}

/// What befalls one request.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    pub(super) fault: Option<Fault>,
    /// After how many further requests a late effect lands; none when the test says.
    pub(super) late_after: Option<u64>,
    /// Where an answer is cut, from zero to one.
    pub(super) cut: f64,
}
