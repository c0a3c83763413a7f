//! Lives of an index in the composed component.

use std::sync::Arc;

use sidx_host::storage::log::LogForm;
use sidx_host::storage::{DirectoryStore, MemoryStore, Store};
use sidx_tests::model::{Model, Query, Row};
use sidx_tests::ungrowing::UngrowingStore;

use super::composed;
use super::composed::bindings::exports::sidx::adapter::session::Pin;
use super::composed::bindings::exports::sidx::engine::index::{Choice, Durability, Mode};
use super::subject::{NAME, Subject};

fn rows(from: i64) -> Vec<Row> {
    let row = |key: i64| {
        let row = Row::new(key as u64 % 3, key, format!("payload {key}"));
        let row = row
            .tag("even", key % 2 == 0)
            .tag("name", format!("n{}", key % 7));
        match key % 3 {
            0 => row.of("labelled"),
            _ => row,
        }
    };
    (from..from + 500).map(row).collect()
}

fn check(subject: &mut Subject, model: &Model) {
    let query = Query::default();
    let found = subject.rows_by(&query, 100, false).unwrap();
    assert_eq!(found, model.query(&query));
    assert_eq!(subject.count(&query).unwrap(), found.len() as u64);
}

/// Writes, flushes, merges, queries and opens again, over any store.
fn live(store: &Arc<dyn Store>, form: LogForm) {
    if !composed::is_built() {
        return;
    }
    store.open_index(NAME, true).unwrap();
    let mut subject = Subject::over(Arc::clone(store), form);
    let mut model = Model::default();
    let refused = subject.open(NAME, Mode::Write).unwrap_err();
    assert!(format!("{refused:?}").contains("NotFound"), "{refused:?}");
    subject.leave();
    subject.open(NAME, Mode::Create).unwrap();
    for round in 0..4 {
        let rows = rows(round * 500);
        let first = subject.write(&rows, Durability::Sync).unwrap();
        assert_eq!(first, 500 * round as u64);
        model.write(&rows);
        check(&mut subject, &model);
        if round % 2 == 0 {
            subject.flush().unwrap();
            check(&mut subject, &model);
        }
    }
    // Another instance finds what is there, the log included.
    subject.close();
    drop(subject);
    let mut subject = Subject::over(Arc::clone(store), form);
    subject.open(NAME, Mode::Write).unwrap();
    check(&mut subject, &model);
    subject.flush().unwrap();
    subject.merge(Choice::All).unwrap();
    check(&mut subject, &model);
    assert_eq!(subject.dump().unwrap(), model.dump());
    let report = subject.verify();
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(report["rows"], 2_000, "{report:#}");
    // The same instance serves it again, to read.
    subject.close();
    subject.open(NAME, Mode::Read).unwrap();
    assert_eq!(subject.pinned(), Pin::Held);
    check(&mut subject, &model);
    subject.leave();
    assert_eq!(subject.pinned(), Pin::Nothing);
}

#[test]
fn an_index_lives_in_memory() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    live(&store, LogForm::Growing);
}

#[test]
fn an_index_lives_where_no_file_grows() {
    let store: Arc<dyn Store> = Arc::new(UngrowingStore(Arc::new(MemoryStore::new())));
    live(&store, LogForm::Whole);
}

#[test]
fn an_index_lives_in_a_directory_and_the_library_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(DirectoryStore::new(directory.path()));
    live(&store, LogForm::Growing);
    if !composed::is_built() {
        return;
    }
    let library = sidx_host::Store::with_backend(store);
    let index = library.index(NAME).open().unwrap();
    assert_eq!(index.query().count().unwrap(), 2_000);
    assert_eq!(index.verify().unwrap()["ok"], true);
}

/// A query that has begun goes on over what merges have replaced since, in the one instance that does both.
#[test]
fn a_cursor_reads_what_left_the_list() {
    if !composed::is_built() {
        return;
    }
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    store.open_index(NAME, true).unwrap();
    let mut subject = Subject::over(Arc::clone(&store), LogForm::Growing);
    subject.open(NAME, Mode::Create).unwrap();
    let mut model = Model::default();
    for round in 0..6 {
        let rows = rows(round * 500);
        subject.write(&rows, Durability::Os).unwrap();
        model.write(&rows);
        // The last ones are in memory.
        if round < 4 {
            subject.flush().unwrap();
        }
    }
    let query = Query::default();
    let mut found = Vec::new();
    let (cursor, rows) = subject.begin(&query, 10).unwrap();
    subject.append(rows, true, &mut found).unwrap();
    for _ in 0..3 {
        subject.flush().unwrap();
        subject.merge(Choice::All).unwrap();
        subject.collect().unwrap();
        subject
            .write(&self::rows(1_000_000), Durability::Os)
            .unwrap();
    }
    while let Some(rows) = subject.next(cursor, 10).unwrap() {
        subject.append(rows, true, &mut found).unwrap();
    }
    assert_eq!(found, model.query(&query));
    let before = subject.parts_in_store();
    subject.drop_cursor(cursor);
    subject.collect().unwrap();
    subject.collect().unwrap();
    let after = subject.parts_in_store();
    assert!(after.len() < before.len(), "{before:?}, {after:?}");
    subject.close();
}
