//! An index that the composed component serves, driven in the words of the model.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use sidx_columns::{Bitmap, ByteStrings, Column, ColumnBuilder, ColumnType, ValueType, Values};
use sidx_host::storage::Store as NativeStore;
use sidx_host::storage::log::LogForm;
use sidx_tests::model::{Cell, Found, Projection, Query, Row, SeriesName};
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker, ResourceAny};

use super::composed::COMPOSED;
use super::composed::bindings::Served;
use super::composed::bindings::exports::sidx::adapter::session;
pub(super) use super::composed::bindings::exports::sidx::engine::types::Error as WitError;
use super::composed::bindings::exports::sidx::engine::{files, index, scan};
use crate::storage::imports::State;
use crate::storage::imports::bindings::sidx::storage::{
    environment, files as files_of, objects, places, types,
};

/// The place of the index.
pub(super) const NAME: &str = "subject";

pub(super) type Result<T> = std::result::Result<T, WitError>;

/// A session like that of a program.
pub(super) fn settings() -> session::Settings {
    session::Settings {
        part_form: files::Form::Folder,
        memory_allowed_bytes: 1 << 30,
        disk_allowed_bytes: u64::MAX,
        medium_minimum_bytes: Some(0),
        page_cache_bytes: 32 << 20,
        lease_ms: 10_000,
        removal_grace_ms: Some(0),
    }
}

/// What lends a store to an instance.
pub(super) trait Lends:
    types::Host + environment::Host + places::Host + files_of::Host + objects::Host + Send + 'static
{
}

impl<H> Lends for H where
    H: types::Host
        + environment::Host
        + places::Host
        + files_of::Host
        + objects::Host
        + Send
        + 'static
{
}

/// An instance of the component, and what it serves.
pub(super) struct Subject<H: 'static = State> {
    pub(super) store: Store<H>,
    pub(super) world: Served,
}

impl Subject {
    /// An instance over a store, which serves nothing yet.
    pub(super) fn over(backend: Arc<dyn NativeStore>, form: LogForm) -> Self {
        Self::lent(State::new(backend, form, None))
    }
}

impl<H: Lends> Subject<H> {
    /// An instance over what it is lent, which serves nothing yet.
    pub(super) fn lent(lender: H) -> Self {
        let engine = COMPOSED.engine();
        let mut linker = Linker::<H>::new(engine);
        Served::add_to_linker::<_, HasSelf<_>>(&mut linker, |lender| lender).unwrap();
        let mut store = Store::new(engine, lender);
        let world = Served::instantiate(&mut store, &COMPOSED, &linker).unwrap();
        Self { store, world }
    }

    fn session(&mut self) -> (&session::Guest, &mut Store<H>) {
        (self.world.sidx_adapter_session(), &mut self.store)
    }

    pub(super) fn index(&mut self) -> (&index::Guest, &mut Store<H>) {
        (self.world.sidx_engine_index(), &mut self.store)
    }

    pub(super) fn enter(&mut self, place: &str, access: session::Access) -> Result<()> {
        let (session, store) = self.session();
        session
            .call_enter(store, place, access, settings())
            .unwrap()
    }

    pub(super) fn leave(&mut self) {
        let (session, store) = self.session();
        session.call_leave(store).unwrap();
    }

    pub(super) fn published(&mut self, view: &index::View) {
        let (session, store) = self.session();
        session
            .call_published(store, view.version, view.flush_bytes, view.flush_files)
            .unwrap();
    }

    pub(super) fn pinned(&mut self) -> session::Pin {
        let (session, store) = self.session();
        session.call_pinned(store).unwrap()
    }

    /// Opens the index in a place.
    pub(super) fn open(&mut self, place: &str, mode: index::Mode) -> Result<()> {
        let access = match mode {
            index::Mode::Read => session::Access::Read,
            _ => session::Access::Write,
        };
        self.enter(place, access)?;
        let (index, store) = self.index();
        let opened = index.call_open(store, mode).unwrap()?;
        assert!(opened.damaged.is_empty(), "{:?}", opened.damaged);
        self.published(&opened.view);
        Ok(())
    }

    /// Closes what was opened for writing.
    pub(super) fn close(&mut self) {
        let (index, store) = self.index();
        index.call_close(store).unwrap().unwrap();
        self.leave();
    }

