//! Making a copy: files, log and objects of an index that others may write meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use sidx_engine::host::Form;
use sidx_engine::{Contents, INDEX_OBJECT, SnapshotToCopy};
use sidx_log::checksum;

use super::Report;
use super::log::{Copied, LogCopy};
use super::marker::{Origin, Whole};
use super::place::Place;
use super::source::Source;
use super::transfer::{Brought, Manner, Transfer};
use crate::error::{Error, ErrorKind, Result};
use crate::incarnation::COPY_SOURCE;
use crate::open::Open;
use crate::session::CallLimits;
use crate::storage::Storage;
use crate::storage::log::{self, Log, LogAccess};
use crate::work::Task;

/// How often the copy starts over because a flush gave up log entries before they were copied. Parts that
/// were copied already are not copied again, so each time is shorter than the one before.
const ATTEMPTS: u32 = 20;

/// What came of it.
pub(super) enum Outcome {
    /// Everything is there, and may be named.
    Whole(Report),
    /// What an earlier copy left cannot be gone on with.
    Unfit,
}

/// A copy while it is made.
pub(super) struct Making<'a, 'p> {
    index: &'a Open,
    place: &'a mut Place<'p>,
    from: Arc<dyn Storage>,
    to: Arc<dyn Storage>,
    /// Of what it is a copy; none of a backup.
    origin: Option<&'a Origin>,
    limits: &'a CallLimits,
    task: &'a Task,
    manner: Manner,
    brought: Mutex<Brought>,
    /// Whether a log was begun.
    has_log: bool,
    log_entries: u64,
}

