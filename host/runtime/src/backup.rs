//! Copies of an index in another store.
//!
//! A copy is made of part files, the log, the snapshot, and `index.json` last, in a place of its own below
//! that of its name. Only when it is whole is it named there, if nobody else made an index of that name
//! meanwhile: a copy that was interrupted is none, and two that meet do not mix.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use serde::Serialize;
use sidx_engine::{Contents, Mode};

use crate::error::{Error, ErrorKind, Result};
use crate::incarnation::{Name, ROWS, UNFINISHED_COPY};
use crate::lenders::Lenders;
use crate::open::{Open, Settings};
use crate::removal;
use crate::session::{CallLimits, Pin};
use crate::storage::log::{Log, LogAccess, LogDurability, LogEntry};
use crate::storage::{Storage, Store};
use crate::work::Task;

/// Bytes copied at a time; between two the copy may be stopped.
const CHUNK_BYTES: u64 = 1 << 20;
/// Bytes of log entries that are written together.
const APPEND_BYTES: usize = 1 << 20;
/// How often the copy starts over because a flush gave up log entries before they were copied. Parts that
/// were copied already are not copied again, so each time is shorter than the one before.
const ATTEMPTS: u32 = 20;

/// What a copy consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BackupReport {
    /// Part files in the copy.
    pub files: u64,
    /// Those of them that share their bytes with the index by a hard link.
    pub linked_files: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Entries of the log: writes that are in no part file yet.
    pub log_entries: u64,
    /// Files that are missing in the index, and so in the copy: what they belong to is damaged in both.
    pub missing_files: u64,
}

/// The place of a copy, while it is being made.
struct Copy<'a> {
    from: Arc<dyn Storage>,
    /// Where its files lie; none where only the log is copied.
    lenders: Option<&'a Lenders>,
    to: Arc<dyn Storage>,
    limits: &'a CallLimits,
    task: &'a Task,
    report: BackupReport,
    /// Files that are gone, and the one that was found so last.
    missing: BTreeSet<String>,
    gone: Option<String>,
}

/// An index at one moment, and what keeps its files.
struct Source {
    contents: Contents,
    _pin: Pin,
    reader: Option<Arc<Open>>,
}

/// Copies an index to a store under a name that is free there.
pub(crate) fn run(
    index: &Open,
    target: &dyn Store,
    name: &str,
    limits: &CallLimits,
    task: &Task,
) -> Result<BackupReport> {
    limits.check()?;
    let root = target.open_index(name, true)?;
    let at = |error: Error| error.at(format_args!("backup to {}", root.location()));
    let made = match is_inside(&root.location(), &index.shared().storage.location()) {
        true => {
            let text = "it lies in the index that is to be copied; choose a store outside of it";
            Err(Error::invalid(text))
        }
        false => copy(index, target, name, limits, task),
    };
    made.map_err(|error| {
        // The place itself may have been made just now.
        if is_bare(target, name, root.as_ref()).unwrap_or(false) {
            let _ = target.remove_index(name);
        }
        at(error)
    })
}

/// Makes the copy in a place that nobody else has, and then that the place of the index.
fn copy(
    index: &Open,
    target: &dyn Store,
    name: &str,
    limits: &CallLimits,
    task: &Task,
) -> Result<BackupReport> {
    let advice = "choose another store for the copy";
    let looked = free_name(target, name, index.settings(), advice)?;
    let new = looked.new_place()?;
    let made = new.storage.lock().and_then(|lock| {
        let mut copy = Copy {
            from: Arc::clone(&index.shared().storage),
            lenders: Some(&index.shared().lenders),
            to: Arc::clone(&new.storage),
            limits,
            task,
            report: BackupReport::default(),
            missing: BTreeSet::new(),
            gone: None,
        };
        let marker = b"a copy into this place has no name yet\n";
        new.storage.put_if_absent(UNFINISHED_COPY, marker)?;
        copy.make(index)?;
        Ok((copy.report, lock))
    });
    let (published, is_known) = match made {
        Err(error) => (Err(error), true),
        Ok((report, lock)) => {
            let published = looked.publish(&new);
            if published.is_ok()
                && let Err(error) = new.storage.remove_object(UNFINISHED_COPY)
            {
                // It has a name, whatever becomes of the marker.
                let place = new.storage.location();
                tracing::warn!(place, %error, "the marker of a finished backup could not be removed");
            }
            drop(lock);
            let kind = published.as_ref().err().map(Error::kind);
            let is_known = matches!(
                kind,
                None | Some(ErrorKind::Conflict | ErrorKind::ResourceExhausted)
            );
            (published.map(|()| report), is_known)
        }
    };
    // Where nobody knows whether it is named, it stays.
    if published.is_err()
        && is_known
        && let Err(error) = new.remove(target)
    {
        // It is in nobody's way; a later copy clears it away.
        let place = new.storage.location();
        tracing::warn!(place, %error, "an interrupted backup left files behind");
    }
    published
}

