//! What a write accepts, what it refuses, and what comes back after flush and reopening.

use std::collections::BTreeSet;
use std::fs;

use sidx_host::{
    Batch, Bitmap, Column, ColumnType, ErrorKind, OwnedValue, Series, ValueType, Values,
};
use sidx_tests::model::{Cell, Found, Model, Query, Row};
use sidx_tests::subject::{Subject, batch, keys_of, on_both_engines, part_folder, rows_of};

/// Rows before and after a flush and a reopening, which must be the same.
fn assert_rows_survive(index: &mut Subject, rows: &[Row]) -> Vec<Found> {
    index.write(rows);
    let before = rows_of(index.ask());
    assert_eq!(before.len(), rows.len());
    index.flush();
    assert_eq!(rows_of(index.ask()), before, "after the flush");
    index.reopen();
    assert_eq!(rows_of(index.ask()), before, "after reopening");
    index.assert_sound(rows.len());
    before
}

#[test]
fn series_zero_and_an_empty_payload_are_ordinary() {
    on_both_engines(|mut index| {
        let rows = assert_rows_survive(&mut index, &[Row::new(0, 1, "")]);
        assert_eq!(rows[0].series, 0);
        assert_eq!(rows[0].payload.as_deref(), Some(&b""[..]));
    });
}

#[test]
fn an_empty_tag_name_is_refused_and_nothing_is_written() {
    on_both_engines(|index| {
        let row = Row::new(1, 1, "x").tag("", 5);
        let error = batch(&[row])
            .and_then(|batch| index.index().write(batch))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("tag name"), "{error}");
        assert!(index.dump().is_empty());
    });
}

#[test]
fn element_ids_count_rows_and_not_calls() {
    on_both_engines(|index| {
        let row = |key| Row::new(1, key, "x");
        let first = index.write(&[row(1)]);
        assert_eq!((first.first_id, first.rows), (0, 1));
        let second = index.write(&[row(2), row(3), row(4)]);
        assert_eq!((second.first_id, second.rows), (1, 3));
        assert_eq!(index.index().stats().unwrap()["next_element_id"], 4);
    });
}

