//! A medium that is full: a simulated disk with a capacity, which stays full until something is removed.

use std::path::Path;
use std::sync::Arc;

use sidx_host::storage::{DirectoryStore, FileSystem, OpenFile};
use sidx_host::{Engine, ErrorKind, IndexBuilder, Pressure, Store};
use sidx_tests::simulated_disk::{Crash, SimulatedDisk};
use sidx_tests::subject::NAME;

use super::budgets::{fill, make_room, write};

const ENGINES: [Engine; 2] = [Engine::Native, Engine::Component];
const MIB: u64 = 1 << 20;
const CAPACITY: u64 = 8 * MIB;

fn disk() -> SimulatedDisk {
    let disk = SimulatedDisk::new(7);
    disk.limit(CAPACITY);
    disk
}

fn options(disk: &SimulatedDisk, engine: Engine, min_free: Option<u64>) -> IndexBuilder {
    let backend = DirectoryStore::on(disk.mount(), "/store");
    let builder = Store::with_backend(Arc::new(backend)).index(NAME);
    let builder = builder.engine(engine).background(false);
    match min_free {
        Some(bytes) => builder.min_free_bytes(bytes),
        None => builder,
    }
}

/// A file of another program.
struct Hog {
    file: Box<dyn OpenFile>,
    fs: Arc<dyn FileSystem>,
}

impl Hog {
    /// Takes all but so many bytes.
    fn leaving(disk: &SimulatedDisk, bytes: u64) -> Self {
        let fs = disk.mount();
        let file = fs.create_new(Path::new("/hog")).unwrap();
        let taken = disk.free_bytes().unwrap().saturating_sub(bytes);
        file.write_all_at(&vec![1; taken as usize], 0).unwrap();
        Self { file, fs }
    }

    fn remove(self) {
        drop(self.file);
        self.fs.remove_file(Path::new("/hog")).unwrap();
    }
}

#[test]
fn a_full_medium_takes_a_flush_then_retention_then_writes() {
    for engine in ENGINES {
        for min_free in [None, Some(0), Some(2 * MIB)] {
            for flush_bytes in [u64::MAX, 64 << 20] {
                let disk = disk();
                let options = || options(&disk, engine, min_free).flush_bytes(flush_bytes);
                let index = options().create().unwrap();
                let rows = fill(&index, 0);
                let health = index.health();
                assert_eq!(health.disk.level, Pressure::None);
                assert_eq!(health.medium.free_bytes, disk.free_bytes());
                let minimum = min_free.unwrap_or(CAPACITY / 50);
                assert_eq!(health.medium.minimum_bytes, Some(minimum));
                assert!(disk.free_bytes().unwrap() >= minimum);
                assert!(disk.free_bytes().unwrap() < 5 * MIB + minimum);
                make_room(&index, rows);
                // Once more, with a kill in between.
                let rows = fill(&index, 100) - 100;
                disk.reboot(Crash::Kill);
                drop(index);
                let index = options().open().unwrap();
                make_room(&index, rows + 100);
            }
        }
    }
}

#[test]
fn a_writer_goes_on_when_another_program_gives_room_back() {
    for engine in ENGINES {
        let disk = disk();
        let index = options(&disk, engine, None)
            .flush_bytes(u64::MAX)
            .create()
            .unwrap();
        write(&index, 0, 100).unwrap();
        assert_eq!(index.health().pressure, Pressure::None);
        let hog = Hog::leaving(&disk, 4096);
        assert_eq!(index.health().medium.level, Pressure::Critical);
        let refused = write(&index, 100, 100).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResourceExhausted, "{refused}");
        // Not even the flush has the room that it was promised, and changes nothing.
        let refused = index.flush().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResourceExhausted, "{refused}");
        assert_eq!(index.query().count().unwrap(), 100);
        hog.remove();
        write(&index, 100, 100).unwrap();
        index.flush().unwrap();
        assert_eq!(index.query().count().unwrap(), 200);
        assert_eq!(index.verify().unwrap()["ok"], true);
    }
}

#[test]
fn the_hard_room_of_a_flush_is_kept_without_a_minimum() {
    for engine in ENGINES {
        let disk = disk();
        let index = options(&disk, engine, Some(0))
            .flush_bytes(u64::MAX)
            .create()
            .unwrap();
        let rows = fill(&index, 0);
        let free = disk.free_bytes().unwrap();
        assert!(free >= index.health().flush_bytes, "{free}");
        let flushed = index.flush().unwrap();
        assert_eq!(flushed.rows, rows as u64);
        assert!(disk.free_bytes().unwrap() > free / 2);
    }
}

/// A medium with bytes in plenty, but a fixed number of files.
#[test]
fn files_are_kept_for_a_flush_as_bytes_are() {
    for engine in ENGINES {
        let disk = SimulatedDisk::new(7);
        disk.limit(1_000 * MIB);
        disk.limit_files(400);
        let index = options(&disk, engine, None).manual().create().unwrap();
        let mut rows = 0;
        let refused = loop {
            match write(&index, rows, 1) {
                Ok(()) => rows += 1,
                Err(error) => break error,
            }
            if rows % 2 == 0 {
                index.flush().unwrap();
            }
            assert!(rows < 1_000, "nothing is ever refused");
        };
        assert_eq!(refused.kind(), ErrorKind::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("files more"), "{refused}");
        assert_eq!(index.health().medium.level, Pressure::Critical);
        assert_eq!(index.health().medium.free_files, disk.free_files());
        drop(index);
        let index = options(&disk, engine, None).open().unwrap();
        make_room(&index, rows);
    }
}

/// Another program takes the last file: nothing that fails leaves files behind, and all goes on when there
/// are some again.
#[test]
fn jobs_that_find_no_file_leave_none_behind() {
    for engine in ENGINES {
        let disk = disk();
        let index = options(&disk, engine, None)
            .flush_bytes(u64::MAX)
            .create()
            .unwrap();
        write(&index, 0, 100).unwrap();
        let used = disk.tree().len();
        for more in 0..12 {
            disk.limit_files(used as u64 + 1 + more);
            let files = disk.free_files();
            for _ in 0..3 {
                let refused = write(&index, 100, 1).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::ResourceExhausted, "{refused}");
                if let Err(refused) = index.flush() {
                    assert_eq!(refused.kind(), ErrorKind::ResourceExhausted, "{refused}");
                    assert!(disk.free_files() >= files.map(|files| files.saturating_sub(1)));
                }
            }
            assert_eq!(index.query().count().unwrap(), 100);
        }
        disk.limit_files(1_000);
        write(&index, 100, 100).unwrap();
        index.flush().unwrap();
        assert_eq!(index.query().count().unwrap(), 200);
        assert_eq!(index.verify().unwrap()["ok"], true);
    }
}
