//! The native store and the one over WASI in one directory.

use sidx_host::ErrorKind;
use sidx_host::storage::{DirectoryStorage, DirectoryStore, Storage as _, Store as _};

use super::probe::Probe;

#[test]
fn each_reads_what_the_other_wrote() {
    let Some(probe) = Probe::new("the native store beside it") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path());
    let place = store.open_index("a", true).unwrap();
    place
        .put_if_absent("00000001.incarnation", b"native")
        .unwrap();
    place.put_file("parts/1/keys.bin", b"native").unwrap();
    let mut log = place.append_file("log/1").unwrap();
    log.append(b"one").unwrap();
    let below = format!("00000002-{:032x}", 7);
    store.open_index(&format!("a/{below}"), true).unwrap();

    let steps = [
        "places",
        "get a/00000001.incarnation",
        "look a/parts/1/keys.bin",
        "read",
        "grow a/log/1 two",
        &format!("put a/{below}/x deep"),
        "swap a/00000001.incarnation both",
        "begin a/parts/1/data.bin wasi",
        "finish",
        "size a",
    ];
    let said = probe.succeeds(directory.path(), &steps);
    assert_eq!(said[..4], ["a", "native", "ok", "native"]);
    let bytes = place.size_bytes().unwrap();
    assert_eq!(said[9], bytes.to_string());
    assert_eq!(
        place.get("00000001.incarnation").unwrap().unwrap().0,
        b"both"
    );
    let open = |path: &str| {
        let file = place.open(path).unwrap();
        let mut bytes = vec![0; usize::try_from(file.size()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(
        (open("log/1"), open("parts/1/data.bin")),
        ("onetwo".into(), "wasi".into())
    );
    let deep = store.open_index(&format!("a/{below}"), false).unwrap();
    assert_eq!(deep.get("x").unwrap().unwrap().0, b"deep");
}

#[test]
fn a_version_from_before_is_refused_whoever_changed_the_object() {
    let Some(probe) = Probe::new("swaps of both") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let steps = [
        "make a",
        "put a/x one",
        "get a/x",
        "wait",
        "swap a/x three",
        "get a/x",
    ];
    let sleeper = probe.waiting(directory.path(), &steps);
    let place = DirectoryStorage::new(directory.path().join("a"));
    let (_, version) = place.get("x").unwrap().unwrap();
    place.compare_and_swap("x", &version, b"two").unwrap();
    let said = sleeper.goes_on();
    assert!(said[0].starts_with("conflict: "), "{said:?}");
    assert_eq!(said[1], "two");
}

#[test]
fn native_readers_are_seen_and_taken_for_alive() {
    let Some(probe) = Probe::new("pins of native readers") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    probe.succeeds(directory.path(), &["make a"]);
    let place = DirectoryStorage::new(directory.path().join("a"));
    let pin = place.pin(3).unwrap().unwrap();
    let other = place.pin(9).unwrap().unwrap();
    assert_eq!(probe.succeeds(directory.path(), &["pins a"]), ["[3, 9]"]);
    drop(pin);
    assert_eq!(probe.succeeds(directory.path(), &["pins a"]), ["[9]"]);
    drop(other);
    // What a dead reader left stays until somebody comes who can tell.
    std::fs::write(directory.path().join("a/readers/0000000000000004.1-0"), "").unwrap();
    assert_eq!(probe.succeeds(directory.path(), &["pins a"]), ["[4]"]);
    assert_eq!(place.pinned_epochs().unwrap(), [0; 0]);
    assert_eq!(probe.succeeds(directory.path(), &["pins a"]), ["[]"]);
}

#[test]
fn a_native_lock_hinders_native_writers_and_nobody_else() {
    let Some(probe) = Probe::new("a native lock") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    probe.succeeds(directory.path(), &["make a"]);
    let place = DirectoryStorage::new(directory.path().join("a"));
    let lock = place.lock().unwrap();
    let said = probe.succeeds(directory.path(), &["lock a", "put a/x one"]);
    assert_eq!(said, ["None", "ok"]);
    assert_eq!(place.lock().err().unwrap().kind(), ErrorKind::Conflict);
    drop(lock);
}
