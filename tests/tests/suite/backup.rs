//! Copies of an index: whole, consistent while writes go on, and none at all when they were interrupted.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;

use sidx_host::storage::MemoryStore;
use sidx_host::{CancelToken, Durability, Engine, Error, ErrorKind, Index, IndexBuilder, Store};
use sidx_tests::model::{Found, Row};
use sidx_tests::subject::{NAME, Subject, batch, keys_of, on_both_engines, rows_of};
use sidx_tests::watched::{Access, WatchedStore};

fn row(key: i64) -> Row {
    let label = format!("series {}", key % 3);
    Row::new(0, key, format!("payload {key}"))
        .of(&label)
        .tag("status", key % 5)
        .tag("peer", format!("10.0.0.{key}"))
}

fn rows(keys: std::ops::Range<i64>) -> Vec<Row> {
    keys.map(row).collect()
}

fn builder(store: &Store, engine: Engine) -> IndexBuilder {
    store.index(NAME).engine(engine).automatic_merge(false)
}

fn sorted(index: &Index) -> Vec<Found> {
    let mut found = rows_of(index.query());
    found.sort_unstable();
    found
}

/// Opens a copy, which must be sound, hold these rows, and take more.
fn assert_restores(copy: &Store, engine: Engine, expected: &[Found]) {
    let reader = builder(copy, engine).read_only().unwrap();
    assert_eq!(sorted(&reader), expected);
    drop(reader);
    let index = builder(copy, engine).open().unwrap();
    assert_eq!(sorted(&index), expected);
    let report = index.verify().unwrap();
    assert_eq!(
        (&report["ok"], &report["rows"]),
        (&true.into(), &expected.len().into())
    );
    let receipt = index.write(batch(&[row(1_000_000)]).unwrap()).unwrap();
    assert_eq!(receipt.rows, 1);
    index.merge_all().unwrap();
    assert_eq!(sorted(&index).len(), expected.len() + 1);
    drop(index);
    let index = builder(copy, engine).open().unwrap();
    assert_eq!(sorted(&index).len(), expected.len() + 1);
}

/// Parts, rows that are only in the log, and rows that are not even there.
fn fill(index: &Index) {
    for (at, durability) in [
        Durability::Sync,
        Durability::Os,
        Durability::None,
        Durability::Os,
        Durability::None,
    ]
    .into_iter()
    .enumerate()
    {
        let first = at as i64 * 100;
        let written = index.write_with(batch(&rows(first..first + 100)).unwrap(), durability);
        written.unwrap();
        if at < 2 {
            index.flush().unwrap();
        }
    }
}

fn targets() -> [(Store, Option<tempfile::TempDir>); 2] {
    let directory = tempfile::tempdir().unwrap();
    let stored = Store::open(directory.path().to_str().unwrap()).unwrap();
    [(stored, Some(directory)), (Store::memory(), None)]
}

#[test]
fn a_copy_holds_everything_that_was_acknowledged() {
    for create in [Subject::create, Subject::create_in_memory] {
        for engine in [Engine::Native, Engine::Component] {
            for (target, _directory) in targets() {
                let subject = create(engine);
                let index = subject.index();
                fill(index);
                let report = index.backup(&target, NAME).unwrap();
                assert_eq!(report.log_entries, 0, "it began with a flush");
                assert!(report.files > 0, "{report:?}");
                let expected = sorted(index);
                assert_eq!(expected.len(), 500);
                assert_restores(&target, engine, &expected);
                // The original does not notice.
                assert_eq!(sorted(index), expected);
                index.merge_all().unwrap();
                subject.assert_sound(500);
            }
        }
    }
}

#[test]
fn a_reader_copies_what_is_durable_while_a_writer_holds_the_index() {
    on_both_engines(|subject| {
        let index = subject.index();
        fill(index);
        // What a reader sees: durability none is in the writer's memory only.
        let reader = subject.options().read_only().unwrap();
        let durable = sorted(&reader);
        assert_eq!(durable.len(), 300);
        for (target, _directory) in targets() {
            let report = reader.backup(&target, "other").unwrap();
            assert_eq!(report.log_entries, 1);
            let copy = target
                .index("other")
                .engine(subject.engine())
                .open()
                .unwrap();
            assert_eq!(sorted(&copy), durable);
        }
        // What was written after the reader was opened is copied all the same.
        let late = index.write_with(batch(&rows(500..510)).unwrap(), Durability::Os);
        late.unwrap();
        index.flush().unwrap();
        let target = Store::memory();
        reader.backup(&target, NAME).unwrap();
        assert_restores(&target, subject.engine(), &sorted(index));
        assert_eq!(sorted(&reader), durable);
    });
}

