//! Whole indexes over a store in memory that the tests look into, damage, and whose clock they move.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation here is a failed test"
)]

use std::rc::Rc;

use sidx_columns::{Column, ColumnBuilder, ColumnType, ValueType};
use sidx_engine::host::Form;
use sidx_engine::{
    Batch, Choice, Cursor, Durability, Error, ErrorKind, Index, Job, Mode, Projection, QuerySpec,
    Rest, Result, RowContent, Rows, View,
};
use sidx_executor::Columns;

use crate::{FirstNumbers, JobPurpose, Session, Settings, columns_of, keys_of};

mod copies;
mod damage;
mod limits;
mod lives;
mod readers;
mod store;

use store::Lent;

/// The place of the index.
const PLACE: &str = "subject";
const LEASE_MS: u64 = 9_000;

fn settings() -> Settings {
    Settings {
        part_form: Form::Folder,
        memory_allowed_bytes: 1 << 30,
        disk_allowed_bytes: u64::MAX,
        medium_minimum_bytes: None,
        page_cache_bytes: 1 << 20,
        lease_ms: LEASE_MS,
        removal_grace_ms: Some(0),
    }
}

/// An open index.
struct Subject(Index<Session<Lent>>);

impl Subject {
    fn entered(store: &Rc<Lent>, mode: Mode, settings: Settings) -> Result<Self> {
        let to_write = mode != Mode::Read;
        let session = Session::enter(store, PLACE, to_write, settings, FirstNumbers::NONE)?;
        let mut subject = Self(Index::new(session));
        let opened = subject.0.open(mode)?;
        assert!(opened.damaged.is_empty(), "{:?}", opened.damaged);
        subject.published(&opened.view);
        Ok(subject)
    }

    fn open(store: &Rc<Lent>, mode: Mode) -> Self {
        Self::entered(store, mode, settings()).unwrap()
    }

    fn session(&self) -> &Session<Lent> {
        self.0.host()
    }

    fn published(&self, view: &View) {
        self.session().published(view.version, view.flush_need);
    }

    /// Writes rows with these keys, whose payloads say the same.
    fn write(&mut self, keys: std::ops::Range<i64>) -> Result<()> {
        let mut payloads = ColumnBuilder::new(ColumnType::scalar(ValueType::Bytes));
        let mut names = ColumnBuilder::new(ColumnType::scalar(ValueType::String));
        for key in keys.clone() {
            payloads
                .push_bytes(format!("payload {key}").as_bytes())
                .unwrap();
            names.push_string(&format!("name {}", key % 5)).unwrap();
        }
        let columns: Vec<Column> = vec![payloads.finish(), names.finish()];
        let written = self.0.write(vec![Batch {
            labels: vec!["one".to_owned()],
            series: keys
                .clone()
                .map(|_| sidx_engine::series_id("one"))
                .collect(),
            keys: keys.collect(),
            columns: columns_of(columns)?,
            names: vec!["name".to_owned()],
            durability: Durability::Sync,
        }])?;
        self.published(&written.view);
        written.receipts.into_iter().try_for_each(|it| it.map(drop))
    }

    fn run(&mut self, purpose: JobPurpose, job: &Job) -> Result<()> {
        self.session().begin_job(purpose, job.space_bytes)?;
        let outcome = self.0.merge(job)?;
        let view = self.0.introduce(outcome)?;
        self.published(&view);
        self.session().end_job();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        match self.0.plan_flush()? {
            Some(job) => self.run(JobPurpose::Flush, &job),
            None => Ok(()),
        }
    }

    fn merge_all(&mut self) -> Result<()> {
        while let Some(job) = self.0.plan_merge(Choice::All)? {
            self.run(JobPurpose::Merge, &job)?;
        }
        Ok(())
    }

    /// Begins a query that has more rows than its first ones.
    fn begin(&mut self, rows: u32) -> (Vec<i64>, Cursor<Session<Lent>>) {
        let answer = self.0.query(everything(), rows).unwrap();
        let keys = self.keys_of(answer.rows);
        match answer.rest {
            Rest::More(cursor) => (keys, cursor),
            _ => panic!("there are no more rows"),
        }
    }

    fn keys_of(&self, rows: Rows<Columns>) -> Vec<i64> {
        let columns = match rows.content {
            RowContent::Found => self.session().take_found().unwrap(),
            RowContent::Held(columns) => columns,
            RowContent::Listed(keys) => return keys.keys,
        };
        keys_of(&columns).unwrap().keys
    }

    /// The keys of all rows.
    fn keys(&mut self) -> Result<Vec<i64>> {
        let answer = self.0.query(everything(), 7)?;
        let mut keys = self.keys_of(answer.rows);
        if let Rest::More(mut cursor) = answer.rest {
            while let Some(rows) = cursor.next(7)? {
                keys.extend(self.keys_of(rows));
            }
        }
        Ok(keys)
    }
}

fn everything() -> QuerySpec {
    use std::ops::Bound::Unbounded;
    QuerySpec {
        series: None,
        low: Unbounded,
        high: Unbounded,
        filter: None,
        descending: false,
        any_order: false,
        limit: None,
        distinct_payload: false,
        projection: Projection::All,
        payload: true,
        memory_bytes: 64 << 20,
        allow_partial: false,
    }
}

fn kind_of<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error: Error| error.kind())
}
