//! Manual operation: nothing is flushed or merged but by the caller, and the numbers to decide by are there.

use sidx_host::{Durability, ErrorKind, Medium, PartInfo};
use sidx_tests::model::Row;
use sidx_tests::subject::{batch, keys_of, on_all_forms};

const MEMORY_BYTES: u64 = 2 << 20;

fn rows(keys: std::ops::Range<i64>) -> sidx_host::Batch {
    let rows: Vec<Row> = keys
        .map(|key| Row::new(key as u64 % 3, key, vec![7; 16 << 10]))
        .collect();
    batch(&rows).unwrap()
}

fn of(parts: &[PartInfo], medium: Medium) -> Vec<&PartInfo> {
    parts.iter().filter(|part| part.medium == medium).collect()
}

#[test]
fn nothing_is_flushed_or_merged_but_by_the_caller() {
    on_all_forms(|mut subject| {
        subject.leave();
        let index = subject
            .options()
            .memory_bytes(MEMORY_BYTES)
            .manual()
            .open()
            .unwrap();
        let write = |from| {
            let write = index.writing().durability(Durability::Os);
            write.run(rows(from..from + 4))
        };
        let mut next = 0;
        for part in 0..6 {
            let refused = loop {
                match write(next) {
                    Ok(_) => next += 4,
                    Err(error) => break error,
                }
                assert!(next < 2_000, "2 MiB hold so much");
            };
            assert_eq!(refused.kind(), ErrorKind::ResourceExhausted, "{refused}");
            // Not even a refusal makes it flush, and no flush makes it merge.
            let counters = index.health().counters;
            assert_eq!((counters.flushes, counters.merges), (part, 0));
            let parts = index.part_list().unwrap();
            assert_eq!(of(&parts, Medium::File).len() as u64, part);
            assert!(!of(&parts, Medium::Memory).is_empty());
            let health = index.health();
            assert!(health.memory.used_bytes > MEMORY_BYTES / 2);
            assert!(health.log_backlog_bytes > MEMORY_BYTES / 2);
            index.flush().unwrap();
        }
        let parts = index.part_list().unwrap();
        assert_eq!(parts.len(), 6);
        let mut from = 0;
        for part in &parts {
            assert_eq!((part.medium, part.series), (Medium::File, 3));
            assert_eq!(part.keys, from..=from + part.rows as i64 - 1);
            assert!(part.size_bytes > 0 && !part.name.is_empty());
            from += part.rows as i64;
        }
        assert_eq!(from, next);
        assert_eq!(index.health().log_backlog_bytes, 0);
        index.merge().unwrap();
        let parts = index.part_list().unwrap();
        assert_eq!(parts.len(), 1, "{parts:?}");
        assert_eq!(parts[0].rows as i64, next);
        assert_eq!(keys_of(index.query()), (0..next).collect::<Vec<_>>());
    });
}
