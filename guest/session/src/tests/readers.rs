//! Readers and what a writer keeps for them.

use super::*;
use crate::PinState;

/// An index of two parts, and a reader of it that has read nothing yet.
fn reader_of_two_parts() -> (Rc<Lent>, Subject, Subject) {
    let store = Lent::new(true);
    let mut writer = Subject::open(&store, Mode::Create);
    for keys in [0..50, 50..100] {
        writer.write(keys).unwrap();
        writer.flush().unwrap();
    }
    let reader = Subject::open(&store, Mode::Read);
    (store, writer, reader)
}

fn replace_all(writer: &mut Subject) {
    writer.merge_all().unwrap();
    writer.write(1_000..1_001).unwrap();
    writer.flush().unwrap();
    writer.0.collect().unwrap();
}

#[test]
fn a_writer_keeps_what_a_reader_pins() {
    let (store, mut writer, mut reader) = reader_of_two_parts();
    assert_eq!(reader.session().pin_state(), PinState::Held);
    let pins = store.objects_with(".pin");
    assert_eq!(pins.len(), 1, "{pins:?}");
    assert!(pins[0].contains(&format!("-{LEASE_MS}-")), "{pins:?}");
    replace_all(&mut writer);
    // However long that takes, if it calls now and then.
    for _ in 0..20 {
        store.sleep(LEASE_MS / 2);
        reader.session().renew();
        writer.0.collect().unwrap();
    }
    assert_eq!(reader.session().pin_state(), PinState::Held);
    assert_eq!(reader.keys().unwrap(), (0..100).collect::<Vec<_>>());
    drop(reader);
    assert!(store.objects_with(".pin").is_empty());
    let before = store.paths_with("/parts/").len();
    writer.0.collect().unwrap();
    assert!(store.paths_with("/parts/").len() < before);
}

#[test]
fn a_pin_that_is_not_renewed_is_given_up_when_it_was_seen_for_its_lease() {
    let (store, mut writer, mut reader) = reader_of_two_parts();
    // It lay for long before the writer looked for the first time.
    store.sleep(10 * LEASE_MS);
    replace_all(&mut writer);
    assert_eq!(store.objects_with(".pin").len(), 1);
    store.sleep(LEASE_MS - 1);
    writer.0.collect().unwrap();
    assert_eq!(store.objects_with(".pin").len(), 1);
    store.sleep(1);
    writer.0.collect().unwrap();
    assert!(store.objects_with(".pin").is_empty());
    assert_eq!(reader.session().pin_state(), PinState::Lost);
    // The reader begins anew.
    let opened = reader.0.refresh(true).unwrap();
    reader.published(&opened.view);
    assert_eq!(reader.session().pin_state(), PinState::Held);
    assert_eq!(reader.keys().unwrap().len(), 101);
    assert_eq!(store.objects_with(".pin").len(), 1);
}

#[test]
fn who_can_pin_nothing_reads_all_the_same() {
    let store = Lent::new(true);
    let mut writer = Subject::open(&store, Mode::Create);
    writer.write(0..50).unwrap();
    writer.flush().unwrap();
    store.is_read_only.set(true);
    let mut reader = Subject::open(&store, Mode::Read);
    assert_eq!(reader.session().pin_state(), PinState::Impossible);
    assert_eq!(reader.keys().unwrap().len(), 50);
}

#[test]
fn what_left_the_list_stays_for_its_time_where_that_is_asked_for() {
    let store = Lent::new(true);
    let settings = Settings {
        removal_grace_ms: Some(1_000),
        ..settings()
    };
    let mut writer = Subject::entered(&store, Mode::Create, settings).unwrap();
    for keys in [0..50, 50..100] {
        writer.write(keys).unwrap();
        writer.flush().unwrap();
    }
    replace_all(&mut writer);
    let before = store.paths_with("/parts/").len();
    store.sleep(999);
    writer.0.collect().unwrap();
    assert_eq!(store.paths_with("/parts/").len(), before);
    store.sleep(1);
    writer.0.collect().unwrap();
    assert!(store.paths_with("/parts/").len() < before);
}
