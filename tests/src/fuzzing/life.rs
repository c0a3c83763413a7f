//! The life of an index, step by step as the input says, against the naive model.

use std::ops::Bound;

use arbitrary::{Result, Unstructured};
use sidx_columns::{OwnedValue, ValueType};
use sidx_host::{Durability, Engine, Retention};

use crate::expression::{Expression, Op, Tags};
use crate::generate::{Keys, Payloads, Write, pool, rows, series_name, spread};
use crate::generate::{PATTERNS, PREFIXES, TAGS};
use crate::model::{Model, Projection, Query, Row};
use crate::subject::Subject;

/// Steps of a life: more find no more and take longer.
const STEPS_MAX: usize = 14;
/// Series of the rows and queries.
const SERIES: u32 = 6;

/// Runs a life on the native engine. Whatever the steps are, queries, counts and dumps are those of
/// the model.
pub fn life(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut subject = Subject::create_in_memory(Engine::Native);
    let mut model = Model::default();
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        // Without bytes left a step is cut short, before it does anything.
        if step(&mut input, &mut subject, &mut model).is_err() {
            break;
        }
    }
    let expected = model.dump();
    assert_eq!(subject.dump(), expected);
    subject.assert_sound(expected.len());
}

fn step(input: &mut Unstructured<'_>, subject: &mut Subject, model: &mut Model) -> Result<()> {
    match input.int_in_range(0..=15)? {
        0..=3 => write(subject, model, &few_rows(input)?),
        4 => write(subject, model, &rows(&many_rows(input)?, SERIES)),
        5 | 6 => subject.flush(),
        7 => drop(subject.index().merge().expect("merged")),
        8 => subject.merge_all(),
        9 => subject.reopen(),
        10 => {
            let drop_where = input
                .arbitrary::<bool>()?
                .then(|| filter(input, 2))
                .transpose()?;
            let drop_below = input.arbitrary::<bool>()?.then(|| key(input)).transpose()?;
            let retention = Retention {
                drop_where: drop_where.as_ref().map(Expression::text),
                drop_below,
            };
            subject.index().retain(retention).expect("retained");
            model.drop_rows(drop_where.as_ref(), drop_below);
        }
        _ => {
            let query = query(input)?;
            let batch_rows = input.int_in_range(1..=300)?;
            let expected = model.query(&query);
            let found = subject.rows_by(&query, batch_rows).expect("answered");
            assert_eq!(found, expected, "{query:?}");
            assert_eq!(subject.count(&query), expected.len() as u64, "{query:?}");
        }
    }
    Ok(())
}

fn write(subject: &Subject, model: &mut Model, rows: &[Row]) {
    subject.write_with(rows, Durability::Os).expect("written");
    model.write(rows);
}

fn few_rows(input: &mut Unstructured<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for _ in 0..input.int_in_range(1..=12)? {
        let length = input.int_in_range(0..=5)?;
        let mut tags = Tags::new();
        for _ in 0..input.int_in_range(0..=3)? {
            let (name, _) = input.choose(&TAGS)?;
            tags.insert((*name).to_owned(), value(input)?);
        }
        rows.push(Row {
            series: series_name(input.int_in_range(0..=SERIES - 1)?),
            key: key(input)?,
            payload: input.bytes(length).unwrap_or_default().to_vec(),
            tags,
        });
    }
    Ok(rows)
}

fn many_rows(input: &mut Unstructured<'_>) -> Result<Write> {
    use {Keys::*, Payloads::*};
    Ok(Write {
        rows: input.int_in_range(1..=400)?,
        seed: input.arbitrary()?,
        keys: *input.choose(&[Keys::Few, Dense, Sequence, Extreme, Any])?,
        payloads: *input.choose(&[Empty, Payloads::Few, Unique])?,
        tags: input.arbitrary::<u32>()? & input.arbitrary::<u32>()?,
        present: *input.choose(&[100, 50, 3])?,
        spread: input.arbitrary()?,
        sync: false,
    })
}

fn key(input: &mut Unstructured<'_>) -> Result<i64> {
    Ok(match input.int_in_range(0..=3)? {
        0 | 1 => input.int_in_range(-5..=5)?,
        2 => input.int_in_range(0..=1_000)?,
        _ => *input.choose(&[i64::MIN, i64::MIN + 1, -1, i64::MAX - 1, i64::MAX])?,
    })
}