/// Whether a folder lies in another; places that are no folders lie nowhere.
fn is_inside(inner: &str, outer: &str) -> bool {
    match (fs::canonicalize(inner), fs::canonicalize(outer)) {
        (Ok(inner), Ok(outer)) => inner != outer && inner.starts_with(outer),
        _ => false,
    }
}

/// A name under which no index is, after what interrupted copies left under it was cleared away.
pub(crate) fn free_name<'a>(
    target: &'a dyn Store,
    name: &'a str,
    settings: &Settings,
    advice: &str,
) -> Result<Name<'a>> {
    let taken = |what: &str| Error::conflict(format!("there is {what} `{name}` already; {advice}"));
    let mut looked = Name::look(target, name, true)?;
    if let Some(place) = looked.place()? {
        // Who dropped it may not have come as far as to note that.
        if !removal::is_dropped(&place, settings) {
            return Err(taken("an index"));
        }
        looked.bury()?;
        looked = Name::look(target, name, true)?;
    }
    if looked.is_unused() && !holds_nothing(looked.root().as_ref())? {
        return Err(taken("something that is no whole index"));
    }
    let unnamed = looked.unnamed()?;
    if unnamed.iter().any(|(_, is_whole)| *is_whole) {
        return Err(taken(
            "an index that was lost, and that a repair finds again, as",
        ));
    }
    for (unnamed, _) in &unnamed {
        looked.remove_unnamed(unnamed)?;
    }
    match unnamed.is_empty() {
        true => Ok(looked),
        false => Name::look(target, name, true),
    }
}

/// Whether neither an index nor anything of one is in a place.
fn holds_nothing(place: &dyn Storage) -> Result<bool> {
    let mut is_bare = place.list_objects("")?.is_empty();
    for directory in ROWS {
        is_bare &= place.list(directory)?.is_empty();
    }
    Ok(is_bare)
}

/// The same, with everything below.
pub(crate) fn is_bare(target: &dyn Store, name: &str, root: &dyn Storage) -> Result<bool> {
    Ok(holds_nothing(root)? && target.places_below(name)?.is_empty())
}

impl Source {
    /// Fails with `conflict` when another writer has taken the index over since.
    fn check(&self, index: &Open) -> Result<()> {
        let writer = self.reader.as_deref().unwrap_or(index).writer();
        writer.consult(|introducer| introducer.contents()).map(drop)
    }
}

/// What makes up the index now. A reader is opened anew, as the log may have moved on since.
fn source(index: &Open) -> Result<Source> {
    if !index.is_read_only() {
        // Held before the question: the files of the answer stay from here on.
        let pin = index.shared().views.pin();
        let contents = index.writer().consult(|introducer| introducer.contents())?;
        return Ok(Source {
            contents,
            _pin: pin,
            reader: None,
        });
    }
    let storage = Arc::clone(&index.shared().storage);
    let mut settings = index.settings().clone();
    settings.mode = Mode::Read;
    settings.scrub_bytes_per_second = None;
    let reader = Open::new(index.name(), storage, settings)?;
    let pin = reader.shared().views.pin();
    let contents = reader
        .writer()
        .consult(|introducer| introducer.contents())?;
    Ok(Source {
        contents,
        _pin: pin,
        reader: Some(reader),
    })
}

