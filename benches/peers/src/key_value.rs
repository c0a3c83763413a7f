//! The queries on stores that know only ordered keys and their values.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sidx_w1::{ENDPOINTS, Generator, PEER, Query, SERIES};

use crate::Result;
use crate::schema::{
    END, KEY_LEN, START, Space, key_of, payload, primary_of_by_key, primary_of_by_peer,
    series_and_key, sortable, status_and_endpoint,
};
use crate::store::Found;

/// One view of an ordered key-value store.
pub(crate) trait Reader {
    type Cursor<'a>: Cursor
    where
        Self: 'a;

    /// Entries from `from` up to but not including `to`.
    fn range(&self, space: Space, from: &[u8], to: &[u8], order: Order)
    -> Result<Self::Cursor<'_>>;

    /// Shows the value of a primary key; false when there is none.
    fn get(&self, primary: &[u8], show: impl FnMut(&[u8]) -> Result<()>) -> Result<bool>;
}

/// A place in a range, before its first entry to begin with.
pub(crate) trait Cursor {
    /// Goes to the next entry; false after the last.
    fn step(&mut self) -> Result<bool>;

    /// The key of the entry.
    fn key(&self) -> &[u8];

    /// The value of the entry.
    fn value(&self) -> &[u8];
}

/// Order of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// Answers a query.
pub(crate) fn query<R: Reader>(
    reader: &R,
    query: Query,
    wide: &[u64],
    found: &mut Found,
) -> Result<()> {
    match query {
        Query::Q1Asc => one_series(reader, Order::Ascending, found),
        Query::Q1Desc => one_series(reader, Order::Descending, found),
        Query::Q2Asc => by_key(reader, &START, &END, Order::Ascending, 20, found),
        Query::Q2Desc => by_key(reader, &START, &END, Order::Descending, 20, found),
        Query::Q3 => {
            let (from, to) = (sortable(900), sortable(921));
            by_key(reader, &from, &to, Order::Ascending, usize::MAX, found)
        }
        Query::Q4 => by_peer(reader, found),
        Query::Q5 => filtered(reader, found),
        Query::Q6 => counted(reader, found),
        Query::Q7 => {
            let mut all = reader.range(Space::Primary, &START, &END, Order::Ascending)?;
            while all.step()? {
                found.payload(known(payload(all.value()))?);
            }
            Ok(())
        }
        Query::Q8 => merged(reader, wide, found),
    }
}

fn one_series<R: Reader>(reader: &R, order: Order, found: &mut Found) -> Result<()> {
    let (from, to) = (SERIES.to_be_bytes(), (SERIES + 1).to_be_bytes());
    let mut rows = reader.range(Space::Primary, &from, &to, order)?;
    while found.rows() < 20 && rows.step()? {
        add(found, rows.key(), rows.value())?;
    }
    Ok(())
}

fn by_key<R: Reader>(
    reader: &R,
    from: &[u8],
    to: &[u8],
    order: Order,
    limit: usize,
    found: &mut Found,
) -> Result<()> {
    let mut keys = reader.range(Space::ByKey, from, to, order)?;
    while found.rows() < limit && keys.step()? {
        fetch(reader, &known(primary_of_by_key(keys.key()))?, found)?;
    }
    Ok(())
}

fn by_peer<R: Reader>(reader: &R, found: &mut Found) -> Result<()> {
    let mut from = PEER.as_bytes().to_vec();
    let mut to = from.clone();
    from.push(0);
    to.push(1);
    let mut keys = reader.range(Space::ByPeer, &from, &to, Order::Ascending)?;
    while keys.step()? {
        fetch(reader, &known(primary_of_by_peer(keys.key()))?, found)?;
    }
    Ok(())
}

fn filtered<R: Reader>(reader: &R, found: &mut Found) -> Result<()> {
    let (from, to) = (series_and_key(SERIES, 100), series_and_key(SERIES, 301));
    let mut rows = reader.range(Space::Primary, &from, &to, Order::Descending)?;
    while found.rows() < 100 && rows.step()? {
        if known(status_and_endpoint(rows.value()))?.0 == 500 {
            add(found, rows.key(), rows.value())?;
        }
    }
    Ok(())
}

fn counted<R: Reader>(reader: &R, found: &mut Found) -> Result<()> {
    let endpoints = ENDPOINTS.map(Generator::endpoint);
    let mut rows = reader.range(Space::Primary, &START, &END, Order::Ascending)?;
    while rows.step()? {
        let (status, endpoint) = known(status_and_endpoint(rows.value()))?;
        if status == 500 && endpoints.iter().any(|one| one.as_bytes() == endpoint) {
            found.count(1);
        }
    }
    Ok(())
}

/// The ranges of the series side by side, so that it can stop at the limit.
fn merged<R: Reader>(reader: &R, wide: &[u64], found: &mut Found) -> Result<()> {
    let mut heads = BinaryHeap::with_capacity(wide.len());
    let mut cursors = Vec::with_capacity(wide.len());
    for series in wide {
        let (from, to) = (series_and_key(*series, 150), series_and_key(*series, 161));
        let mut cursor = reader.range(Space::Primary, &from, &to, Order::Ascending)?;
        if cursor.step()? {
            heads.push(Reverse((known(key_of(cursor.key()))?, cursors.len())));
            cursors.push(cursor);
        }
    }
    while found.rows() < 1_000
        && let Some(Reverse((key, index))) = heads.pop()
    {
        let cursor = known(cursors.get_mut(index))?;
        found.row(key, known(payload(cursor.value()))?);
        if cursor.step()? {
            heads.push(Reverse((known(key_of(cursor.key()))?, index)));
        }
    }
    Ok(())
}

fn add(found: &mut Found, primary: &[u8], value: &[u8]) -> Result<()> {
    found.row(known(key_of(primary))?, known(payload(value))?);
    Ok(())
}

fn fetch<R: Reader>(reader: &R, primary: &[u8; KEY_LEN], found: &mut Found) -> Result<()> {
    if reader.get(primary, |value| add(found, primary, value))? {
        return Ok(());
    }
    Err("a row that an index names is missing".into())
}

fn known<T>(part: Option<T>) -> Result<T> {
    part.ok_or_else(|| "an entry has not the form of its space".into())
}