fn value(input: &mut Unstructured<'_>) -> Result<OwnedValue> {
    if input.ratio(1, 4)? {
        let kind = kind(input)?;
        let length = input.int_in_range(0..=3)?;
        let elements = (0..length)
            .map(|_| scalar(input, kind))
            .collect::<Result<_>>()?;
        return Ok(OwnedValue::Array(kind, elements));
    }
    let kind = kind(input)?;
    scalar(input, kind)
}

fn kind(input: &mut Unstructured<'_>) -> Result<ValueType> {
    input.choose(&ValueType::ALL).copied()
}

fn scalar(input: &mut Unstructured<'_>, kind: ValueType) -> Result<OwnedValue> {
    if input.ratio(1, 3)? {
        return Ok(spread(kind, input.int_in_range(0..=40)?));
    }
    input.choose(&pool(kind)).cloned()
}

/// A value that a filter can name.
fn literal(input: &mut Unstructured<'_>) -> Result<OwnedValue> {
    let kind = kind(input)?;
    Ok(match scalar(input, kind)? {
        OwnedValue::Float(float) if !float.is_finite() => OwnedValue::Float(0.5),
        value => value,
    })
}

fn literals(input: &mut Unstructured<'_>) -> Result<Vec<OwnedValue>> {
    (0..input.int_in_range(1..=4)?)
        .map(|_| literal(input))
        .collect()
}

fn filter(input: &mut Unstructured<'_>, depth: u32) -> Result<Expression> {
    if depth > 0 && input.ratio(2, 5)? {
        let two = |input: &mut Unstructured<'_>| {
            Ok(vec![filter(input, depth - 1)?, filter(input, depth - 1)?])
        };
        return Ok(match input.int_in_range(0..=2)? {
            0 => Expression::And(two(input)?),
            1 => Expression::Or(two(input)?),
            _ => Expression::Not(Box::new(filter(input, depth - 1)?)),
        });
    }
    let tag = input.choose(&TAGS)?.0.to_owned();
    Ok(match input.int_in_range(0..=7)? {
        0..=2 => {
            let literal = literal(input)?;
            let mut op = *input.choose(&Op::ALL)?;
            if matches!(literal, OwnedValue::Bool(_)) && op != Op::Eq {
                op = Op::Ne;
            }
            Expression::Compare(tag, op, literal)
        }
        3 => Expression::In(tag, literals(input)?, input.arbitrary()?),
        4 => {
            let pattern = (*input.choose(&PATTERNS)?).to_owned();
            Expression::Matches(tag, pattern, input.arbitrary()?)
        }
        5 => Expression::StartsWith(tag, OwnedValue::from(*input.choose(&PREFIXES)?)),
        6 if input.arbitrary()? => Expression::ContainsAll(tag, literals(input)?),
        6 => Expression::ContainsAny(tag, literals(input)?),
        _ => Expression::Exists(tag),
    })
}

fn bound(input: &mut Unstructured<'_>) -> Result<Bound<i64>> {
    Ok(match input.int_in_range(0..=3)? {
        0 => Bound::Included(key(input)?),
        1 => Bound::Excluded(key(input)?),
        _ => Bound::Unbounded,
    })
}

fn query(input: &mut Unstructured<'_>) -> Result<Query> {
    let mut query = Query {
        low: bound(input)?,
        high: bound(input)?,
        descending: input.arbitrary()?,
        distinct_payload: input.ratio(1, 5)?,
        payload: input.arbitrary()?,
        ..Query::default()
    };
    if input.ratio(1, 3)? {
        let count = input.int_in_range(1..=3)?;
        let number = |_| Ok(series_name(input.int_in_range(0..=SERIES + 1)?));
        query.series = Some((0..count).map(number).collect::<Result<_>>()?);
    }
    if input.ratio(2, 3)? {
        query.filter = Some(filter(input, 3)?);
    }
    if input.ratio(1, 3)? {
        query.limit = Some(input.int_in_range(0..=30)?);
    }
    if input.ratio(1, 3)? {
        let count = input.int_in_range(0..=3)?;
        let name = |_| Ok(input.choose(&TAGS)?.0.to_owned());
        let mut names = (0..count).map(name).collect::<Result<Vec<_>>>()?;
        names.sort();
        names.dedup();
        query.projection = Projection::Only(names);
    }
    Ok(query)
}
