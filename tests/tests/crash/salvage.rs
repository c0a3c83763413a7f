//! A salvage that ends at any change: nothing that could be read before is lost, and what was damaged is
//! kept.

use std::path::Path;
use std::sync::Arc;

use sidx_host::storage::{Access, DirectoryStore};
use sidx_host::{Durability, Engine, Index, Result, Store};
use sidx_tests::model::Row;
use sidx_tests::simulated_disk::{Crash, SimulatedDisk};
use sidx_tests::subject::{NAME, batch, keys_of};

const PART_ROWS: i64 = 60;
const PARTS: i64 = 3;

fn open(disk: &SimulatedDisk, engine: Engine) -> Result<Index> {
    let store = Store::with_backend(Arc::new(DirectoryStore::on(disk.mount(), "/store")));
    let options = store.index(NAME).engine(engine).flush_bytes(u64::MAX);
    options.automatic_merge(false).background(false).create()
}

/// Rows whose payloads take several pages, so that some outlive damage.
fn write(index: &Index, part: i64) -> Result<()> {
    let noise = |key: i64| -> Vec<u8> {
        let mut state = key as u64 + 1;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        (0..4_000).map(|_| next()).collect()
    };
    let row = |key: i64| Row::new(1, key, noise(key)).tag("code", key);
    let rows: Vec<Row> = (part * PART_ROWS..(part + 1) * PART_ROWS)
        .map(row)
        .collect();
    index.write_with(batch(&rows)?, Durability::Sync)?;
    index.flush().map(drop)
}

/// The payload files of everything that is, or was, a part.
fn payload_files(disk: &SimulatedDisk, directory: &str) -> Vec<String> {
    let tree = disk.tree().into_keys();
    let is_one = |path: &String| path.contains(directory) && path.ends_with("/data.bin");
    tree.filter(is_one).collect()
}

fn content(disk: &SimulatedDisk, path: &str) -> Vec<u8> {
    let file = disk.mount().open(Path::new(path), Access::Read).unwrap();
    let mut bytes = vec![0; file.metadata().unwrap().size as usize];
    file.read_up_to(&mut bytes, 0).unwrap();
    bytes
}

/// A disk with three parts, of which the second is damaged; the damaged bytes.
fn prepared() -> (SimulatedDisk, Vec<u8>) {
    let disk = SimulatedDisk::new(7);
    let index = open(&disk, Engine::Native).unwrap();
    for part in 0..PARTS {
        write(&index, part).unwrap();
    }
    drop(index);
    let path = payload_files(&disk, "/parts/").remove(1);
    let mut bytes = content(&disk, &path);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let file = disk.mount().open(Path::new(&path), Access::Write).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    file.sync().unwrap();
    (disk, bytes)
}

fn left(index: &Index) -> Vec<i64> {
    keys_of(index.query().allow_partial())
}

fn salvage(disk: &SimulatedDisk, engine: Engine) -> Result<()> {
    let index = open(disk, engine)?;
    index.salvage()?;
    // What the next change does is to move what the salvage left for readers.
    write(&index, PARTS)
}

fn end_everywhere(engine: Engine, stride: usize) {
    let (disk, damaged) = prepared();
    let before = left(&open(&disk.fork(1), Engine::Native).unwrap());
    assert!(before.len() > 2 * PART_ROWS as usize && before.len() < 3 * PART_ROWS as usize);
    for (points, change) in (1..).step_by(stride).enumerate() {
        let disk = disk.fork(change);
        disk.crash_at_change(change, change % 2 == 0);
        let done = salvage(&disk, engine);
        if !disk.is_crashed() {
            done.unwrap();
            assert!(points > 20, "a salvage makes only {points} changes");
            return;
        }
        for (seed, crash) in [(1, Crash::Kill), (2, Crash::Power), (3, Crash::Power)] {
            let disk = disk.fork(change * 10 + seed);
            disk.reboot(crash);
            let index = open(&disk, Engine::Native).unwrap();
            let mut found = left(&index);
            found.truncate(before.len());
            assert_eq!(found, before, "change {change}");
            index.salvage().unwrap();
            write(&index, PARTS + 1).unwrap();
            assert_eq!(left(&index)[..before.len()], before, "change {change}");
            assert!(index.damaged().is_empty());
            assert!(
                index
                    .query()
                    .keys(PART_ROWS..2 * PART_ROWS)
                    .count()
                    .is_err()
            );
            let kept = payload_files(&disk, "/quarantine/");
            // A power loss between a move and its sync may take a name from both folders on this disk, which
            // is weaker than file systems are. What was damaged is only kept for people.
            assert!(kept.len() == 1 || crash == Crash::Power, "change {change}");
            for path in kept {
                assert_eq!(content(&disk, &path), damaged, "change {change}");
            }
        }
    }
}

#[test]
fn a_salvage_that_ends_anywhere_loses_nothing_that_could_be_read() {
    end_everywhere(Engine::Native, 3);
}

#[test]
fn a_salvage_that_ends_somewhere_loses_nothing_through_the_component() {
    end_everywhere(Engine::Component, 9);
}
