//! What a log asks of the medium that its segments lie on.
//!
//! A medium has one of two [forms](Form). Where files can grow, a segment is a file that takes commits at
//! its end, and a crash may leave it torn. Where things are only ever made whole, as in a bucket, each
//! commit is a segment of its own. What a segment is made of is the log's business, in both.

use std::convert::Infallible;
use std::marker::PhantomData;

use crate::error::MediumError;
use crate::term::Term;

/// How segments come to be on a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// They grow at their end. The name of a segment is the position of its first entry, and whose it is.
    Growing,
    /// They are whole when they are made, one for each commit, and never change. Names count commits and
    /// what has no entries; none is left out, so that who makes the next one knows that no other writer did.
    Whole,
}

/// The name of a segment; see [`Form`] for what it says. Ordered by number, then term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The position of the first entry, or how many commits were before.
    pub number: u64,
    /// Whose it is. None of one that was made whole, where of all who want a number one gets it, and of
    /// what was written before there were terms.
    pub term: Option<Term>,
}

impl Name {
    /// Of the file that has a segment, where segments are files:
    ///
    /// ```text
    /// <first position, 16 hex digits>-<term, 48 hex digits>.log   where they grow
    /// <first position, 16 hex digits>.log                         the same of format version 1, only read
    /// <number of the commit, 16 hex digits>                       where they do not
    /// ```
    #[must_use]
    pub fn file(self, form: Form) -> String {
        self.stem() + suffix(form)
    }

    /// The segment that has a file name; none when it is not that of one.
    #[must_use]
    pub fn of_file(form: Form, file: &str) -> Option<Self> {
        let stem = file.strip_suffix(suffix(form))?;
        let (number, term) = match (form, stem.split_once('-')) {
            (_, None) => (stem, None),
            (Form::Growing, Some((number, term))) => (number, Some(Term::parse(term)?)),
            (Form::Whole, Some(_)) => return None,
        };
        let number = u64::from_str_radix(number, 16).ok()?;
        let name = Self { number, term };
        // One of no term would have no term in its name.
        (name.stem() == stem && term != Some(Term::NONE)).then_some(name)
    }

    /// Of the file once it was set aside, as none of those that lie there already is called.
    #[must_use]
    pub fn file_aside(self, form: Form, known: &[String]) -> String {
        let (stem, suffix) = (self.stem(), suffix(form));
        let file = |number: &str| format!("log-{stem}{number}{suffix}");
        let taken = |file: &String| known.iter().any(|name| file.ends_with(name.as_str()));
        let (mut aside, mut number) = (file(""), 1);
        while taken(&aside) {
            aside = file(&format!(".{number}"));
            number += 1;
        }
        aside
    }

    /// The name of its file, without the suffix.
    fn stem(self) -> String {
        match self.term {
            Some(term) => format!("{:016x}-{term}", self.number),
            None => format!("{:016x}", self.number),
        }
    }

    /// What of two names of segments that grow comes later: the term first.
    pub(crate) fn rank(self) -> (Term, u64) {
        (self.term.unwrap_or(Term::NONE), self.number)
    }
}

/// Behind the digits of a file name.
fn suffix(form: Form) -> &'static str {
    match form {
        Form::Growing => ".log",
        Form::Whole => "",
    }
}

/// The segments of one log. Neither readers nor writers need a lock.
pub trait Segments {
    /// What goes wrong.
    type Error: MediumError;
    /// A segment that is open for reading.
    type Reader: Reader<Error = Self::Error>;
    /// The newest segment where it can grow.
    type Tail: Tail<Error = Self::Error>;

    /// How segments come to be here; always the same.
    fn form(&self) -> Form;

    /// Where the log is, for messages.
    fn location(&self) -> String;

    /// Where a segment is, or would be, for messages.
    fn place(&self, name: Name) -> String;

    /// The names of all segments, ascending; none when there is no log yet. What else lies there does not
    /// matter.
    fn list(&self) -> Result<Vec<Name>, Self::Error>;