impl<'a, 'p> Making<'a, 'p> {
    pub(super) fn new(
        index: &'a Open,
        place: &'a mut Place<'p>,
        origin: Option<&'a Origin>,
        limits: &'a CallLimits,
        task: &'a Task,
    ) -> Self {
        let (from, to) = (
            Arc::clone(&index.shared().storage),
            Arc::clone(place.storage()),
        );
        let form = match (from.takes_folders(), to.takes_folders()) {
            (_, false) => Some(Form::File),
            (false, true) => Some(Form::Folder),
            (true, true) => None,
        };
        let manner = Manner {
            form,
            is_strict: origin.is_some(),
            is_taken_up: place.is_taken_up(),
        };
        Self {
            index,
            place,
            from,
            to,
            origin,
            limits,
            task,
            manner,
            brought: Mutex::default(),
            has_log: false,
            log_entries: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<Outcome> {
        if self.place.whole().is_some() {
            if self.is_whole_as_ever()? {
                let mut report = Report::default();
                report.copy.already_there = true;
                return Ok(Outcome::Whole(report));
            }
            // Its copier may be about to name it, unless the lock tells that there is none any more.
            if !self.to.has_locks() {
                return Ok(Outcome::Unfit);
            }
            self.place.claim()?;
        }
        if self.place.is_taken_up() && self.to.has_locks() {
            self.clear_rest()?;
        }
        let mut before = None;
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            let source = Source::of(self.index)?;
            self.brought.get_mut().gone = None;
            let state = (source.contents.files.clone(), source.contents.log_position);
            match self.attempt(&source) {
                // Entries of the log, or a part that no pin kept, are gone: newer parts hold the rows. In
                // an index that did not change they are lost. A put that landed when its object had been
                // given up may stand where entries are gone.
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt)
                        && before.as_ref() != Some(&state) =>
                {
                    tracing::debug!(%error, "a copy starts over");
                    before = Some(state);
                    attempts += 1;
                }
                // The log was that of a writer who has not been overtaken since, or there is another copy
                // to be made.
                Ok(None) => attempts += 1,
                Ok(Some(outcome)) => return Ok(outcome),
                Err(error) => self.go_on_after(error)?,
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

    /// Nothing took the place of a file that is gone: it is damage, which must not keep the rest from being
    /// copied, unless all is to be right.
    fn go_on_after(&mut self, error: Error) -> Result<()> {
        let gone = self.brought.get_mut().gone.take();
        match (gone, self.manner.is_strict) {
            (Some(path), false) if error.kind() == ErrorKind::NotFound => {
                tracing::warn!(path, %error, "a backup goes on without a file that is missing");
                let damages = &self.index.shared().damages;
                damages.note_file(&path, error.message());
                self.brought.get_mut().missing.insert(path);
                Ok(())
            }
            (gone, true)
                if error.kind() == ErrorKind::Corrupt
                    || (gone.is_some() && error.kind() == ErrorKind::NotFound) =>
            {
                let text = format!(
                    "{}; the index is damaged and was not copied: `sidx repair` saves what can be read, then \
                     copy it again; `sidx backup` takes it as it is",
                    error.message()
                );
                Err(Error::corrupt(text))
            }
            _ => Err(error),
        }
    }

    /// Makes everything of the index as it is now. None when that is to be done anew, as somebody took it
    /// over.
    fn attempt(&mut self, source: &Source) -> Result<Option<Outcome>> {
        let contents = &source.contents;
        let (name, bytes) = { contents.objects.first() }
            .ok_or_else(|| Error::corrupt("the engine names no snapshot to copy"))?;
        let snapshot = SnapshotToCopy::read(name, bytes)?;
        let sides = (&self.index.shared().lenders, self.to.as_ref());
        let transfer = Transfer::new(sides, self.manner, self.limits, self.task, &self.brought);
        transfer.run(&snapshot, &contents.files)?;
        let Some(log) = self.copy_log(contents)? else {
            return Ok(Some(Outcome::Unfit));
        };
        self.log_entries = log.entries;
        match source.check(self.index) {
            Err(error) if error.kind() == ErrorKind::Conflict && self.index.is_read_only() => {
                tracing::debug!(%error, "a copy starts over");
                return Ok(None);
            }
            checked => checked?,
        }
        let kept = std::mem::take(&mut self.brought.get_mut().formed_as_before);
        let snapshot = self.snapshot(&snapshot, bytes, &kept)?;
        if !self.complete(contents, &snapshot)? {
            return Ok(Some(Outcome::Unfit));
        }
        self.place.mark_whole(whole(contents, &snapshot, log.end))?;
        self.remove_superfluous();
        Ok(Some(Outcome::Whole(self.report())))
    }

    /// Removes files that are not of the copy. From now on nobody brings others.
    fn remove_superfluous(&mut self) {
        for name in std::mem::take(&mut self.brought.get_mut().superfluous) {
            if let Err(error) = self.to.remove(&format!("parts/{name}")) {
                // Whoever opens the copy for writing removes it.
                tracing::debug!(name, %error, "a file that a copy does not need stays");
            }
        }
    }

    fn snapshot(
        &self,
        snapshot: &SnapshotToCopy,
        bytes: &[u8],
        kept: &BTreeSet<String>,
    ) -> Result<Vec<u8>> {
        match self.manner.form {
            None => Ok(bytes.to_vec()),
            form => Ok(snapshot.copied(form, kept)?),
        }
    }

    fn report(&mut self) -> Report {
        let brought = self.brought.get_mut();
        let mut report = Report {
            linked_files: brought.linked_files,
            missing_files: brought.missing.len() as u64,
            ..Report::default()
        };
        report.copy.files = brought.files.len() as u64;
        report.copy.kept_files = brought.kept_files;
        report.copy.kept_bytes = brought.kept_bytes;
        report.copy.copied_bytes = brought.copied_bytes;
        report.copy.log_entries = self.log_entries;
        report
    }

    /// None where the log that is there cannot be gone on with.
    fn copy_log(&mut self, contents: &Contents) -> Result<Option<Copied>> {
        // That another copy has begun here, and even come to its end, is known only where there are locks. So
        // without them nothing that is there is removed, and what was begun before is ended as the log of a
        // writer that may only sleep.
        let (has_locks, is_begun) = (
            self.to.has_locks(),
            self.has_log || self.place.is_taken_up(),
        );
        self.has_log = true;
        let log = LogCopy {
            from: &self.from,
            to: &self.to,
            limits: self.limits,
            count: &|bytes| {
                self.brought.lock().copied_bytes += bytes;
                self.task.add_bytes(bytes);
            },
        };
        match (has_locks, is_begun) {
            (true, true) => self.to.remove(log::DIRECTORY)?,
            (false, true) => return log.go_on(contents),
            (_, false) => {}
        }
        log.make(contents).map(Some)
    }

    /// Makes an index of what was copied, which nothing names yet. False when what an earlier copy left is in
    /// the way.
    fn complete(&self, contents: &Contents, snapshot: &[u8]) -> Result<bool> {
        self.limits.check()?;
        let mut objects = contents.objects.iter();
        let first = objects.next().map(|(name, _)| (name.as_str(), snapshot));
        let source = self.origin.map(Origin::bytes);
        let source = source.iter().map(|bytes| (COPY_SOURCE, bytes.as_slice()));
        let others = objects.map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        for (name, bytes) in first.into_iter().chain(source).chain(others) {
            match self.to.put_if_absent(name, bytes) {
                Err(error) if error.kind() == ErrorKind::Conflict && self.place.is_taken_up() => {
                    let there = self.to.get(name)?;
                    if there.is_none_or(|(there, _)| there != bytes) {
                        return Ok(false);
                    }
                }
                put => drop(put?),
            }
        }
        Ok(true)
    }

    /// Removes what an earlier copy, which is not at work any more, made after its files.
    fn clear_rest(&self) -> Result<()> {
        self.to.clear_unfinished(&self.to.unfinished()?)?;
        for object in self.to.list_objects("")? {
            let is_end = object == INDEX_OBJECT || object == COPY_SOURCE;
            if is_end || SnapshotToCopy::is_name(&object) {
                self.to.remove_object(&object)?;
            }
        }
        Ok(())
    }

    /// Whether a whole copy that was found is what would be made now.
    fn is_whole_as_ever(&self) -> Result<bool> {
        let source = Source::of(self.index)?;
        let contents = &source.contents;
        let Some((name, bytes)) = contents.objects.first() else {
            return Ok(false);
        };
        let snapshot = SnapshotToCopy::read(name, bytes)?;
        let snapshot = self.snapshot(&snapshot, bytes, &BTreeSet::new())?;
        let (from, start) = (Arc::clone(&self.from), contents.log_position);
        let log = Log::open_from(from, LogAccess::Read, start)?;
        Ok(self.place.whole() == Some(&whole(contents, &snapshot, log.end())))
    }
}

fn whole(contents: &Contents, snapshot: &[u8], log_end: u64) -> Whole {
    let name = contents.objects.first().map(|(name, _)| name.clone());
    Whole {
        snapshot: name.unwrap_or_default(),
        snapshot_crc32c: checksum::crc32c(snapshot),
        log_position: contents.log_position,
        log_end,
    }
}
