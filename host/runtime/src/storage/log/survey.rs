//! What the files of a log are: the one reading of them, on which opening, checking and salvaging
//! agree.
//!
//! Needed is what lies behind the position up to which the newest snapshot has absorbed the log. A
//! file without a whole header holds no entry that anybody could know of: it is what an interrupted
//! start of a segment leaves. It is damage only where something tells that entries were there: the
//! segment before it ends too early, or nothing reaches back to what is needed.

use std::sync::Arc;

use super::LISTING_ATTEMPTS;
use super::read_ahead::ReadAhead;
use super::recovery::find_end;
use super::segment::{self, Header, Segment};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{ReadFile, Storage};

/// The files of a log, and what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Segments that may hold needed entries, oldest first, each beginning where the one before ends.
    pub(super) segments: Vec<Segment>,
    /// First positions of files that hold nothing any more: given up, or never begun.
    pub(super) leftovers: Vec<u64>,
    /// First positions of files whose entries are all absorbed.
    pub(super) absorbed: Vec<u64>,
    /// Position after the last entry that can be read, or that was absorbed.
    pub(super) end: u64,
    /// Bytes behind it that are no whole entry.
    pub(super) torn_bytes: u64,
    /// Nothing that is there reaches up to the end: it was absorbed, and is gone.
    pub(super) is_detached: bool,
    /// What is damaged.
    pub(super) damage: Vec<Damage>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    /// First position of the file.
    pub(super) first: u64,
    /// What is wrong, with file and offset.
    pub(super) problem: String,
    pub(super) kind: DamageKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DamageKind {
    /// A file is not that of a segment, or something is missing before it.
    File,
    /// A frame of the newest segment.
    Frame,
    /// The needed entries begin before everything that is there. For a reader that means that a writer
    /// has given them up meanwhile.
    Start,
}

/// Looks at all files of a log. Entries before `needed_from` are absorbed; when that is not known, the
/// log begins with its first segment. Frames are read of the newest segment only.
///
/// An error means that the survey could not be made, or that a newer program wrote the log.
pub(super) fn survey(storage: &dyn Storage, needed_from: Option<u64>) -> Result<Survey> {
    let mut attempt = 1;
    loop {
        let listed = segment::list(storage)?;
        match read_headers(storage, &listed) {
            // A reader: the writer removes old ones at any time.
            Err(error) if error.kind() == ErrorKind::NotFound && attempt < LISTING_ATTEMPTS => {
                attempt += 1;
            }
            Err(error) => return Err(error),
            Ok(files) => return judge(storage, &files, needed_from),
        }
    }
}

/// A file of the log.
struct Found {
    first: u64,
    file: Arc<dyn ReadFile>,
    header: Header,
}

impl Found {
    fn is_unborn(&self) -> bool {
        matches!(self.header, Header::Unborn)
    }

    /// Whether everything before it was given up when it was made.
    fn follows_nothing(&self) -> bool {
        matches!(self.header, Header::Good { follows: None })
    }
}

fn read_headers(storage: &dyn Storage, firsts: &[u64]) -> Result<Vec<Found>> {
    let read = |first: &u64| {
        let (file, header) = segment::open(storage, *first)?;
        Ok(Found {
            first: *first,
            file,
            header,
        })
    };
    firsts.iter().map(read).collect()
}

fn judge(storage: &dyn Storage, files: &[Found], needed_from: Option<u64>) -> Result<Survey> {
    let mut survey = Survey::default();
    let base = files.iter().rposition(Found::follows_nothing).unwrap_or(0);
    // Of the files with something in them the last that begins there or before has the first needed
    // entry.
    let is_absorbed = |file: &Found| !file.is_unborn() && Some(file.first) <= needed_from;
    let start = files.iter().rposition(is_absorbed).unwrap_or(0).max(base);
    for (index, file) in files.iter().enumerate().take(start) {
        match index < base || file.is_unborn() {
            true => survey.leftovers.push(file.first),
            false => survey.absorbed.push(file.first),
        }
    }
    let mut newest = None;
    for file in files.iter().skip(start) {
        match survey.link(storage, file)? {
            Some(segment) => {
                survey.segments.push(segment);
                newest = Some(file);
            }
            None => survey.leftovers.push(file.first),
        }
    }
    survey.check_start(storage, files, needed_from);
    let needed = needed_from.unwrap_or(0);
    if let (Some(found), Some(segment)) = (newest, survey.segments.last_mut()) {
        let file = ReadAhead::new(Arc::clone(&found.file), u64::MAX);
        match find_end(&file, segment, needed) {
            Ok(end) => {
                segment.end = end;
                survey.torn_bytes = found.file.size().saturating_sub(segment.offset_of(end));
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let problem = error.at(segment::place(storage, found.first));
                survey.damage.push(Damage {
                    first: found.first,
                    problem: problem.message().to_owned(),
                    kind: DamageKind::Frame,
                });
            }
            Err(error) => return Err(error),
        }
    }
    let read = survey.segments.last().map(|segment| segment.end);
    survey.end = read.unwrap_or(0);
    survey.check_unborn(storage, files, needed_from);
    if let (None, None, Some(last)) = (read, needed_from, files.last()) {
        // Its name tells where the log had come to, and nothing else does: it stays.
        survey.end = last.first;
        survey.is_detached = true;
        survey.leftovers.retain(|first| *first != last.first);
    }
    if survey.end < needed {
        survey.end = needed;
        survey.is_detached = true;
    }
    Ok(survey)
}

