//! Which of the segments of a log count, before what is in them is looked at.
//!
//! Of segments that grow the newest good one of the highest term is the head, and what counts is what can be
//! reached from it along the names of those that each one follows. All others are of writers that were
//! overtaken, or given up. Segments of version 1 name nobody; they, and those that were made whole, go by
//! their order.

use crate::header::{Fields, Header};
use crate::segments::{Form, Name, Reader};
use crate::term::Term;

/// Something that lies where segments do.
pub(crate) struct Found<R> {
    pub(crate) name: Name,
    /// Where it begins, as far as that is known.
    pub(crate) first: u64,
    pub(crate) reader: R,
    pub(crate) header: Header,
    pub(crate) header_bytes: u64,
}

impl<R: Reader> Found<R> {
    pub(crate) fn is_unborn(&self) -> bool {
        matches!(self.header, Header::Unborn)
    }

    pub(crate) fn fields(&self) -> Option<&Fields> {
        match &self.header {
            Header::Good(fields) => Some(fields),
            _ => None,
        }
    }

    /// Whether everything before it was given up when it was made.
    fn follows_nothing(&self) -> bool {
        self.fields().is_some_and(|fields| fields.follows.is_none())
    }

    /// The one that it names as that which it follows.
    pub(crate) fn previous(&self) -> Option<Name> {
        self.fields().and_then(|fields| fields.previous)
    }

    pub(crate) fn is_seal(&self) -> bool {
        self.fields().is_some_and(|fields| fields.is_seal)
    }

    /// Whose it is: what a good header says, else the name.
    pub(crate) fn term(&self) -> Term {
        let named = self.name.term.unwrap_or(Term::NONE);
        self.fields().map_or(named, |fields| fields.term)
    }
}

/// The segments that may hold needed entries, oldest first. Of what an interrupted start left, and of
/// damaged ones, there may be some among them.
pub(crate) fn choose<R: Reader>(
    form: Form,
    files: &[Found<R>],
    needed_from: Option<u64>,
) -> Vec<&Found<R>> {
    if form == Form::Whole {
        return in_order(behind_old_seals(files).iter().collect(), needed_from);
    }
    let good = files.iter().filter(|file| file.fields().is_some());
    let Some(head) = good.max_by_key(|file| file.name.rank()) else {
        return in_order(files.iter().collect(), needed_from);
    };
    let mut chain = match head.name.term {
        Some(_) => back_from(files, head, needed_from),
        None => untermed(files, None, needed_from),
    };
    // Whatever cannot be read and is later than all that can may hold entries.
    let mut later: Vec<_> = { files.iter() }
        .filter(|file| matches!(file.header, Header::Bad(_) | Header::Newer(_)))
        .filter(|file| file.name.rank() > head.name.rank())
        .filter(|file| chain.iter().all(|it| it.name != file.name))
        .collect();
    later.sort_by_key(|file| file.name.rank());
    chain.extend(later);
    chain
}

/// Without the seals that are left of what was given up. They stay for good, so that they may lie alone
/// before the first that is something else, with gaps between them.
fn behind_old_seals<R: Reader>(files: &[Found<R>]) -> &[Found<R>] {
    let seals = files.iter().take_while(|file| file.is_seal()).count();
    let mut pairs = files.iter().zip(files.iter().skip(1)).take(seals);
    let is_apart = |(seal, next): (&Found<R>, &Found<R>)| {
        let is_next = seal.name.number.checked_add(1) == Some(next.name.number);
        !is_next || seal.first != next.first
    };
    let last = pairs.rposition(is_apart);
    files.get(last.map_or(0, |at| at + 1)..).unwrap_or_default()
}

/// The segments whose order is that of their names.
fn in_order<R: Reader>(mut files: Vec<&Found<R>>, needed_from: Option<u64>) -> Vec<&Found<R>> {
    let base = files.iter().rposition(|file| file.follows_nothing());
    // Of the files with something in them the last that begins there or before has the first needed
    // entry.
    let is_absorbed = |file: &&Found<R>| !file.is_unborn() && Some(file.first) <= needed_from;
    let start = files.iter().rposition(is_absorbed);
    files.drain(..start.unwrap_or(0).max(base.unwrap_or(0)));
    files
}

/// Those of version 1, up to one that begins at a position.
fn untermed<R: Reader>(
    files: &[Found<R>],
    last: Option<u64>,
    needed_from: Option<u64>,
) -> Vec<&Found<R>> {
    let files = files.iter().filter(|file| {
        file.name.term.is_none() && last.is_none_or(|last| file.name.number <= last)
    });
    in_order(files.collect(), needed_from)
}

/// Those on which a head rests, as far back as is needed.
fn back_from<'a, R: Reader>(
    files: &'a [Found<R>],
    head: &'a Found<R>,
    needed_from: Option<u64>,
) -> Vec<&'a Found<R>> {
    let mut chain = vec![head];
    let mut current = head;
    // Names only get earlier, see `segment`.
    while needed_from.is_none_or(|needed| current.first > needed) {
        let named = match current.header {
            Header::Good(_) => match current.previous() {
                Some(previous) => files.iter().find(|file| file.name == previous),
                None => break,
            },
            _ => None,
        };
        let sound = named.filter(|file| !file.is_unborn());
        let Some(previous) = sound.or_else(|| stand_in(files, current, needed_from)) else {
            break;
        };
        if previous.name.term.is_none() {
            let mut older = untermed(files, Some(previous.name.number), needed_from);
            older.reverse();
            chain.extend(older);
            break;
        }
        chain.push(previous);
        current = previous;
    }
    chain.reverse();
    chain
}

/// What comes before a segment in the place of the one that it follows and that is not there: the latest
/// that can have been before that. This is damage, and whoever salvages the log goes on with it. There is
/// none where all that is missing may have been given up: a writer removes its own segments oldest first.
fn stand_in<'a, R: Reader>(
    files: &'a [Found<R>],
    current: &Found<R>,
    needed_from: Option<u64>,
) -> Option<&'a Found<R>> {
    let missing = current.previous().unwrap_or(current.name);
    let (term, number) = missing.rank();
    let is_needed = needed_from.is_some() || current.fields().is_none();
    let before = files.iter().filter(|file| {
        let (its_term, its_number) = file.name.rank();
        let is_earlier = its_number <= number && (its_term, its_number) < (term, number);
        is_earlier && !file.is_unborn() && (is_needed || its_term == term)
    });
    before.max_by_key(|file| file.name.rank())
}
