//! Indexes and stores that can't be opened: the right error, and no change at all.

use std::fs;

use sidx_host::{Durability, Error, ErrorKind, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, keys_of, on_both_engines, tree};

#[test]
fn an_index_that_does_not_exist() {
    on_both_engines(|index| {
        for builder in [
            index.store().index("other"),
            index.store().index("other").durability(Durability::Os),
        ] {
            let error = builder.open().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.message().contains("other"), "{error}");
        }
        let error = index.store().index("other").read_only().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(index.store().index_names().unwrap(), [NAME]);
    });
}

#[test]
fn an_index_name_that_could_leave_the_store() {
    on_both_engines(|index| {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            ".hidden",
            "ü",
            "a b",
            "a\0b",
            &"n".repeat(129),
        ] {
            let error = index.store().index(name).create().unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::InvalidArgument,
                "{name:?}: {error}"
            );
        }
        assert_eq!(index.store().index_names().unwrap(), [NAME]);
    });
}

#[test]
fn an_index_that_is_open_for_writing_already() {
    on_both_engines(|index| {
        index.write(&[Row::new(1, 1, "a")]);
        let elsewhere = Store::open(index.path().parent().unwrap().to_str().unwrap()).unwrap();
        for store in [index.store(), &elsewhere] {
            let error = store.index(NAME).open().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.message().contains("lock"), "{error}");
            let process = std::process::id().to_string();
            assert!(
                error.message().contains(&process),
                "no process id in: {error}"
            );
        }
        assert_eq!(store_remove(&elsewhere).kind(), ErrorKind::Conflict);
        index.write(&[Row::new(1, 2, "b")]);
        assert_eq!(keys_of(index.ask()), [1, 2]);
    });
}

fn store_remove(store: &Store) -> Error {
    store.remove_index(NAME).unwrap_err()
}

/// A sealed document as a newer version would write it.
fn newer(text: &str) -> String {
    let (_, body) = text.split_once("\"body\":").expect("a body");
    let body = body.trim_end().strip_suffix('}').expect("an object");
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(body.as_bytes(), 1);
    format!("{{\"format_version\":2,\"xxh3\":\"{checksum:016x}\",\"body\":{body}}}\n")
}

#[test]
fn a_store_of_a_newer_format_version() {
    on_both_engines(|mut index| {
        index.write_part(&[Row::new(1, 1, "a")]);
        index.leave();
        let path = index.path().join("index.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, newer(&text)).unwrap();
        let before = tree(&index.path());
        for result in [
            index.options().open(),
            index.options().create(),
            index.options().read_only(),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
            assert!(error.message().contains("version 2"), "{error}");
        }
        let files = |tree: Vec<(String, Vec<u8>)>| -> Vec<(String, Vec<u8>)> {
            tree.into_iter()
                .filter(|(name, _)| !name.ends_with("/lock"))
                .collect()
        };
        assert!(
            files(tree(&index.path())) == files(before),
            "something changed"
        );
        fs::write(&path, text).unwrap();
        index.enter();
        assert_eq!(keys_of(index.ask()), [1]);
    });
}

#[test]
fn a_store_address_that_is_not_supported() {
    for address in ["s3://bucket/prefix", "http://host/x", "file://x", ""] {
        let error = Store::open(address).unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidArgument,
            "{address:?}: {error}"
        );
        assert!(error.message().contains(address), "{error}");
    }
}
