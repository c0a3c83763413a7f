//! What other programs keep in the bucket, beside an index and in its very place.

use std::collections::BTreeMap;

use sidx_tests::subject::NAME;

use super::place::{LONG, Place, assert_sound, keys, write, write_part};

/// Keys that an index has nothing to do with, some as much like its own as can be.
const FOREIGN: [&str; 31] = [
    "index.json",
    "b/subject/index.json",
    "a",
    "ab/subject/index.json",
    "a/readme.txt",
    "a/index.json",
    "a/photos/2024/index.json",
    "a/.hidden/index.json",
    "a/with blank/index.json",
    "a/subjects/data",
    "a/subject.txt",
    "a/subject/notes.txt",
    "a/subject/parts/readme",
    "a/subject/log/readme.txt",
    "a/subject/readers/me",
    // No path names these: listings are without them.
    "/",
    "//index.json",
    "a/",
    "a//",
    "a//subject/index.json",
    "a/./index.json",
    "a/../index.json",
    "a/subject2//index.json",
    "a/with\ttab",
    "a/subject/",
    "a/subject//index.json",
    "a/subject/../notes.txt",
    "a/subject/parts/",
    "a/subject/parts//x",
    "a/subject/log/\u{1}",
    "a/subject/readers//x",
];

fn foreign(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let all = place.service.objects().into_iter();
    let is_foreign = |key: &str| FOREIGN.contains(&key);
    all.filter(|(key, _)| is_foreign(key))
        .map(|(key, bytes)| (key, bytes.to_vec()))
        .collect()
}

#[test]
fn objects_of_other_programs_are_neither_taken_for_indexes_nor_touched() {
    let place = Place::new();
    let put = |is_inside: bool| {
        for key in FOREIGN {
            if key.starts_with("a/subject/") == is_inside {
                place.service.put_raw(key, format!("{key} of others"));
            }
        }
    };
    put(false);
    let index = place.options("one").create().unwrap();
    put(true);
    let before = foreign(&place);
    assert_eq!(before.len(), FOREIGN.len());
    for part in 0..4 {
        write_part(&index, part * 10..part * 10 + 10);
    }
    index.merge_all().unwrap();
    write(&index, 40).unwrap();
    drop(index);
    let index = place.options("two").open().unwrap();
    assert_eq!(keys(&index), Vec::from_iter(0..41));
    assert_sound(&index);
    index.close().unwrap();
    let store = place.store("three", LONG);
    assert_eq!(store.index_names().unwrap(), [NAME]);
    assert_eq!(foreign(&place), before);
    store.remove_index(NAME).unwrap();
    assert_eq!(store.index_names().unwrap(), [""; 0]);
    // What lies in the place of an index goes with it if anything can name it, and nothing else.
    let mut left = before;
    left.retain(|key, _| !key.starts_with("a/subject/"));
    let mut found = foreign(&place);
    found.retain(|key, _| !key.starts_with("a/subject/"));
    assert_eq!(found, left);
}