    /// Writes rows and returns the id of the first.
    pub(super) fn write(&mut self, rows: &[Row], durability: index::Durability) -> Result<u64> {
        let (session, store) = (self.world.sidx_adapter_session(), &mut self.store);
        let (names, columns) = columns_of(rows);
        let columns = columns.iter().map(to_wit).collect::<Vec<_>>();
        let columns = session.call_make_columns(store, &columns).unwrap()?;
        let mut labels: Vec<String> = rows
            .iter()
            .filter_map(|row| match &row.series {
                SeriesName::Label(label) => Some(label.clone()),
                SeriesName::Id(_) => None,
            })
            .collect();
        labels.sort();
        labels.dedup();
        let batch = index::Batch {
            labels,
            series: rows.iter().map(|row| row.series.id()).collect(),
            keys: rows.iter().map(|row| row.key).collect(),
            columns,
            names,
            durability,
        };
        let (index, store) = self.index();
        let mut written = index.call_write(store, &[batch]).unwrap()?;
        self.published(&written.view);
        Ok(written.receipts.remove(0)?.first_id)
    }

    /// Does a job that was planned; false where none was.
    pub(super) fn run(
        &mut self,
        purpose: session::Purpose,
        job: Option<index::Job>,
    ) -> Result<Option<index::Outcome>> {
        let Some(job) = job else {
            return Ok(None);
        };
        let space = job.space_bytes;
        let (session, store) = self.session();
        session.call_begin_job(store, purpose, space).unwrap()?;
        let (index, store) = self.index();
        let outcome = index.call_merge(store, &job).unwrap()?;
        let (index, store) = self.index();
        let view = index.call_introduce(store, &outcome).unwrap()?;
        self.published(&view);
        let (session, store) = self.session();
        session.call_end_job(store).unwrap();
        Ok(Some(outcome))
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let (index, store) = self.index();
        let job = index.call_plan_flush(store).unwrap()?;
        self.run(session::Purpose::Flush, job).map(drop)
    }

    pub(super) fn merge(&mut self, choice: index::Choice) -> Result<()> {
        loop {
            let (index, store) = self.index();
            let job = index.call_plan_merge(store, choice).unwrap()?;
            if self.run(session::Purpose::Merge, job)?.is_none() {
                return Ok(());
            }
        }
    }

    /// Drops rows, and returns how many.
    pub(super) fn retain(&mut self, rule: &index::Retention) -> Result<u64> {
        let mut dropped = 0;
        loop {
            let (index, store) = self.index();
            let steps = index.call_judge_retention(store, rule).unwrap()?;
            // Those that lose all rows are one job, each of the others is one.
            let counted = |step: &index::RetentionStep| *step.dropped_rows.as_ref().unwrap_or(&0);
            let whole: Vec<_> = { steps.iter() }
                .filter(|step| step.rows > 0 && counted(step) == step.rows && !step.in_memory)
                .cloned()
                .collect();
            let some = steps.iter().find(|step| counted(step) > 0);
            let chosen = match (whole.is_empty(), some) {
                (false, _) => whole,
                (true, Some(step)) => vec![step.clone()],
                (true, None) => return Ok(dropped),
            };
            let (index, store) = self.index();
            let job = index.call_plan_retention(store, rule, &chosen).unwrap()?;
            let Some(job) = job else {
                return Ok(dropped);
            };
            // What loses every row needs no merge.
            let gone = chosen
                .iter()
                .all(|step| counted(step) == step.rows && !step.in_memory);
            if gone {
                let outcome = index::Outcome {
                    dropped_rows: job.rows,
                    job,
                    rows: 0,
                    bytes_written: 0,
                };
                dropped += outcome.dropped_rows;
                let (index, store) = self.index();
                let view = index.call_introduce(store, &outcome).unwrap()?;
                self.published(&view);
                continue;
            }
            let outcome = self.run(session::Purpose::Retention, Some(job))?.unwrap();
            dropped += outcome.dropped_rows;
        }
    }