#[test]
fn an_empty_index_and_one_that_only_has_a_log_can_be_copied() {
    on_both_engines(|mut subject| {
        let target = Store::memory();
        let report = subject.index().backup(&target, NAME).unwrap();
        assert_eq!((report.files, report.log_entries), (0, 0));
        assert_restores(&target, subject.engine(), &[]);
        subject.write(&rows(0..50));
        subject.leave();
        let reader = subject.options().read_only().unwrap();
        let target = Store::memory();
        let report = reader.backup(&target, NAME).unwrap();
        assert_eq!((report.files, report.log_entries), (0, 1));
        assert_restores(&target, subject.engine(), &sorted(&reader));
    });
}

#[test]
fn files_are_linked_within_a_file_system_and_both_sides_stay_free() {
    on_both_engines(|mut subject| {
        let directory = tempfile::tempdir_in(subject.path().parent().unwrap()).unwrap();
        let target = Store::open(directory.path().to_str().unwrap()).unwrap();
        fill(subject.index());
        let expected = sorted(subject.index());
        let report = subject.index().backup(&target, NAME).unwrap();
        assert_eq!(report.files, report.linked_files);
        assert_eq!(report.copied_bytes, 0);
        let part = std::fs::read_dir(subject.path().join("parts"))
            .unwrap()
            .next();
        let keys = part.unwrap().unwrap().path().join("keys.bin");
        assert_eq!(std::fs::metadata(keys).unwrap().nlink(), 2);
        subject.index().merge_all().unwrap();
        subject.leave();
        subject.store().remove_index(NAME).unwrap();
        assert_restores(&target, subject.engine(), &expected);
    });
}

#[test]
fn a_name_that_is_taken_is_refused_and_left_as_it_is() {
    on_both_engines(|subject| {
        subject.write_part(&rows(0..10));
        let (target, _directory) = targets().into_iter().next().unwrap();
        let other = builder(&target, subject.engine()).create().unwrap();
        other.write(batch(&rows(90..91)).unwrap()).unwrap();
        for open in [true, false] {
            let error = subject.index().backup(&target, NAME).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert!(error.message().contains("already"), "{error}");
            if open {
                assert_eq!(keys_of(other.query()), [90]);
            }
        }
        drop(other);
        let same = subject.index().backup(subject.store(), NAME).unwrap_err();
        assert_eq!(same.kind(), ErrorKind::Conflict, "{same}");
        // A folder with files of somebody else, which no copy made, is not cleared away.
        let folder = _directory.as_ref().unwrap().path().join("foreign/parts");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("mine"), "dear").unwrap();
        let error = subject.index().backup(&target, "foreign").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(folder.join("mine").exists());
        assert_eq!(keys_of(subject.ask()).len(), 10);
        assert!(subject.index().backup(&target, "../x").is_err());
    });
}

/// Fails the write to the target with this number, and all after it when `stuck`. Whatever is written, there
/// is no index yet.
fn faulty_target(fail_at: i64, stuck: bool) -> (Store, Arc<MemoryStore>) {
    let inner = Arc::new(MemoryStore::new());
    let (left, behind) = (AtomicI64::new(fail_at), Arc::clone(&inner));
    let watch = move |access, path: &str| {
        if access != Access::Write {
            return Ok(());
        }
        let written = Store::with_backend(Arc::clone(&behind) as _);
        let names = written.index_names().unwrap();
        assert!(
            names.is_empty(),
            "{path} is written to a copy that opens as an index"
        );
        let at = left.fetch_sub(1, Ordering::SeqCst);
        match at == 1 || (stuck && at < 1) {
            true => Err(Error::new(
                ErrorKind::ResourceExhausted,
                format!("{path}: full"),
            )),
            false => Ok(()),
        }
    };
    (
        WatchedStore::around(Arc::clone(&inner) as _, Arc::new(watch)),
        inner,
    )
}

#[test]
fn an_interrupted_copy_is_no_index_and_the_next_one_succeeds() {
    for engine in [Engine::Native, Engine::Component] {
        let subject = Subject::create_in_memory(engine);
        fill(subject.index());
        subject.flush();
        subject.write(&rows(500..510));
        let reader = subject.options().read_only().unwrap();
        let expected = sorted(&reader);
        for stuck in [false, true] {
            let mut failures = 0;
            for at in 1.. {
                let (target, inner) = faulty_target(at, stuck);
                let plain = Store::with_backend(inner);
                match reader.backup(&target, NAME) {
                    Ok(_) => break,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
                        assert!(error.message().starts_with("backup to "), "{error}");
                    }
                }
                failures += 1;
                let opened = builder(&plain, engine).read_only();
                assert_eq!(
                    opened.unwrap_err().kind(),
                    ErrorKind::NotFound,
                    "write {at}"
                );
                reader.backup(&plain, NAME).unwrap();
                let copy = builder(&plain, engine).read_only().unwrap();
                assert_eq!(sorted(&copy), expected);
            }
            assert!(failures > 20, "{failures} writes");
        }
    }
}

