//! Stores in mapped directories, and the indexes in them, as the command line has them.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use sidx_command::database::{
    self, Absence, BackupReport, BranchReport, CopyReport, DamagedPart, Dumped, Error, Merged,
    Pieces, Query, Result, RetentionPreview, Room,
};
use sidx_engine::{Counted, Durability, ErrorKind, Retention};

use crate::bindings::index::{self as engine, Subject};
use crate::bindings::{places, root, session};
use crate::cursor::{Cursor, Dump};
use crate::error::{conflict, invalid, of_engine, of_storage};
use crate::opened::{Opened, parse_report};
use crate::place::Place;
use crate::rows::Rows;
use crate::write::Batch;
use crate::{
    branch, garbage, health, incarnation, location, query, removal, repair, retention, warning,
};

/// How often an index is made again that others drop meanwhile.
const ATTEMPTS: usize = 16;

/// Stores below the directories that the runtime maps.
pub(crate) struct Mapped;

impl database::Database for Mapped {
    type Store = Store;

    fn store(&self, location: &str) -> Result<Store> {
        let path = location::path(location)?;
        Ok(Store { path: path.into() })
    }
}

/// A store, by its path.
pub(crate) struct Store {
    path: Rc<str>,
}

impl Store {
    /// Has everything below be about this store from now on.
    fn reach(&self, create: bool) -> Result<&Rc<str>> {
        root::open(&self.path, create).map_err(of_storage)?;
        Ok(&self.path)
    }
}

impl database::Store for Store {
    type Index = Index;

    fn exists(&self) -> Result<bool> {
        match self.reach(false) {
            // Told by what comes next.
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(true),
            reached => reached?,
        };
        let path = Path::new(&*self.path);
        match fs::metadata(path) {
            Err(cause) if cause.kind() == Io::NotFound && !path.is_symlink() => Ok(false),
            _ => Ok(true),
        }
    }

    fn absence(&self, index: &str) -> Absence {
        let path = Path::new(&*self.path);
        let folder = path.join(index);
        if is_index(path) {
            let name = path.file_name().unwrap_or_default();
            let above = path.parent();
            let above = above.filter(|above| !above.as_os_str().is_empty());
            return Absence::StoreIsIndex {
                above: above.unwrap_or(Path::new(".")).display().to_string(),
                name: name.to_string_lossy().into_owned(),
            };
        }
        let was_dropped =
            { self.reach(false) }.is_ok_and(|store| incarnation::was_dropped(store, index));
        match folder.is_dir() && !was_dropped {
            true => Absence::Folder(folder.display().to_string()),
            false => Absence::Nothing,
        }
    }

    fn index_names(&self) -> Result<Vec<String>> {
        let store = self.reach(false)?;
        let mut names = places::list(None).map_err(of_storage)?;
        names.retain(|name| incarnation::has_index(store, name));
        Ok(names)
    }

    fn create(&self, index: &str, room: Room, wait: Duration) -> Result<Index> {
        let store = self.reach(true)?;
        for _ in 0..ATTEMPTS {
            let place = incarnation::to_create(store, index)?;
            match Opened::to_write(index, place.clone(), true, room, wait) {
                // It was dropped, maybe by somebody who did not come as far as to note that here.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    bury(store, index, &place, error)?;
                }
                opened => return opened.map(Index::new),
            }
        }
        let text = format!("others make and drop index `{index}` again and again; try again");
        Err(conflict(text))
    }

    fn open(&self, index: &str, room: Room, wait: Duration) -> Result<Index> {
        let place = incarnation::existing(self.reach(false)?, index, true)?;
        Opened::to_write(index, place, false, room, wait).map(Index::new)
    }

    fn read(&self, index: &str) -> Result<Index> {
        let place = incarnation::existing(self.reach(false)?, index, false)?;
        Opened::to_read(index, place).map(Index::new)
    }

    fn repair(&self, index: &str, accept_loss: bool, wait: Duration) -> Result<Value> {
        repair::run(self.reach(false)?, index, accept_loss, wait)
    }

    fn garbage(&self, index: &str, apply: Option<Duration>) -> Result<Value> {
        let store = self.reach(false)?;
        let report = match apply {
            Some(wait) => garbage::collect(store, index, wait)?,
            None => garbage::look(store, index)?,
        };
        report.to_json()
    }

    fn remove(&self, index: &str, wait: Duration) -> Result<u64> {
        removal::run(self.reach(false)?, index, wait)
    }

    fn branch(&self, index: &str, name: &str) -> Result<BranchReport> {
        branch::run(self.reach(false)?, index, name)
    }
}

/// The error of what only the native command does.
pub(crate) fn unable(what: &str, command: &str) -> Error {
    invalid(format!(
        "this build of sidx {what}: nothing was done; the native command does, with `sidx {command}`"
    ))
}

/// Notes that what was to be opened was dropped, and clears it away.
fn bury(store: &Rc<str>, index: &str, place: &Place, error: Error) -> Result<()> {
    if !removal::is_dropped(place) {
        return Err(error);
    }
    incarnation::bury(store, index, place)?;
    if let Err(error) = removal::clear(store, place, index) {
        let index = warning::quoted(index);
        warning::tell(
            "what was dropped could not be cleared away",
            &[("index", &index), ("error", &error)],
        );
    }
    Ok(())
}

/// Whether a folder is that of an index.
fn is_index(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| name == "index.json" || name.to_string_lossy().ends_with(".incarnation"))
}

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
        parse_report(&engine::describe(Subject::Parts).map_err(of_engine)?)
    }

    fn verify(&self) -> Result<Value> {
        let report = parse_report(&engine::verify().map_err(of_engine)?)?;
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
