//! Copies between stores of all kinds: whole, compared, and in the form that the other store takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sidx_host::storage::{BucketStore, DirectoryStore, MemoryStore, RequestLimits};
use sidx_host::{Durability, Engine, ErrorKind, Index, IndexBuilder, Store, storage};
use sidx_tests::model::{Found, Row};
use sidx_tests::service::Service;
use sidx_tests::subject::{NAME, batch, latest, read};
use tempfile::TempDir;

pub(super) type Backend = Arc<dyn storage::Store>;

/// Files of all parts of an index with their bytes, by path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    Directory,
    Memory,
    Bucket,
}

pub(super) const MEDIA: [Medium; 3] = [Medium::Directory, Medium::Memory, Medium::Bucket];

pub(super) fn bucket(service: Arc<dyn storage::Service>) -> Backend {
    let (limits, lease) = (RequestLimits::default(), Duration::from_secs(10));
    Arc::new(BucketStore::new(service, "s3://bucket/a", "a", limits, lease).unwrap())
}

pub(super) fn backend(medium: Medium) -> (Backend, Option<TempDir>) {
    match medium {
        Medium::Memory => (Arc::new(MemoryStore::new()), None),
        Medium::Bucket => (bucket(Service::new(7).client("all")), None),
        Medium::Directory => {
            let directory = tempfile::tempdir().unwrap();
            (
                Arc::new(DirectoryStore::new(directory.path())),
                Some(directory),
            )
        }
    }
}

pub(super) fn store(backend: &Backend) -> Store {
    Store::with_backend(Arc::clone(backend))
}

pub(super) fn options(store: &Store) -> IndexBuilder {
    latest(store.index(NAME).engine(Engine::Native)).automatic_merge(false)
}

/// The place of an index, wherever that is.
pub(super) fn place(backend: &Backend, name: &str) -> Arc<dyn storage::Storage> {
    let below = backend.places_below(name).unwrap();
    match below.last() {
        Some(place) => backend
            .open_index(&format!("{name}/{place}"), false)
            .unwrap(),
        None => backend.open_index(name, false).unwrap(),
    }
}

pub(super) fn files(place: &dyn storage::Storage) -> Files {
    let mut files = Files::new();
    let mut put = |path: String| {
        let file = place.open(&path).unwrap();
        let mut bytes = vec![0; file.size() as usize];
        file.read_at(0, &mut bytes).unwrap();
        files.insert(path, bytes);
    };
    for name in place.list("parts").unwrap() {
        let below = place.list(&format!("parts/{name}")).unwrap_or_default();
        match below.is_empty() {
            true => put(format!("parts/{name}")),
            false => below
                .iter()
                .for_each(|file| put(format!("parts/{name}/{file}"))),
        }
    }
    files
}

pub(super) fn bytes_of(files: &Files) -> u64 {
    files.values().map(|bytes| bytes.len() as u64).sum()
}

/// Rows of which some kill others, as their payloads are the same.
pub(super) fn rows(first: i64, count: i64) -> Vec<Row> {
    let row = |key: i64| {
        Row::new(0, key, format!("payload {}", key % 90))
            .of(&format!("series {}", key % 3))
            .tag("status", key % 5)
            .tag("peer", format!("10.0.0.{key}"))
    };
    (first..first + count).map(row).collect()
}

/// An index with parts of both forms, of which some rows are dead, one that was set aside, and entries in its
/// log, in a store.
pub(super) fn fill(backend: &Backend) {
    let store = store(backend);
    for (at, one_file) in [false, true, false, true].into_iter().enumerate() {
        let index = options(&store).one_file_parts(one_file).create().unwrap();
        index
            .write(batch(&rows(at as i64 * 60, 60)).unwrap())
            .unwrap();
        index.flush().unwrap();
    }
    // Without its manifest a part is set aside.
    let parts = place(backend, NAME);
    let name = parts.list("parts").unwrap().into_iter();
    let name = name.filter(|name| !name.contains(".dead-")).min().unwrap();
    let is_file = name.ends_with(".part");
    let manifest = format!(
        "parts/{name}{}",
        if is_file { "" } else { "/manifest.json" }
    );
    parts.remove(&manifest).unwrap();
    let index = options(&store).create().unwrap();
    for first in [1_000, 1_100] {
        let rows = batch(&rows(first, 20)).unwrap();
        index.write_with(rows, Durability::Sync).unwrap();
    }
}

