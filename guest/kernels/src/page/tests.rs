//! Columns through pages and back, against the columns themselves.

use rand::Rng;
use sidx_columns::{Column, ColumnBuilder, ColumnType, OwnedValue, Value, ValueType, Values};

use crate::codes;
use crate::gather::{Source, gather, lengths};
use crate::hash;
use crate::membership::Membership;
use crate::page::Page;
use crate::page::encoding::Encoding;
use crate::page::{encode, encode_unfiltered};
use crate::samples::{self, SHAPES, open, random};

fn all_rows(page: &Page, rows: &[u32]) -> Column {
    let pages = vec![Some(page); rows.len()];
    gather(
        page.kind(),
        Source {
            pages: &pages,
            rows,
        },
    )
    .unwrap()
}

#[test]
fn columns_return_from_pages() {
    let mut r = random(10);
    for kind in samples::kinds() {
        for shape in 0..SHAPES {
            for (rows, share) in [
                (0, 1.0),
                (1, 1.0),
                (300, 1.0),
                (300, 0.0),
                (700, 0.6),
                (64, 0.98),
            ] {
                let column = samples::column(&mut r, kind, shape, rows, share);
                let page = open(&column);
                assert_eq!((page.kind(), page.rows() as usize), (kind, rows));
                assert_eq!(page.present() as usize, column.present_count());
                let order: Vec<u32> = (0..rows as u32).collect();
                assert_eq!(all_rows(&page, &order), column, "{kind} shape {shape}");
                if rows == 0 {
                    continue;
                }
                let picked: Vec<u32> = (0..50).map(|_| r.random_range(0..rows as u32)).collect();
                assert_eq!(all_rows(&page, &picked), column.take(&picked).unwrap());
                let half = rows as u32 / 2;
                let range: Vec<u32> = (half..rows as u32).collect();
                assert_eq!(
                    all_rows(&page, &range),
                    column.slice(rows / 2..rows).unwrap()
                );
            }
        }
    }
}

#[test]
fn gathers_mix_pages_and_gaps() {
    let mut r = random(11);
    for kind in samples::kinds() {
        let columns: Vec<Column> = [1.0, 0.5, 1.0]
            .iter()
            .map(|share| samples::column(&mut r, kind, 2, 200, *share))
            .collect();
        let pages: Vec<Page> = columns.iter().map(open).collect();
        let mut from = Vec::new();
        let mut rows = Vec::new();
        while rows.len() < 400 {
            let which = r.random_range(0..4);
            let start = r.random_range(0..150);
            for step in 0..r.random_range(1..40) {
                from.push(pages.get(which));
                rows.push(start + step);
            }
        }
        let ours = gather(
            kind,
            Source {
                pages: &from,
                rows: &rows,
            },
        )
        .unwrap();
        for (at, (page, row)) in from.iter().zip(&rows).enumerate() {
            let which = page.and_then(|page| pages.iter().position(|p| std::ptr::eq(p, page)));
            let naive = which.and_then(|which| columns[which].value(*row as usize));
            assert_eq!(ours.value(at), naive);
        }
        let byte_like = matches!(kind.value, ValueType::String | ValueType::Bytes);
        match lengths(Source {
            pages: &from,
            rows: &rows,
        }) {
            Ok(sizes) => {
                assert!(byte_like && !kind.array);
                for (at, size) in sizes.iter().enumerate() {
                    let naive = match ours.value(at) {
                        Some(Value::String(text)) => text.len(),
                        Some(Value::Bytes(bytes)) => bytes.len(),
                        _ => 0,
                    };
                    assert_eq!(*size as usize, naive);
                }
            }
            Err(_) => assert!(!byte_like || kind.array),
        }
    }
}

#[test]
fn bad_gathers_are_refused() {
    let int = ColumnType::scalar(ValueType::Int);
    let page = open(&samples::column(&mut random(12), int, 2, 10, 1.0));
    let pages = [Some(&page)];
    let source = |rows| Source {
        pages: &pages,
        rows,
    };
    assert!(gather(int, source(&[9])).is_ok());
    assert!(gather(int, source(&[10])).is_err());
    assert!(gather(int, source(&[u32::MAX])).is_err());
    assert!(gather(int, source(&[1, 2])).is_err());
    assert!(gather(ColumnType::scalar(ValueType::Timestamp), source(&[1])).is_err());
    assert_eq!(
        gather(
            int,
            Source {
                pages: &[None; 3],
                rows: &[9; 3]
            }
        )
        .unwrap()
        .rows(),
        3
    );
}

