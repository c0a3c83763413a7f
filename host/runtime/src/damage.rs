//! Damaged parts, as far as they are known: what jobs, queries and checks found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde::Serialize;
use sidx_engine::{Damage, DamagedFile, Region};

use crate::work::unix_ms;

/// Most parts that are remembered. With more, the index is lost as a whole.
const PARTS_MAX: usize = 10_000;

/// A part that is damaged. Flushes do not need it; merges leave it where it is, and go on with its
/// neighbours; retention drops it where metadata tells that every row goes; queries that need what
/// cannot be read fail with `corrupt`. [`Index::salvage`] puts what can be read in its place.
///
/// [`Index::salvage`]: crate::Index::salvage
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DamagedPart {
    /// Its name, as [`Index::parts`](crate::Index::parts) has it.
    pub part: String,
    /// Its files that are not as they were written, as far as is known.
    pub files: Vec<String>,
    /// What is wrong, each with the file and the place in it.
    pub reasons: Vec<String>,
    /// Where rows cannot be read: empty when all can. Not known yet of what only a query met.
    pub lost: Option<Vec<Region>>,
    /// When it was found, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// What is known to be damaged in one open index. It is forgotten with it: the next opening finds the damage
/// again when a job, a query or a check meets it.
#[derive(Default)]
pub(crate) struct Damages {
    parts: Mutex<BTreeMap<u64, DamagedPart>>,
    /// Parts that were ever added.
    added: AtomicU64,
    /// Why the first part was left out that the opening could not read at all.
    left_out: Mutex<Option<String>>,
}

/// What of a part in one file is missing with the whole of it.
const MANIFEST: &str = "manifest.json";

/// What reports call a part: with these digits its directory begins.
pub(crate) fn part_name(number: u64) -> String {
    format!("{number:016x}")
}

/// The part that a file of the store belongs to.
fn part_of(path: &str) -> Option<(u64, &str)> {
    let path = path.strip_prefix("parts/")?;
    let alone = if path.contains(".dead-") {
        path
    } else {
        MANIFEST
    };
    let (part, file) = path.split_once('/').unwrap_or((path, alone));
    // Behind the number is the term of the writer that made it, and how it is stored. A section of a part
    // that is one file is called by a path below it. A file with its dead rows lies beside it.
    let number = part.split(['-', '.']).next()?;
    Some((u64::from_str_radix(number, 16).ok()?, file))
}

impl Damages {
    /// Notes what a check of a part found. True when nothing was known of it.
    pub(crate) fn note(&self, damage: Damage) -> bool {
        let part = DamagedPart {
            part: part_name(damage.part),
            files: damage.files,
            reasons: damage.reasons,
            lost: Some(damage.lost),
            unix_ms: unix_ms(SystemTime::now()),
        };
        self.add(damage.part, part)
    }

    /// Notes a file that is not as the manifest of its part says, which a check of the part did not see.
    pub(crate) fn note_file(&self, path: &str, reason: &str) {
        let Some((number, file)) = part_of(path) else {
            return;
        };
        let mut parts = self.parts.lock();
        if let Some(part) = parts.get_mut(&number) {
            if !part.files.iter().any(|known| known == file) {
                part.files.push(file.to_owned());
                part.reasons.push(reason.to_owned());
            }
            return;
        }
        drop(parts);
        let part = DamagedPart {
            part: part_name(number),
            files: vec![file.to_owned()],
            reasons: vec![reason.to_owned()],
            lost: None,
            unix_ms: unix_ms(SystemTime::now()),
        };
        self.add(number, part);
    }

    /// Notes what an opening found, and warns of it: who opens an index may do nothing that meets the damage.
    pub(crate) fn note_opening(&self, files: &[DamagedFile]) {
        for file in files.iter().filter(|file| !file.left_out) {
            self.note_file(&file.path, &file.reason);
        }
        let Some(first) = files.first() else {
            return;
        };
        if let Some(file) = files.iter().find(|file| file.left_out) {
            self.left_out
                .lock()
                .get_or_insert_with(|| file.reason.clone());
        }
        let parts: BTreeSet<_> = files
            .iter()
            .map(|file| part_of(&file.path).map(|(part, _)| part))
            .collect();
        tracing::warn!(
            parts = parts.len(),
            first = first.reason,
            "parts are damaged; `sidx repair` saves the rows that can be read"
        );
    }

    /// Why a part was left out that the opening could not read at all, if one was.
    pub(crate) fn left_out(&self) -> Option<String> {
        self.left_out.lock().clone()
    }

    fn add(&self, number: u64, part: DamagedPart) -> bool {
        let mut parts = self.parts.lock();
        let is_new = !parts.contains_key(&number);
        if is_new && parts.len() >= PARTS_MAX {
            return false;
        }
        if is_new {
            let (name, reason) = (&part.part, part.reasons.first());
            tracing::error!(
                part = name,
                reason = reason.map_or("", String::as_str),
                "a part is damaged; merges leave it where it is until it is salvaged"
            );
            self.added.fetch_add(1, Ordering::Relaxed);
        }
        parts.insert(number, part);
        is_new
    }

    /// Parts that turned out to be sound, or are gone.
    pub(crate) fn forget(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut parts = self.parts.lock();
        for number in numbers {
            parts.remove(&number);
        }
    }

    /// Forgets all parts but these.
    pub(crate) fn keep(&self, live: &[u64]) {
        self.parts.lock().retain(|number, _| live.contains(number));
    }

    /// How many parts were ever added, to see whether any were.
    pub(crate) fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    /// Whether a part is known to be damaged.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.parts.lock().contains_key(&number)
    }

    /// Their numbers.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.parts.lock().keys().copied().collect()
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<DamagedPart> {
        self.parts.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(part: u64) -> Damage {
        Damage {
            part,
            files: vec!["data.bin".to_owned()],
            reasons: vec!["its checksum is wrong".to_owned()],
            lost: Vec::new(),
        }
    }

    #[test]
    fn a_part_is_added_once_and_a_check_knows_more_than_a_query() {
        let damages = Damages::default();
        damages.note_file("parts/000000000000000a/data.bin", "offset 7");
        damages.note_file("parts/000000000000000a/data.bin", "offset 9");
        assert_eq!(damages.list()[0].lost, None);
        assert_eq!(damages.list()[0].reasons, ["offset 7"]);
        assert!(!damages.note(damage(10)));
        assert!(damages.note(damage(11)));
        assert_eq!((damages.added(), damages.numbers()), (2, vec![10, 11]));
        assert_eq!(damages.list()[0].lost, Some(Vec::new()));
        damages.note_file("parts/000000000000000c-00ff.part", "it is gone");
        assert_eq!(damages.list()[2].files, ["manifest.json"]);
        let dead = "000000000000000c-00ff.dead-0000000000000001";
        damages.note_file(&format!("parts/{dead}"), "it is cut");
        assert_eq!(damages.list()[2].files, ["manifest.json", dead]);
        damages.keep(&[11, 12]);
        assert!(damages.has(11) && !damages.has(10));
        damages.forget([11, 12]);
        assert!(damages.list().is_empty());
    }

    #[test]
    fn files_that_belong_to_no_part_are_none_of_it() {
        let damages = Damages::default();
        for path in ["log/x", "parts/x/data.bin", "parts/x", "index.json"] {
            damages.note_file(path, "?");
        }
        assert!(damages.list().is_empty());
    }
}
