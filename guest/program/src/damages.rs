//! Damaged parts, as far as they are known: what jobs, queries and checks found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use sidx_engine::Region;

use crate::bindings::{index, session};
use crate::warning;

/// What of a part in one file is missing with the whole of it.
const MANIFEST: &str = "manifest.json";

/// A part that is damaged, as reports have it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Damaged {
    pub(crate) part: String,
    pub(crate) files: Vec<String>,
    pub(crate) reasons: Vec<String>,
    /// Not known of what only a query met.
    pub(crate) lost: Option<Vec<Region>>,
    unix_ms: u64,
}

/// What is known to be damaged in one open index.
#[derive(Default)]
pub(crate) struct Damages {
    parts: BTreeMap<u64, Damaged>,
    /// Parts that were ever added.
    added: u64,
}

/// What reports call a part: with these digits its directory begins.
pub(crate) fn part_name(number: u64) -> String {
    format!("{number:016x}")
}

/// The part that a file of the store belongs to.
fn part_of(path: &str) -> Option<(u64, &str)> {
    let path = path.strip_prefix("parts/")?;
    let alone = match path.contains(".dead-") {
        true => path,
        false => MANIFEST,
    };
    let (part, file) = path.split_once('/').unwrap_or((path, alone));
    // Behind the number is the term of the writer that made it, and how it is stored.
    let number = part.split(['-', '.']).next()?;
    Some((u64::from_str_radix(number, 16).ok()?, file))
}

impl Damages {
    /// Notes what a check of a part found.
    pub(crate) fn note(&mut self, damage: index::Damage) {
        let lost = damage.lost.into_iter().map(|region| Region {
            first_series: region.first_series,
            last_series: region.last_series,
            min_key: region.min_key,
            max_key: region.max_key,
            rows: region.rows,
        });
        let part = Damaged {
            part: part_name(damage.part),
            files: damage.files,
            reasons: damage.reasons,
            lost: Some(lost.collect()),
            unix_ms: unix_ms(),
        };
        self.add(damage.part, part);
    }

    /// Notes what the adapter met since it was last asked.
    pub(crate) fn note_met(&mut self) {
        for file in session::take_damaged() {
            self.note_file(&file.path, &file.reason);
        }
    }

    /// Notes what an opening found, and warns of it: who opens an index may do nothing that meets the damage.
    pub(crate) fn note_opening(&mut self, files: &[index::DamagedFile]) {
        for file in files.iter().filter(|file| !file.left_out) {
            self.note_file(&file.path, &file.reason);
        }
        let Some(first) = files.first() else {
            return;
        };
        let parts = files.iter().map(|file| part_of(&file.path));
        let parts: BTreeSet<_> = parts.map(|part| part.map(|(number, _)| number)).collect();
        warning::tell(
            "parts are damaged; `sidx repair` saves the rows that can be read",
            &[
                ("parts", &parts.len()),
                ("first", &warning::quoted(&first.reason)),
            ],
        );
    }

    fn note_file(&mut self, path: &str, reason: &str) {
        let Some((number, file)) = part_of(path) else {
            return;
        };
        if let Some(part) = self.parts.get_mut(&number) {
            if !part.files.iter().any(|known| known == file) {
                part.files.push(file.to_owned());
                part.reasons.push(reason.to_owned());
            }
            return;
        }
        let part = Damaged {
            part: part_name(number),
            files: vec![file.to_owned()],
            reasons: vec![reason.to_owned()],
            lost: None,
            unix_ms: unix_ms(),
        };
        self.add(number, part);
    }

    fn add(&mut self, number: u64, part: Damaged) {
        self.added += u64::from(self.parts.insert(number, part).is_none());
    }

    /// Forgets all parts but these.
    pub(crate) fn keep(&mut self, live: &[u64]) {
        self.parts.retain(|number, _| live.contains(number));
    }

    /// How many parts were ever added, to see whether any were.
    pub(crate) fn added(&self) -> u64 {
        self.added
    }

    /// Their numbers.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.parts.keys().copied().collect()
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<Damaged> {
        self.parts.values().cloned().collect()
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