impl Copy<'_> {
    fn make(&mut self, index: &Open) -> Result<()> {
        let mut copied: Vec<String> = Vec::new();
        let mut before = None;
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            let source = source(index)?;
            self.gone = None;
            let state = (source.contents.files.clone(), source.contents.log_position);
            match self.attempt(&source.contents, &mut copied) {
                // Entries of the log, or a part that no pin kept, are gone: newer parts hold the rows. In
                // an index that did not change they are lost.
                Err(error)
                    if error.kind() == ErrorKind::NotFound && before.as_ref() != Some(&state) =>
                {
                    tracing::debug!(%error, "a backup starts over");
                    before = Some(state);
                    attempts += 1;
                }
                // Nothing took its place: it is damage, which must not keep the rest from being copied.
                Err(error) if error.kind() == ErrorKind::NotFound && self.gone.is_some() => {
                    let path = self.gone.take().unwrap_or_default();
                    tracing::warn!(path, %error, "a backup goes on without a file that is missing");
                    index.shared().damages.note_file(&path, error.message());
                    self.report.missing_files += 1;
                    self.missing.insert(path);
                }
                Err(error) => return Err(error),
                // The log was that of a writer who has not been overtaken since, or there is another copy
                // to be made.
                Ok(()) => match source.check(index) {
                    Err(error) if error.kind() == ErrorKind::Conflict && index.is_read_only() => {
                        tracing::debug!(%error, "a backup starts over");
                        attempts += 1;
                    }
                    Err(error) => return Err(error),
                    Ok(()) => return self.complete(&source.contents),
                },
            }
        }
        Err(Error::new(
            ErrorKind::Io,
            format!(
                "the index changed {ATTEMPTS} times faster than its log could be copied; try again \
                 when fewer rows are written"
            ),
        ))
    }

    /// Copies files that were not copied before, removes those that are not needed any more, and copies
    /// the log.
    fn attempt(&mut self, contents: &Contents, copied: &mut Vec<String>) -> Result<()> {
        let mut kept = Vec::with_capacity(contents.files.len());
        for path in copied.drain(..) {
            if contents.files.contains(&path) {
                kept.push(path);
            } else {
                self.to.remove(&path)?;
                self.report.files -= 1;
            }
        }
        *copied = kept;
        for path in &contents.files {
            if !copied.contains(path) && !self.missing.contains(path) {
                if let Err(error) = self.copy_file(path) {
                    self.gone = Some(path.clone());
                    return Err(error);
                }
                self.report.files += 1;
                copied.push(path.clone());
            }
        }
        let mut directories: Vec<&str> = contents
            .files
            .iter()
            .filter(|path| !self.missing.contains(*path))
            .filter_map(|path| Some(path.rsplit_once('/')?.0))
            .collect();
        directories.dedup();
        for directory in directories {
            self.to.sync(directory)?;
        }
        self.copy_log(contents)
    }

    fn copy_file(&mut self, path: &str) -> Result<()> {
        self.limits.check()?;
        let lender = match self.lenders {
            Some(lenders) => lenders.lender_of(path)?,
            None => None,
        };
        let from = lender.as_ref().unwrap_or(&self.from);
        let linked = match from.local_path(path) {
            Some(local) => self.to.link(path, &local)?,
            None => false,
        };
        if linked {
            self.report.linked_files += 1;
            return Ok(());
        }
        let from = from.open(path)?;
        let mut to = self.to.create(path)?;
        let (size, mut offset) = (from.size(), 0);
        let mut buffer = Vec::new();
        while offset < size {
            self.limits.check()?;
            let length = CHUNK_BYTES.min(size - offset);
            // At most the size of a chunk.
            buffer.resize(length as usize, 0);
            from.read_at(offset, &mut buffer)?;
            to.append(&buffer)?;
            offset += length;
            self.count(length);
        }
        to.finish()
    }

    /// Copies the entries from a position on, each checked, to a log that keeps their positions.
    fn copy_log(&mut self, contents: &Contents) -> Result<()> {
        let start = contents.log_position;
        self.to.remove("log")?;
        self.report.log_entries = 0;
        let mut from = Log::open_from(Arc::clone(&self.from), LogAccess::Read, start)?;
        let (term, seal) = (contents.term, false);
        let access = LogAccess::Write { term, seal };
        let mut to = Log::open_from(Arc::clone(&self.to), access, start)?;
        let (mut position, mut entries, mut bytes) = (start, Vec::new(), 0);
        loop {
            self.limits.check()?;
            let entry = from.read(position)?;
            if let Some(entry) = &entry {
                position = entry.next_position;
                bytes += entry.header.len() + entry.body.len();
            }
            let is_end = entry.is_none();
            entries.extend(entry);
            if is_end || bytes >= APPEND_BYTES {
                append(&mut to, &entries, position)?;
                self.report.log_entries += entries.len() as u64;
                self.count(bytes as u64);
                entries.clear();
                bytes = 0;
            }
            if is_end {
                to.append(&[], LogDurability::Sync)?;
                return Ok(());
            }
        }
    }

    /// Makes an index of what was copied, which nothing names yet.
    fn complete(&self, contents: &Contents) -> Result<()> {
        self.limits.check()?;
        for (name, bytes) in &contents.objects {
            self.to.put_if_absent(name, bytes)?;
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) {
        self.report.copied_bytes += bytes;
        self.task.add_bytes(bytes);
    }
}

/// Copies the log of an index alone. Returns how many entries that are; `not-found` when they are gone.
pub(crate) fn copy_log(
    (from, to): (&Arc<dyn Storage>, &Arc<dyn Storage>),
    contents: &Contents,
    limits: &CallLimits,
    task: &Task,
) -> Result<u64> {
    let mut copy = Copy {
        from: Arc::clone(from),
        lenders: None,
        to: Arc::clone(to),
        limits,
        task,
        report: BackupReport::default(),
        missing: BTreeSet::new(),
        gone: None,
    };
    copy.copy_log(contents)?;
    Ok(copy.report.log_entries)
}

/// Appends entries, after which the log must end where it does in the original.
fn append(to: &mut Log, entries: &[LogEntry], position: u64) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let slices: Vec<(&[u8], &[u8])> = entries
        .iter()
        .map(|entry| (entry.header.as_slice(), entry.body.as_slice()))
        .collect();
    let end = to.append(&slices, LogDurability::Os)?;
    if end == position {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Other,
        format!("the copied log ends at {end}, the original at {position}"),
    ))
}
