//! Pins of readers that have no locks, as in WASI: an object of the place for each, named `<epoch, 16 hex
//! digits>-<lease in milliseconds>-<32 hex digits>.pin`, which its reader swaps for another three times in
//! that time. Whoever has seen one unchanged for as long by a clock of its own takes it for given up, and
//! removes it; the reader counts from before it put it, and so knows first.
//!
//! Who never looks for long enough, as commands that end at once, gives up what is a day old by the clock of
//! the medium: no lease is longer than an hour.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use parking_lot::Mutex;
use sidx_engine::ReaderPin;

use super::file_system::{FileMetadata, FileSystem, Fs};
use super::{disk, objects};
use crate::error::{Error, Result};

/// Seconds after which one is given up at once.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What was seen of pins, by name.
#[derive(Default)]
pub(super) struct Watch {
    seen: Mutex<BTreeMap<String, Seen>>,
}

struct Seen {
    /// Each renewal is another file.
    metadata: FileMetadata,
    since_ms: u64,
}

impl Watch {
    /// Notes how a pin was found, by a look that began at a time, and returns for how many milliseconds it
    /// has been so at least; none when it was not so before.
    fn see(&self, fs: &dyn FileSystem, name: &str, found: FileMetadata, asked: u64) -> Option<u64> {
        let mut seen = self.seen.lock();
        match seen.get(name) {
            Some(known) if known.metadata == found => Some(asked.saturating_sub(known.since_ms)),
            _ => {
                let now = Seen {
                    metadata: found,
                    since_ms: fs.now_ms(),
                };
                seen.insert(name.to_owned(), now);
                None
            }
        }
    }
}

/// The epochs that are pinned so. Pins that were given up are removed on the way.
pub(super) fn held(fs: &Fs, root: &Path, watch: &Watch) -> Result<BTreeSet<u64>> {
    let asked = fs.now_ms();
    let mut names = objects::list(fs.as_ref(), root, "")?;
    names.retain(|name| ReaderPin::parse(name).is_some());
    watch.seen.lock().retain(|name, _| names.contains(name));
    let mut epochs = BTreeSet::new();
    for name in names {
        let Some(ReaderPin {
            epoch, lease_ms, ..
        }) = ReaderPin::parse(&name)
        else {
            continue;
        };
        let path = root.join(&name);
        let found = match fs.link_metadata(&path) {
            Ok(found) => found,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(Error::io("look at", &path, cause)),
        };
        let is_over = match watch.see(fs.as_ref(), &name, found, asked) {
            Some(unchanged_ms) => unchanged_ms >= lease_ms,
            // It may be that of a reader that died long ago.
            None => is_old(fs, root, found),
        };
        if !is_over {
            epochs.insert(epoch);
        } else if let Err(error) = objects::remove(fs.as_ref(), root, &name) {
            // Nobody relies on it any more.
            let pin = path.display();
            tracing::debug!(%pin, %error, "a pin that was given up cannot be removed");
        }
    }
    Ok(epochs)
}