impl Survey {
    /// The first damage as the error of whoever wants to use the log.
    pub(super) fn check_sound(&self, is_reader: bool) -> Result<()> {
        match self.damage.first() {
            None => Ok(()),
            Some(damage) if damage.kind == DamageKind::Start && is_reader => {
                Err(Error::not_found(damage.problem.as_str()))
            }
            Some(damage) => Err(Error::corrupt(damage.problem.as_str())),
        }
    }

    fn found(&mut self, first: u64, problem: impl Into<String>) {
        self.damage.push(Damage {
            first,
            problem: problem.into(),
            kind: DamageKind::File,
        });
    }

    /// The file as the next segment; none when it holds nothing.
    fn link(&mut self, storage: &dyn Storage, file: &Found) -> Result<Option<Segment>> {
        let first = file.first;
        let follows = match &file.header {
            Header::Unborn => return Ok(None),
            Header::Good { follows } => *follows,
            Header::Bad(error) if error.kind() == ErrorKind::Corrupt => {
                self.found(first, error.message());
                // Its name says where it begins.
                Some(first)
            }
            Header::Bad(error) => return Err(error.clone()),
        };
        let place = || segment::place(storage, first);
        let Some(end) = segment::end_of(first, file.file.size()) else {
            let place = place();
            self.found(
                first,
                format!("{place}: no log has a position as large as its last"),
            );
            return Ok(None);
        };
        if let Some(before) = self.segments.last_mut() {
            let ended = before.end;
            // What one has behind the beginning of the next was never acknowledged.
            before.end = ended.min(first);
            if ended < first || follows.is_some_and(|follows| follows != first) {
                let follows = follows.unwrap_or(first);
                let place = place();
                self.found(
                    first,
                    format!(
                        "{place}: the log segment follows position {follows}, but the one before it \
                         ends at {ended}; a file was removed or cut; restore it from a backup"
                    ),
                );
            }
        } else if let Some(follows) = follows.filter(|follows| *follows != first) {
            let place = place();
            self.found(
                first,
                format!("{place}: the log segment follows position {follows}, not {first}"),
            );
        }
        Ok(Some(Segment {
            first,
            follows,
            end,
        }))
    }

    /// Whether the first needed entry is missing.
    fn check_start(&mut self, storage: &dyn Storage, files: &[Found], needed_from: Option<u64>) {
        let Some(oldest) = self.segments.first() else {
            return;
        };
        let begins = oldest.first;
        // Who does not know from where on the log is needed needs what a file before it began with.
        let before = |file: &&Found| file.is_unborn() && file.first < begins;
        let unborn = files.iter().find(before).map(|file| file.first);
        let unborn = unborn.filter(|_| oldest.follows.is_some());
        let Some(needed) = needed_from.or(unborn) else {
            return;
        };
        if begins <= needed {
            return;
        }
        let cut = files
            .iter()
            .rfind(|file| file.is_unborn() && file.first <= needed);
        let (first, problem, kind) = match cut {
            Some(cut) => {
                let place = segment::place(storage, cut.first);
                let problem = format!(
                    "{place}: offset 0: the log segment has no header, but newer ones follow, and \
                     entries from position {needed} on are needed; restore the file from a backup"
                );
                (cut.first, problem, DamageKind::File)
            }
            None => {
                let place = segment::place(storage, begins);
                let problem = format!(
                    "{place}: the log begins at position {begins}, but entries from {needed} on are \
                     needed; a file was removed; restore it from a backup"
                );
                (begins, problem, DamageKind::Start)
            }
        };
        self.damage.push(Damage {
            first,
            problem,
            kind,
        });
    }

    /// Whether a file without a header shows that entries before it are missing. A segment is made when
    /// the one before it is complete and on the medium.
    fn check_unborn(&mut self, storage: &dyn Storage, files: &[Found], needed_from: Option<u64>) {
        let Some(needed) = needed_from else {
            return;
        };
        let Some(unborn) = files.last().filter(|file| file.is_unborn()) else {
            return;
        };
        if unborn.first <= needed.max(self.end) {
            return;
        }
        let place = segment::place(storage, unborn.first);
        let reached = self.end.max(needed);
        self.found(
            unborn.first,
            format!(
                "{place}: the log was written up to position {} when this segment was begun, but \
                 ends at {reached}; a file was removed or cut; restore it from a backup",
                unborn.first
            ),
        );
        self.end = unborn.first;
    }
}
