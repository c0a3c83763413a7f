//! Budgets that an index is opened with: what would pass them is refused, and reads go on.

use sidx_host::{Durability, Engine, ErrorKind};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, batch, error_of, keys_of, on_all_forms};

const MEMORY_BYTES: u64 = 4 << 20;

fn large_row(key: i64) -> Row {
    let noise = (0..256u64 << 10).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8);
    Row::new(1, key, noise.collect::<Vec<_>>())
}

#[test]
fn writes_beyond_the_memory_budget_are_refused_and_a_flush_makes_room() {
    for engine in [Engine::Native, Engine::Component] {
        let mut subject = Subject::create(engine);
        subject.leave();
        let builder = subject
            .options()
            .memory_bytes(MEMORY_BYTES)
            .flush_bytes(u64::MAX);
        let index = builder.open().unwrap();
        let write = |key| index.write_with(batch(&[large_row(key)]).unwrap(), Durability::Os);
        let mut accepted = 0;
        let refusal = loop {
            match write(accepted) {
                Ok(_) => accepted += 1,
                Err(error) => break error,
            }
            assert!(
                accepted < 64,
                "16 MiB of rows were taken into a budget of 4 MiB"
            );
        };
        assert_eq!(refusal.kind(), ErrorKind::ResourceExhausted, "{refusal}");
        assert_eq!(keys_of(index.query()), (0..accepted).collect::<Vec<_>>());
        index.flush().unwrap();
        write(accepted).unwrap();
        assert_eq!(index.query().count().unwrap(), accepted as u64 + 1);
    }
}

#[test]
fn an_index_that_filled_its_memory_can_be_opened_again_with_the_same_budget() {
    for engine in [Engine::Native, Engine::Component] {
        let mut subject = Subject::create(engine);
        subject.leave();
        let open = || {
            subject
                .options()
                .memory_bytes(MEMORY_BYTES)
                .flush_bytes(u64::MAX)
                .open()
        };
        let index = open().unwrap();
        let write = |key| index.write_with(batch(&[large_row(key)]).unwrap(), Durability::Os);
        let accepted = (0..64).take_while(|key| write(*key).is_ok()).count() as i64;
        drop(index);
        let index = open().unwrap();
        let found = keys_of(index.query());
        assert!(
            found.starts_with(&(0..accepted).collect::<Vec<_>>()),
            "{found:?}"
        );
        index.flush().unwrap();
    }
}

#[test]
fn cursors_beyond_the_allowed_instances_are_refused_and_room_returns() {
    for engine in [Engine::Native, Engine::Component] {
        let mut subject = Subject::create(engine);
        subject.write(&[large_row(1), large_row(2)]);
        subject.leave();
        // One instance writes, so two are left.
        let index = subject.options().max_instances(3).open().unwrap();
        let open = [(); 2].map(|()| index.query().rows_per_batch(1).run().unwrap());
        assert_eq!(error_of(index.query()).kind(), ErrorKind::ResourceExhausted);
        drop(open);
        assert_eq!(keys_of(index.query()), [1, 2]);
    }
}

#[test]
fn a_write_of_many_rows_flushes_by_itself_from_the_threshold_on() {
    on_all_forms(|mut subject| {
        subject.leave();
        let index = subject
            .options()
            .flush_bytes(1 << 20)
            .background(false)
            .open()
            .unwrap();
        for key in 0..10 {
            index
                .write_with(batch(&[large_row(key)]).unwrap(), Durability::Os)
                .unwrap();
        }
        let stats = index.stats().unwrap();
        assert!(stats["parts"].as_u64().unwrap() >= 1, "{stats:#}");
        assert!(
            stats["memory_part_bytes"].as_u64().unwrap() < 1 << 20,
            "{stats:#}"
        );
        assert_eq!(keys_of(index.query()), (0..10).collect::<Vec<_>>());
    });
}
