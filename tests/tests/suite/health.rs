//! What an index tells of itself.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use sidx_host::{CancelToken, Durability, Engine, Error, ErrorKind, Index, Operation, Pressure};
use sidx_tests::model::Row;
use sidx_tests::subject::{batch, error_of, keys_of, on_both_engines};
use sidx_tests::watched::{Access, WatchedStore};

fn rows(count: i64) -> Vec<Row> {
    (0..count)
        .map(|key| Row::new(1, key, "payload").tag("status", key))
        .collect()
}

fn write(index: &Index, count: i64, durability: Durability) {
    index
        .write_with(batch(&rows(count)).unwrap(), durability)
        .unwrap();
}

#[test]
fn writes_flushes_and_merges_are_counted() {
    on_both_engines(|subject| {
        let index = subject.index();
        for durability in [Durability::Sync, Durability::Os, Durability::None] {
            write(index, 10, durability);
        }
        let health = index.health();
        let counters = health.counters;
        assert_eq!((counters.batches, counters.rows), (3, 30));
        let log = (
            counters.log_appends,
            counters.log_batches,
            counters.log_syncs,
        );
        assert_eq!(log, (2, 2, 1), "rows of durability none are not logged");
        assert!(health.log_backlog_bytes > 0);
        assert!(counters.bytes_written >= health.log_backlog_bytes);
        assert!(health.memory.used_bytes > 0);
        assert!(
            index
                .write(batch(&[Row::new(1, 1, vec![0; 17 << 20])]).unwrap())
                .is_err()
        );
        index.flush().unwrap();
        write(index, 5, Durability::Os);
        index.merge_all().unwrap();
        let health = index.health();
        let counters = health.counters;
        assert_eq!(health.log_backlog_bytes, 0, "everything is in parts");
        assert_eq!(health.memory.used_bytes, 0);
        assert_eq!((counters.flushes, counters.flushed_rows), (2, 35));
        assert_eq!((counters.merges, counters.merged_rows), (1, 35));
        assert_eq!(
            (
                counters.batches,
                counters.batches_failed,
                counters.jobs_failed
            ),
            (4, 1, 0)
        );
        assert!(counters.bytes_written > health.disk.used_bytes);
        assert!(health.running.is_empty() && health.quarantined.is_empty());
        assert!(
            health.last_errors.is_empty(),
            "the batch was its caller's fault"
        );
    });
}

#[test]
fn the_backlog_of_a_reopened_index_is_what_it_replayed() {
    on_both_engines(|mut subject| {
        write(subject.index(), 10, Durability::Os);
        subject.flush();
        write(subject.index(), 20, Durability::Os);
        let before = subject.index().health().log_backlog_bytes;
        subject.leave();
        let reader = subject.options().read_only().unwrap();
        assert_eq!(reader.health().log_backlog_bytes, before);
        assert!(reader.health().read_only);
        drop(reader);
        subject.enter();
        assert_eq!(subject.index().health().log_backlog_bytes, before);
        assert!(before > 0);
    });
}

#[test]
fn running_queries_are_seen_and_their_outcomes_counted() {
    on_both_engines(|subject| {
        let index = subject.index();
        write(index, 10, Durability::Os);
        let mut cursor = index.query().rows_per_batch(3).run().unwrap();
        let running = index.health().running;
        assert_eq!(running.len(), 1);
        assert_eq!(
            (running[0].operation, running[0].rows),
            (Operation::Query, 3)
        );
        assert!(running[0].since_unix_ms > 1_600_000_000_000);
        cursor.by_ref().take(2).for_each(|rows| drop(rows.unwrap()));
        assert_eq!(index.health().running[0].rows, 6);
        drop(cursor);
        let token = CancelToken::new();
        token.cancel();
        assert!(index.query().cancel(token).run().is_err());
        assert!(
            index
                .query()
                .timeout(std::time::Duration::ZERO)
                .count()
                .is_err()
        );
        assert!(index.query().max_rows(3).count().is_err());
        assert!(index.query().filter("(").run().is_err());
        assert_eq!(keys_of(index.query()).len(), 10);
        assert_eq!(index.query().count().unwrap(), 10);
        for rows in index.dump().unwrap() {
            rows.unwrap();
        }
        let health = index.health();
        assert!(health.running.is_empty());
        let told = health.counters.queries;
        let ends = (
            told.completed,
            told.closed_early,
            told.cancelled,
            told.failed,
        );
        assert_eq!(ends, (3, 1, 1, 1));
        assert_eq!(
            (told.deadline_exceeded, told.limit_exceeded, told.refused),
            (1, 1, 0)
        );
        // The deadline and the limit; cancelling and a bad filter are the caller's doing.
        let kinds: Vec<_> = health.last_errors.iter().map(|error| error.kind).collect();
        assert_eq!(kinds, ["deadline-exceeded", "limit-exceeded"]);
    });
}

