//! Long values of tags and payloads: what was accepted can be folded, flushed, reopened and read.

use sidx_columns::{Column, ColumnType, ValueType, Values};
use sidx_host::{Batch, ErrorKind};
use sidx_tests::subject::{Subject, keys_of, on_all_forms};

/// Text of `bytes` that no dictionary shortens.
fn text(seed: i64, bytes: usize) -> String {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + (state >> 59) as u8 % 26)
    };
    (0..bytes).map(|_| next()).collect()
}

fn write(subject: &Subject, keys: std::ops::Range<i64>, tag_bytes: usize, payload_bytes: usize) {
    let mut batch = Batch::new();
    for key in keys {
        let (tag, payload) = (text(key, tag_bytes), text(!key, payload_bytes));
        batch
            .row(1, key)
            .payload(&payload)
            .tag("long", tag)
            .add()
            .unwrap();
    }
    subject.index().write(batch).unwrap();
}

#[test]
fn tags_that_would_overflow_a_page_are_spread_over_blocks() {
    on_all_forms(|mut subject| {
        // Together 78 MiB in one column: more than a page may hold.
        for start in [0, 1_000, 2_000, 3_000] {
            write(&subject, start..start + 1_000, 20 << 10, 1);
        }
        subject.reopen();
        assert_eq!(subject.index().query().count().unwrap(), 4_000);
        subject.flush();
        subject.merge_all();
        let found = subject
            .index()
            .query()
            .filter("exists(long)")
            .keys(3_990..)
            .run()
            .unwrap();
        for row in found.into_rows() {
            let row = row.unwrap();
            assert_eq!(
                row.tag("long").unwrap().to_string(),
                text(row.key, 20 << 10)
            );
        }
        subject.assert_sound(4_000);
    });
}

#[test]
fn large_payloads_are_cut_into_blocks_and_streamed() {
    on_all_forms(|subject| {
        for start in [0, 100, 200] {
            write(&subject, start..start + 100, 1, 100 << 10);
            subject.flush();
        }
        subject.merge_all();
        assert_eq!(keys_of(subject.ask()), (0..300).collect::<Vec<_>>());
        let row = subject
            .ask()
            .keys(123..=123)
            .run()
            .unwrap()
            .into_rows()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(
            row.payload.as_deref(),
            Some(text(!123, 100 << 10).as_bytes())
        );
        subject.assert_sound(300);
    });
}

#[test]
fn a_tag_value_over_16_mib_is_refused_by_name() {
    on_all_forms(|subject| {
        let mut batch = Batch::new();
        let long = "x".repeat((16 << 20) + 1);
        batch.row(1, 1).tag("long", long.as_str()).add().unwrap();
        let error = subject.index().write(batch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(
            error.message().contains("\"long\"") && error.message().contains("16 MiB"),
            "{error}"
        );
        assert_eq!(subject.index().query().count().unwrap(), 0);
    });
}

#[test]
fn a_batch_whose_blocks_would_have_too_many_pages_is_refused_before_it_is_logged() {
    on_all_forms(|mut subject| {
        write(&subject, 0..3, 10, 10);
        let rows = 600;
        let long = "x".repeat(16 << 20);
        let texts = (0..rows).map(|row| if row == 0 { long.as_str() } else { "" });
        let column =
            |kind, values| Column::new(ColumnType::scalar(kind), rows, None, None, values).unwrap();
        let big = column(ValueType::String, Values::Bytes(texts.collect()));
        let mut tags = vec![("big".to_owned(), big)];
        for tag in 0..1_000 {
            let values = (0..rows).map(|row| (row + tag) % 3 == 0).collect();
            tags.push((
                format!("t{tag}"),
                column(ValueType::Bool, Values::Bool(values)),
            ));
        }
        let payloads = (0..rows).map(|_| "").collect();
        let payloads = column(ValueType::Bytes, Values::Bytes(payloads));
        let keys = (0..rows as i64).collect();
        let batch = Batch::from_columns(vec![1; rows], keys, payloads, tags).unwrap();
        let error = subject.index().write(batch).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(
            error.to_string().contains("pages, the limit is 262144"),
            "{error}"
        );
        subject.reopen();
        assert_eq!(keys_of(subject.ask()).len(), 3);
    });
}
