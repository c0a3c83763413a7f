//! What the segments of a log are: the one reading of them, on which opening, checking and salvaging
//! agree.
//!
//! Needed is what lies behind the position up to which the newest snapshot has absorbed the log. A
//! growing segment without a whole header holds no entry that anybody could know of: it is what an
//! interrupted start of a segment leaves. It is damage only where something tells that entries were there:
//! the segment before it ends too early, or nothing reaches back to what is needed.

use crate::chain::{self, Found};
use crate::error::{Error, Fault, MediumError, Result};
use crate::header::{self, Fields, Header, Opened};
use crate::read_ahead::ReadAhead;
use crate::recovery::find_end;
use crate::segment::{self, Segment};
use crate::segments::{Form, Name, Reader, Segments};
use crate::term::Term;

/// A reader that finds a listed segment gone, or cut, lists again: a writer removes old ones at any time.
const LISTING_ATTEMPTS: usize = 32;

/// The segments of a log, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Segments that may hold needed entries, oldest first, each beginning where the one before ends.
    pub(crate) segments: Vec<Segment>,
    /// Those that hold nothing any more: given up, never begun, or of a writer that was overtaken. No seals.
    pub(crate) superfluous: Vec<Name>,
    /// The last name that is taken.
    pub(crate) newest: Option<Name>,
    /// The highest term of a good segment.
    pub(crate) head_term: Option<Term>,
    /// The highest term of any, as far as that is known.
    pub(crate) term: Term,
    /// Position after the last entry that can be read, or that was absorbed.
    pub(crate) end: u64,
    /// Bytes behind it that are no whole entry.
    pub(crate) torn_bytes: u64,
    /// Nothing that is there reaches up to the end: it was absorbed, and is gone.
    pub(crate) is_detached: bool,
    /// What is damaged.
    pub(crate) damage: Vec<Damage>,
    /// The newest segment got shorter while it was read.
    was_cut: bool,
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
    /// The needed entries begin before everything that is there, or some of those behind the first are not
    /// there. For a reader that means that a writer has given them up meanwhile.
    Start,
}

/// Which segments a survey opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All that are there.
    All,
    /// Where each was made whole none before the one that has the first needed entry: for who only reads
    /// what is needed. Others may have left many for readers of older snapshots.
    Needed,
}

/// So many of the newest are opened at first, and each time so many times as many.
const OPENED_FIRST: usize = 32;
const OPENED_MORE: usize = 4;

/// Segments that were opened, in the order of their names.
pub(crate) type Readers<S> = Vec<(Name, <S as Segments>::Reader)>;

/// Looks at the segments of a log. Entries before `needed_from` are absorbed; when that is not known, the
/// log begins with its first segment. Frames are read of the newest segment only, and only where it grows:
/// one that was made whole is not torn.
///
/// An error means that the survey could not be made, or that a newer program wrote the log.
pub(crate) fn survey<S: Segments>(
    medium: &S,
    needed_from: Option<u64>,
    extent: Extent,
) -> Result<(Survey, Readers<S>), S::Error> {
    let needed = needed_from.filter(|_| extent == Extent::Needed && medium.form() == Form::Whole);
    let mut attempt = 1;
    loop {
        let listed = medium.list()?;
        let read = match needed {
            Some(needed) => read_newest(medium, &listed, needed),
            None => read_headers(medium, &listed),
        };
        match read {
            Err(error) if error.fault() == Some(Fault::Gone) && attempt < LISTING_ATTEMPTS => {
                attempt += 1;
            }
            Err(error) => return Err(error),
            Ok(mut files) => {
                if medium.form() == Form::Whole {
                    place_unreadable(&mut files, needed_from);
                }
                let survey = judge(medium, &files, needed_from)?;
                if !survey.was_cut || attempt == LISTING_ATTEMPTS {
                    return Ok((survey, readers(medium, files)));
                }
                attempt += 1;
            }
        }
    }
}

/// What was made whole stays open: to open it may take as long as to read it.
fn readers<S: Segments>(medium: &S, files: Vec<Found<S::Reader>>) -> Readers<S> {
    match medium.form() {
        Form::Growing => Vec::new(),
        Form::Whole => files
            .into_iter()
            .map(|file| (file.name, file.reader))
            .collect(),
    }
}