    /// The rows of a query, taken from the cursor at most `batch_rows` at a time.
    pub(super) fn rows_by(
        &mut self,
        query: &Query,
        batch_rows: u32,
        any_order: bool,
    ) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        let spec = spec(query, any_order);
        let (index, store) = self.index();
        let answer = index.call_query(store, &spec, batch_rows).unwrap()?;
        self.append(answer.rows, query.payload, &mut found)?;
        let cursor = match answer.rest {
            index::Rest::Nothing => return Ok(found),
            index::Rest::NoRows(cursor) => {
                cursor.resource_drop(&mut self.store).unwrap();
                return Ok(found);
            }
            index::Rest::More(cursor) => cursor,
        };
        loop {
            let rows = self.next(cursor, batch_rows);
            match rows {
                Ok(Some(rows)) => self.append(rows, query.payload, &mut found)?,
                ended => {
                    cursor.resource_drop(&mut self.store).unwrap();
                    return ended.map(|_| found);
                }
            }
        }
    }

    /// Begins a query that has more rows than its first ones.
    pub(super) fn begin(&mut self, query: &Query, rows: u32) -> Result<(ResourceAny, index::Rows)> {
        let spec = spec(query, false);
        let (index, store) = self.index();
        let answer = index.call_query(store, &spec, rows).unwrap()?;
        match answer.rest {
            index::Rest::More(cursor) => Ok((cursor, answer.rows)),
            _ => panic!("there are no more rows"),
        }
    }

    pub(super) fn drop_cursor(&mut self, cursor: ResourceAny) {
        cursor.resource_drop(&mut self.store).unwrap();
    }

    pub(super) fn collect(&mut self) -> Result<()> {
        let (index, store) = self.index();
        index.call_collect(store).unwrap()
    }

    /// What lies in the directory of the parts.
    pub(super) fn parts_in_store(&mut self) -> Vec<String> {
        let (files, store) = (self.world.sidx_engine_files(), &mut self.store);
        files
            .call_list(store, "parts", files::Medium::Durable)
            .unwrap()
            .unwrap()
    }

    pub(super) fn next(&mut self, cursor: ResourceAny, rows: u32) -> Result<Option<index::Rows>> {
        let (index, store) = self.index();
        index.cursor().call_next(store, cursor, rows).unwrap()
    }

    /// What the engine counts for a query.
    pub(super) fn count(&mut self, query: &Query) -> Result<u64> {
        let spec = spec(query, false);
        let (index, store) = self.index();
        Ok(index.call_count(store, &spec).unwrap()?.rows)
    }

    /// Every physical row, sorted as a multiset.
    pub(super) fn dump(&mut self) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        let (index, store) = self.index();
        let cursor = index.call_dump(store).unwrap()?;
        loop {
            let (index, store) = self.index();
            let dumped = index.dump_cursor().call_next(store, cursor).unwrap()?;
            let Some(dumped) = dumped else {
                break;
            };
            self.append(dumped.rows, true, &mut found)?;
        }
        cursor.resource_drop(&mut self.store).unwrap();
        found.sort_unstable();
        Ok(found)
    }

    /// The report of a full check.
    pub(super) fn verify(&mut self) -> serde_json::Value {
        let (index, store) = self.index();
        let report = index.call_verify(store).unwrap().unwrap();
        serde_json::from_str(&report).unwrap()
    }

    /// Adds rows as a program gets at them.
    pub(super) fn append(
        &mut self,
        rows: index::Rows,
        has_payload: bool,
        found: &mut Vec<Found>,
    ) -> Result<()> {
        let (session, store) = (self.world.sidx_adapter_session(), &mut self.store);
        let scan = self.world.sidx_engine_scan();
        let (keys, columns) = match rows.content {
            index::RowContent::Listed(keys) => (keys, Vec::new()),
            index::RowContent::Held(held) => {
                let keys = session.call_keys_of(&mut *store, held).unwrap().unwrap();
                (keys, read_columns(scan, store, held))
            }
            index::RowContent::Found => {
                let held = session.call_found(&mut *store).unwrap().unwrap();
                let keys = session.call_keys_of(&mut *store, held).unwrap().unwrap();
                (keys, read_columns(scan, store, held))
            }
        };
        if keys.keys.is_empty() {
            return Ok(());
        }
        let index = self.world.sidx_engine_index();
        let labels = index.call_labels(&mut *store, &keys.series).unwrap()?;
        let names = rows.names.unwrap();
        let mut columns = columns.into_iter();
        let payloads = has_payload.then(|| columns.next().unwrap());
        let tags: Vec<(String, Column)> = names.into_iter().zip(columns).collect();
        for (row, (key, series)) in keys.keys.iter().zip(&keys.series).enumerate() {
            let payload = payloads.as_ref().map(|column| match column.value(row) {
                Some(sidx_columns::Value::Bytes(bytes)) => bytes.to_vec(),
                other => panic!("a payload is {other:?}"),
            });
            let cells = tags.iter().filter_map(|(name, column)| {
                let value = column.value(row)?.to_owned_value();
                Some((name.clone(), Cell::from(&value)))
            });
            found.push(Found {
                key: *key,
                series: *series,
                label: labels[row].clone(),
                payload,
                tags: cells.collect::<BTreeMap<_, _>>(),
            });
        }
        Ok(())
    }
}

