//! Pins of readers in processes of their own: renewed ones keep what is read, others are given up.

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::storage::{Lock, Store as _};
use sidx_host::{Engine, ErrorKind, Index};
use sidx_tests::model::Row;
use sidx_tests::service::{Fault, Gate, Kind, Quirks, Step};
use sidx_tests::subject::{batch, read};

use super::place::{LONG, Place, keys, options, wait_until};

const LEASE: Duration = Duration::from_millis(300);
const PARTS: i64 = 3;

/// A part too large to come with the look at its end.
fn write_large_part(index: &Index, keys: std::ops::Range<i64>, random: &mut SmallRng) {
    let payload = |random: &mut SmallRng| Vec::from_iter((0..4096).map(|_| random.random::<u8>()));
    let rows: Vec<Row> = keys
        .map(|key| Row::new(1, key, payload(random)).tag("code", key))
        .collect();
    index.write(batch(&rows).unwrap()).unwrap();
    index.flush().unwrap();
}

/// A bucket with some large parts, its writer, and a reader with a pin of its own that has read nothing.
fn begin(quirks: Quirks) -> (Place, Index, Index, SmallRng) {
    let place = Place::new();
    place.service.set_quirks(quirks);
    let mut random = SmallRng::seed_from_u64(7);
    let writer = place.options("writer").create().unwrap();
    for part in 0..PARTS {
        write_large_part(&writer, part * 50..part * 50 + 50, &mut random);
    }
    let reader = options(&place.store("reader", LEASE), Engine::Native);
    let reader = reader.read_only().unwrap();
    assert!(!reader.health().reads_unprotected);
    assert_eq!(place.keys("/readers/").len(), 1);
    (place, writer, reader, random)
}

/// A reader renews its pin without ever having asked whether the service wants tags with quotes.
#[test]
fn a_reader_whose_pin_is_renewed_keeps_its_parts_over_merges() {
    for bare_etags in [false, true] {
        let quirks = Quirks {
            bare_etags,
            ..Quirks::default()
        };
        let (place, writer, reader, mut random) = begin(quirks);
        let parts = place.keys("/parts/");
        for round in 0..4 {
            let first = 1000 + round * 50;
            write_large_part(&writer, first..first + 50, &mut random);
            writer.merge_all().unwrap();
            let begun = std::time::Instant::now();
            // More than a lease, with a renewal, between two looks of the writer.
            place.wait_for_swaps("reader", "/readers/", 2);
            sleep(LEASE.saturating_sub(begun.elapsed()));
            for part in &parts {
                assert!(place.keys("/parts/").contains(part), "{part} is gone");
            }
        }
        assert_eq!(keys(&reader), Vec::from_iter(0..PARTS * 50));
        drop(reader);
        assert_eq!(place.keys("/readers/"), [""; 0]);
        write_large_part(&writer, 2000..2050, &mut random);
        writer.merge_all().unwrap();
        assert_eq!(place.keys("/parts/").len(), 1);
    }
}