    /// Opens a segment at its present size. [`Gone`](crate::Fault::Gone) when there is none.
    fn open(&self, name: Name) -> Result<Self::Reader, Self::Error>;

    /// Opens several segments, all of which are about to be read whole: at the same time, where each takes
    /// long.
    fn open_all(&self, names: &[Name]) -> Result<Vec<Self::Reader>, Self::Error> {
        names.iter().map(|name| self.open(*name)).collect()
    }

    /// Makes a segment that begins with some bytes: all of it, where they do not grow. On return they and
    /// the name are on the medium. Where segments grow, what the interrupted making of one has left under
    /// the name gives way, and the tail is returned; nobody else makes one of that name.
    ///
    /// Where they do not, of any number of callers one succeeds; the others get
    /// [`Taken`](crate::Fault::Taken). A medium that asks again after an answer that got lost looks first
    /// whether what is there is what it made. After [`Full`](crate::Fault::Full) there is no such segment;
    /// after another error there may be, but not a part of one.
    fn begin(&self, name: Name, bytes: &[u8]) -> Result<Option<Self::Tail>, Self::Error>;

    /// A segment, to go on at its end, or to sync it; none where they do not grow. One that is gone may be
    /// made, without any bytes. Only one appends to it; others may sync it at the same time.
    fn tail(&self, name: Name) -> Result<Option<Self::Tail>, Self::Error>;

    /// Removes a segment, durable on return; succeeds when there is none. It must not need room.
    fn remove(&self, name: Name) -> Result<(), Self::Error>;

    /// Moves a damaged segment, as it is, to where people may look at it and the log does not.
    fn set_aside(&self, name: Name) -> Result<(), Self::Error>;

    /// Makes the names of all segments survive a power loss. Called when there are some.
    fn sync(&self) -> Result<(), Self::Error>;
}

/// A segment that is open for reading. Its bytes stay readable when its name is removed.
pub trait Reader {
    /// What goes wrong.
    type Error: MediumError;

    /// Bytes in the segment when it was opened.
    fn size(&self) -> u64;

    /// Fills a buffer with the bytes at an offset. [`Short`](crate::Fault::Short) when the segment ends
    /// before that.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;
}

impl<R: Reader> Reader for &R {
    type Error = R::Error;

    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read_at(offset, buffer)
    }
}

/// The end of a segment that grows.
pub trait Tail {
    /// What goes wrong.
    type Error: MediumError;

    /// Adds bytes at the end in one write. On return they survive the end of the process, not of the power.
    /// After an error the bytes behind [`size`](Self::size) are undefined; after
    /// [`Full`](crate::Fault::Full) not all have arrived, and what has is a beginning of them.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Makes all bytes, and the size, survive a power loss. After an error it is unknown which of the bytes
    /// since the last success do.
    fn sync(&mut self) -> Result<(), Self::Error>;

    /// Makes the first `size` bytes survive a power loss, also those of a sync that failed, here or
    /// elsewhere: what writes them again does.
    fn resync(&mut self, size: u64) -> Result<(), Self::Error>;

    /// Bytes in the segment.
    fn size(&self) -> u64;

    /// Cuts the segment to a size that it has or had, durable after the next [`sync`](Self::sync).
    fn truncate(&mut self, size: u64) -> Result<(), Self::Error>;
}

/// The tail of segments that do not grow: there is none.
#[derive(Debug)]
pub struct NoTail<E> {
    never: Infallible,
    error: PhantomData<E>,
}

impl<E: MediumError> Tail for NoTail<E> {
    type Error = E;

    fn append(&mut self, _bytes: &[u8]) -> Result<(), E> {
        match self.never {}
    }

    fn sync(&mut self) -> Result<(), E> {
        match self.never {}
    }

    fn resync(&mut self, _size: u64) -> Result<(), E> {
        match self.never {}
    }

    fn size(&self) -> u64 {
        match self.never {}
    }

    fn truncate(&mut self, _size: u64) -> Result<(), E> {
        match self.never {}
    }
}
