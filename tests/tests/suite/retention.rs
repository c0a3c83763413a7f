//! What retention reads, writes and needs.

use std::sync::{Arc, Mutex};

use sidx_columns::{OwnedValue, ValueType};
use sidx_host::{Durability, Engine, ErrorKind, Index, Retention};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, batch, keys_of, on_both_engines, read, rows_of};
use sidx_tests::watched::{Access, WatchedStore};

pub(super) fn below(key: i64) -> Retention {
    Retention {
        drop_where: None,
        drop_below: Some(key),
    }
}

pub(super) fn matching(filter: &str) -> Retention {
    Retention {
        drop_where: Some(filter.to_owned()),
        drop_below: None,
    }
}

/// A row whose payload does not compress.
pub(super) fn row(key: i64, payload_bytes: usize) -> Row {
    let mut state = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let noise = (0..payload_bytes).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    Row::new(1, key, noise.collect::<Vec<_>>())
        .tag("day", key / 100)
        .tag("is_last", key % 100 == 99)
}

pub(super) fn write_part(index: &Index, rows: &[Row]) {
    let batch = batch(rows).unwrap();
    index.write_with(batch, Durability::Os).unwrap();
    index.flush().unwrap();
}

type Told = Arc<Mutex<Vec<(Access, String)>>>;

/// Six parts of a hundred keys each, of which nothing is kept in memory, and what is done to the store.
fn watched(engine: Engine) -> (Index, Told) {
    let told = Told::default();
    let telling = Arc::clone(&told);
    let store = WatchedStore::memory(Arc::new(move |access, path| {
        telling.lock().unwrap().push((access, path.to_owned()));
        Ok(())
    }));
    let index = store
        .index("watched")
        .engine(engine)
        .automatic_merge(false)
        .page_cache_bytes(0)
        .create()
        .unwrap();
    for part in 0..6 {
        let rows: Vec<Row> = (part * 100..part * 100 + 100)
            .map(|key| row(key, 20))
            .collect();
        write_part(&index, &rows);
    }
    (index, told)
}

/// Whether an access reads or makes a page; manifests and snapshots have none.
fn touches_a_page((_, path): &(Access, String)) -> bool {
    path.starts_with("parts/") && !path.ends_with("/manifest.json")
}

#[test]
fn parts_about_which_metadata_decides_are_neither_read_nor_written() {
    for engine in [Engine::Native, Engine::Component] {
        for (rule, kept) in [
            (below(300), 300..600),
            (below(-7), 0..600),
            (below(600), 0..0),
            (matching("day <= 2"), 300..600),
            (matching("day = 7 or nobody = 1"), 0..600),
            (matching("exists(day)"), 0..0),
            (matching("not exists(day)"), 0..600),
        ] {
            let (index, told) = watched(engine);
            told.lock().unwrap().clear();
            let done = index.retain(rule.clone()).unwrap();
            let accesses = std::mem::take(&mut *told.lock().unwrap());
            let touched: Vec<_> = accesses.iter().filter(|it| touches_a_page(it)).collect();
            assert!(touched.is_empty(), "{engine:?}, {rule:?}: {touched:?}");
            assert_eq!((done.parts, done.bytes_written), (0, 0));
            // All of it is one change of the part list.
            let is_snapshot = |(access, path): &&(Access, String)| {
                *access == Access::Write && path.ends_with(".snapshot")
            };
            let snapshots = accesses.iter().filter(is_snapshot).count();
            let expected = usize::from(kept.end - kept.start < 600);
            assert_eq!(snapshots, expected, "{rule:?}: {accesses:?}");
            assert_eq!(keys_of(index.query()), kept.collect::<Vec<_>>(), "{rule:?}");
        }
    }
}

/// The parts that an access wrote, in order.
fn written_parts(told: &Told) -> Vec<String> {
    let told = told.lock().unwrap();
    let written = told
        .iter()
        .filter(|(access, path)| *access == Access::Write && path.ends_with("/manifest.json"));
    written.map(|(_, path)| path.clone()).collect()
}

