//! What the segments of a log are: the one reading of them, on which opening, checking and salvaging
//! agree.
//!
//! Needed is what lies behind the position up to which the newest snapshot has absorbed the log. A
//! growing segment without a whole header holds no entry that anybody could know of: it is what an
//! interrupted start of a segment leaves. It is damage only where something tells that entries were there:
//! the segment before it ends too early, or nothing reaches back to what is needed.

use crate::error::{Error, Fault, MediumError, Result};
use crate::read_ahead::ReadAhead;
use crate::recovery::find_end;
use crate::segment::{self, Header, Segment, WHOLE_HEADER_BYTES};
use crate::segments::{Form, Name, Reader, Segments};

/// A reader that finds a listed segment gone lists again: the writer removes old ones at any time.
const LISTING_ATTEMPTS: usize = 10;

/// The segments of a log, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Segments that may hold needed entries, oldest first, each beginning where the one before ends.
    pub(crate) segments: Vec<Segment>,
    /// Those that hold nothing any more: given up, or never begun.
    pub(crate) leftovers: Vec<Name>,
    /// Those whose entries are all absorbed.
    pub(crate) absorbed: Vec<Name>,
    /// The last name that is taken.
    pub(crate) newest: Option<Name>,
    /// Position after the last entry that can be read, or that was absorbed.
    pub(crate) end: u64,
    /// Bytes behind it that are no whole entry.
    pub(crate) torn_bytes: u64,
    /// Nothing that is there reaches up to the end: it was absorbed, and is gone.
    pub(crate) is_detached: bool,
    /// What is damaged.
    pub(crate) damage: Vec<Damage>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    pub(crate) name: Name,
    /// What is wrong, with file and offset.
    pub(crate) problem: String,
    pub(crate) kind: DamageKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DamageKind {
    /// One is no segment, or something is missing before it.
    Segment,
    /// A frame of the newest segment.
    Frame,
    /// The needed entries begin before everything that is there. For a reader that means that a writer
    /// has given them up meanwhile.
    Start,
}

/// Looks at all segments of a log. Entries before `needed_from` are absorbed; when that is not known, the
/// log begins with its first segment. Frames are read of the newest segment only, and only where it grows:
/// one that was made whole is not torn.
///
/// An error means that the survey could not be made, or that a newer program wrote the log.
pub(crate) fn survey<S: Segments>(
    medium: &S,
    needed_from: Option<u64>,
) -> Result<Survey, S::Error> {
    let mut attempt = 1;
    loop {
        let listed = medium.list()?;
        match read_headers(medium, &listed) {
            Err(error) if error.fault() == Some(Fault::Gone) && attempt < LISTING_ATTEMPTS => {
                attempt += 1;
            }
            Err(error) => return Err(error),
            Ok(mut files) => {
                if medium.form() == Form::Whole {
                    place_unreadable(&mut files, needed_from);
                }
                return judge(medium, &files, needed_from);
            }
        }
    }
}

/// Something that lies where segments do.
struct Found<R> {
    name: Name,
    /// Where it begins, as far as that is known.
    first: u64,
    reader: R,
    header: Header,
}

impl<R: Reader> Found<R> {
    fn is_unborn(&self) -> bool {
        matches!(self.header, Header::Unborn)
    }

    /// Whether everything before it was given up when it was made.
    fn follows_nothing(&self) -> bool {
        matches!(self.header, Header::Good { follows: None, .. })
    }

    /// Where it ends, if it says so.
    fn stated_end(&self) -> Option<u64> {
        match self.header {
            Header::Good { end, .. } => end,
            _ => None,
        }
    }
}

fn read_headers<S: Segments>(
    medium: &S,
    names: &[Name],
) -> Result<Vec<Found<S::Reader>>, S::Error> {
    let read = |name: &Name| {
        let (reader, header) = segment::open(medium, *name)?;
        let first = match header {
            Header::Good { first, .. } => first,
            // The name of one that grows says it; for others see below.
            _ => name.0,
        };
        Ok(Found {
            name: *name,
            first,
            reader,
            header,
        })
    };
    names.iter().map(read).collect()
}

