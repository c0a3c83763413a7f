//! Snapshots as they are stored: the list of live parts at one epoch.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::layout::{PARTS, part_number};
use crate::part::loss::Quarantined;
use crate::seal::{seal, unseal};
use serde::{Deserialize, Serialize};

/// The object that holds the options of the index and marks its existence.
pub const INDEX_OBJECT: &str = "index.json";
const EXTENSION: &str = ".snapshot";

/// The content of `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The program that made the index; for people only.
    pub(crate) created_by: String,
}

/// The content of `<epoch>.snapshot`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) epoch: u64,
    /// Part names in order of age: all element ids of a part are below those of the next.
    pub(crate) parts: Vec<String>,
    /// Log entries before this position are in the parts.
    pub(crate) log_position: u64,
    pub(crate) next_element_id: u64,
    /// Parts with this number or a higher one are not yet made.
    pub(crate) next_part: u64,
    /// For each part the first epoch that names it; empty in snapshots that do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) since: Vec<u64>,
    /// Parts that earlier epochs name and that were not removed yet; none in snapshots that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left: Option<Vec<LeftPart>>,
    /// Parts that failed their checks and were set aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) quarantined: Vec<Quarantined>,
}

/// A part that left the list: who has pinned an epoch that names it may read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftPart {
    /// Its name.
    pub(crate) part: String,
    /// The first epoch that names it, and the first after it that does not.
    pub(crate) since: u64,
    pub(crate) until: u64,
}

fn no_snapshot() -> Error {
    Error::corrupt(
        "the index has no snapshot (<epoch>.snapshot), which says what it holds; restore it from a \
         backup or repair the index",
    )
}

impl Snapshot {
    pub(crate) fn name(epoch: u64) -> String {
        format!("{epoch:016x}{EXTENSION}")
    }

    /// Publishes the snapshot as the next epoch. `conflict` when another writer was first.
    pub(crate) fn publish<H: Host>(&self, host: &H) -> Result<()> {
        let name = Self::name(self.epoch);
        match host.put_object_if_absent(&name, &seal(self)?) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{name} exists: another writer published epoch {}; reopen the index",
                    self.epoch
                ),
            )),
            Err(error) => Err(error),
        }
    }

    /// Publishes the empty list that an index begins with, so that an index whose snapshot was lost is
    /// not taken for one that never had rows.
    pub(crate) fn publish_first<H: Host>(host: &H) -> Result<()> {
        if !Self::epochs(host)?.is_empty() {
            return Ok(());
        }
        if !host.list_files(PARTS, Medium::Durable)?.is_empty() {
            return Err(no_snapshot());
        }
        match host.put_object_if_absent(&Self::name(0), &seal(&Self::default())?) {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            // Another creator was first and wrote the same.
            _ => Ok(()),
        }
    }

    /// The newest snapshot; `corrupt` when there is none.
    pub(crate) fn current<H: Host>(host: &H) -> Result<Self> {
        Self::newest(host)?.ok_or_else(no_snapshot)
    }

    /// The newest snapshot; `None` when there is none, which is damage.
    pub(crate) fn newest<H: Host>(host: &H) -> Result<Option<Self>> {
        // A writer may publish and clean up between the listing and the reading: list again then.
        for _ in 0..8 {
            let Some(epoch) = Self::epochs(host)?.pop() else {
                return Ok(None);
            };
            let name = Self::name(epoch);
            if let Some(object) = host.get_object(&name)? {
                let snapshot: Self = unseal(&object.bytes, &name)?;
                snapshot.check(epoch).map_err(|error| error.at(&name))?;
                return Ok(Some(snapshot));
            }
        }
        Err(Error::new(
            ErrorKind::Io,
            "the newest snapshot vanishes each time it is read; try again",
        ))
    }

    /// The numbers of the parts.
    pub(crate) fn part_numbers(&self) -> Result<Vec<u64>> {
        let number = |name: &String| {
            part_number(name).ok_or_else(|| Error::corrupt(format!("{name:?} is not a part name")))
        };
        self.parts.iter().map(number).collect()
    }

    /// Refuses what can't be the snapshot of `epoch`.
    pub(crate) fn check(&self, epoch: u64) -> Result<()> {
        if self.epoch != epoch {
            return Err(Error::corrupt(format!("it says epoch {}", self.epoch)));
        }
        let numbers = self.part_numbers()?;
        let epochs = self.since.len();
        if epochs != 0 && epochs != numbers.len() {
            return Err(Error::corrupt(format!(
                "it has {epochs} first epochs for {} parts",
                numbers.len()
            )));
        }
        if let Some(number) = numbers.iter().find(|number| **number >= self.next_part) {
            return Err(Error::corrupt(format!(
                "part {number} is not below next_part"
            )));
        }
        Ok(())
    }

    /// Epochs of the stored snapshots, ascending.
    pub(crate) fn epochs<H: Host>(host: &H) -> Result<Vec<u64>> {
        let names = host.list_objects("")?;
        let epoch = |name: &String| part_number(name.strip_suffix(EXTENSION)?);
        let mut epochs: Vec<u64> = names.iter().filter_map(epoch).collect();
        epochs.sort_unstable();
        Ok(epochs)
    }

    /// Removes snapshots before `epoch`.
    pub(crate) fn remove_before<H: Host>(host: &H, epoch: u64) -> Result<()> {
        for old in Self::epochs(host)?.into_iter().filter(|old| *old < epoch) {
            host.remove_object(&Self::name(old))?;
        }
        Ok(())
    }
}