#[test]
fn parts_that_lose_some_rows_are_rewritten_and_no_others() {
    for engine in [Engine::Native, Engine::Component] {
        let (index, told) = watched(engine);
        told.lock().unwrap().clear();
        let done = index.retain(below(350)).unwrap();
        assert_eq!((done.parts, done.rows, done.dropped_rows), (1, 50, 350));
        assert_eq!(written_parts(&told).len(), 1);
        let parts: Vec<i64> = index
            .parts()
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["rows"].as_i64().unwrap())
            .collect();
        assert_eq!(parts, [50, 100, 100]);
        // A count that is 0 spares the writing where limits leave the question open.
        told.lock().unwrap().clear();
        write_part(&index, &[row(700, 9).tag("n", 1), row(701, 9).tag("n", 3)]);
        told.lock().unwrap().clear();
        let done = index.retain(matching("n = 2")).unwrap();
        assert_eq!((done.parts, done.dropped_rows), (0, 0));
        assert!(written_parts(&told).is_empty());
        // One that says all, too.
        let done = index.retain(matching("n = 1 or n = 3")).unwrap();
        assert_eq!((done.parts, done.dropped_rows), (0, 2));
        assert!(written_parts(&told).is_empty());
        assert_eq!(keys_of(index.query()), (350..600).collect::<Vec<_>>());
    }
}

#[test]
fn rows_in_memory_that_go_are_never_written() {
    on_both_engines(|mut subject| {
        subject.write(&(0..50).map(|key| row(key, 9)).collect::<Vec<_>>());
        subject.write(&(50..80).map(|key| row(key, 9)).collect::<Vec<_>>());
        let done = subject.index().retain(below(40)).unwrap();
        assert_eq!((done.parts, done.rows, done.dropped_rows), (1, 40, 40));
        assert!(subject.parts("memory").is_empty());
        subject.write(&[row(1, 9)]);
        let done = subject.index().retain(below(40)).unwrap();
        assert_eq!((done.parts, done.rows, done.dropped_rows), (0, 0, 1));
        subject.reopen();
        assert_eq!(keys_of(subject.ask()), (40..80).collect::<Vec<_>>());
        let next = subject.write(&[row(99, 9)]).first_id;
        assert_eq!(next, 81, "element ids are never used again");
        subject.assert_sound(41);
    });
}

/// An index that is filled to nine tenths of its budget with parts of some 200 KiB.
fn filled(subject: &mut Subject) -> (Index, i64) {
    const BUDGET: u64 = 8 << 20;
    subject.leave();
    let index = subject
        .options()
        .disk_bytes(BUDGET)
        .flush_bytes(u64::MAX)
        .open()
        .unwrap();
    let mut key = 0;
    loop {
        let rows: Vec<Row> = (key..key + 100).map(|key| row(key, 2_000)).collect();
        match index.write(batch(&rows).unwrap()) {
            Ok(_) => index.flush().unwrap(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
                break;
            }
        };
        key += 100;
        assert!(key < 10_000, "the budget is never used up");
    }
    assert!(index.health().disk.used_bytes > BUDGET / 100 * 80);
    (index, key)
}

#[test]
fn retention_needs_the_room_of_one_part_however_full_the_budget_is() {
    for engine in [Engine::Native, Engine::Component] {
        for rule in ["all", "half", "one of each part"] {
            let mut subject = Subject::create(engine);
            let (index, end) = filled(&mut subject);
            let (rule, kept): (Retention, Vec<i64>) = match rule {
                "all" => (below(i64::MAX), Vec::new()),
                "half" => (below(end / 2 + 50), (end / 2 + 50..end).collect()),
                _ => (
                    matching("is_last = true"),
                    (0..end).filter(|key| key % 100 != 99).collect(),
                ),
            };
            let before = index.health().disk.used_bytes;
            index.retain(rule.clone()).unwrap();
            assert_eq!(keys_of(index.query()), kept, "{rule:?}");
            assert!(index.health().disk.used_bytes < before);
            assert_eq!(index.verify().unwrap()["ok"], true);
        }
    }
}

