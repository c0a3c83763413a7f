//! Input that must be refused: the right error, a message that names the thing, and no change at all.

use sidx_host::{
    Batch, ByteStrings, Column, ColumnType, Durability, Error, ErrorKind, OwnedValue, ValueType,
    Values,
};
use sidx_tests::model::{Found, Row};
use sidx_tests::subject::{Subject, batch, error_of, keys_of, on_both_engines, rows_of, tree};

/// Runs something that must fail as invalid, with `words` in its message, on an index with one row in
/// a file and one in memory, and checks that neither rows nor files nor ids changed.
fn refused(words: &[&str], attempt: impl Fn(&Subject) -> Error) {
    on_both_engines(|index| {
        index.write_part(&[Row::new(1, 1, "a").tag("code", 1)]);
        index.write(&[Row::new(1, 2, "b").tag("code", 2)]);
        let before: (Vec<Found>, _) = (index.dump(), tree(&index.path()));
        let error = attempt(&index);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        for word in words {
            assert!(error.message().contains(word), "no {word:?} in: {error}");
        }
        assert!(
            !error.message().contains('\n'),
            "more than one line: {error}"
        );
        assert!(
            (index.dump(), tree(&index.path())) == before,
            "something changed"
        );
        // The writer goes on as if nothing had been asked.
        assert_eq!(index.write(&[Row::new(1, 3, "c")]).first_id, 2);
        assert_eq!(keys_of(index.ask()), [1, 2, 3]);
    });
}

fn write_refused(words: &[&str], rows: &[Row]) {
    refused(words, |index| {
        index.write_with(rows, Durability::Os).unwrap_err()
    });
}

#[test]
fn an_empty_batch() {
    write_refused(&["empty"], &[]);
}

#[test]
fn a_payload_over_16_mib() {
    let row = |bytes: usize| Row::new(1, 5, vec![0u8; bytes]);
    write_refused(&["payload", "16777217", "16777216"], &[row((16 << 20) + 1)]);
    on_both_engines(|index| {
        index.write(&[row(16 << 20)]);
        assert_eq!(
            rows_of(index.ask())[0].payload.as_ref().map(Vec::len),
            Some(16 << 20)
        );
    });
}

#[test]
fn a_tag_name_over_255_bytes() {
    write_refused(
        &["tag name", "256", "255"],
        &[Row::new(1, 5, "x").tag(&"n".repeat(256), 1)],
    );
    write_refused(
        &["tag name", "256"],
        &[Row::new(1, 5, "x").tag(&"ß".repeat(128), 1)],
    );
    on_both_engines(|mut index| {
        index.write_part(&[Row::new(1, 5, "x")
            .tag(&"ß".repeat(127), 1)
            .tag(&"%".repeat(255), 2)]);
        index.reopen();
        assert_eq!(rows_of(index.ask())[0].tags.len(), 2);
    });
}

#[test]
fn an_empty_tag_name() {
    write_refused(&["tag name", "empty"], &[Row::new(1, 5, "x").tag("", 1)]);
}

#[test]
fn more_than_1024_tags() {
    let row = |tags: usize| {
        (0..tags).fold(Row::new(1, 5, "x"), |row, n| {
            row.tag(&format!("t{n}"), n as i64)
        })
    };
    write_refused(&["1025", "1024"], &[row(1_025)]);
    on_both_engines(|index| {
        index.write_part(&[row(1_024)]);
        assert_eq!(rows_of(index.ask())[0].tags.len(), 1_024);
        assert_eq!(index.keys_where("t1023 = 1023 and t0 = 0"), [5]);
    });
}

#[test]
fn a_batch_over_64_mib() {
    let rows: Vec<Row> = (0..5)
        .map(|key| Row::new(1, key, vec![1u8; 14 << 20]))
        .collect();
    write_refused(&["67108864"], &rows);
}

#[test]
fn the_same_tag_twice_in_a_row() {
    refused(&["`code`", "row 1", "twice"], |_| {
        let mut batch = Batch::new();
        batch.row(7, 1).tag("code", 1).add().unwrap();
        let error = batch
            .row(7, 2)
            .tag("code", 1)
            .tag("code", 2)
            .add()
            .unwrap_err();
        assert_eq!(batch.len(), 1);
        error
    });
    let ints = |values: &[i64]| {
        let values = Values::Int(values.to_vec());
        Column::new(ColumnType::scalar(ValueType::Int), 1, None, None, values).unwrap()
    };
    let twice = |second: Column| {
        let tags = vec![("code".to_owned(), ints(&[1])), ("code".to_owned(), second)];
        Batch::from_columns(vec![1], vec![1], payloads(1), tags)
    };
    refused(&["code"], |index| {
        twice(ints(&[2]))
            .and_then(|batch| index.index().write(batch))
            .unwrap_err()
    });
    refused(&["code", "row 0"], |index| {
        let floats = Values::Float(vec![1.0]);
        let kind = ColumnType::scalar(ValueType::Float);
        let floats = Column::new(kind, 1, None, None, floats).unwrap();
        twice(floats)
            .and_then(|batch| index.index().write(batch))
            .unwrap_err()
    });
}