/// Whether a file is a day old. Where the medium does not tell the time it is not.
fn is_old(fs: &Fs, root: &Path, found: FileMetadata) -> bool {
    let now = disk::seconds_now(fs, root);
    now.is_ok_and(|now| now.saturating_sub(found.modified.0) >= DAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::Storage as _;
    use crate::directory::file_system::{Access, FileKind, OpenFile};
    use crate::directory::{DirectoryStorage, LocalFileSystem};

    /// The file system of this machine, with a clock that a test sets.
    #[derive(Default)]
    struct Clocked(AtomicU64);

    impl FileSystem for Clocked {
        fn create_new(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
            LocalFileSystem.create_new(path)
        }

        fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
            LocalFileSystem.open(path, access)
        }

        fn sync_directory(&self, path: &Path) -> io::Result<()> {
            LocalFileSystem.sync_directory(path)
        }

        fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
            LocalFileSystem.link(from, to)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            LocalFileSystem.rename(from, to)
        }

        fn remove_file(&self, path: &Path) -> io::Result<()> {
            LocalFileSystem.remove_file(path)
        }

        fn create_directory(&self, path: &Path) -> io::Result<()> {
            LocalFileSystem.create_directory(path)
        }

        fn remove_directory(&self, path: &Path) -> io::Result<()> {
            LocalFileSystem.remove_directory(path)
        }

        fn list(&self, path: &Path) -> io::Result<Vec<(std::ffi::OsString, FileKind)>> {
            LocalFileSystem.list(path)
        }

        fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
            LocalFileSystem.metadata(path)
        }

        fn link_metadata(&self, path: &Path) -> io::Result<FileMetadata> {
            LocalFileSystem.link_metadata(path)
        }

        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    struct Setting {
        clock: Arc<Clocked>,
        directory: tempfile::TempDir,
        place: DirectoryStorage,
    }

    impl Setting {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let clock = Arc::new(Clocked::default());
            let place = DirectoryStorage::on(Arc::clone(&clock) as _, directory.path());
            Self {
                clock,
                directory,
                place,
            }
        }

        fn wait(&self, milliseconds: u64) {
            self.clock.0.fetch_add(milliseconds, Ordering::Relaxed);
        }

        fn pinned(&self) -> Vec<u64> {
            self.place.pinned_epochs().expect("readable")
        }
    }

    fn name(epoch: u64, lease_ms: u64) -> String {
        let nonce = 7;
        let pin = ReaderPin {
            epoch,
            lease_ms,
            nonce,
        };
        pin.to_string()
    }

    #[test]
    fn a_pin_counts_until_it_was_seen_unchanged_for_its_lease() {
        let setting = Setting::new();
        let (pin, place) = (name(4, 10_000), &setting.place);
        setting.wait(500_000);
        place.put_if_absent(&pin, b"0").expect("put");
        assert_eq!(setting.pinned(), [4]);
        setting.wait(9_999);
        assert_eq!(setting.pinned(), [4]);
        // Renewed: the time begins anew, with the look that sees it.
        let (_, version) = place.get(&pin).expect("readable").expect("there");
        place
            .compare_and_swap(&pin, &version, b"1")
            .expect("swapped");
        setting.wait(5_000);
        assert_eq!(setting.pinned(), [4]);
        setting.wait(9_999);
        assert_eq!(setting.pinned(), [4]);
        setting.wait(1);
        assert_eq!(setting.pinned(), [0; 0]);
        assert_eq!(place.get(&pin).expect("readable"), None, "it is removed");
    }

    #[test]
    fn who_looks_for_the_first_time_waits_however_old_the_pin_is() {
        let setting = Setting::new();
        setting
            .place
            .put_if_absent(&name(4, 1_000), b"0")
            .expect("put");
        assert_eq!(setting.pinned(), [4]);
        setting.wait(1_000);
        let fs = Arc::clone(&setting.clock) as Arc<dyn FileSystem>;
        let late = DirectoryStorage::on(fs, setting.directory.path());
        assert_eq!(late.pinned_epochs().expect("readable"), [4]);
        assert_eq!(setting.pinned(), [0; 0]);
        assert_eq!(late.pinned_epochs().expect("readable"), [0; 0]);
    }

    #[test]
    fn what_is_a_day_old_is_given_up_at_the_first_look() {
        let setting = Setting::new();
        for (epoch, hours) in [(4, 25), (5, 23)] {
            let pin = name(epoch, 3_600_000);
            setting.place.put_if_absent(&pin, b"0").expect("put");
            let path = setting.directory.path().join(&pin);
            let file = std::fs::File::options().write(true).open(path);
            let long_ago =
                std::time::SystemTime::now() - std::time::Duration::from_secs(hours * 3600);
            file.expect("there").set_modified(long_ago).expect("set");
        }
        assert_eq!(setting.pinned(), [5]);
        let left = setting.place.list_objects("").expect("listed");
        assert_eq!(left, [name(5, 3_600_000)], "nothing is left of the look");
    }

    #[test]
    fn pins_of_both_kinds_count_together() {
        let setting = Setting::new();
        let locked = setting.place.pin(9).expect("writable").expect("taken");
        let also = setting.place.pin(4).expect("writable").expect("taken");
        setting
            .place
            .put_if_absent(&name(4, 1_000), b"0")
            .expect("put");
        setting
            .place
            .put_if_absent(&name(2, 1_000), b"0")
            .expect("put");
        assert_eq!(setting.pinned(), [2, 4, 9]);
        assert_eq!(setting.place.locked_epochs().expect("readable"), [4, 9]);
        drop((locked, also));
        setting
            .place
            .remove_object(&name(2, 1_000))
            .expect("removed");
        assert_eq!(setting.pinned(), [4]);
    }
}