/// The newest objects, from one on that begins at a position or before. What lies before that counts for
/// nothing, whatever it is: so it must be no seal, see [`chain::choose`].
fn read_newest<S: Segments>(
    medium: &S,
    names: &[Name],
    needed: u64,
) -> Result<Vec<Found<S::Reader>>, S::Error> {
    let covers = |file: &Found<S::Reader>| {
        let fields = file.fields().filter(|fields| !fields.is_seal);
        fields.is_some_and(|fields| fields.first <= needed)
    };
    let (mut files, mut rest, mut count) = (Vec::new(), names, OPENED_FIRST);
    while !rest.is_empty() && !files.first().is_some_and(covers) {
        let (earlier, newest) = rest.split_at(rest.len().saturating_sub(count));
        let mut read = read_headers(medium, newest)?;
        read.append(&mut files);
        (files, rest, count) = (read, earlier, count.saturating_mul(OPENED_MORE));
    }
    Ok(files)
}

fn read_headers<S: Segments>(
    medium: &S,
    names: &[Name],
) -> Result<Vec<Found<S::Reader>>, S::Error> {
    let read = |(name, reader): (&Name, S::Reader)| {
        let Opened {
            reader,
            header,
            header_bytes,
        } = header::read(medium, *name, reader)?;
        let first = match header {
            Header::Good(Fields { first, .. }) => first,
            // The name of one that grows says it; for others see below.
            _ => name.number,
        };
        Ok(Found {
            name: *name,
            first,
            reader,
            header,
            header_bytes,
        })
    };
    let readers = medium.open_all(names)?;
    names.iter().zip(readers).map(read).collect()
}

/// Of a segment that was made whole only its header says where it begins. One whose header cannot be read
/// lies between its neighbours; the only one of all holds what is needed.
fn place_unreadable<R: Reader>(files: &mut [Found<R>], needed_from: Option<u64>) {
    let begin = |file: &Found<R>| file.fields().map(|fields| fields.first);
    let begins: Vec<Option<u64>> = files.iter().skip(1).map(begin).chain([None]).collect();
    let mut before = None;
    for (file, next) in files.iter_mut().zip(begins) {
        if matches!(file.header, Header::Bad(_)) {
            let frames = file.reader.size().saturating_sub(file.header_bytes);
            let from_next = next.map(|next| next.saturating_sub(frames));
            file.first = before.or(from_next).or(needed_from).unwrap_or(0);
        }
        before = file.fields().and_then(|fields| fields.end);
    }
}

