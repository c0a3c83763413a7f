//! An index on a medium without any room: what needs none goes on, and what makes room can be done.

use std::sync::Arc;

use sidx_host::storage::{DirectoryStore, FileSystem};
use sidx_host::{Durability, Engine, ErrorKind, IndexBuilder, Retention, Store};
use sidx_tests::model::Row;
use sidx_tests::simulated_disk::{Crash, Fault, SimulatedDisk};
use sidx_tests::subject::{batch, keys_of};

const NAME: &str = "i";

fn row(key: i64) -> Row {
    Row::new(1, key, format!("row {key}")).tag("code", key)
}

fn options(disk: &SimulatedDisk, engine: Engine) -> IndexBuilder {
    let fs: Arc<dyn FileSystem> = disk.mount();
    Store::with_backend(Arc::new(DirectoryStore::on(fs, "/store")))
        .index(NAME)
        .engine(engine)
        .automatic_merge(false)
        .background(false)
}

/// A disk with an index of two parts and three logged rows, as a killed writer left it, without room.
fn full(engine: Engine) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let index = options(&disk, engine).create().unwrap();
    for part in [1..4, 4..6] {
        let rows: Vec<Row> = part.map(row).collect();
        index.write(batch(&rows).unwrap()).unwrap();
        index.flush().unwrap();
    }
    for key in 6..9 {
        index
            .write_with(batch(&[row(key)]).unwrap(), Durability::Sync)
            .unwrap();
    }
    drop(index);
    disk.reboot(Crash::Kill);
    disk.fail_at(1, Fault::NoSpace, true);
    disk
}

fn on_full_media(test: impl Fn(Engine, SimulatedDisk)) {
    for engine in [Engine::Native, Engine::Component] {
        test(engine, full(engine));
    }
}

const ALL: [i64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn reading_verifying_and_copying_need_no_room() {
    on_full_media(|engine, disk| {
        let reader = options(&disk, engine).read_only().unwrap();
        assert!(reader.health().reads_unprotected);
        assert_eq!(keys_of(reader.query()), ALL);
        assert_eq!(reader.verify().unwrap()["ok"], true);
        let elsewhere = Store::memory();
        reader.backup(&elsewhere, NAME).unwrap();
        let copy = elsewhere.index(NAME).engine(engine).open().unwrap();
        assert_eq!(keys_of(copy.query()), ALL);
    });
}

#[test]
fn a_sound_index_is_repaired_by_leaving_it_as_it_is() {
    on_full_media(|engine, disk| {
        let report = options(&disk, engine).repair(false).unwrap();
        assert_eq!(report["ok"], true, "{report:#}");
    });
}

#[test]
fn opening_for_writing_needs_no_room_and_a_flush_says_what_is_missing() {
    on_full_media(|engine, disk| {
        let index = options(&disk, engine).open().unwrap();
        assert_eq!(keys_of(index.query()), ALL);
        let error = index.flush().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
        assert!(error.message().contains("the disk is full"), "{error}");
        let error = index.write(batch(&[row(9)]).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
        assert_eq!(keys_of(index.query()), ALL);
        drop(index);
        // With room again it is as if nothing had been.
        disk.reboot(Crash::Kill);
        disk.calm();
        let index = options(&disk, engine).open().unwrap();
        assert_eq!(keys_of(index.query()), ALL);
        index.flush().unwrap();
        index
            .retain(Retention {
                drop_below: Some(5),
                ..Retention::default()
            })
            .unwrap();
        assert_eq!(keys_of(index.query()), ALL[4..]);
    });
}

/// A power loss may take log entries that a flush absorbed; the log then goes on behind them, and that it
/// does must be known without a write.
#[test]
fn a_log_that_lost_absorbed_entries_opens_without_room() {
    for engine in [Engine::Native, Engine::Component] {
        let disk = SimulatedDisk::new(2);
        let index = options(&disk, engine).create().unwrap();
        for key in 1..4 {
            index
                .write_with(batch(&[row(key)]).unwrap(), Durability::Os)
                .unwrap();
        }
        index.flush().unwrap();
        drop(index);
        disk.reboot(Crash::Power);
        disk.fail_at(1, Fault::NoSpace, true);
        let index = options(&disk, engine).open().unwrap();
        assert_eq!(keys_of(index.query()), [1, 2, 3]);
        drop(index);
        disk.reboot(Crash::Kill);
        disk.calm();
        let index = options(&disk, engine).open().unwrap();
        index
            .write_with(batch(&[row(4)]).unwrap(), Durability::Sync)
            .unwrap();
        drop(index);
        disk.reboot(Crash::Power);
        let index = options(&disk, engine).open().unwrap();
        assert_eq!(keys_of(index.query()), [1, 2, 3, 4]);
    }
}