#[test]
fn a_reader_of_an_old_epoch_keeps_its_rows() {
    on_both_engines(|subject| {
        for part in 0..4 {
            let keys = part * 100..part * 100 + 100;
            subject.write_part(&keys.map(|key| row(key, 9)).collect::<Vec<_>>());
        }
        let reader = subject.options().read_only().unwrap();
        let mut cursor = subject.ask().rows_per_batch(10).run().unwrap();
        assert_eq!(cursor.next().unwrap().unwrap().len(), 10);
        subject.index().retain(below(250)).unwrap();
        assert_eq!(keys_of(reader.query()), (0..400).collect::<Vec<_>>());
        let left: Vec<i64> = read(cursor).unwrap().iter().map(|row| row.key).collect();
        assert_eq!(left, (10..400).collect::<Vec<_>>());
        assert_eq!(keys_of(subject.ask()), (250..400).collect::<Vec<_>>());
        drop(reader);
        // Nobody needs them any more: they go with the next change.
        subject.write_part(&[row(400, 9)]);
        subject.write_part(&[row(401, 9)]);
        let folders = std::fs::read_dir(subject.path().join("parts"))
            .unwrap()
            .count();
        assert_eq!(folders, subject.parts("file").len());
    });
}

#[test]
fn a_series_keeps_its_label_while_it_has_rows() {
    let id = sidx_host::series_id("UA");
    let labels = |subject: &Subject| -> Vec<Option<String>> {
        rows_of(subject.ask())
            .into_iter()
            .map(|row| row.label)
            .collect()
    };
    for flushed in [0, 1, 2, 3] {
        on_both_engines(|mut subject| {
            subject.write_part(&[row(1, 9).of("UA"), row(2, 9).of("AA")]);
            // The others know the series by its number only, in files or in memory.
            for key in [3, 4, 5] {
                subject.write(&[Row::new(id, key, "x"), Row::new(7, key, "x")]);
                if key - 3 < flushed {
                    subject.flush();
                }
            }
            subject.index().retain(below(3)).unwrap();
            let expected = [Some("UA".to_owned()), None, Some("UA".to_owned()), None];
            let mut found = labels(&subject);
            found.sort();
            let mut wanted: Vec<_> = expected
                .into_iter()
                .chain([None, Some("UA".to_owned())])
                .collect();
            wanted.sort();
            assert_eq!(found, wanted);
            subject.reopen();
            let mut found = labels(&subject);
            found.sort();
            assert_eq!(found, wanted);
            subject.index().retain(below(5)).unwrap();
            assert_eq!(
                labels(&subject).into_iter().flatten().collect::<Vec<_>>(),
                ["UA"]
            );
            let gone = [sidx_host::series_id("AA")];
            assert_eq!(subject.index().series_labels(&gone).unwrap(), [None]);
            subject.assert_sound(2);
        });
    }
}

#[test]
fn rows_without_the_tag_arrays_and_nan_stay_or_go_as_a_query_says() {
    let array = |values: &[i64]| {
        let values = values.iter().copied().map(OwnedValue::Int).collect();
        OwnedValue::Array(ValueType::Int, values)
    };
    let plain = |key: i64| Row::new(1, key, "x");
    let rows = [
        plain(1),
        plain(2).tag("x", f64::NAN),
        plain(3).tag("x", 1.5),
        plain(4).tag("x", 2),
        plain(5).tag("x", "text"),
        plain(6).tag("list", array(&[])),
        plain(7).tag("list", array(&[1, 2])),
        plain(8).tag("list", array(&[2])).tag("x", f64::INFINITY),
    ];
    for filter in [
        "x < 2.0",
        "not x < 2.0",
        "x != 1.5",
        "exists(x)",
        "x = \"text\"",
        "list = 2",
        "list contains all (1, 2)",
        "not exists(list)",
        "not list = 1",
        "x >= 0.0 or list = 1",
        "absent = 1 or not absent = 1",
    ] {
        on_both_engines(|subject| {
            // As one part, and as a part of each row, where limits tell most.
            subject.write_part(&rows);
            for row in &rows {
                subject.write_part(std::slice::from_ref(row));
            }
            let gone = keys_of(subject.ask().filter(filter));
            let all = keys_of(subject.ask());
            let kept: Vec<i64> = all.into_iter().filter(|key| !gone.contains(key)).collect();
            let done = subject.index().retain(matching(filter)).unwrap();
            assert_eq!(done.dropped_rows, gone.len() as u64, "{filter}");
            assert_eq!(keys_of(subject.ask()), kept, "{filter}");
            subject.assert_sound(kept.len());
        });
    }
}

#[test]
fn a_read_only_index_drops_nothing() {
    on_both_engines(|subject| {
        subject.write_part(&[row(1, 9)]);
        let reader = subject.options().read_only().unwrap();
        let error = reader.retain(below(9)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(keys_of(subject.ask()), [1]);
    });
}