/// Of a segment that was made whole only its header says where it begins. One whose header cannot be read
/// lies between its neighbours; the only one of all holds what is needed.
fn place_unreadable<R: Reader>(files: &mut [Found<R>], needed_from: Option<u64>) {
    let begin = |file: &Found<R>| file.stated_end().map(|_| file.first);
    let begins: Vec<Option<u64>> = files.iter().skip(1).map(begin).chain([None]).collect();
    let mut before = None;
    for (file, next) in files.iter_mut().zip(begins) {
        if matches!(file.header, Header::Bad(_)) {
            let frames = file.reader.size().saturating_sub(WHOLE_HEADER_BYTES as u64);
            let from_next = next.map(|next| next.saturating_sub(frames));
            file.first = before.or(from_next).or(needed_from).unwrap_or(0);
        }
        before = file.stated_end();
    }
}

fn judge<S: Segments>(
    medium: &S,
    files: &[Found<S::Reader>],
    needed_from: Option<u64>,
) -> Result<Survey, S::Error> {
    let mut survey = Survey {
        newest: files.last().map(|file| file.name),
        ..Survey::default()
    };
    let base = files.iter().rposition(Found::follows_nothing).unwrap_or(0);
    // Of the files with something in them the last that begins there or before has the first needed
    // entry.
    let is_absorbed =
        |file: &Found<S::Reader>| !file.is_unborn() && Some(file.first) <= needed_from;
    let start = files.iter().rposition(is_absorbed).unwrap_or(0).max(base);
    for (index, file) in files.iter().enumerate().take(start) {
        match index < base || file.is_unborn() {
            true => survey.leftovers.push(file.name),
            false => survey.absorbed.push(file.name),
        }
    }
    let mut newest = None;
    for file in files.iter().skip(start) {
        match survey.link(medium, file)? {
            Some(segment) => {
                survey.segments.push(segment);
                newest = Some(file);
            }
            None => survey.leftovers.push(file.name),
        }
    }
    survey.check_start(medium, files, needed_from);
    let needed = needed_from.unwrap_or(0);
    if let Some(newest) = newest.filter(|_| medium.form() == Form::Growing) {
        survey.find_end(medium, newest, needed)?;
    }
    let read = survey.segments.last().map(|segment| segment.end);
    survey.end = read.unwrap_or(0);
    survey.check_unborn(medium, files, needed_from);
    if let (None, None, Some(last)) = (read, needed_from, files.last()) {
        // Its name tells where the log had come to, and nothing else does: it stays.
        survey.end = last.first;
        survey.is_detached = true;
        survey.leftovers.retain(|name| *name != last.name);
    }
    if survey.end < needed {
        survey.end = needed;
        survey.is_detached = true;
    }
    Ok(survey)
}

impl Survey {
    /// The first damage as the error of whoever wants to use the log.
    pub(crate) fn check_sound<M: MediumError>(&self, is_reader: bool) -> Result<(), M> {
        match self.damage.first() {
            None => Ok(()),
            Some(damage) if damage.kind == DamageKind::Start && is_reader => {
                Err(Error::GivenUp(damage.problem.clone()))
            }
            Some(damage) => Err(Error::Damaged(damage.problem.clone())),
        }
    }

    fn found(&mut self, name: Name, problem: impl Into<String>) {
        self.damage.push(Damage {
            name,
            problem: problem.into(),
            kind: DamageKind::Segment,
        });
    }