/// Everything that can be asked of an index.
pub(super) fn shown(index: &Index) -> (Vec<Found>, Value, Value, u64) {
    let query = index.query().allow_partial();
    let mut found = read(query.run().unwrap()).unwrap();
    found.sort_unstable();
    let stats = index.stats().unwrap();
    let verify = index.verify().unwrap();
    for damage in verify["damage"].as_array().unwrap() {
        let what = damage["what"].as_str().unwrap();
        assert!(what.starts_with("set aside"), "{verify:#}");
    }
    let count = index.query().allow_partial().count_partial().unwrap().rows;
    (
        found,
        stats["quarantined"].clone(),
        verify["rows"].clone(),
        count,
    )
}

#[test]
fn a_copy_between_any_two_stores_is_what_was_copied() {
    for from in MEDIA {
        let (source, _kept) = backend(from);
        fill(&source);
        let reader = options(&store(&source)).read_only().unwrap();
        let wanted = shown(&reader);
        assert!(wanted.0.len() >= 90, "{}", wanted.0.len());
        let stats = reader.stats().unwrap();
        assert!(stats["dead_rows"].as_u64().unwrap() > 0, "{stats:#}");
        assert_eq!(wanted.1.as_array().unwrap().len(), 1, "{:#}", wanted.1);
        for to in MEDIA {
            let (target, _kept) = backend(to);
            let report = reader.copy_to(&store(&target), NAME).unwrap();
            assert_eq!(
                (report.log_entries, report.kept_files),
                (2, 0),
                "{from:?} {to:?}"
            );
            let copy = place(&target, NAME);
            let copied = files(copy.as_ref());
            assert_eq!(report.files, copied.len() as u64);
            assert!(report.copied_bytes > bytes_of(&copied), "and its log");
            assert!(copy.get("copy.unfinished").unwrap().is_none());
            if to == Medium::Bucket {
                let is_file = |path: &String| path.ends_with(".part") || path.contains(".dead-");
                assert!(copied.keys().all(is_file), "{:?}", copied.keys());
            } else if from == Medium::Bucket {
                assert!(copied.keys().all(|path| !path.ends_with(".part")));
            } else {
                // As they are, byte for byte.
                let place = place(&source, NAME);
                let mut original = files(place.as_ref());
                original.retain(|path, _| copied.contains_key(path));
                assert_eq!(copied, original);
            }
            let read = options(&store(&target)).read_only().unwrap();
            assert_eq!(shown(&read), wanted, "{from:?} to {to:?}");
            drop(read);
            // It takes more, and merges.
            let index = options(&store(&target)).create().unwrap();
            assert_eq!(shown(&index), wanted, "{from:?} to {to:?}");
            index.write(batch(&rows(5_000, 1)).unwrap()).unwrap();
            index.merge_all().unwrap();
            let verify = index.verify().unwrap();
            assert_eq!(verify["damage"].as_array().unwrap().len(), 1, "{verify:#}");
        }
    }
}

#[test]
fn a_part_that_goes_to_a_bucket_and_back_has_the_bytes_that_it_had() {
    let ((source, _kept), (between, _), (target, _also)) = (
        backend(Medium::Directory),
        backend(Medium::Bucket),
        backend(Medium::Directory),
    );
    let index = options(&store(&source)).create().unwrap();
    index.write(batch(&rows(0, 500)).unwrap()).unwrap();
    index.flush().unwrap();
    index.copy_to(&store(&between), NAME).unwrap();
    let copy = options(&store(&between)).read_only().unwrap();
    copy.copy_to(&store(&target), NAME).unwrap();
    let original = files(place(&source, NAME).as_ref());
    assert_eq!(files(place(&target, NAME).as_ref()), original);

    // It is what the engine would have made there, but for the name.
    let (bucket, _) = backend(Medium::Bucket);
    let written = options(&store(&bucket)).create().unwrap();
    written.write(batch(&rows(0, 500)).unwrap()).unwrap();
    written.flush().unwrap();
    let part = |backend: &Backend| {
        let files = files(place(backend, NAME).as_ref());
        let (path, bytes) = { files.into_iter() }
            .find(|(path, _)| path.ends_with(".part"))
            .unwrap();
        let length = bytes.len();
        let manifest = u32::from_le_bytes(bytes[length - 12..length - 8].try_into().unwrap());
        let (sections, manifest) = bytes[..length - 12].split_at(length - 12 - manifest as usize);
        let name = path.strip_prefix("parts/").unwrap();
        let manifest = String::from_utf8(manifest.to_vec())
            .unwrap()
            .replace(name, "NAME");
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        (sections.to_vec(), manifest["body"].clone())
    };
    assert_eq!(part(&between), part(&bucket));
}

