//! What is wrong with a bucket, its permissions or what lies in it: the right error, with what was wrong and
//! what to do, and nothing lost.

use sidx_host::{Engine, Error, ErrorKind, Index, Store};
use sidx_tests::service::{Fault, Kind};
use sidx_tests::subject::NAME;

use super::place::{LONG, Place, assert_sound, keys, wait_until, write, write_part};

const WRITES: &[Kind] = &[
    Kind::Put,
    Kind::Create,
    Kind::Swap,
    Kind::Delete,
    Kind::Copy,
    Kind::Begin,
    Kind::Part,
    Kind::Complete,
    Kind::Abort,
];
const INDEX: &str = "a/subject/index.json";

/// A bucket with an index of 21 rows, in parts and in the log.
fn filled() -> Place {
    let place = Place::new();
    let index = place.options("first").create().unwrap();
    write_part(&index, 0..10);
    write_part(&index, 10..20);
    write(&index, 20).unwrap();
    drop(index);
    place
}

/// What is there is what was acknowledged, and whoever comes next can go on.
fn assert_whole(place: &Place, rows: i64) {
    let index = place.options("last").open().unwrap();
    assert_eq!(keys(&index), Vec::from_iter(0..rows));
    assert_sound(&index);
    write(&index, rows).unwrap();
    index.merge_all().unwrap();
    assert_eq!(keys(&index), Vec::from_iter(0..=rows));
    index.close().unwrap();
}

#[track_caller]
fn assert_told(error: &Error, kind: ErrorKind, texts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for text in texts {
        assert!(error.message().contains(text), "{text:?} in: {error}");
    }
}

/// Everything that begins with a client.
fn openings(place: &Place, client: &str) -> Vec<Error> {
    let store: Store = place.store(client, LONG);
    vec![
        place.options(client).create().map(drop).unwrap_err(),
        place.options(client).open().map(drop).unwrap_err(),
        place.options(client).read_only().map(drop).unwrap_err(),
        place.options(client).repair(false).map(drop).unwrap_err(),
        store.index_names().map(drop).unwrap_err(),
        store.remove_index(NAME).map(drop).unwrap_err(),
    ]
}

#[test]
fn wrong_credentials() {
    let place = filled();
    let before = place.service.objects();
    place.fail("two", Fault::Denied);
    for error in openings(&place, "two") {
        assert_told(
            &error,
            ErrorKind::Io,
            &[
                "does not allow it",
                "credentials",
                "s3://bucket/a",
                "policies",
            ],
        );
    }
    assert_eq!(place.service.objects(), before);
    place.heal("two");
    assert_whole(&place, 21);
}

#[test]
fn a_bucket_that_does_not_exist() {
    let place = filled();
    let before = place.service.objects();
    place.fail("two", Fault::NoBucket);
    for error in openings(&place, "two") {
        assert_told(
            &error,
            ErrorKind::NotFound,
            &["bucket does not exist", "create it, or correct the address"],
        );
    }
    assert_eq!(place.service.objects(), before);
    assert_whole(&place, 21);
}

#[test]
fn no_permission_to_write() {
    let place = filled();
    let before = place.service.objects();
    place.fail_some("two", Fault::Denied, WRITES, |_| true);
    let reader = place.options("two").read_only().unwrap();
    assert!(reader.health().reads_unprotected);
    assert_eq!(keys(&reader), Vec::from_iter(0..21));
    assert_sound(&reader);
    drop(reader);
    for error in [
        place.options("two").open().unwrap_err(),
        place.options("two").create().unwrap_err(),
        place.store("two", LONG).remove_index(NAME).unwrap_err(),
    ] {
        assert_told(
            &error,
            ErrorKind::Io,
            &["does not allow it", "s3:PutObject"],
        );
    }
    assert_eq!(place.service.objects(), before);
    assert_whole(&place, 21);
}

/// Such as of a policy that was changed.
#[test]
fn a_permission_to_write_that_is_lost_midway() {
    let place = filled();
    let index = place.options("two").open().unwrap();
    write(&index, 21).unwrap();
    place.fail_some("two", Fault::Denied, WRITES, |_| true);
    let error = write(&index, 22).unwrap_err();
    assert_told(
        &error,
        ErrorKind::Io,
        &["does not allow it", "s3:PutObject", "/log/"],
    );
    // It goes on reading.
    assert_eq!(keys(&index), Vec::from_iter(0..22));
    drop(index);
    place.heal("two");
    let lock = place.service.remove_raw("a/subject/lock");
    assert!(lock, "it could not be given back");
    assert_whole(&place, 22);
}

