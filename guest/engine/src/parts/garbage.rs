//! Parts that left the part list: they are removed, or moved to the quarantine if they were damaged, once no
//! reader can need them, in this process or another.

use crate::host::{Host, Medium, Readers};
use crate::part::PartList;
use crate::part::dead::chunk::ChunkFile;
use crate::part::loss::Quarantined;
use crate::part::name::{DeadName, PartName, StoredName};
use crate::parts::borrowed::Borrowed;
use crate::parts::fences::Fences;
use crate::parts::quarantine;
use crate::parts::snapshot::LeftPart;
use crate::parts::superseded::Superseded;

/// Parts that are removed beside a write once they are so many, or hold so many bytes of memory: asking who
/// reads takes longer than a small write.
const WORTH_REMOVING_PARTS: usize = 16;
const WORTH_REMOVING_BYTES: u64 = 1 << 20;

/// Parts that left the list and are still there.
#[derive(Default)]
pub(crate) struct Garbage {
    parts: Vec<GarbagePart>,
    /// Snapshots of earlier epochs are gone, so no reader can begin with one.
    first_epoch: u64,
    snapshots: Superseded,
}

struct GarbagePart {
    name: StoredName,
    medium: Medium,
    /// First version that lacks it.
    version: u64,
    /// First epoch that names it, and first after it that lacks it.
    since: u64,
    epoch: u64,
    /// Bytes that it holds in memory.
    memory_bytes: u64,
    /// It was damaged: it is moved to the quarantine instead of being removed.
    damaged: Option<Quarantined>,
}

impl GarbagePart {
    /// Whether some reader may read it, or may begin to.
    fn is_needed(&self, readers: &Readers, first_epoch: u64) -> bool {
        let named = self.since..self.epoch;
        let is_pinned = readers.pinned().any(|epoch| named.contains(&epoch));
        let by_epoch = is_pinned || self.epoch > first_epoch || self.version > readers.settled;
        self.version > readers.version || (self.medium == Medium::Durable && by_epoch)
    }
}

impl Garbage {
    /// What a snapshot says is left.
    pub(crate) fn of(left: &[LeftPart]) -> Self {
        let mut garbage = Self::default();
        for part in left {
            if let Some(name) = StoredName::parse(&part.part) {
                garbage.inherit(name, part.since, part.until);
            }
        }
        garbage
    }

    /// Whether a part is among them.
    pub(crate) fn has(&self, name: StoredName) -> bool {
        self.parts.iter().any(|part| part.name == name)
    }

    /// Notes parts of `live` that leave the list with its next version, and with epoch `epoch`; `since` tells
    /// the first epoch that names one.
    pub(crate) fn bury<H: Host>(
        &mut self,
        live: &PartList<H>,
        numbers: &[u64],
        since: impl Fn(u64) -> u64,
        epoch: u64,
    ) {
        let parts = numbers.iter().filter_map(|number| live.part(*number));
        self.parts.extend(parts.map(|part| GarbagePart {
            name: StoredName::Part(part.name()),
            medium: part.medium(),
            version: live.version + 1,
            since: since(part.number()),
            epoch,
            memory_bytes: match part.medium() {
                Medium::Memory => part.summary().size_bytes,
                Medium::Durable => 0,
            },
            damaged: None,
        }));
    }

    /// Notes files of dead rows that leave the list with a version, and with an epoch; `since` tells the
    /// first epoch that names one.
    pub(crate) fn bury_dead(
        &mut self,
        files: impl IntoIterator<Item = ChunkFile>,
        version: u64,
        since: impl Fn(DeadName) -> u64,
        epoch: u64,
    ) {
        self.parts.extend(files.into_iter().map(|file| GarbagePart {
            name: StoredName::Dead(file.name),
            medium: file.medium,
            version,
            since: since(file.name),
            epoch,
            memory_bytes: match file.medium {
                Medium::Memory => file.size_bytes,
                Medium::Durable => 0,
            },
            damaged: None,
        }));
    }

    /// Notes a file part that was damaged and is to be kept in the quarantine, or where it lies if it is
    /// borrowed; version and epoch are the first that lack it.
    pub(crate) fn bury_damaged(
        &mut self,
        lost: Quarantined,
        (version, epoch): (u64, u64),
        is_borrowed: bool,
    ) {
        if let Some(name) = PartName::parse(&lost.part) {
            self.parts.push(GarbagePart {
                name: StoredName::Part(name),
                medium: Medium::Durable,
                version,
                // Until nobody reads what is older: who does may not be told that it is damaged.
                since: 0,
                epoch,
                memory_bytes: 0,
                damaged: (!is_borrowed).then_some(lost),
            });
        }
    }

    /// Whether a write should stop to remove some.
    pub(crate) fn is_worth_removing(&self) -> bool {
        let bytes: u64 = self.parts.iter().map(|part| part.memory_bytes).sum();
        self.parts.len() >= WORTH_REMOVING_PARTS || bytes >= WORTH_REMOVING_BYTES
    }

    /// Notes a file part that an earlier process left and a reader in another one may still need.
    pub(crate) fn inherit(&mut self, name: StoredName, since: u64, until: u64) {
        self.parts.push(GarbagePart {
            name,
            medium: Medium::Durable,
            version: 0,
            since,
            epoch: until,
            memory_bytes: 0,
            damaged: None,
        });
    }

    /// Notes what lies in memory and leaves the list with a version and an epoch, if it is in it at all.
    pub(crate) fn inherit_memory(&mut self, names: &[StoredName], version: u64, epoch: u64) {
        self.parts.extend(names.iter().map(|name| GarbagePart {
            name: *name,
            medium: Medium::Memory,
            version,
            since: epoch,
            epoch,
            memory_bytes: 0,
            damaged: None,
        }));
    }

