//! Rows that die, step by step, on both engines.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use sidx_host::{Durability, Engine, ErrorKind, Index, Retention, Store};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, batch, keys_of, latest};
use sidx_tests::watched::WatchedStore;

use super::latest::{Latest, all_of, assert_shows, counted};

fn row(series: u64, key: i64, payload: &str) -> Row {
    Row::new(series, key, payload).tag("n", key % 3)
}

/// Rows with `of` payloads, over and over.
fn rows(first: i64, count: i64, of: i64) -> Vec<Row> {
    let row = |key: i64| row(key as u64 % 7, key, &format!("payload {}", key % of));
    (first..first + count).map(row).collect()
}

/// An index and what it must show.
pub(crate) struct Pair {
    pub(crate) subject: Subject,
    pub(crate) wanted: Latest,
}

impl Pair {
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            subject: Subject::create_with_latest(engine),
            wanted: Latest::default(),
        }
    }

    pub(crate) fn write(&mut self, rows: &[Row]) {
        self.subject.write(rows);
        self.wanted.write(rows);
    }

    pub(crate) fn assert(&self) {
        assert_shows(self.subject.index(), &self.wanted);
        assert_eq!(counted(self.subject.index()), self.wanted.died);
        let report = self.subject.index().verify().unwrap();
        assert_eq!(report["ok"], true, "{report:#}");
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        let stats = self.subject.index().stats().unwrap();
        stats[name].as_u64().unwrap_or_default()
    }

    /// Files with dead rows in the store.
    pub(crate) fn dead_files(&self) -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(self.subject.path().join("parts")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut dead: Vec<_> = { paths }
            .filter(|path| path.to_str().unwrap().contains(".dead-"))
            .collect();
        dead.sort();
        dead
    }
}

fn on_both(test: impl Fn(Pair)) {
    for engine in [Engine::Native, Engine::Component] {
        test(Pair::new(engine));
    }
}

#[test]
fn a_row_takes_the_place_of_an_older_one_wherever_that_is() {
    on_both(|mut pair| {
        // In the same batch, in memory, in a part, and in a merged one.
        pair.write(&[row(1, 1, "a"), row(1, 2, "b"), row(1, 3, "a")]);
        pair.assert();
        assert_eq!(pair.stat("dead_rows"), 1);
        pair.write(&[row(2, 4, "b")]);
        pair.assert();
        pair.subject.flush();
        pair.assert();
        pair.write(&[row(2, 5, "a"), row(3, 6, "c")]);
        pair.assert();
        pair.subject.reopen();
        pair.assert();
        pair.subject.flush();
        pair.subject.merge_all();
        pair.assert();
        pair.write(&[row(3, 7, "b")]);
        pair.assert();
        pair.subject.flush();
        pair.subject.reopen();
        pair.assert();
        // Merges leave out what is dead in the snapshot.
        pair.subject.merge_all();
        pair.assert();
        assert_eq!((pair.stat("rows"), pair.stat("dead_rows")), (3, 0));
    });
}

/// A number of arrival is longer than any value of a tag, which is what a manifest tells.
#[test]
fn rows_without_tags_pass_a_check() {
    on_both(|mut pair| {
        let bare = |key: i64| Row::new(1, key, format!("payload {key}"));
        pair.write(&(0..100).map(bare).collect::<Vec<_>>());
        pair.assert();
        pair.subject.flush();
        pair.assert();
        pair.write(&(50..150).map(bare).collect::<Vec<_>>());
        pair.subject.flush();
        pair.subject.merge_all();
        pair.assert();
    });
}

#[test]
fn dead_rows_of_a_flushed_part_are_stored_with_the_flush_of_what_replaced_them() {
    on_both(|mut pair| {
        pair.write(&rows(0, 500, 500));
        pair.subject.flush();
        assert!(pair.dead_files().is_empty());
        pair.write(&rows(1_000, 10, 500));
        // The log has it.
        assert!(pair.dead_files().is_empty());
        pair.assert();
        pair.subject.flush();
        assert_eq!(pair.dead_files().len(), 1);
        pair.assert();
        pair.subject.reopen();
        pair.assert();
        pair.write(&rows(2_000, 10, 500));
        pair.subject.flush();
        pair.assert();
        pair.subject.merge_all();
        pair.assert();
        assert!(pair.dead_files().is_empty(), "{:?}", pair.dead_files());
    });
}

