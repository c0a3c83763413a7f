//! An open index: what all that works with it holds.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::time::Duration;

use serde_json::Value;
use sidx_command::database::{Error, Result, Room};
use sidx_engine::{ErrorKind, FlushNeed, INDEX_OBJECT, Pressure};

use crate::bindings::index::{self, Mode};
use crate::bindings::session;
use crate::damages::Damages;
use crate::error::{at, not_found, of_engine, other};
use crate::labels::Labels;
use crate::pause::Pause;
use crate::place::Place;
use crate::served::Served;
use crate::warning;

/// An open index. It is closed when the last one who holds it lets go.
pub(crate) struct Opened {
    name: String,
    place: Place,
    mode: Mode,
    /// Whether a flush is followed by the merges that are worth it.
    automatic_merge: bool,
    pub(crate) damages: RefCell<Damages>,
    pub(crate) labels: RefCell<Labels>,
    /// Why it changes nothing any more.
    failed: RefCell<Option<Error>>,
    flush_need: Cell<FlushNeed>,
    /// What the last write found.
    pub(crate) pressure: Cell<Pressure>,
    /// Merges that nobody asked for pause after failures.
    pub(crate) merge_pause: Cell<Pause>,
    /// Dropped last: the index is closed before.
    _served: Served,
}

impl Opened {
    /// Opens an index in a place to read it.
    pub(crate) fn to_read(name: &str, place: Place) -> Result<Self> {
        check_index(name, &place)?;
        let served = Served::to_read(&place)?;
        Self::open(name, place, Mode::Read, false, served)
    }

    /// Opens an index in a place to write it: one that is there, or with `create` also one that is made so.
    pub(crate) fn to_write(
        name: &str,
        place: Place,
        create: bool,
        room: Room,
        wait: Duration,
    ) -> Result<Self> {
        // Looked for first, so that a folder which is no index stays as it is.
        if !create {
            check_index(name, &place)?;
        }
        let served = Served::to_write(&place, room, wait)?;
        let mode = match create {
            true => Mode::Create,
            false => Mode::Write,
        };
        Self::open(name, place, mode, create, served)
    }

    fn open(
        name: &str,
        place: Place,
        mode: Mode,
        automatic_merge: bool,
        served: Served,
    ) -> Result<Self> {
        let opened = index::open(mode).map_err(|error| {
            // Nobody was answered. Where the opening came to nothing there is nothing to close.
            let _ = index::close();
            at(&of_engine(error), format_args!("index `{name}`"))
        })?;
        let index = Self {
            name: name.to_owned(),
            place,
            mode,
            automatic_merge,
            damages: RefCell::default(),
            labels: RefCell::default(),
            failed: RefCell::default(),
            flush_need: Cell::default(),
            pressure: Cell::default(),
            merge_pause: Cell::default(),
            _served: served,
        };
        index.publish(&opened.view);
        if let Some(torn) = session::torn_write_of_log() {
            let fields: [(&str, &dyn Display); 3] = [
                ("log", &warning::quoted(&torn.place)),
                ("torn_bytes", &torn.torn_bytes),
                ("end", &torn.end),
            ];
            warning::tell("left a torn write out of the log", &fields);
        }
        index.damages.borrow_mut().note_opening(&opened.damaged);
        Ok(index)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.mode == Mode::Read
    }

    pub(crate) fn merges_by_itself(&self) -> bool {
        self.automatic_merge
    }

    /// What a flush of everything in memory takes.
    pub(crate) fn flush_need(&self) -> FlushNeed {
        self.flush_need.get()
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.is_read_only() {
            let name = self.name();
            let text =
                format!("index `{name}` was opened read-only; open it with `open` to change it");
            return Err(crate::error::invalid(text));
        }
        self.check_sound()
    }

    /// Whether changes are still accepted.
    pub(crate) fn check_sound(&self) -> Result<()> {
        match &*self.failed.borrow() {
            Some(error) => Err(refusal(error)),
            None => Ok(()),
        }
    }

    /// Takes no more changes, because nobody knows what a call left half done.
    pub(crate) fn fail(&self, error: Error) -> Error {
        let is_unknown = error.kind() == ErrorKind::Unknown;
        let mut failed = self.failed.borrow_mut();
        let first = failed.get_or_insert(error);
        match is_unknown {
            true => first.clone(),
            false => refusal(first),
        }
    }

    /// Tells the adapter of a new part list.
    pub(crate) fn publish(&self, view: &index::View) {
        session::published(view.version, view.flush_bytes, view.flush_files);
        self.flush_need.set(FlushNeed {
            bytes: view.flush_bytes,
            files: view.flush_files,
        });
    }

    /// The first error that ended changes, if one did.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.borrow().is_some()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if !self.is_read_only() && !self.has_failed() {
            // One that is not closed is as whole as after a crash.
            let _ = index::close();
        }
    }
}

fn check_index(name: &str, place: &Place) -> Result<()> {
    match place.get(INDEX_OBJECT)? {
        Some(_) => Ok(()),
        None => Err(not_found(format!(
            "index `{name}` does not exist; create it by writing to it"
        ))),
    }
}

/// What a caller is told after a failure. It has not the kind of the cause: `resource-exhausted`, say,
/// would promise that nothing happened.
fn refusal(cause: &Error) -> Error {
    let kind = match cause.kind() {
        // Another writer has taken over.
        ErrorKind::Conflict | ErrorKind::Unknown => ErrorKind::Conflict,
        _ => ErrorKind::Io,
    };
    let text = format!("the index takes no more changes after `{cause}`; close it and reopen it");
    Error::new(kind, text).because_of(cause.root().clone())
}

/// A report of the engine.
pub(crate) fn parse_report(text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|cause| other(format!("the engine's report is not JSON: {cause}")))
}
