//! Damaged parts in a bucket, where a move is a copy.

use sidx_host::{ErrorKind, Index};
use sidx_tests::service::{Fault, Kind};

use super::place::{Place, keys, write_part};

/// An index with two parts, the first of which was cut; its key.
fn damaged(copy_bytes: u64) -> (Place, String) {
    let mut place = Place::new();
    place.limits.copy_bytes = copy_bytes;
    let index = place.options("one").create().unwrap();
    write_part(&index, 0..10);
    write_part(&index, 10..20);
    index.close().unwrap();
    let part = place.keys("/parts/").remove(0);
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    assert!(place.service.corrupt(&part, cut));
    (place, part)
}

fn is_told(index: &Index) {
    let error = index.query().count().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[test]
fn a_damaged_part_stays_where_it_lies_until_its_loss_is_accepted() {
    for copy_bytes in [0, u64::MAX] {
        let (place, part) = damaged(copy_bytes);
        place.fail_some("two", Fault::Denied, &[Kind::Copy], |_| true);
        let index = place.options("two").open().unwrap();
        is_told(&index);
        write_part(&index, 20..30);
        write_part(&index, 30..40);
        index.merge_all().unwrap();
        index.collect_garbage().unwrap();
        index.close().unwrap();
        // What goes over it next leaves it as well.
        place.options("two").collect_garbage().unwrap();
        place.options("two").repair(false).unwrap();
        is_told(&place.options("two").open().unwrap());
        assert_eq!(place.options("two").garbage().unwrap().count(), 0);
        let aside = place.keys("/quarantine/");
        assert_eq!(aside.len(), 1, "{aside:?}");
        assert!(aside[0].ends_with(".reason"), "{aside:?}");
        assert!(place.keys("/parts/").contains(&part));
        // Now nothing names it any more.
        place.options("three").repair(true).unwrap();
        let aside = place.keys("/quarantine/");
        assert!(
            aside.contains(&part.replace("/parts/", "/quarantine/")),
            "{aside:?}"
        );
        assert!(!place.keys("/parts/").contains(&part));
        let index = place.options("three").open().unwrap();
        assert_eq!(keys(&index), Vec::from_iter(10..40));
    }
}

/// What a salvage could not read is lost, and the part stays likewise.
#[test]
fn a_part_that_was_salvaged_stays_where_it_lies() {
    let (place, _) = damaged(0);
    place.service.put_raw("a/other", "of somebody");
    let index = place.options("two").open().unwrap();
    write_part(&index, 20..30);
    let part = place.keys("/parts/").pop().unwrap();
    // A page of payloads: the first byte after the header of the first section.
    assert!(place.service.corrupt(&part, |bytes| bytes[24] ^= 1));
    let report = index.verify().unwrap();
    assert_eq!(report["ok"], false);
    index.salvage().unwrap();
    index.collect_garbage().unwrap();
    assert!(
        place.keys("/parts/").contains(&part),
        "{:?}",
        place.keys("")
    );
    index.close().unwrap();
    place.options("two").repair(true).unwrap();
    assert!(!place.keys("/parts/").contains(&part));
}

/// A copy that lacks a part is none: whoever moves an index would drop the other half next.
#[test]
fn an_index_that_lost_a_part_is_not_copied() {
    let (place, part) = damaged(0);
    assert!(place.service.remove_raw(&part));
    let index = place.options("two").read_only().unwrap();
    let target = sidx_host::Store::memory();
    let error = index.copy_to(&target, "copy").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.message().contains("/parts/"), "{error}");
}
