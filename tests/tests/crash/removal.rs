//! An index is removed: whatever ends the machine meanwhile, it is there whole or gone, and the name is free.

use std::sync::Arc;

use sidx_host::storage::DirectoryStore;
use sidx_host::{Engine, ErrorKind, IndexBuilder, Store};
use sidx_tests::model::Row;
use sidx_tests::simulated_disk::{Crash, SimulatedDisk};
use sidx_tests::subject::{batch, keys_of};

const SEEDS: u64 = 4;

fn store(disk: &SimulatedDisk) -> Store {
    Store::with_backend(Arc::new(DirectoryStore::on(disk.mount(), "/store")))
}

fn builder(store: &Store, name: &str) -> IndexBuilder {
    store.index(name).engine(Engine::Native).background(false)
}

/// A part, rows in the log, and another index that must stay.
fn lived_on() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    for name in ["gone", "kept"] {
        let index = builder(&store(&disk), name).create().unwrap();
        index.write(batch(&[Row::new(1, 1, "x")]).unwrap()).unwrap();
        index.flush().unwrap();
        index.write(batch(&[Row::new(1, 2, "y")]).unwrap()).unwrap();
    }
    disk
}

fn keys(store: &Store, name: &str) -> Vec<i64> {
    keys_of(builder(store, name).open().unwrap().query())
}

#[test]
fn a_removal_that_is_ended_at_any_call_has_removed_all_or_nothing() {
    let before = lived_on();
    let (mut whole, mut gone) = (0, 0);
    for call in 1.. {
        let mut ended = true;
        for (seed, crash) in (0..SEEDS).flat_map(|it| [(it, Crash::Kill), (it, Crash::Power)]) {
            let disk = before.fork(seed);
            disk.reboot(Crash::Kill);
            disk.crash_at(call);
            let removed = store(&disk).remove_index("gone");
            ended &= !disk.is_crashed();
            disk.reboot(crash);
            let store = store(&disk);
            let names = store.index_names().unwrap();
            // Who was stopped right behind the step that decides has not noted that where names are listed.
            let is_there = || match builder(&store, "gone").read_only() {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotFound, "call {call}: {error}");
                    false
                }
                Ok(_) => true,
            };
            if names == ["gone", "kept"] && is_there() {
                assert!(
                    removed.is_err(),
                    "call {call}: a removal that was told came undone"
                );
                assert_eq!(keys(&store, "gone"), [1, 2], "call {call}");
                whole += 1;
                store.remove_index("gone").unwrap();
            } else {
                gone += 1;
                // Repeated, it says what it still had to remove, and then that there is nothing.
                let rest = store.remove_index("gone");
                let again = rest.and_then(|_| store.remove_index("gone")).unwrap_err();
                assert_eq!(again.kind(), ErrorKind::NotFound, "call {call}: {again}");
                assert_eq!(store.index_names().unwrap(), ["kept"], "call {call}");
            }
            // Nothing but what says so is left, and nothing is in the way of a new one.
            let left: Vec<String> = disk.tree().into_keys().collect();
            let files = left
                .iter()
                .filter_map(|path| path.strip_prefix("/store/gone/"));
            let rows = files.filter(|path| {
                let is_mark = path.ends_with(".incarnation") || path.ends_with(".snapshot");
                let is_ours = ["", "lock", "readers/"].contains(path)
                    || path.starts_with("log/")
                    || path.starts_with("~swap");
                !is_mark && !is_ours
            });
            assert_eq!(rows.collect::<Vec<_>>(), [""; 0], "call {call}");
            let index = builder(&store, "gone").create().unwrap();
            assert_eq!(index.query().count().unwrap(), 0);
            index.write(batch(&[Row::new(1, 3, "z")]).unwrap()).unwrap();
            drop(index);
            assert_eq!(keys(&store, "gone"), [3], "call {call}");
            assert_eq!(keys(&store, "kept"), [1, 2]);
        }
        if ended {
            break;
        }
    }
    assert!(whole > 20 && gone > 20, "{whole} whole, {gone} gone");
}
