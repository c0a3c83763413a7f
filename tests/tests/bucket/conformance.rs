//! The rules of all backends, where requests fail in passing and where a service is not as S3 is.

use std::sync::Arc;

use sidx_host::ErrorKind;
use sidx_host::storage::{BucketStore, RequestLimits, Store, conformance};
use sidx_tests::service::{Fault, Faults, Kind, Quirks, Service};

use super::place::{LONG, PREFIX, Place, assert_sound, keys, write, write_part};

/// Seeds of each run.
const SEEDS: u64 = 12;

fn store(service: &Service, seed: u64) -> Arc<BucketStore> {
    let limits = RequestLimits {
        retry_delay: std::time::Duration::from_nanos(1),
        // Every other service copies no object.
        copy_bytes: if seed.is_multiple_of(2) { u64::MAX } else { 0 },
        ..RequestLimits::default()
    };
    let client = service.client("one");
    let store = BucketStore::new(client, "s3://bucket", PREFIX, limits, LONG);
    Arc::new(store.unwrap())
}

/// All checks, each in an empty bucket.
fn check(seed: u64, quirks: &Quirks, faults: &Faults) {
    let make = || {
        let service = Service::new(seed);
        service.set_quirks(quirks.clone());
        service.set_faults("one", faults.clone());
        store(&service, seed)
    };
    let is_sure = *faults == Faults::none();
    let judge = |name: &str, rule: conformance::Verdict| match rule {
        // An answer that is allowed where others were lost, and of no use to a check.
        Err(rule) if !is_sure && rule.contains("nobody knows whether it was done") => {}
        rule => rule.unwrap_or_else(|rule| panic!("seed {seed}, {quirks:?}: {name}: {rule}")),
    };
    for (name, check) in conformance::CHECKS {
        // Of two who put the same bytes nobody can tell who did where answers are lost.
        if *name != "equal objects" || is_sure {
            judge(name, check(&make().open_index("delays", true).unwrap()));
        }
    }
    judge(
        "store",
        conformance::check_store(|| make() as Arc<dyn Store>),
    );
}

/// What is late lands before the next request: it may not come after what follows, which is for those to
/// bear who use the store.
#[test]
fn a_bucket_keeps_to_the_rules_while_requests_fail_in_passing() {
    for seed in 0..SEEDS {
        for chance in [0.002, 0.02] {
            let faults = Faults::passing(chance).with_late_after(1..=1);
            check(seed, &Quirks::default(), &faults);
        }
    }
}

#[test]
fn each_fault_by_itself_breaks_no_rule() {
    let faults = Fault::ALL.into_iter();
    let answers = [Fault::Denied, Fault::NoBucket, Fault::Resent];
    for fault in faults.filter(|fault| !answers.contains(fault)) {
        println!("{fault:?}");
        let faults = Faults::none().with(fault, 0.25).with_late_after(1..=1);
        check(1, &Quirks::default(), &faults);
    }
}

/// A service that compares tags without their quotes, and one that serves no ends of objects.
fn of_tags_and_ends() -> [Quirks; 2] {
    let usual = Quirks::default;
    [
        Quirks {
            bare_etags: true,
            ..usual()
        },
        Quirks {
            refuses_suffixes: true,
            ..usual()
        },
    ]
}

#[test]
fn a_service_that_compares_bare_tags_or_serves_no_ends_or_has_small_pages_keeps_to_the_rules() {
    let small_pages = Quirks {
        keys_per_page: 2,
        ..Quirks::default()
    };
    for quirks in of_tags_and_ends().into_iter().chain([small_pages]) {
        check(1, &quirks, &Faults::none());
        check(2, &quirks, &Faults::passing(0.01).with_late_after(1..=1));
    }
}

#[test]
fn an_index_lives_on_a_service_that_compares_bare_tags_or_serves_no_ends() {
    for quirks in of_tags_and_ends() {
        let place = Place::new();
        place.service.set_quirks(quirks);
        let index = place.options("one").create().unwrap();
        for part in 0..3 {
            write_part(&index, part * 10..part * 10 + 10);
        }
        index.merge_all().unwrap();
        write(&index, 30).unwrap();
        drop(index);
        let reader = place.options("two").read_only().unwrap();
        assert_eq!(keys(&reader), Vec::from_iter(0..31));
        let index = place.options("three").open().unwrap();
        write(&index, 31).unwrap();
        assert_eq!(keys(&index), Vec::from_iter(0..32));
        assert_sound(&index);
        index.close().unwrap();
    }
}

#[test]
fn a_service_that_ignores_conditions_is_refused_and_nothing_is_left_there() {
    let place = Place::new();
    place.service.put_raw("a/other", "of somebody");
    place.service.set_quirks(Quirks {
        ignores_conditions: true,
        ..Quirks::default()
    });
    for _ in 0..2 {
        let error = place.options("one").create().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        for part in [
            "s3://bucket/a",
            "cannot keep writers apart",
            "made an object that existed",
            "If-None-Match",
        ] {
            assert!(error.message().contains(part), "{part}: {error}");
        }
    }
    assert_eq!(place.keys(""), ["a/other"]);
    // Who only reads needs none.
    assert_eq!(place.store("one", LONG).index_names().unwrap(), [""; 0]);
}

/// The one that the service of an index is moved to may be another.
#[test]
fn a_writer_of_an_index_that_is_there_is_refused_too() {
    let place = Place::new();
    let index = place.options("one").create().unwrap();
    write(&index, 1).unwrap();
    index.close().unwrap();
    place.service.set_quirks(Quirks {
        ignores_conditions: true,
        ..Quirks::default()
    });
    // The lease may have been taken meanwhile.
    let objects = || {
        let mut objects = place.service.objects();
        let lock = objects.remove("a/subject/lock").unwrap();
        assert!(String::from_utf8_lossy(&lock).contains("\"released\":"));
        objects
    };
    let before = objects();
    let error = place.options("two").open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(objects(), before);
    assert!(place.service.journal().of("two").count() > 0);
    let reader = place.options("two").read_only().unwrap();
    assert_eq!(keys(&reader), [1]);
    assert_eq!(place.service.journal().count(Kind::Put), 0);
}