#[test]
fn ten_threads_each_get_their_own_element_id() {
    on_both_engines(|index| {
        let ids: BTreeSet<u64> = std::thread::scope(|scope| {
            let write = |key| index.write(&[Row::new(1, key, "x")]).first_id;
            let threads: Vec<_> = (0..10).map(|key| scope.spawn(move || write(key))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(ids, (0..10).collect());
        assert_eq!(keys_of(index.ask()), (0..10).collect::<Vec<i64>>());
    });
}

#[test]
fn two_rows_with_two_string_tags_survive() {
    on_both_engines(|mut index| {
        let row = |key, service, env| {
            Row::new(1, key, "x")
                .tag("service", service)
                .tag("env", env)
        };
        assert_rows_survive(
            &mut index,
            &[row(100, "order", "prod"), row(200, "payment", "test")],
        );
    });
}

#[test]
fn two_series_with_string_and_int_tags_survive() {
    on_both_engines(|mut index| {
        let row = |series, key| Row::new(series, key, "x").tag("name", "a").tag("code", key);
        let rows = [row(1, 100), row(2, -100).of("labelled")];
        let found = assert_rows_survive(&mut index, &rows);
        let labels: Vec<_> = found.iter().map(|row| row.label.as_deref()).collect();
        assert_eq!(labels, [Some("labelled"), None]);
    });
}

#[test]
fn an_absent_tag_stays_absent_and_an_empty_one_stays_empty() {
    on_both_engines(|mut index| {
        let rows = [
            Row::new(1, 1, "x")
                .tag("name", "")
                .tag("blob", vec![0u8; 0]),
            Row::new(1, 2, "x").tag("name", "full"),
            Row::new(1, 3, "x").tag("codes", OwnedValue::Array(ValueType::Int, Vec::new())),
            Row::new(1, 4, "x"),
        ];
        let found = assert_rows_survive(&mut index, &rows);
        assert_eq!(found[0].tags["name"], Cell::String(String::new()));
        assert_eq!(found[0].tags["blob"], Cell::Bytes(Vec::new()));
        assert_eq!(found[1].tags.keys().collect::<Vec<_>>(), ["name"]);
        assert_eq!(
            found[2].tags["codes"],
            Cell::Array(ValueType::Int, Vec::new())
        );
        assert!(found[3].tags.is_empty());
    });
}

#[test]
fn a_flush_leaves_no_unfinished_file() {
    on_both_engines(|index| {
        index.write_part(&[Row::new(1, 1, "x").tag("name", "a")]);
        let mut folders = vec![index.path()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                assert!(!name.contains("tmp"), "{}", path.display());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
    });
}

#[test]
fn unfinished_files_of_a_crashed_writer_are_cleared_away_and_others_do_no_harm() {
    on_both_engines(|mut index| {
        index.write_part(&[Row::new(1, 1, "x")]);
        let part = index.parts("file")[0]["part"].as_str().unwrap().to_owned();
        index.leave();
        let part = part_folder(&index.path(), &part);
        // The name that the directory store gives to what is not finished.
        let unfinished = part.join("~1-0.tmp");
        for stray in [&unfinished, &part.join("manifest.json.tmp")] {
            fs::write(stray, "half a mani").unwrap();
        }
        index.enter();
        assert!(!unfinished.exists());
        assert_eq!(keys_of(index.ask()), [1]);
        index.assert_sound(1);
    });
}

#[test]
fn a_part_knows_its_key_range() {
    on_both_engines(|index| {
        index.write_part(&[Row::new(1, 100, "x")]);
        let part = index.parts("file").remove(0);
        assert_eq!(
            (&part["min_key"], &part["max_key"]),
            (&100.into(), &100.into())
        );
    });
}

#[test]
fn rows_of_equal_payload_are_all_stored() {
    on_both_engines(|index| {
        let row = |key, order| Row::new(1, key, "same").tag("order", order);
        index.write_part(&[row(10, "first"), row(20, "second"), row(30, "third")]);
        let mut dumped = Vec::new();
        for block in index.index().dump().unwrap() {
            let block = block.unwrap();
            assert_eq!((block.block, block.first_row), (0, 0));
            for at in 0..block.rows.len() {
                let row = block.rows.row(at).unwrap().unwrap();
                dumped.push((row.key, row.tag("order").unwrap().clone()));
            }
        }
        let expected = [(10, "first"), (20, "second"), (30, "third")];
        assert_eq!(
            dumped,
            expected.map(|(key, order)| (key, OwnedValue::from(order)))
        );
    });
}

#[test]
fn extreme_keys_keep_their_order_both_ways() {
    on_both_engines(|mut index| {
        let keys = [i64::MIN, -5, 0, i64::MAX];
        let rows = keys.map(|key| Row::new(1, key, "x"));
        assert_rows_survive(&mut index, &rows);
        assert_eq!(keys_of(index.ask()), keys);
        assert_eq!(
            keys_of(index.ask().descending()),
            [i64::MAX, 0, -5, i64::MIN]
        );
        for key in [i64::MIN, i64::MAX] {
            assert_eq!(keys_of(index.ask().keys(key..=key)), [key]);
        }
    });
}

/// Blocks are cut by rows and by payload bytes; a single larger payload has a block of its own.
fn assert_block_bounds(index: &Subject) {
    for block in index.index().dump().unwrap() {
        let rows = block.unwrap().rows;
        let bytes: usize = (0..rows.len())
            .map(|at| rows.payload(at).unwrap().len())
            .sum();
        assert!(rows.len() <= 8_192, "{} rows in a block", rows.len());
        let fits = bytes as u64 <= sidx_engine::BLOCK_PAYLOAD_BYTES || rows.len() == 1;
        assert!(
            fits,
            "{bytes} payload bytes in a block of {} rows",
            rows.len()
        );
    }
}

#[test]
fn twenty_thousand_rows_of_one_series_come_back() {
    on_both_engines(|mut index| {
        let rows: Vec<Row> = (0..20_000)
            .map(|key| Row::new(1, key, key.to_string()))
            .collect();
        assert_rows_survive(&mut index, &rows);
        assert_block_bounds(&index);
    });
}

#[test]
fn large_payloads_come_back_and_blocks_stay_bounded() {
    on_both_engines(|mut index| {
        let mut rows = vec![Row::new(1, 0, vec![7u8; 3 << 20])];
        rows.extend((1..=40u8).map(|key| Row::new(1, i64::from(key), vec![key; 100 << 10])));
        assert_rows_survive(&mut index, &rows);
        assert_block_bounds(&index);
        let found = rows_of(index.ask().limit(2));
        assert_eq!(found[0].payload.as_ref().map(Vec::len), Some(3 << 20));
        assert_eq!(found[1].payload.as_deref(), Some(&[1u8; 100 << 10][..]));
    });
}

#[test]
fn an_empty_batch_is_refused() {
    on_both_engines(|index| {
        let error = index.index().write(Batch::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("empty"), "{error}");
    });
}

#[test]
fn awkward_tag_names_never_leave_the_directory() {
    on_both_engines(|mut index| {
        let names = [
            "a/b", "..", "../x", ".", "con", "a%2Fb", "ß 😀", "\\", "a\0b", "A", "a", "*",
        ];
        let mut row = Row::new(1, 1, "x");
        for name in names {
            row = row.tag(name, name);
        }
        let found = assert_rows_survive(&mut index, &[row]);
        for name in names {
            assert_eq!(found[0].tags[name], Cell::String(name.to_owned()));
        }
        let store = index.path().parent().unwrap().to_owned();
        let beside: Vec<_> = fs::read_dir(store)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(beside, [index.path()]);
    });
}

#[test]
fn a_batch_of_columns_is_the_same_as_its_rows() {
    on_both_engines(|index| {
        let names = Values::Bytes(["a", "in an absent row", ""].into_iter().collect());
        let present = Bitmap::from_fn(3, |row| row != 1);
        let kind = ColumnType::scalar(ValueType::String);
        let names = Column::new(kind, 3, Some(present), None, names).unwrap();
        let codes = Values::Int(vec![7, 8, 9]);
        let kind = ColumnType::array(ValueType::Int);
        let codes = Column::new(kind, 3, None, Some(vec![2, 2, 3]), codes).unwrap();
        let payloads = Values::Bytes(["p", "", "qq"].into_iter().collect());
        let kind = ColumnType::scalar(ValueType::Bytes);
        let payloads = Column::new(kind, 3, None, None, payloads).unwrap();
        let tags = vec![("name".to_owned(), names), ("codes".to_owned(), codes)];
        let mut batch = Batch::from_columns(vec![5, 5, 0], vec![3, 1, 2], payloads, tags).unwrap();
        assert_eq!(batch.add_label("five"), sidx_host::series_id("five"));
        index.index().write(batch).unwrap();

        let ints = |values: &[i64]| {
            let values = values.iter().copied().map(OwnedValue::Int).collect();
            OwnedValue::Array(ValueType::Int, values)
        };
        let mut model = Model::default();
        model.write(&[
            Row::new(5, 3, "p")
                .tag("name", "a")
                .tag("codes", ints(&[7, 8])),
            Row::new(5, 1, "").tag("codes", ints(&[])),
            Row::new(0, 2, "qq")
                .tag("name", "")
                .tag("codes", ints(&[9])),
        ]);
        assert_eq!(rows_of(index.ask()), model.query(&Query::default()));
        index.flush();
        assert_eq!(rows_of(index.ask()), model.query(&Query::default()));
    });
}

#[test]
fn one_tag_may_have_two_types_in_a_batch_but_not_in_a_row() {
    on_both_engines(|mut index| {
        let rows = [
            Row::new(1, 1, "x").tag("v", "text"),
            Row::new(1, 2, "x").tag("v", 5),
        ];
        let found = assert_rows_survive(&mut index, &rows);
        assert_eq!(found[0].tags["v"], Cell::String("text".to_owned()));
        assert_eq!(found[1].tags["v"], Cell::Int(5));
        let mut twice = Batch::new();
        let row = twice.row(Series::id(1), 3).tag("v", "text").tag("v", 5);
        assert_eq!(row.add().unwrap_err().kind(), ErrorKind::InvalidArgument);
    });
}