#[test]
fn a_reader_that_is_not_heard_of_is_given_up_and_sees_no_wrong_row() {
    let (place, writer, reader, mut random) = begin(Quirks::default());
    // One that stays in the middle of its rows.
    let mut begun = reader
        .query()
        .payload(true)
        .rows_per_batch(8)
        .run()
        .unwrap();
    let some = begun.next().unwrap().unwrap();
    assert!(!some.is_empty());
    let gate = Gate::new(|request| request.kind == Kind::Swap && request.key.contains("/readers/"));
    place.service.set_hook("reader", Some(gate.hook()));
    let before = place.keys("/parts/");
    write_large_part(&writer, 1000..1050, &mut random);
    writer.merge_all().unwrap();
    assert!(
        before
            .iter()
            .all(|part| place.keys("/parts/").contains(part))
    );
    sleep(LEASE + Duration::from_millis(1));
    write_large_part(&writer, 1050..1100, &mut random);
    writer.merge_all().unwrap();
    assert_eq!(place.keys("/readers/"), [""; 0], "the pin was given up");
    assert_eq!(place.keys("/parts/").len(), 1, "and what it kept is gone");
    gate.open();
    let whole = |found: Vec<i64>| assert_eq!(found, Vec::from_iter(0..PARTS * 50));
    for attempt in 0..3 {
        let result = reader.query().payload(true).run().and_then(read);
        match result {
            Ok(found) => whole(found.iter().map(|row| row.key).collect()),
            Err(error) => {
                println!("{attempt}: {error}");
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            }
        }
    }
    for rows in begun {
        if let Err(error) = rows {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
    }
    // Opened again it sees what there is.
    let reader = options(&place.store("reader", LONG), Engine::Native);
    let again = keys(&reader.read_only().unwrap());
    assert_eq!(again, Vec::from_iter((0..PARTS * 50).chain(1000..1100)));
    let report = writer.verify().unwrap();
    assert_eq!(report["ok"], true, "{report:#}");
}

/// Nobody has looked on, as where one command dies and another begins: the clock of the service tells.
#[test]
fn a_pin_that_ran_out_while_nobody_looked_keeps_nothing() {
    let (place, writer, reader, _) = begin(Quirks::default());
    place.fail("reader", Fault::Denied);
    writer.close().unwrap();
    // Times are told to the second.
    sleep(LEASE * 3 / 2 + Duration::from_millis(2_050));
    let other = options(&place.store("other", LONG), Engine::Native);
    let other = other.open().unwrap();
    other.merge_all().unwrap();
    assert_eq!(place.keys("/readers/"), [""; 0]);
    assert_eq!(place.keys("/parts/").len(), 1);
    drop(reader);
}

/// What a reader has pinned is damaged, and a later epoch does not name it any more: it is there all the
/// same.
#[test]
fn damage_of_what_is_pinned_is_not_told_as_what_is_gone() {
    let (place, writer, reader, _) = begin(Quirks::default());
    let parts = place.keys("/parts/");
    writer.merge_all().unwrap();
    for part in &parts {
        assert!(place.service.corrupt(part, |bytes| bytes[2000] ^= 1));
    }
    let answer = reader.query().run().and_then(read);
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    // And one that is gone, which somebody has removed by hand, is not.
    assert!(place.service.remove_raw(&parts[0]));
    let error = reader.query().run().and_then(read).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

/// A pin whose renewals go as they are told to, one request after another, and those behind as the last; and
/// when each began.
fn pin_with(place: &Place, steps: Vec<Option<Fault>>) -> (Lock, Arc<Mutex<Vec<Instant>>>) {
    let swaps = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&swaps);
    let hook = move |request: &sidx_tests::service::Request| {
        if request.kind != Kind::Swap || !request.key.contains("/readers/") {
            return Step::Pass;
        }
        let mut noted = noted.lock().unwrap();
        noted.push(Instant::now());
        let step = steps.get(noted.len() - 1).or(steps.last());
        match step.copied().flatten() {
            Some(fault) => Step::Fault(fault),
            None => Step::Succeed,
        }
    };
    place.service.set_hook("reader", Some(Arc::new(hook)));
    let storage = place
        .backend("reader", LEASE)
        .open_index("a", true)
        .unwrap();
    (storage.pin(7).unwrap().unwrap(), swaps)
}

/// How often the one pin that there is was renewed, as it says.
fn renewals(place: &Place) -> u64 {
    let objects = place.service.objects();
    let pins = Vec::from_iter(objects.iter().filter(|(key, _)| key.contains("/readers/")));
    assert_eq!(pins.len(), 1, "{pins:?}");
    let mark: serde_json::Value = serde_json::from_slice(pins[0].1).unwrap();
    mark["renewals"].as_u64().unwrap()
}

#[test]
fn a_renewal_whose_answer_was_lost_is_not_taken_for_that_of_others() {
    let place = Place::new();
    // It is made, and nobody hears of it.
    let (pin, _swaps) = pin_with(
        &place,
        vec![Some(Fault::LostAfter), Some(Fault::Denied), None],
    );
    wait_until("further renewal", || renewals(&place) > 4);
    drop(pin);
    assert_eq!(place.keys("/readers/"), [""; 0]);
}

/// Whoever watches counts from when the first of them was made.
#[test]
fn a_pin_holds_no_longer_than_since_the_renewal_that_others_see() {
    let place = Place::new();
    let steps = [Fault::LostAfter, Fault::Denied, Fault::LostBefore];
    let steps = steps
        .into_iter()
        .map(Some)
        .chain([None, Some(Fault::Denied)]);
    let (pin, swaps) = pin_with(&place, steps.collect());
    wait_until("renewals", || swaps.lock().unwrap().len() > 4);
    let seen = swaps.lock().unwrap()[0];
    sleep((seen + LEASE).saturating_duration_since(Instant::now()));
    assert!(!pin.is_held());
}