fn judge<S: Segments>(
    medium: &S,
    files: &[Found<S::Reader>],
    needed_from: Option<u64>,
) -> Result<Survey, S::Error> {
    let form = medium.form();
    let good = files.iter().filter(|file| file.fields().is_some());
    let mut survey = Survey {
        newest: files.last().map(|file| file.name),
        head_term: good.map(Found::term).max(),
        term: files.iter().map(Found::term).max().unwrap_or(Term::NONE),
        ..Survey::default()
    };
    let mut newest = None;
    for file in chain::choose(form, files, needed_from) {
        if let Some(segment) = survey.link(medium, file)? {
            survey.segments.push(segment);
            newest = Some(file);
        }
    }
    let removable = files.iter().filter(|file| !file.is_seal());
    let counts = |name: &Name| survey.segments.iter().any(|it| it.name == *name);
    survey.superfluous = { removable.map(|file| file.name) }
        .filter(|name| !counts(name))
        .collect();
    survey.check_start(medium, files, needed_from);
    let needed = needed_from.unwrap_or(0);
    if let Some(newest) = newest.filter(|_| form == Form::Growing) {
        survey.find_end(medium, newest, needed)?;
    }
    let read = survey.segments.last().map(|segment| segment.end);
    survey.end = read.unwrap_or(0);
    survey.check_unborn(medium, files, needed_from);
    if let (None, None, Some(last)) = (read, needed_from, files.last()) {
        // Its name tells where the log had come to, and nothing else does.
        survey.end = last.first;
        survey.is_detached = true;
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
        let (name, first) = (file.name, file.first);
        let (follows, end) = match &file.header {
            Header::Unborn => return Ok(None),
            Header::Good(fields) => (fields.follows, fields.end),
            Header::Bad(problem) => {
                self.found(name, problem);
                (Some(first), None)
            }
            Header::Newer(problem) => return Err(Error::NewerFormat(problem.clone())),
        };
        let end = end.or_else(|| segment::end_of(first, file.reader.size(), file.header_bytes));
        let Some(end) = end else {
            let place = medium.place(name);
            self.found(
                name,
                format!("{place}: no log has a position as large as its last"),
            );
            return Ok(None);
        };
        if self.segments.last().is_some_and(|it| first < it.first) {
            // One that cannot be read, of an opening that took over before where the one before it begins.
            return Ok(None);
        }
        let segment = Segment {
            name,
            form: medium.form(),
            term: file.term(),
            first,
            follows,
            previous: file.previous(),
            end,
            header_bytes: file.header_bytes,
            is_seal: file.is_seal(),
        };
        self.check_joined(medium, &segment, file.fields().is_some());
        Ok(Some(segment))
    }

    /// Whether a segment begins where the one before it ends.
    fn check_joined<S: Segments>(&mut self, medium: &S, segment: &Segment, is_good: bool) {
        let place = || medium.place(segment.name);
        let (first, follows) = (segment.first, segment.follows.unwrap_or(segment.first));
        let Some(before) = self.segments.last_mut() else {
            if follows != first {
                let place = place();
                self.found(
                    segment.name,
                    format!("{place}: the log segment follows position {follows}, not {first}"),
                );
            }
            return;
        };
        let (ended, term, number) = (before.end, before.term, before.name.number);
        // What one has behind the beginning of the next was never acknowledged.
        before.end = ended.min(first);
        let is_named = segment.previous.is_none_or(|name| name == before.name);
        let is_joined = match segment.form {
            Form::Growing => ended >= first && is_named,
            Form::Whole => ended == first,
        };
        if !is_joined || follows != first {
            // Where a whole writer's segments are missing they may just have been given up; so may objects
            // before which lies one whose put came late, when it had been given up before.
            let is_missing = match segment.form {
                Form::Growing => segment.previous.is_some_and(|it| it.rank().0 != term),
                Form::Whole => Some(segment.name.number) > number.checked_add(1) && is_good,
            };
            let kind = match is_missing && follows == first {
                true => DamageKind::Start,
                false => DamageKind::Segment,
            };
            let problem = format!(
                "{}: the log segment follows position {follows}, but the one before it ends at {ended}; a \
                 file was removed or cut; restore it from a backup",
                place()
            );
            self.damage.push(Damage {
                name: segment.name,
                problem,
                kind,
            });
        }
        if segment.form == Form::Whole && is_good && segment.term < term {
            let place = place();
            self.found(
                segment.name,
                format!(
                    "{place}: the log segment is of an earlier writer than the one before it; restore it \
                     from a backup"
                ),
            );
        }
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
                // The owner takes back what a medium without room took of a write; that never counted.
                let present = medium.open(found.name).map_or(0, |file| file.size());
                self.was_cut = present < found.reader.size();
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
        // What should be before it: the one that it names, or of those without terms any.
        let previous = oldest.previous;
        let stands_before = |file: &&Found<S::Reader>| match previous {
            Some(name) => file.name == name,
            None => file.name.term.is_none() && file.first < begins,
        };
        let mut unborn = files.iter().filter(|file| file.is_unborn());
        let before = unborn.clone().find(stands_before).map(|file| file.first);
        let needed = match (needed_from, before) {
            (Some(needed), _) if needed < begins => needed,
            // Who does not know from where on the log is needed needs what a file before it began with.
            (None, Some(first)) if oldest.follows.is_some() => first,
            _ => return,
        };
        let cut = match previous {
            Some(name) => unborn.find(|file| file.name == name),
            None => unborn.rfind(|file| file.name.term.is_none() && file.first <= needed),
        };
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
        // What other terms began shows nothing: a writer that was overtaken may have gone on for a while,
        // and one that is taking over may have counted entries that a slower one, whose segment came later,
        // left out.
        let head = self.head_term.unwrap_or(Term::NONE);
        let unborn = { files.iter() }.filter(|file| file.is_unborn() && file.term() == head);
        let Some(unborn) = unborn.max_by_key(|file| file.first) else {
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