#[test]
fn rows_that_die_while_a_part_is_rewritten_are_dead_in_the_new_one() {
    on_both(|mut pair| {
        pair.write(&rows(0, 300, 300));
        pair.subject.flush();
        pair.write(&rows(1_000, 300, 200));
        pair.subject.flush();
        // Later deaths, which no snapshot has.
        pair.write(&rows(2_000, 50, 300));
        pair.subject.merge_all();
        pair.assert();
        pair.subject.reopen();
        pair.assert();
    });
}

#[test]
fn many_rows_in_many_blocks_die() {
    on_both(|mut pair| {
        // Several chunks of 64 blocks would take half a million rows; some blocks will do, and a few parts.
        for part in 0..3 {
            pair.write(&rows(part * 100_000, 20_000, 30_000));
            pair.subject.flush();
        }
        pair.assert();
        let filtered = pair.subject.keys_where("n = 1");
        let all = pair.wanted.all();
        let wanted = all.iter().filter(|row| row.key % 3 == 1).count();
        assert_eq!(filtered.len(), wanted);
        pair.write(&rows(1_000_000, 25_000, 25_000));
        pair.assert();
        pair.subject.flush();
        pair.subject.merge_all();
        pair.assert();
        assert_eq!(pair.stat("rows"), pair.wanted.len() as u64);
    });
}

#[test]
fn small_batches_are_folded_with_their_dead_rows() {
    on_both(|mut pair| {
        for key in 0..200 {
            pair.write(&[row(
                key as u64 % 3,
                key,
                &format!("payload {}", key * 7 % 31),
            )]);
        }
        pair.assert();
        pair.subject.reopen();
        pair.assert();
        pair.subject.flush();
        pair.assert();
    });
}

#[test]
fn retention_and_rows_that_died_go_together() {
    on_both(|mut pair| {
        pair.write(&rows(0, 400, 150));
        pair.subject.flush();
        pair.write(&rows(400, 200, 170));
        pair.subject.flush();
        pair.write(&rows(600, 40, 170));
        for below in [100, 450, 610] {
            let rule = Retention {
                drop_below: Some(below),
                drop_where: None,
            };
            pair.subject.index().retain(rule).unwrap();
            pair.wanted.drop_below(below);
            pair.assert();
        }
        let rule = Retention {
            drop_below: None,
            drop_where: Some("n >= 0".to_owned()),
        };
        pair.subject.index().retain(rule).unwrap();
        assert_eq!(all_of(pair.subject.index()).unwrap(), []);
        pair.subject.reopen();
        assert_eq!(all_of(pair.subject.index()).unwrap(), []);
    });
}

#[test]
fn readers_keep_what_they_began_with() {
    on_both(|mut pair| {
        pair.write(&rows(0, 300, 300));
        pair.subject.flush();
        pair.write(&rows(1_000, 100, 300));
        pair.subject.flush();
        let reader = pair.subject.options().read_only().unwrap();
        let before = pair.wanted.clone();
        let mut cursor = { pair.subject.ask().payload(true) }
            .rows_per_batch(10)
            .run()
            .unwrap();
        let mut read = cursor.next().unwrap().unwrap().len();
        for round in 2..5 {
            pair.write(&rows(round * 1_000, 120, 300));
            pair.subject.flush();
            pair.subject.merge_all();
        }
        for batch in cursor.by_ref() {
            read += batch.unwrap().len();
        }
        assert_eq!(read, before.len());
        assert_shows(&reader, &before);
        drop((cursor, reader));
        pair.assert();
        let other = pair.subject.options().read_only().unwrap();
        assert_shows(&other, &pair.wanted);
        drop(other);
        pair.write(&rows(9_000, 1, 300));
        pair.subject.flush();
        pair.subject.merge_all();
        assert!(pair.dead_files().is_empty());
    });
}

#[test]
fn a_copy_has_its_dead_rows() {
    on_both(|mut pair| {
        pair.write(&rows(0, 300, 300));
        pair.subject.flush();
        pair.write(&rows(1_000, 100, 300));
        pair.subject.flush();
        pair.write(&rows(2_000, 30, 300));
        let there = tempfile::tempdir().unwrap();
        let store = Store::open(there.path().to_str().unwrap()).unwrap();
        pair.subject.index().backup(&store, "copy").unwrap();
        let copy = latest(store.index("copy").engine(pair.subject.engine()));
        let copy = copy.open().unwrap();
        assert_shows(&copy, &pair.wanted);
        assert_eq!(counted(&copy), pair.wanted.died);
        assert_eq!(copy.verify().unwrap()["ok"], true);
    });
}