#[test]
fn encodings_follow_the_data() {
    let encoding = |values: Values, kind: ValueType| {
        let kind = ColumnType::scalar(kind);
        open(&Column::new(kind, values.len(), None, None, values).unwrap()).encoding()
    };
    let texts =
        |texts: Vec<String>| encoding(Values::Bytes(texts.iter().collect()), ValueType::String);
    assert_eq!(
        texts((0..900).map(|n| format!("endpoint {}", n % 7)).collect()),
        Encoding::Dictionary
    );
    assert_eq!(
        texts((0..900).map(|n| format!("peer {n}")).collect()),
        Encoding::Plain
    );
    let floats = |values: Vec<f64>| encoding(Values::Float(values), ValueType::Float);
    assert_eq!(
        floats((0..900).map(|n| f64::from(n * 37 % 800) / 100.0).collect()),
        Encoding::Decimal
    );
    assert_eq!(
        floats((0..900).map(|n| f64::from(n).sqrt()).collect()),
        Encoding::Raw
    );
    assert_eq!(floats(vec![-0.0; 5]), Encoding::Constant);
    assert_eq!(floats(vec![0.0, -0.0, 1.0]), Encoding::Raw);
    let bools = (0..99).map(|n| n % 3 == 0).collect();
    assert_eq!(
        encoding(Values::Bool(bools), ValueType::Bool),
        Encoding::Bits
    );
}

#[test]
fn membership_holds_every_value() {
    let mut r = random(13);
    let wanted = |kind: ColumnType| {
        kind.array && kind.value != ValueType::Bool
            || matches!(kind.value, ValueType::String | ValueType::Bytes)
    };
    for kind in samples::kinds() {
        let column = samples::column(&mut r, kind, 3, 500, 0.9);
        let encoded = encode(&column).unwrap();
        assert_eq!(encoded.membership.is_some(), wanted(kind), "{kind}");
        assert_eq!(encode_unfiltered(&column).unwrap().membership, None);
        assert_eq!(encode_unfiltered(&column).unwrap().page, encoded.page);
        let few = samples::column(&mut r, kind, 1, 500, 1.0);
        assert_eq!(encode(&few).unwrap().membership, None);
        let Some(membership) = encoded.membership else {
            continue;
        };
        let membership = Membership::open(&membership).unwrap();
        let hashed = |value: &Value<'_>| match value {
            Value::String(text) => hash::of_bytes(text.as_bytes()),
            Value::Bytes(bytes) => hash::of_bytes(bytes),
            Value::Int(value) | Value::Timestamp(value) => hash::of_int(*value),
            Value::Float(value) => hash::of_float(*value),
            Value::Bool(value) => hash::of_bool(*value),
            Value::Array(_) => 0,
        };
        for value in (0..500).filter_map(|row| column.value(row)) {
            match value {
                Value::Array(view) => assert!(view.iter().all(|v| membership.contains(hashed(&v)))),
                value => assert!(membership.contains(hashed(&value))),
            }
        }
    }
}

#[test]
fn sizes_stay_where_they_were_measured() {
    let mut r = random(15);
    let mut keys: Vec<i64> = (0..8192)
        .map(|_| (-200.0 * (1.0 - r.random::<f64>()).ln()).floor() as i64)
        .collect();
    keys.sort_unstable();
    let int = ColumnType::scalar(ValueType::Int);
    let column = Column::new(int, 8192, None, None, Values::Int(keys)).unwrap();
    let size = encode(&column).unwrap().page.len() as f64 / 8192.0;
    assert!(size < 0.45, "{size} bytes per key");
    let mut builder = ColumnBuilder::new(ColumnType::scalar(ValueType::Bytes));
    for _ in 0..8192 {
        let bytes: Vec<u8> = (0..33).map(|_| r.random()).collect();
        builder.push_value(&OwnedValue::Bytes(bytes)).unwrap();
    }
    let encoded = encode(&builder.finish()).unwrap();
    assert!(
        encoded.compress && encoded.page.len() <= 33 * 8192 + 32,
        "{}",
        encoded.page.len()
    );
    let page = Page::open(encoded.page.into()).unwrap();
    assert_eq!(page.encoding(), Encoding::Plain);
    assert!(page.memory_bytes() < 33 * 8192 + 1024);
}

/// A value that wrapped would be decoded as one number and tested as another.
#[test]
fn an_offset_beyond_the_largest_integer_is_refused() {
    for (packed, accepted) in [(0b0100u8, true), (0b1000, false)] {
        let mut bytes = vec![1, 2];
        [2u32; 3]
            .iter()
            .for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
        bytes.extend_from_slice(&[codes::PRESENCE_ALL, codes::INTEGER_OFFSET]);
        bytes.extend_from_slice(&(i64::MAX - 1).to_le_bytes());
        // Two values of two bits, then the padding.
        bytes.extend_from_slice(&[2, packed, 0, 0, 0, 0, 0, 0, 0, 0]);
        let page = Page::open(bytes.into());
        assert_eq!(page.is_ok(), accepted, "{page:?}");
    }
}

#[test]
fn shared_types_cross_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Page>();
    shared::<Column>();
    shared::<Membership>();
    shared::<crate::program::Program>();
}