#[test]
fn no_permission_to_list() {
    let place = filled();
    let before = place.service.objects();
    place.fail_some("two", Fault::Denied, &[Kind::List], |_| true);
    for error in openings(&place, "two") {
        assert_told(
            &error,
            ErrorKind::Io,
            &["does not allow it", "s3:ListBucket"],
        );
    }
    let is_own = |key: &String| !key.ends_with("/lock");
    let mut after = place.service.objects();
    after.retain(|key, _| is_own(key));
    let mut wanted = before;
    wanted.retain(|key, _| is_own(key));
    assert_eq!(after, wanted);
    place.heal("two");
    assert_whole(&place, 21);
}

#[test]
fn a_service_that_asks_for_fewer_requests_for_a_while() {
    let place = filled();
    let backend = place.backend("two", LONG);
    let index = super::place::options(&Store::with_backend(backend.clone()), Engine::Native);
    let index: Index = index.open().unwrap();
    place.fail("two", Fault::TooMany);
    let asked = backend.request_counts().throttles;
    let writing = {
        let index = index.clone();
        std::thread::spawn(move || write(&index, 21))
    };
    wait_until("throttled write", || {
        backend.request_counts().throttles > asked + 2
    });
    place.heal("two");
    writing.join().unwrap().unwrap();
    assert_eq!(keys(&index), Vec::from_iter(0..22));
    // For longer than is waited.
    place.fail("two", Fault::TooMany);
    let error = write(&index, 22).unwrap_err();
    assert_told(
        &error,
        ErrorKind::Io,
        &["asks for fewer requests", "requests-per-second", "/log/"],
    );
    place.heal("two");
    drop(index);
    assert_whole(&place, 22);
}

#[test]
fn a_bucket_that_vanishes_midway() {
    let place = filled();
    let writer = place.options("two").open().unwrap();
    let reader = place.options("three").read_only().unwrap();
    write(&writer, 21).unwrap();
    for client in ["two", "three"] {
        place.fail(client, Fault::NoBucket);
    }
    let write_error = write(&writer, 22).unwrap_err();
    assert_told(&write_error, ErrorKind::Io, &["bucket does not exist"]);
    let flush_error = writer.flush().map(drop).unwrap_err();
    assert_told(&flush_error, ErrorKind::Io, &["bucket does not exist"]);
    let error = place.options("three").read_only().unwrap_err();
    assert_told(&error, ErrorKind::NotFound, &["bucket does not exist"]);
    // Rows whose pages are here are read, all others are missed.
    match reader.query().run().and_then(sidx_tests::subject::read) {
        Ok(found) => assert_eq!(found.len(), 21),
        Err(error) => assert_told(&error, ErrorKind::Io, &["bucket does not exist"]),
    }
    drop((writer, reader));
    for client in ["two", "three"] {
        place.heal(client);
    }
    place.service.remove_raw("a/subject/lock");
    assert_whole(&place, 22);
}

/// The seed of the checksum is chained over the names of the features.
#[test]
fn an_index_of_a_newer_version() {
    let place = filled();
    let bytes = place.service.objects().remove(INDEX);
    let bytes = bytes.unwrap_or_else(|| panic!("{:?}", place.keys("")));
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let body = text.split_once("\"body\":").unwrap().1;
    let body = body.strip_suffix("}\n").unwrap();
    let seed = xxhash_rust::xxh3::xxh3_64_with_seed(b"telepathy", 0);
    let sum = xxhash_rust::xxh3::xxh3_64_with_seed(body.as_bytes(), seed);
    let newer = format!(
        "{{\"format_version\":1,\"requires\":[\"telepathy\"],\"xxh3\":\"{sum:016x}\",\"body\":{body}}}"
    );
    place.service.put_raw(INDEX, newer.clone());
    let before = place.service.objects();
    for opened in [
        place.options("two").open(),
        place.options("two").create(),
        place.options("two").read_only(),
    ] {
        let error = opened.map(drop).unwrap_err();
        assert_told(
            &error,
            ErrorKind::UnsupportedVersion,
            &["telepathy", "index `subject`", "upgrade"],
        );
    }
    let mut after = place.service.objects();
    after.retain(|key, _| before.contains_key(key));
    let is_same = |(key, bytes): (&String, &bytes::Bytes)| {
        key.ends_with("/lock") || after.get(key) == Some(bytes)
    };
    assert!(before.iter().all(is_same), "something was changed");
    place.service.put_raw(INDEX, text);
    assert_whole(&place, 21);
}
