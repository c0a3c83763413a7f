//! What instances over one store see of each other, which no check sees from inside one.

use std::sync::Arc;

use sidx_host::storage::MemoryStore;
use sidx_host::storage::log::LogForm;

use super::imports::State;
use super::imports::bindings::sidx::storage::{files, objects, places, types::Error};

fn two() -> [State; 2] {
    let store = Arc::new(MemoryStore::new());
    [0, 1].map(|_| State::new(Arc::clone(&store) as _, LogForm::Growing, None))
}

#[test]
fn instances_share_places_and_no_handles() {
    let [mut one, mut two] = two();
    places::Host::make(&mut one, "a".to_owned()).unwrap();
    let file = files::Host::begin(&mut one, "a/d/x".to_owned()).unwrap();
    let appended = files::Host::append(&mut two, file, b"x".to_vec());
    assert!(
        matches!(appended, Err(Error::InvalidArgument(_))),
        "{appended:?}"
    );
    files::Host::append(&mut one, file, b"one".to_vec()).unwrap();

    // Another opener of the same name is first.
    let rival = files::Host::begin(&mut two, "a/d/x".to_owned()).unwrap();
    files::Host::append(&mut two, rival, b"two".to_vec()).unwrap();
    files::Host::finish(&mut two, rival).unwrap();
    let late = files::Host::finish(&mut one, file);
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    let opened = files::Host::open(&mut one, "a/d/x".to_owned()).unwrap();
    let bytes = files::Host::read_ranges(&mut one, vec![opened.handle], vec![0], vec![3]).unwrap();
    assert_eq!(bytes, b"two");
}

#[test]
fn an_instance_sees_at_once_what_another_published() {
    let [mut one, mut two] = two();
    places::Host::make(&mut one, "a".to_owned()).unwrap();
    let put = |state: &mut State, name: &str, bytes: &[u8]| {
        objects::Host::put_if_absent(state, format!("a/{name}"), bytes.to_vec())
    };
    // Both open for writing, and choose the same epoch.
    put(&mut one, "1.snapshot", b"one").unwrap();
    let late = put(&mut two, "1.snapshot", b"two");
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    let found = objects::Host::get(&mut two, "a/1.snapshot".to_owned())
        .unwrap()
        .unwrap();
    assert_eq!(found.bytes, b"one");
    put(&mut two, "2.snapshot", b"two").unwrap();
    let listed = objects::Host::list(&mut one, "a".to_owned(), "2".to_owned()).unwrap();
    assert_eq!(listed, ["2.snapshot"]);
}

#[test]
fn a_lock_ends_with_its_instance() {
    let [mut one, mut two] = two();
    places::Host::make(&mut one, "a".to_owned()).unwrap();
    places::Host::lock(&mut one, "a".to_owned())
        .unwrap()
        .unwrap();
    let refused = places::Host::lock(&mut two, "a".to_owned());
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    drop(one);
    places::Host::lock(&mut two, "a".to_owned())
        .unwrap()
        .unwrap();
}
