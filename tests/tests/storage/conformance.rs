//! What the conformance component says of our own stores.

use std::sync::Arc;

use sidx_host::storage::log::LogForm;
use sidx_host::storage::{DirectoryStore, MemoryStore, Store};
use sidx_tests::ungrowing::UngrowingStore;
use wit_component::DecodedWasm;

use super::checks::{CHECKS, Checks};

/// Runs all checks over one store, twice: what one leaves must not hinder the next.
fn passes(indexes: Arc<dyn Store>, form: LogForm) {
    for _ in 0..2 {
        let mut checks = Checks::new(Arc::clone(&indexes), form, None);
        let names = checks.names();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            if let Err(rule) = checks.run(&name) {
                panic!("{name}: {rule}");
            }
        }
    }
    assert_eq!(indexes.index_names().unwrap(), [] as [&str; 0]);
}

#[test]
fn a_store_in_memory_passes() {
    passes(Arc::new(MemoryStore::new()), LogForm::Growing);
}

#[test]
fn a_store_without_growing_files_passes() {
    passes(
        Arc::new(UngrowingStore(Arc::new(MemoryStore::new()))),
        LogForm::Whole,
    );
}

#[test]
fn a_store_in_a_directory_passes() {
    let directory = tempfile::tempdir().unwrap();
    passes(
        Arc::new(DirectoryStore::new(directory.path().join("store"))),
        LogForm::Growing,
    );
}

#[test]
fn a_check_that_does_not_exist_is_refused() {
    let mut checks = Checks::new(Arc::new(MemoryStore::new()), LogForm::Growing, None);
    let message = checks.run("no such").unwrap_err();
    assert!(message.contains("no such"), "{message}");
}

/// A host in another language need provide nothing else.
#[test]
fn the_checks_import_the_storage_package_and_nothing_else() {
    let decoded = wit_component::decode(CHECKS).unwrap();
    let DecodedWasm::Component(resolve, world) = decoded else {
        panic!("the checks are not a component");
    };
    let imports = resolve.worlds[world].imports.keys();
    let names: Vec<String> = imports.map(|key| resolve.name_world_key(key)).collect();
    let wanted = ["types", "places", "files", "objects", "environment"];
    let mut wanted = wanted
        .map(|name| format!("sidx:storage/{name}@0.2.0"))
        .to_vec();
    let mut found = names;
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
}
