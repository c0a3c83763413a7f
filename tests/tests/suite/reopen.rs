//! What comes back after the index was left without a flush.

use sidx_host::{Durability, Engine, ErrorKind, Retention};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, keys_of, on_all_forms, payloads_of, rows_of};

fn row(key: i64) -> Row {
    Row::new(1, key, key.to_string()).tag("code", key)
}

#[test]
fn unflushed_rows_come_back_from_the_log() {
    for durability in [Durability::Os, Durability::Sync] {
        on_all_forms(|mut index| {
            index
                .write_with(&[row(1).of("labelled"), row(2)], durability)
                .unwrap();
            index.write_with(&[row(3)], durability).unwrap();
            let before = rows_of(index.ask());
            index.reopen();
            assert_eq!(rows_of(index.ask()), before, "{durability:?}");
            assert_eq!(index.keys_where("code >= 2"), [2, 3]);
            index.assert_sound(3);
        });
    }
}

#[test]
fn element_ids_continue() {
    on_all_forms(|mut index| {
        assert_eq!(index.write(&[row(1), row(2)]).first_id, 0);
        index.reopen();
        assert_eq!(index.write(&[row(3)]).first_id, 2);
        index.flush();
        index.reopen();
        assert_eq!(index.write(&[row(4)]).first_id, 3);
        index.reopen();
        assert_eq!(index.write(&[row(5)]).first_id, 4);
    });
}

#[test]
fn rows_return_once_whether_they_were_flushed_or_not() {
    on_all_forms(|mut index| {
        for round in 0..4 {
            index.write(&[row(10 * round)]);
            if round % 2 == 0 {
                index.flush();
            }
            index.write(&[row(10 * round + 1)]);
            index.reopen();
            let expected: Vec<i64> = (0..=round).flat_map(|n| [10 * n, 10 * n + 1]).collect();
            assert_eq!(keys_of(index.ask()), expected);
        }
        index.merge_all();
        index.reopen();
        index.assert_sound(8);
    });
}

#[test]
fn equal_keys_keep_their_order_of_arrival() {
    on_all_forms(|mut index| {
        for (at, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            index.write(&[Row::new(1, 7, name)]);
            if at == 2 {
                index.flush();
            }
            index.reopen();
        }
        assert_eq!(payloads_of(index.ask()), ["a", "b", "c", "d", "e"]);
        assert_eq!(
            payloads_of(index.ask().descending()),
            ["e", "d", "c", "b", "a"]
        );
    });
}

#[test]
fn rows_without_durability_need_a_flush_or_a_close() {
    on_all_forms(|mut index| {
        index.write_with(&[row(1)], Durability::None).unwrap();
        assert_eq!(keys_of(index.ask()), [1], "visible at once");
        index.reopen();
        assert!(keys_of(index.ask()).is_empty());
        index.write_with(&[row(2)], Durability::None).unwrap();
        index.flush();
        index.write_with(&[row(3)], Durability::None).unwrap();
        index.index().clone().close().unwrap();
        index.reopen();
        assert_eq!(keys_of(index.ask()), [2, 3]);
    });
}

#[test]
fn durable_rows_survive_beside_rows_without_durability() {
    on_all_forms(|mut index| {
        index.write_with(&[row(1)], Durability::None).unwrap();
        index.write_with(&[row(2)], Durability::Sync).unwrap();
        index.write_with(&[row(3)], Durability::None).unwrap();
        index.reopen();
        assert_eq!(keys_of(index.ask()), [2]);
        index.write(&[row(4)]);
        index.reopen();
        assert_eq!(keys_of(index.ask()), [2, 4]);
        index.assert_sound(2);
    });
}

#[test]
fn labels_come_back() {
    on_all_forms(|mut index| {
        index.write(&[row(1).of("in the log")]);
        index.reopen();
        index.write_part(&[row(2).of("in a part")]);
        index.reopen();
        let labels: Vec<_> = rows_of(index.ask())
            .into_iter()
            .map(|row| row.label)
            .collect();
        assert_eq!(
            labels,
            [Some("in the log".to_owned()), Some("in a part".to_owned())]
        );
        assert_eq!(keys_of(index.ask().series("in the log")), [1]);
    });
}

#[test]
fn a_label_that_comes_later_belongs_to_all_rows_of_its_series() {
    on_all_forms(|mut index| {
        let id = sidx_host::series_id("UA");
        index.write_part(&[Row::new(id, 1, "x")]);
        assert_eq!(rows_of(index.ask())[0].label, None);
        index.write(&[row(2).of("UA")]);
        let assert_labelled = |index: &Subject| {
            let found = rows_of(index.ask());
            assert!(
                found.iter().all(|row| row.label.as_deref() == Some("UA")),
                "{found:?}"
            );
        };
        assert_labelled(&index);
        index.reopen();
        assert_labelled(&index);
        index.merge_all();
        assert_labelled(&index);
        // The rows that told the label go; those that stay keep it.
        index.write_part(&[Row::new(id, 3, "x")]);
        let rule = Retention {
            drop_where: None,
            drop_below: Some(3),
        };
        assert_eq!(index.index().retain(rule).unwrap().dropped_rows, 2);
        assert_labelled(&index);
        index.reopen();
        assert_labelled(&index);
    });
}

#[test]
fn what_one_engine_wrote_the_other_reads() {
    let other = |engine| {
        if engine == Engine::Native {
            Engine::Component
        } else {
            Engine::Native
        }
    };
    for first in [Engine::Native, Engine::Component] {
        let mut index = Subject::create(first);
        index.write_part(&(0..100).map(row).collect::<Vec<_>>());
        index.write_part(&(100..200).map(row).collect::<Vec<_>>());
        index.write(&(200..300).map(row).collect::<Vec<_>>());
        let before = rows_of(index.ask());
        index.switch(other(first));
        assert_eq!(rows_of(index.ask()), before);
        index.merge_all();
        index.write(&[row(300)]);
        index.switch(first);
        assert_eq!(rows_of(index.ask().keys(..300)), before);
        index.assert_sound(301);
    }
}

#[test]
fn a_reader_beside_a_writer_sees_flushed_and_unflushed_rows_and_changes_nothing() {
    on_all_forms(|index| {
        index.write_part(&[row(1)]);
        index.write(&[row(2)]);
        let reader = index.options().read_only().unwrap();
        assert_eq!(keys_of(reader.query()), [1, 2]);
        let error = reader.flush().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("read-only"), "{error}");
        index.write(&[row(3)]);
        assert_eq!(keys_of(index.ask()), [1, 2, 3]);
    });
}

#[test]
fn a_series_id_is_xxh3_of_its_label() {
    // Published vectors of XXH3-64 with seed 0: a store must be readable for ever.
    assert_eq!(sidx_host::series_id(""), 0x2d06_8005_38d3_94c2);
    on_all_forms(|mut index| {
        index.write(&[row(1).of("UA")]);
        index.reopen();
        assert_eq!(rows_of(index.ask())[0].series, sidx_host::series_id("UA"));
        assert_eq!(
            keys_of(index.ask().series_id(sidx_host::series_id("UA"))),
            [1]
        );
    });
}