#[test]
fn failures_of_the_store_are_told_with_their_operation() {
    for engine in [Engine::Native, Engine::Component] {
        let broken = Arc::new(Mutex::new(None::<Access>));
        let watched = Arc::clone(&broken);
        let store = WatchedStore::memory(Arc::new(move |access, path| {
            match *watched.lock().unwrap() == Some(access) && path.starts_with("parts/") {
                true => Err(Error::new(
                    ErrorKind::Io,
                    format!("{path}: the medium is gone"),
                )),
                false => Ok(()),
            }
        }));
        let builder = store.index("x").engine(engine).automatic_merge(false);
        let index = builder.page_cache_bytes(0).create().unwrap();
        write(&index, 10, Durability::Os);
        *broken.lock().unwrap() = Some(Access::Write);
        assert_eq!(index.flush().unwrap_err().kind(), ErrorKind::Io);
        *broken.lock().unwrap() = None;
        index.flush().unwrap();
        *broken.lock().unwrap() = Some(Access::Read);
        assert_eq!(error_of(index.query()).kind(), ErrorKind::Io);
        let health = index.health();
        let told: Vec<_> = health
            .last_errors
            .iter()
            .map(|error| error.operation)
            .collect();
        assert_eq!(told, [Operation::Flush, Operation::Query]);
        assert!(
            health
                .last_errors
                .iter()
                .all(|error| error.text.contains("the medium is gone"))
        );
        assert_eq!(
            (health.counters.jobs_failed, health.counters.queries.failed),
            (1, 1)
        );
    }
}

#[test]
fn pressure_rises_with_the_use_of_a_budget() {
    on_both_engines(|mut subject| {
        subject.leave();
        let builder = subject
            .options()
            .memory_bytes(1 << 20)
            .flush_bytes(u64::MAX);
        let index = builder.open().unwrap();
        assert_eq!(index.health().pressure, Pressure::None);
        assert_eq!(index.health().disk.allowed_bytes, None);
        let mut highest = Pressure::None;
        for key in 0..200 {
            let row = Row::new(1, key, vec![key as u8; 16 << 10]);
            let written = index.write_with(batch(&[row]).unwrap(), Durability::Os);
            let health = index.health();
            highest = highest.max(health.pressure);
            assert_eq!(health.memory.allowed_bytes, Some(1 << 20));
            assert_eq!(health.pressure, health.memory.level);
            if written.is_err() {
                break;
            }
        }
        assert!(highest >= Pressure::Severe, "{highest:?}");
        index.flush().unwrap();
        assert_eq!(index.health().pressure, Pressure::None);
    });
}

#[test]
fn parts_that_were_set_aside_are_named() {
    on_both_engines(|mut subject| {
        subject.write_part(&rows(10));
        subject.leave();
        let parts = subject.path().join("parts");
        let part = std::fs::read_dir(&parts).unwrap().next().unwrap().unwrap();
        std::fs::write(part.path().join("manifest.json"), "{}").unwrap();
        subject.enter();
        let name = part.file_name().into_string().unwrap();
        assert_eq!(subject.index().health().quarantined, [name]);
    });
}

/// Every name in a JSON object, without those in lists of strings.
fn names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.push(name.clone());
                self::names(value, names);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| self::names(entry, names)),
        _ => {}
    }
}

#[test]
fn stats_hold_the_health_and_every_field_is_documented() {
    let document = include_str!("../../../docs/operations.md");
    on_both_engines(|subject| {
        let index = subject.index();
        write(index, 10, Durability::Os);
        index.flush().unwrap();
        assert!(index.query().max_rows(3).count().is_err());
        let _running = index.query().rows_per_batch(1).run().unwrap();
        let stats = index.stats().unwrap();
        assert_eq!(stats["levels"][0]["parts"], 1);
        assert_eq!(stats["levels"][0]["rows"], 10);
        let health = &stats["health"];
        assert_eq!(health["durability"], "sync");
        assert_eq!(health["pressure"], "none");
        assert_eq!(health["running"][0]["operation"], "query");
        assert_eq!(health["last_errors"][0]["kind"], "limit-exceeded");
        let mut all = Vec::new();
        names(health, &mut all);
        names(&stats["levels"], &mut all);
        assert!(all.len() > 50, "{all:?}");
        for name in all {
            assert!(
                document.contains(&format!("`{name}`")),
                "{name} is not documented"
            );
        }
    });
}