    /// How many parts are noted.
    pub(crate) fn count(&self) -> usize {
        self.parts.len()
    }

    /// Forgets those that were noted after so many.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.parts.truncate(count);
    }

    /// The file parts that are still there, for the snapshot. Damaged ones it names among what was set aside.
    pub(crate) fn left(&self) -> impl Iterator<Item = LeftPart> {
        let parts = self
            .parts
            .iter()
            .filter(|part| part.medium == Medium::Durable && part.damaged.is_none());
        parts.map(|part| LeftPart {
            part: part.name.to_string(),
            since: part.since,
            until: part.epoch,
        })
    }

    /// Removes the snapshots before an epoch. Until that has succeeded their parts stay: a reader in
    /// another process could still begin with one.
    pub(crate) fn forget_snapshots<H: Host>(&mut self, host: &H, epoch: u64, fences: &Fences) {
        if self.snapshots.remove_before(host, epoch, fences).is_ok() {
            self.first_epoch = self.first_epoch.max(epoch);
        }
    }

    /// Takes over what lies in memory of another one, and leaves the rest.
    pub(crate) fn take_memory(&mut self, other: &mut Self) {
        let taken = other
            .parts
            .extract_if(.., |part| part.medium == Medium::Memory);
        self.parts.extend(taken);
    }

    /// Removes what lies in memory and nobody can need; the rest is the writer's. `held` is the oldest
    /// version that this instance reads itself.
    pub(crate) fn remove_memory<H: Host>(&mut self, host: &H, held: u64) {
        let Ok(Readers { version, .. }) = host.find_readers() else {
            return;
        };
        let version = version.min(held);
        self.parts.retain(|part| {
            let go = || host.remove_files(&part.name.path(part.medium), part.medium);
            part.medium == Medium::Durable || part.version > version || go().is_err()
        });
    }

    /// Removes the parts that nobody can need. Those that cannot be removed are tried again next time. Files
    /// that are borrowed stay where they are, and are forgotten. `held` is the oldest version that this
    /// instance reads itself. Returns who reads, if that had to be asked.
    pub(crate) fn remove<H: Host>(
        &mut self,
        host: &H,
        held: u64,
        fences: &Fences,
        borrowed: &mut Borrowed,
    ) -> Option<Readers> {
        let newest = self.parts.iter().map(|part| part.epoch).max()?;
        if newest > self.first_epoch {
            self.forget_snapshots(host, newest, fences);
        }
        // Asked after the snapshots are gone: who begins later finds them missing. Who cannot be asked
        // may be reading.
        let mut readers = host.find_readers().ok()?;
        readers.version = readers.version.min(held);
        let first_epoch = self.first_epoch;
        let mut given_back = Vec::new();
        self.parts.retain(|part| {
            if part.medium.is_durable() && borrowed.has(part.name) {
                let is_needed = part.is_needed(&readers, first_epoch);
                given_back.extend((!is_needed).then_some(part.name));
                return is_needed;
            }
            let go = || match &part.damaged {
                Some(lost) => quarantine::set_aside(host, std::slice::from_ref(lost)),
                None => host.remove_files(&part.name.path(part.medium), part.medium),
            };
            part.is_needed(&readers, first_epoch) || go().is_err()
        });
        borrowed.forget(&given_back);
        Some(readers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a part that epochs 2 to 4 and versions up to 9 have stays for readers.
    fn is_needed(medium: Medium, version: u64, epochs: &[u64]) -> bool {
        let of_readers = is_needed_by(medium, version, (epochs, &[]));
        assert_eq!(of_readers, is_needed_by(medium, version, (&[], epochs)));
        of_readers
    }

    /// The same for readers and branches.
    fn is_needed_by(medium: Medium, version: u64, (epochs, branches): (&[u64], &[u64])) -> bool {
        let part = GarbagePart {
            name: StoredName::Part(PartName::in_memory(1)),
            medium,
            version: 10,
            since: 2,
            epoch: 5,
            memory_bytes: 0,
            damaged: None,
        };
        let readers = Readers {
            version,
            settled: u64::MAX,
            epochs: epochs.to_vec(),
            branches: branches.to_vec(),
        };
        part.is_needed(&readers, 5)
    }

    #[test]
    fn a_part_stays_for_readers_of_versions_and_for_readers_and_branches_of_epochs_that_name_it() {
        assert!(is_needed(Medium::Durable, 9, &[]));
        assert!(!is_needed(Medium::Durable, 10, &[]));
        for epoch in [2, 3, 4] {
            assert!(is_needed(Medium::Durable, u64::MAX, &[0, epoch, 9]));
        }
        // Epochs before it was made, and after it left, do not keep it.
        assert!(!is_needed(
            Medium::Durable,
            u64::MAX,
            &[0, 1, 5, 6, u64::MAX]
        ));
        // No other process can see what is in memory.
        assert!(!is_needed(Medium::Memory, u64::MAX, &[4]));
    }

    #[test]
    fn a_part_stays_while_a_snapshot_that_names_it_can_be_found() {
        let part = GarbagePart {
            name: StoredName::Part(PartName::in_memory(1)),
            medium: Medium::Durable,
            version: 10,
            since: 2,
            epoch: 5,
            memory_bytes: 0,
            damaged: None,
        };
        let nobody = |settled| Readers {
            version: u64::MAX,
            settled,
            epochs: Vec::new(),
            branches: Vec::new(),
        };
        assert!(part.is_needed(&nobody(u64::MAX), 4));
        assert!(!part.is_needed(&nobody(u64::MAX), 5));
        // It has only just left the list.
        assert!(part.is_needed(&nobody(9), 5));
        assert!(!part.is_needed(&nobody(10), 5));
    }
}
