//! An open index, as the command line has it.

use std::rc::Rc;

use serde_json::{Value, json};
use sidx_command::database::{
    self, BackupReport, CopyReport, DamagedPart, Dumped, Merged, Pieces, Query, Result,
    RetentionPreview,
};
use sidx_engine::{Counted, Durability, Retention};

use crate::bindings::index::{self, Subject};
use crate::bindings::session;
use crate::cursor::{Cursor, Dump};
use crate::error::of_engine;
use crate::opened::{Opened, parse_report};
use crate::rows::Rows;
use crate::store::{Store, unable};
use crate::write::Batch;
use crate::{health, query, retention};

/// An open index.
pub(crate) struct Index(Rc<Opened>);

impl Index {
    pub(crate) fn new(opened: Opened) -> Self {
        Self(Rc::new(opened))
    }
}

impl database::Index for Index {
    type Store = Store;
    type Batch = Batch;
    type Cursor = Cursor;
    type Rows = Rows;

    fn batch(pieces: Pieces) -> Result<Batch> {
        Batch::new(pieces)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<()> {
        self.0.write(batch, durability)
    }

    fn flush(&self) -> Result<Merged> {
        self.0.flush()
    }

    fn merge(&self) -> Result<Merged> {
        self.0.merge()
    }

    fn merge_all(&self) -> Result<Merged> {
        self.0.merge_all()
    }

    fn retain(&self, rule: Retention) -> Result<Merged> {
        retention::apply(&self.0, retention::rule(rule))
    }

    fn preview_retention(&self, rule: Retention) -> Result<RetentionPreview> {
        retention::preview(&retention::rule(rule))
    }

    fn backup(&self, _store: &Store, _name: &str) -> Result<BackupReport> {
        Err(unable(
            "reaches one store at a time and makes no copies",
            "backup",
        ))
    }

    fn copy_to(&self, _store: &Store, _name: &str) -> Result<CopyReport> {
        Err(unable(
            "reaches one store at a time and makes no copies",
            "copy",
        ))
    }

    fn damaged(&self) -> Vec<DamagedPart> {
        let mut damages = self.0.damages.borrow_mut();
        damages.note_met();
        let damaged = damages.list().into_iter().map(|part| DamagedPart {
            part: part.part,
            reason: part.reasons.into_iter().next().unwrap_or_default(),
        });
        damaged.collect()
    }

    fn stats(&self) -> Result<Value> {
        health::stats(&self.0)
    }

    fn parts(&self) -> Result<Value> {
        parse_report(&index::describe(Subject::Parts).map_err(of_engine)?)
    }

    fn verify(&self) -> Result<Value> {
        let report = parse_report(&index::verify().map_err(of_engine)?)?;
        let log = session::check_log().map_err(of_engine)?;
        Ok(with_log(report, &log))
    }

    fn query(&self, query: &Query<'_>) -> Result<Cursor> {
        Cursor::start(&self.0, query)
    }

    fn count(&self, query: &Query<'_>) -> Result<Counted> {
        query::count(query)
    }

    fn dump(&self) -> Result<impl Iterator<Item = Result<Dumped<Rows>>>> {
        Dump::start(&self.0)
    }

    fn close(self) -> Result<()> {
        match self.0.is_read_only() {
            true => Ok(()),
            false => self.0.flush().map(drop),
        }
    }
}

/// A report of a check with what was found in the log.
fn with_log(mut report: Value, log: &session::LogReport) -> Value {
    if let Some(report) = report.as_object_mut() {
        report.insert("log_entries".into(), log.entries.into());
        if log.torn_bytes > 0 {
            report.insert("log_torn_bytes".into(), log.torn_bytes.into());
        }
        if let Some(Value::Array(damage)) = report.get_mut("damage") {
            let found = log.damage.iter();
            damage.extend(found.map(|what| json!({ "part": "log", "what": what })));
        }
        if !log.damage.is_empty() {
            report.insert("ok".into(), false.into());
        }
    }
    report
}
