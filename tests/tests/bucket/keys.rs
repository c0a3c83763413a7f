//! Keys of objects: how long they become.

use std::time::Duration;

use sidx_host::storage::BucketStore;
use sidx_host::{Engine, IndexBuilder, Store};
use sidx_tests::subject::keys_of;

use super::place::{LONG, Place, write, write_part};

/// Most bytes of a key in S3.
const KEY_BYTES_MAX: usize = 1_024;
/// Most bytes of a prefix.
const PREFIX_BYTES_MAX: usize = 512;
/// Most bytes of the name of an index.
const NAME_BYTES_MAX: usize = 128;

/// With the longest prefix and the longest names everything is done that makes objects: both indexes are in
/// places below those of their names, one is a branch of the other, and one is repaired.
#[test]
fn the_longest_names_make_no_key_that_is_too_long() {
    let place = Place::new();
    let prefix = "p".repeat(PREFIX_BYTES_MAX);
    let service = place.service.client("one");
    let limits = place.limits;
    let store = BucketStore::new(service, "s3://bucket/p", &prefix, limits, LONG).unwrap();
    let store = Store::with_backend(std::sync::Arc::new(store));
    let [first, second, third] = ["x", "y", "z"].map(|it| it.repeat(NAME_BYTES_MAX));
    let options = |name: &str| -> IndexBuilder {
        let builder = store.index(name).engine(Engine::Native).manual();
        builder.removal_grace(Duration::ZERO)
    };
    for _ in 0..2 {
        let index = options(&first).create().unwrap();
        for part in 0..3 {
            write_part(&index, part * 10..part * 10 + 10);
        }
        write(&index, 30).unwrap();
        let reader = options(&first).read_only().unwrap();
        options(&first).branch(&second).unwrap();
        options(&second).branch(&third).unwrap();
        index.merge_all().unwrap();
        assert_eq!(keys_of(reader.query()).len(), 31);
        drop((reader, index));
        let mut keys = place.keys(&format!("{first}/"));
        keys.retain(|key| key.ends_with(".part"));
        let damaged = keys.pop().unwrap();
        place.service.put_raw(&damaged, "nothing of a part");
        for name in [&third, &second, &first] {
            options(name).repair(true).unwrap();
            options(name).collect_garbage().unwrap();
            options(name).remove().unwrap();
        }
    }
    let journal = place.service.take_journal();
    let lengths = journal.requests.iter().map(|entry| entry.request.key.len());
    let longest = lengths.max().unwrap();
    println!("the longest key has {longest} bytes");
    assert!(longest <= KEY_BYTES_MAX, "{longest} bytes");
}
