//! The simulated disk carries the directory backend as a real one does.

use std::sync::Arc;

use sidx_host::ErrorKind;
use sidx_host::storage::{DirectoryStore, Store, conformance};
use sidx_tests::simulated_disk::{Crash, Fault, SimulatedDisk};
use sidx_tests::ungrowing::UngrowingStore;

#[test]
fn the_directory_backend_keeps_to_the_rules_on_the_simulated_disk() {
    let store = || DirectoryStore::on(SimulatedDisk::new(1).mount(), "/deep/er");
    conformance::check_all(|| store().open_index("x", true).unwrap()).unwrap();
    conformance::check_store(|| Arc::new(store())).unwrap();
    let store = || UngrowingStore(Arc::new(store()));
    conformance::check_all(|| store().open_index("x", true).unwrap()).unwrap();
}

#[test]
fn a_medium_that_cannot_be_written_takes_no_pins_but_serves_readers() {
    let disk = SimulatedDisk::new(1);
    let storage = || DirectoryStore::on(disk.mount(), "/store").open_index("x", true);
    storage().unwrap().put_if_absent("a", b"bytes").unwrap();
    disk.fail_at(1, Fault::ReadOnly, true);
    let storage = DirectoryStore::on(disk.mount(), "/store")
        .open_index("x", false)
        .unwrap();
    assert!(storage.pin(1).unwrap().is_none());
    assert_eq!(storage.pinned_epochs().unwrap(), [0; 0]);
    assert_eq!(storage.get("a").unwrap().unwrap().0, b"bytes");
    let error = storage.put_if_absent("b", b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn pins_end_with_their_machine() {
    for crash in [Crash::Kill, Crash::Power] {
        let disk = SimulatedDisk::new(1);
        let storage = || {
            DirectoryStore::on(disk.mount(), "/store")
                .open_index("x", true)
                .unwrap()
        };
        let pin = storage().pin(3).unwrap();
        assert_eq!(storage().pinned_epochs().unwrap(), [3]);
        disk.reboot(crash);
        assert_eq!(storage().pinned_epochs().unwrap(), [0; 0]);
        assert!(disk.tree().keys().all(|path| !path.contains("readers/0")));
        drop(pin);
    }
}

#[test]
fn a_full_medium_is_told_from_a_broken_one() {
    for (fault, kind) in [
        (Fault::NoSpace, ErrorKind::ResourceExhausted),
        (Fault::ShortWrite, ErrorKind::ResourceExhausted),
        (Fault::Io, ErrorKind::Io),
    ] {
        let disk = SimulatedDisk::new(1);
        let storage = DirectoryStore::on(disk.mount(), "/store")
            .open_index("x", true)
            .unwrap();
        let mut file = storage.append_file("log/1").unwrap();
        disk.fail_at(disk.calls() + 1, fault, true);
        let error = file.append(b"some bytes").unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let says_full = error.message().contains("disk is full");
        assert_eq!(says_full, kind == ErrorKind::ResourceExhausted, "{error}");
    }
}