fn payloads(rows: usize) -> Column {
    let values = Values::Bytes(std::iter::repeat_n(b"x", rows).collect::<ByteStrings>());
    Column::new(
        ColumnType::scalar(ValueType::Bytes),
        rows,
        None,
        None,
        values,
    )
    .unwrap()
}

#[test]
fn an_array_of_several_types() {
    let mixed = OwnedValue::Array(
        ValueType::Int,
        vec![OwnedValue::Int(1), OwnedValue::from("x")],
    );
    write_refused(
        &["row 0", "codes", "string"],
        &[Row::new(1, 5, "x").tag("codes", mixed)],
    );
}

#[test]
fn columns_that_do_not_fit_together() {
    let columns = |series: usize, keys: usize, rows: usize| {
        Batch::from_columns(vec![1; series], vec![1; keys], payloads(rows), Vec::new())
    };
    refused(&["series"], |_| columns(1, 2, 2).unwrap_err());
    refused(&["payloads"], |_| columns(2, 2, 3).unwrap_err());
    refused(&["payloads", "string"], |_| {
        let kind = ColumnType::scalar(ValueType::String);
        Batch::from_columns(vec![1], vec![1], Column::absent(kind, 1), Vec::new()).unwrap_err()
    });
    refused(&["payloads", "absent"], |_| {
        let kind = ColumnType::scalar(ValueType::Bytes);
        Batch::from_columns(vec![1], vec![1], Column::absent(kind, 1), Vec::new()).unwrap_err()
    });
}

#[test]
fn text_that_is_not_utf8() {
    let values = Values::Bytes([&b"ok"[..], b"\xff"].into_iter().collect());
    let kind = ColumnType::scalar(ValueType::String);
    let error = Column::new(kind, 2, None, None, values).unwrap_err();
    assert!(error.to_string().contains("row 1"), "{error}");
}

/// Each message says at which character the reader gave up.
#[test]
fn filters_that_cannot_be_read() {
    let table = [
        ("", "column 1"),
        ("code =", "column 7"),
        ("code = = 1", "column 8"),
        ("code == 1", "column 7"),
        ("`größe` = 'x'", "column 11"),
        ("größe = 1", "column 3"),
        ("code = 9223372036854775808", "column 8"),
        ("code = 1 and", "column 13"),
        ("(code = 1", "column 10"),
        ("code = 1)", "column 9"),
        ("code in ()", "column 10"),
        ("code > true", "column 8"),
        ("code = \"open", "column 8"),
        ("code = bytes(\"?\")", "column 14"),
        ("at > timestamp(\"yesterday\")", "column 16"),
        ("code starts with 5", "column 18"),
        ("in = 5", "column 1"),
    ];
    for (filter, place) in table {
        refused(&["filter", place], |index| {
            error_of(index.ask().filter(filter))
        });
    }
    refused(&["filter", "column 7"], |index| {
        index.ask().filter("code =").count().unwrap_err()
    });
}

#[test]
fn patterns_that_cannot_be_compiled() {
    refused(&["filter", "a("], |index| {
        error_of(index.ask().filter(r#"name ~ "a(" or code = 1"#))
    });
    refused(&["filter"], |index| {
        error_of(index.ask().filter(r#"name ~ "(a{999}){999}""#))
    });
}

/// What looks bad and is not: these are values like any other.
#[test]
fn strange_values_are_accepted() {
    on_both_engines(|mut index| {
        let rows = [
            Row::new(u64::MAX, i64::MAX, "a")
                .tag("../x", "up")
                .tag("ratio", f64::NAN),
            Row::new(0, i64::MIN, "b")
                .tag("code", i64::MIN)
                .tag("ratio", f64::NEG_INFINITY),
        ];
        batch(&rows)
            .and_then(|batch| index.index().write(batch))
            .unwrap();
        let before = rows_of(index.ask());
        index.flush();
        index.reopen();
        assert_eq!(rows_of(index.ask()), before);
        assert_eq!(index.keys_where(r#"`../x` = "up""#), [i64::MAX]);
        assert_eq!(index.keys_where("code = -9223372036854775808"), [i64::MIN]);
    });
}
