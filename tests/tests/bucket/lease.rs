//! The lease of a writer: who holds it, when it is free, and what becomes of a holder that is not heard of.

use std::thread::sleep;
use std::time::{Duration, Instant};

use sidx_host::{Engine, ErrorKind, Index, Store};
use sidx_tests::service::{Fault, Gate, Kind};

use super::place::{LONG, Place, assert_sound, keys, options, wait_until, write, write_part};

const LEASE: Duration = Duration::from_millis(300);
/// Half as long again, two seconds, as times are told to the second, and a little more.
const PATIENCE: Duration = Duration::from_millis(2_500);

#[test]
fn a_second_writer_is_told_who_holds_the_lease() {
    let place = Place::new();
    let first = place.options("one").create().unwrap();
    write(&first, 1).unwrap();
    for client in ["one", "two"] {
        let error = place.options(client).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let holder = format!("process {} on ", std::process::id());
        for part in [&holder, "s3://bucket/a/subject", "open read-only"] {
            assert!(error.message().contains(part), "{part}: {error}");
        }
        let error = place
            .store(client, LONG)
            .remove_index("subject")
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    let reader = place.options("two").read_only().unwrap();
    assert_eq!(keys(&reader), [1]);
    write(&first, 2).unwrap();
    assert_eq!(keys(&first), [1, 2]);
}

#[test]
fn a_lease_that_was_given_back_is_free_at_once() {
    let place = Place::new();
    for round in 0..3 {
        let index = place.options(&format!("closes {round}")).create().unwrap();
        write(&index, round).unwrap();
        index.close().unwrap();
        let index = place.options(&format!("drops {round}")).open().unwrap();
        drop(index);
    }
    let reader = place.options("reader").read_only().unwrap();
    assert_eq!(keys(&reader), [0, 1, 2]);
}

/// However long somebody looks on.
#[test]
fn a_lease_that_is_renewed_is_not_free() {
    let place = Place::new();
    let index = options(&place.store("one", LEASE), Engine::Native)
        .create()
        .unwrap();
    let other = place.store("two", LEASE);
    for round in 0..4 {
        let error = options(&other, Engine::Native).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        let begun = Instant::now();
        // Both must have been since the last look.
        place.wait_for_swaps("one", "/lock", 1);
        sleep(LEASE.saturating_sub(begun.elapsed()));
        write(&index, round).unwrap();
    }
    assert_eq!(keys(&index), [0, 1, 2, 3]);
}

/// Nobody has looked on, as where one command dies and another begins: the clock of the service tells.
#[test]
fn a_lease_that_ran_out_while_nobody_looked_is_free_at_once() {
    let place = Place::new();
    let index = options(&place.store("one", LEASE), Engine::Native)
        .create()
        .unwrap();
    write(&index, 1).unwrap();
    place.fail("one", Fault::Denied);
    let error = options(&place.store("two", LEASE), Engine::Native).open();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
    sleep(PATIENCE);
    let other = options(&place.store("three", LEASE), Engine::Native)
        .open()
        .unwrap();
    assert_eq!(keys(&other), [1]);
    drop(index);
    other.close().unwrap();
    assert_eq!(place.keys("probe-"), [""; 0]);
}

/// Takes over from a writer that hangs, and checks what `begin` promises of that.
fn take_over(stores: &dyn Fn(&str) -> Store, hang: impl Fn(), lease: Duration) -> (Index, Index) {
    let first = options(&stores("one"), Engine::Native).create().unwrap();
    write_part(&first, 0..10);
    write_part(&first, 10..20);
    write(&first, 20).unwrap();
    hang();
    let other = stores("two");
    let begun = Instant::now();
    let error = options(&other, Engine::Native).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    // From the first look on, not from the last renewal: no clock of another is believed.
    sleep(lease + Duration::from_millis(1));
    let opened = options(&other, Engine::Native).open();
    println!(
        "taken over after {:?} of a lease of {lease:?}",
        begun.elapsed()
    );
    (first, opened.unwrap())
}

/// The one before acknowledges nothing any more, removes nothing, and what it was refused is not there.
pub(crate) fn assert_fenced(first: &Index, second: &Index) {
    write(second, 30).unwrap();
    let refused = [
        write(first, 100),
        write(first, 101),
        first.flush().map(drop),
        first.merge_all().map(drop),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        let is_told = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unknown);
        assert!(is_told, "{error}");
        assert!(error.message().contains("another writer"), "{error}");
    }
    second.merge_all().unwrap();
    write(second, 31).unwrap();
    let wanted: Vec<i64> = (0..21).chain([30, 31]).collect();
    assert_eq!(keys(second), wanted);
    assert_sound(second);
}

#[test]
fn a_writer_that_is_not_heard_of_is_taken_over_and_acknowledges_nothing_more() {
    let place = Place::new();
    let gate = Gate::new(|request| request.kind == Kind::Swap && request.key.ends_with("/lock"));
    let hang = || place.service.set_hook("one", Some(gate.hook()));
    let (first, second) = take_over(&|client| place.store(client, LEASE), hang, LEASE);
    let lock = place.service.objects().remove("a/subject/lock").unwrap();
    // What it was about to say when it fell asleep.
    gate.open();
    assert_fenced(&first, &second);
    drop(first);
    let now = place.service.objects().remove("a/subject/lock").unwrap();
    let nonce = |bytes: &[u8]| {
        let mark: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        (mark["nonce"].clone(), mark["released"].clone())
    };
    assert_eq!(nonce(&now), nonce(&lock), "the lease is that of the second");
    drop(second);
    let third = options(&place.store("three", LEASE), Engine::Native)
        .open()
        .unwrap();
    assert_eq!(keys(&third).len(), 23);
}

/// One whose every request hangs: it wakes in the middle of a write.
#[test]
fn a_write_that_slept_over_a_takeover_is_refused_and_not_there() {
    let place = Place::new();
    let gate = Gate::closed();
    let first = options(&place.store("one", LEASE), Engine::Native)
        .create()
        .unwrap();
    write_part(&first, 0..10);
    place.service.set_hook("one", Some(gate.hook()));
    let asleep = first.clone();
    let writing = std::thread::spawn(move || write(&asleep, 100));
    wait_until("write under way", || {
        let journal = place.service.journal();
        journal
            .of("one")
            .any(|it| it.request.key.contains("/log/") && it.request.number > 20)
            || format!("{gate:?}").contains("/log/")
    });
    let other = place.store("two", LEASE);
    let mut second = None;
    wait_until("takeover", || {
        second = options(&other, Engine::Native).open().ok();
        second.is_some()
    });
    let second = second.unwrap();
    write(&second, 30).unwrap();
    gate.open();
    let error = writing.join().unwrap().unwrap_err();
    let is_told = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unknown);
    assert!(is_told, "{error}");
    assert_eq!(keys(&second), Vec::from_iter((0..10).chain([30])));
    drop((first, second));
    let third = options(&place.store("three", LEASE), Engine::Native)
        .open()
        .unwrap();
    assert_eq!(keys(&third), Vec::from_iter((0..10).chain([30])));
    assert_sound(&third);
}