#[test]
fn damage_ends_a_copy_and_a_backup_takes_it_along() {
    for from in MEDIA {
        let (source, _kept) = backend(from);
        let index = options(&store(&source))
            .one_file_parts(true)
            .create()
            .unwrap();
        index.write(batch(&rows(0, 300)).unwrap()).unwrap();
        index.flush().unwrap();
        drop(index);
        let storage = place(&source, NAME);
        let name = storage.list("parts").unwrap().into_iter();
        let path = format!(
            "parts/{}",
            { name }.find(|it| it.ends_with(".part")).unwrap()
        );
        let sound = files(storage.as_ref()).remove(&path).unwrap();
        for at in [20, sound.len() / 3, sound.len() - 40] {
            let mut bytes = sound.clone();
            bytes[at] ^= 4;
            storage.remove(&path).unwrap();
            storage.put_file(&path, &bytes).unwrap();
            // One with a damaged manifest is set aside by an opening.
            let Ok(reader) = options(&store(&source)).read_only() else {
                continue;
            };
            for to in MEDIA {
                let (target, _kept) = backend(to);
                let target = store(&target);
                if reader.stats().unwrap()["quarantined"]
                    .as_array()
                    .unwrap()
                    .is_empty()
                {
                    let error = reader.copy_to(&target, NAME).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    assert!(error.message().contains(&path), "{error}");
                    assert!(error.message().contains("sidx repair"), "{error}");
                    assert!(target.index_names().unwrap().is_empty());
                }
                reader.backup(&target, "taken").unwrap();
                let taken = latest(target.index("taken").engine(Engine::Native));
                let taken = taken.read_only().unwrap();
                assert_eq!(
                    taken.query().allow_partial().count_partial().unwrap().rows,
                    reader.query().allow_partial().count_partial().unwrap().rows,
                    "{from:?} to {to:?}, byte {at}"
                );
            }
        }
    }
}

#[test]
fn a_backup_into_a_bucket_leaves_out_what_is_missing_and_nothing_else() {
    let (source, _kept) = backend(Medium::Directory);
    let index = options(&store(&source)).create().unwrap();
    index.write(batch(&rows(0, 80)).unwrap()).unwrap();
    index.flush().unwrap();
    drop(index);
    let storage = place(&source, NAME);
    let part = storage.list("parts").unwrap().remove(0);
    storage.remove(&format!("parts/{part}/peer.td")).unwrap();
    let reader = options(&store(&source)).read_only().unwrap();
    for to in [Medium::Bucket, Medium::Memory] {
        let (target, _kept) = backend(to);
        let report = reader.backup(&store(&target), NAME).unwrap();
        assert_eq!(report.missing_files, 1, "{to:?}");
        let copy = options(&store(&target)).read_only().unwrap();
        let keys = |index: &Index| read(index.query().select(["status"]).run().unwrap()).unwrap();
        assert_eq!(keys(&copy), keys(&reader));
        assert_eq!(keys(&copy).len(), 80);
        assert_eq!(copy.verify().unwrap()["ok"], false);
    }
    let error = reader
        .copy_to(&store(&backend(Medium::Bucket).0), NAME)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.message().contains("peer.td"), "{error}");
}

#[test]
fn a_name_with_another_index_is_refused_and_a_copy_is_left_as_it_is() {
    let (source, _kept) = backend(Medium::Memory);
    fill(&source);
    for to in MEDIA {
        let (target, _kept) = backend(to);
        let plain = store(&target);
        let other = plain
            .index("other")
            .engine(Engine::Native)
            .create()
            .unwrap();
        other.write(batch(&rows(0, 3)).unwrap()).unwrap();
        let reader = options(&store(&source)).read_only().unwrap();
        store(&source)
            .copy_index("none", &plain, "none")
            .unwrap_err();
        let error = reader.copy_to(&plain, "other").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(other.query().count().unwrap(), 3);
        // One in the same store, which may be written meanwhile.
        plain.copy_index("other", &plain, "another").unwrap();
        let another = plain.index("another").engine(Engine::Native);
        assert_eq!(another.open().unwrap().query().count().unwrap(), 3);
        reader.copy_to(&plain, NAME).unwrap();
        assert!(reader.copy_to(&plain, NAME).unwrap().already_there);
        // Dropped, it is copied anew.
        options(&plain).remove().unwrap();
        assert!(!reader.copy_to(&plain, NAME).unwrap().already_there);
        // A backup is no copy to go on with.
        reader.backup(&plain, "backup").unwrap();
        let error = reader.copy_to(&plain, "backup").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
}