    /// The file as the next segment; none when it holds nothing.
    fn link<S: Segments>(
        &mut self,
        medium: &S,
        file: &Found<S::Reader>,
    ) -> Result<Option<Segment>, S::Error> {
        let (name, form, first) = (file.name, medium.form(), file.first);
        let (follows, end) = match &file.header {
            Header::Unborn => return Ok(None),
            Header::Good { follows, end, .. } => (*follows, *end),
            Header::Bad(problem) => {
                self.found(name, problem);
                (Some(first), None)
            }
            Header::Newer(problem) => return Err(Error::NewerFormat(problem.clone())),
        };
        let place = || medium.place(name);
        let end = end.or_else(|| segment::end_of(form, first, file.reader.size()));
        let Some(end) = end else {
            let place = place();
            self.found(
                name,
                format!("{place}: no log has a position as large as its last"),
            );
            return Ok(None);
        };
        if let Some(before) = self.segments.last_mut() {
            let ended = before.end;
            // What one has behind the beginning of the next was never acknowledged.
            before.end = ended.min(first);
            let is_joined = match form {
                Form::Growing => ended >= first,
                Form::Whole => ended == first,
            };
            if !is_joined || follows.is_some_and(|follows| follows != first) {
                let follows = follows.unwrap_or(first);
                let place = place();
                self.found(
                    name,
                    format!(
                        "{place}: the log segment follows position {follows}, but the one before it \
                         ends at {ended}; a file was removed or cut; restore it from a backup"
                    ),
                );
            }
        } else if let Some(follows) = follows.filter(|follows| *follows != first) {
            let place = place();
            self.found(
                name,
                format!("{place}: the log segment follows position {follows}, not {first}"),
            );
        }
        Ok(Some(Segment {
            name,
            form,
            first,
            follows,
            end,
        }))
    }

    /// Where the newest segment ends.
    fn find_end<S: Segments>(
        &mut self,
        medium: &S,
        found: &Found<S::Reader>,
        needed: u64,
    ) -> Result<(), S::Error> {
        let Some(segment) = self.segments.last_mut() else {
            return Ok(());
        };
        let file = ReadAhead::new(&found.reader, u64::MAX);
        match find_end(&file, segment, needed).map_err(Error::damage) {
            Ok(end) => {
                segment.end = end;
                let size = found.reader.size();
                self.torn_bytes = size.saturating_sub(segment.offset_of(end));
            }
            Err(Ok(problem)) => {
                let place = medium.place(found.name);
                self.damage.push(Damage {
                    name: found.name,
                    problem: format!("{place}: {problem}"),
                    kind: DamageKind::Frame,
                });
            }
            Err(Err(error)) => return Err(error),
        }
        Ok(())
    }

    /// Whether the first needed entry is missing.
    fn check_start<S: Segments>(
        &mut self,
        medium: &S,
        files: &[Found<S::Reader>],
        needed_from: Option<u64>,
    ) {
        let Some(oldest) = self.segments.first() else {
            return;
        };
        let begins = oldest.first;
        // Who does not know from where on the log is needed needs what a file before it began with.
        let before = |file: &&Found<S::Reader>| file.is_unborn() && file.first < begins;
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
        let (name, problem, kind) = match cut {
            Some(cut) => {
                let place = medium.place(cut.name);
                let problem = format!(
                    "{place}: offset 0: the log segment has no header, but newer ones follow, and \
                     entries from position {needed} on are needed; restore the file from a backup"
                );
                (cut.name, problem, DamageKind::Segment)
            }
            None => {
                let place = medium.place(oldest.name);
                let problem = format!(
                    "{place}: the log begins at position {begins}, but entries from {needed} on are \
                     needed; a file was removed; restore it from a backup"
                );
                (oldest.name, problem, DamageKind::Start)
            }
        };
        self.damage.push(Damage {
            name,
            problem,
            kind,
        });
    }

    /// Whether a file without a header shows that entries before it are missing. A segment is made when
    /// the one before it is complete and on the medium.
    fn check_unborn<S: Segments>(
        &mut self,
        medium: &S,
        files: &[Found<S::Reader>],
        needed_from: Option<u64>,
    ) {
        let Some(needed) = needed_from else {
            return;
        };
        let Some(unborn) = files.last().filter(|file| file.is_unborn()) else {
            return;
        };
        if unborn.first <= needed.max(self.end) {
            return;
        }
        let place = medium.place(unborn.name);
        let reached = self.end.max(needed);
        self.found(
            unborn.name,
            format!(
                "{place}: the log was written up to position {} when this segment was begun, but \
                 ends at {reached}; a file was removed or cut; restore it from a backup",
                unborn.first
            ),
        );
        self.end = unborn.first;
    }
}