/// The places of copies below that of a name.
fn copies_in(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

#[test]
fn a_copy_that_died_is_cleared_away_by_the_next_one() {
    on_both_engines(|subject| {
        subject.write_part(&rows(0..10));
        let (target, directory) = targets().into_iter().next().unwrap();
        subject.index().backup(&target, NAME).unwrap();
        // As a crash leaves it: everything is there but the last two objects.
        let place = directory.as_ref().unwrap().path().join(NAME);
        std::fs::remove_file(place.join("00000001.incarnation")).unwrap();
        let copy = copies_in(&place).pop().unwrap();
        std::fs::remove_file(copy.join("index.json")).unwrap();
        subject.write_part(&rows(10..20));
        subject.index().merge_all().unwrap();
        let opened = builder(&target, subject.engine()).open();
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::NotFound);
        subject.index().backup(&target, NAME).unwrap();
        let copies = copies_in(&place);
        assert!(copies.len() == 1 && copies[0] != copy, "{copies:?}");
        assert_eq!(
            std::fs::read_dir(copies[0].join("parts")).unwrap().count(),
            1
        );
        assert_restores(&target, subject.engine(), &sorted(subject.index()));
    });
}

#[test]
fn a_copy_can_be_stopped_between_two_writes() {
    on_both_engines(|subject| {
        fill(subject.index());
        for at in [1, 3, 9, 15] {
            let (token, count) = (CancelToken::new(), Arc::new(AtomicU64::new(0)));
            let (stop, counted) = (token.clone(), Arc::clone(&count));
            let target = WatchedStore::memory(Arc::new(move |access, _: &str| {
                if access == Access::Write && counted.fetch_add(1, Ordering::SeqCst) + 1 == at {
                    stop.cancel();
                }
                Ok(())
            }));
            let stopped = subject
                .index()
                .maintain()
                .cancel(token)
                .backup(&target, NAME);
            assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
            let after = count.load(Ordering::SeqCst) - at;
            assert!(after <= 1, "{after} writes after the stop");
            assert!(target.index_names().unwrap().is_empty());
        }
        assert!(subject.index().health().running.is_empty());
    });
}

/// Of each writer's series, the keys 0, 1, 2 ... that a copy holds; batches of two are never torn.
fn assert_prefixes(copy: &Index, acknowledged: &[i64]) {
    let mut keys: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for row in rows_of(copy.query()) {
        keys.entry(row.series).or_default().push(row.key);
    }
    for (writer, least) in acknowledged.iter().enumerate() {
        let found = keys.remove(&(writer as u64)).unwrap_or_default();
        assert!(
            found.iter().copied().eq(0..found.len() as i64),
            "{writer}: {found:?}"
        );
        assert!(
            found.len() as i64 >= *least,
            "{writer}: {} of {least}",
            found.len()
        );
        assert_eq!(found.len() % 2, 0, "{writer}: half of a batch");
    }
    assert!(keys.is_empty());
}

#[test]
fn copies_are_consistent_while_writes_flushes_and_merges_go_on() {
    const WRITERS: usize = 3;
    on_both_engines(|subject| {
        let written = [(); WRITERS].map(|()| AtomicI64::new(0));
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for (writer, written) in written.iter().enumerate() {
                let (index, done) = (subject.index(), &done);
                scope.spawn(move || {
                    while !done.load(Ordering::Acquire) {
                        let key = written.load(Ordering::Acquire);
                        let rows = [key, key + 1].map(|key| Row::new(writer as u64, key, "x"));
                        index
                            .write_with(batch(&rows).unwrap(), Durability::Os)
                            .unwrap();
                        written.store(key + 2, Ordering::Release);
                    }
                });
            }
            let keeper = scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    subject.flush();
                    subject.index().merge().unwrap();
                }
            });
            let copier = scope.spawn(|| {
                for (at, (target, _directory)) in [targets(), targets(), targets()]
                    .into_iter()
                    .flatten()
                    .enumerate()
                {
                    // Every other copy is taken as another process would.
                    let reader = (at % 2 == 1).then(|| subject.options().read_only().unwrap());
                    let from = reader.as_ref().unwrap_or(subject.index());
                    let least: Vec<i64> = written
                        .iter()
                        .map(|keys| keys.load(Ordering::Acquire))
                        .collect();
                    from.backup(&target, NAME).unwrap();
                    let copy = builder(&target, subject.engine()).open().unwrap();
                    assert_prefixes(&copy, &least);
                    assert_eq!(copy.verify().unwrap()["ok"], true);
                }
            });
            let copied = copier.join();
            done.store(true, Ordering::Release);
            keeper.join().unwrap();
            copied.unwrap();
        });
    });
}