/// All columns that the adapter holds under a handle, which is given back.
fn read_columns<H: Lends>(
    scan: &scan::Guest,
    store: &mut Store<H>,
    held: ResourceAny,
) -> Vec<Column> {
    let facts = scan.columns().call_facts(&mut *store, held).unwrap();
    let columns = (0..facts.kinds.len() as u32)
        .map(|at| from_wit(scan.columns().call_read(&mut *store, held, at).unwrap()))
        .collect();
    held.resource_drop(&mut *store).unwrap();
    columns
}

fn spec(query: &Query, any_order: bool) -> index::QuerySpec {
    use index::QueryOptions as Options;
    let wanted = [
        (query.descending, Options::DESCENDING),
        (query.distinct_payload, Options::DISTINCT_PAYLOAD),
        (query.payload, Options::WITH_PAYLOAD),
        (any_order, Options::ANY_ORDER),
    ];
    let wanted = wanted.into_iter().filter(|(is_wanted, _)| *is_wanted);
    let options = wanted.fold(Options::empty(), |all, (_, option)| all | option);
    let (low, high) = bounds(query);
    index::QuerySpec {
        series: { query.series.as_ref() }.map(|names| names.iter().map(SeriesName::id).collect()),
        low,
        high,
        filter: query.filter.as_ref().map(|filter| filter.text()),
        options,
        limit: query.limit,
        projection: match &query.projection {
            Projection::All => index::Projection::All,
            Projection::Only(names) => index::Projection::Only(names.clone()),
        },
        memory_bytes: 256 << 20,
    }
}

/// Inclusive bounds; of what selects nothing the lower one is above the upper one.
fn bounds(query: &Query) -> (i64, i64) {
    let low = match query.low {
        Bound::Unbounded => Some(i64::MIN),
        Bound::Included(low) => Some(low),
        Bound::Excluded(low) => low.checked_add(1),
    };
    let high = match query.high {
        Bound::Unbounded => Some(i64::MAX),
        Bound::Included(high) => Some(high),
        Bound::Excluded(high) => high.checked_sub(1),
    };
    match (low, high) {
        (Some(low), Some(high)) => (low, high),
        _ => (1, 0),
    }
}

/// The columns of rows: payloads, then one for each name and type.
fn columns_of(rows: &[Row]) -> (Vec<String>, Vec<Column>) {
    let mut payloads = ColumnBuilder::new(ColumnType::scalar(ValueType::Bytes));
    let mut tags: Vec<(String, ColumnBuilder)> = Vec::new();
    let mut by_name: HashMap<(String, u8), usize> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        payloads.push_bytes(&row.payload).unwrap();
        for (name, value) in &row.tags {
            let kind = value.kind();
            let place = *by_name
                .entry((name.clone(), kind.code()))
                .or_insert_with(|| {
                    tags.push((name.clone(), ColumnBuilder::new(kind)));
                    tags.len() - 1
                });
            let column = &mut tags[place].1;
            while column.rows() < at {
                column.push_absent().unwrap();
            }
            column.push_value(value).unwrap();
        }
    }
    let mut columns = vec![payloads.finish()];
    let mut names = Vec::new();
    for (name, mut column) in tags {
        while column.rows() < rows.len() {
            column.push_absent().unwrap();
        }
        names.push(name);
        columns.push(column.finish());
    }
    (names, columns)
}

fn to_wit(column: &Column) -> scan::Column {
    scan::Column {
        kind: column.kind().code(),
        rows: column.rows() as u32,
        presence: column.presence().map(|bits| bits.words().to_vec()),
        ends: column.ends().map(<[u32]>::to_vec),
        values: match column.values() {
            Values::Int(values) => scan::Values::Ints(values.clone()),
            Values::Float(values) => scan::Values::Floats(values.clone()),
            Values::Bool(values) => {
                scan::Values::Bools(values.iter().map(|value| u8::from(*value)).collect())
            }
            Values::Bytes(strings) => scan::Values::ByteStrings(scan::ByteStrings {
                ends: strings.ends().to_vec(),
                bytes: strings.bytes().to_vec(),
            }),
        },
    }
}

fn from_wit(column: scan::Column) -> Column {
    let rows = column.rows as usize;
    let values = match column.values {
        scan::Values::Ints(values) => Values::Int(values),
        scan::Values::Floats(values) => Values::Float(values),
        scan::Values::Bools(values) => Values::Bool(values.iter().map(|it| *it != 0).collect()),
        scan::Values::ByteStrings(strings) => {
            Values::Bytes(ByteStrings::new(strings.ends, strings.bytes).unwrap())
        }
    };
    let presence = { column.presence }.map(|words| Bitmap::from_words(words, rows).unwrap());
    let kind = ColumnType::from_code(column.kind).unwrap();
    Column::new(kind, rows, presence, column.ends, values).unwrap()
}