#[test]
fn both_engines_and_both_forms_read_each_other() {
    let mut pair = Pair::new(Engine::Native);
    for round in 0..6 {
        pair.write(&rows(round * 1_000, 150, 260));
        pair.subject.flush();
        let engine = match round % 2 {
            0 => Engine::Component,
            _ => Engine::Native,
        };
        pair.subject.leave();
        pair.subject.change_form();
        pair.subject.switch(engine);
        pair.assert();
        if round == 3 {
            pair.subject.merge_all();
            pair.assert();
        }
    }
}

#[test]
fn an_index_is_opened_only_with_the_facets_that_it_has() {
    on_both(|mut pair| {
        pair.write(&rows(0, 10, 10));
        let refused = |pair: &Pair| {
            let plain = pair
                .subject
                .store()
                .index(NAME)
                .engine(pair.subject.engine());
            plain.open().unwrap_err()
        };
        pair.subject.leave();
        let error = refused(&pair);
        assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
        assert!(error.message().contains("latest"), "{error}");
        pair.subject.enter();
        pair.assert();

        let mut plain = Subject::create(pair.subject.engine());
        plain.write(&rows(0, 10, 10));
        plain.leave();
        let other = latest(plain.store().index(NAME).engine(plain.engine()));
        let error = other.open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
        plain.enter();
        assert_eq!(keys_of(plain.ask()).len(), 10);
    });
}

#[test]
fn who_wants_no_log_is_told_that_rows_may_replace_others() {
    on_both(|pair| {
        let written =
            { pair.subject.index() }.write_with(batch(&rows(0, 1, 1)).unwrap(), Durability::None);
        let error = written.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("os or sync"), "{error}");
    });
}

#[test]
fn nobody_sees_the_column_of_arrival_numbers() {
    on_both(|mut pair| {
        pair.write(&rows(0, 20, 20));
        pair.subject.flush();
        pair.write(&rows(20, 20, 20));
        let mut cursor = pair.subject.ask().run().unwrap();
        let found = cursor.next().unwrap().unwrap();
        let row = found.row(0).unwrap().unwrap();
        assert_eq!(row.tags.len(), 1, "{:?}", row.tags);
        drop(cursor);
        let named = keys_of(pair.subject.ask().select([""]));
        assert_eq!(named.len(), 20);
        assert_eq!(pair.subject.dump().len(), 40);
        let dumped = pair.subject.dump();
        assert!(dumped.iter().all(|row| row.tags.len() == 1));
        let stats = pair.subject.index().stats().unwrap();
        assert_eq!(stats["tags"], serde_json::json!({"n": ["int"]}));
        for part in pair.subject.index().parts().unwrap().as_array().unwrap() {
            assert_eq!(part["tags"].as_array().unwrap().len(), 1, "{part}");
        }
    });
}

/// A scrub reads files of which the next flush may remove some.
#[test]
fn a_scrub_takes_no_file_for_damaged_that_another_took_the_place_of() {
    for engine in [Engine::Native, Engine::Component] {
        let index: Arc<OnceLock<Index>> = Arc::default();
        let (is_scrubbed, is_replaced) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
        let watch = {
            let (index, is_scrubbed) = (Arc::clone(&index), Arc::clone(&is_scrubbed));
            move |_, path: &str| {
                let is_first = is_scrubbed.load(Ordering::Relaxed) && path.starts_with("parts/");
                if is_first && !is_replaced.swap(true, Ordering::Relaxed) {
                    let index = index.get().expect("it is open");
                    for first in [2_000, 3_000] {
                        index.write(batch(&rows(first, 10, 500))?)?;
                        index.flush()?;
                    }
                }
                Ok(())
            }
        };
        let store = WatchedStore::memory(Arc::new(watch));
        let options = || latest(store.index(NAME).engine(engine).automatic_merge(false));
        let index = index.get_or_init(|| options().create().unwrap());
        for first in [0, 1_000] {
            index.write(batch(&rows(first, 300, 500)).unwrap()).unwrap();
            index.flush().unwrap();
        }
        is_scrubbed.store(true, Ordering::Relaxed);
        let report = index.scrub().unwrap();
        assert!(report.files > 0, "{report:?}");
        assert!(report.damaged.is_empty(), "{report:?}");
        assert_eq!(index.verify().unwrap()["ok"], true);
    }
}
