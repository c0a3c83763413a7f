//! A log that was opened to read, later: what came after its end meanwhile.

use crate::error::{Fault, MediumError, Result};
use crate::header::{self, Fields, Header, Opened};
use crate::log::{Log, State};
use crate::recovery::find_end;
use crate::segment::{self, Segment};
use crate::segments::{Form, Name, Reader, Segments};

impl<S: Segments> Log<S> {
    /// Looks for entries that came after the end, and takes them in. False when the log is not the one
    /// that it was any more, or may not be: then it is to be opened anew, and nothing has changed.
    ///
    /// Where segments are made whole it asks for the next name, and for the one after each that is there: one
    /// look when nothing came. That there is none says that nothing came only as long as nobody gives up what
    /// lies behind the end. Where they grow it lists them, and looks at what the newest has behind the end.
    pub fn follow(&mut self) -> Result<bool, S::Error> {
        if self.state != State::ReadOnly {
            return Ok(false);
        }
        match self.medium.form() {
            Form::Whole => self.follow_whole(),
            Form::Growing => self.follow_growing(),
        }
    }

    fn follow_whole(&mut self) -> Result<bool, S::Error> {
        loop {
            let number = match self.newest {
                None => 0,
                Some(newest) => newest.number.saturating_add(1),
            };
            let name = Name { number, term: None };
            let opened = match header::open(&self.medium, name) {
                Err(error) if error.fault() == Some(Fault::Gone) => return Ok(true),
                opened => opened?,
            };
            let Some(segment) = self.next_whole(name, &opened) else {
                return Ok(false);
            };
            self.newest = Some(name);
            self.head_term = self.head_term.max(Some(segment.term));
            self.end = segment.end;
            self.is_detached = false;
            self.segments.push(segment);
            self.opened.push((name, opened.reader));
        }
    }

    /// The segment of an object, if it goes on where the log ends.
    fn next_whole(&self, name: Name, opened: &Opened<S::Reader>) -> Option<Segment> {
        let Header::Good(fields) = &opened.header else {
            return None;
        };
        let Fields { first, follows, .. } = *fields;
        let end = segment::end_of(first, opened.reader.size(), opened.header_bytes)?;
        // One that follows nothing at the end was made when all before it was given up.
        let goes_on = first == self.end && follows.is_none_or(|follows| follows == first);
        let is_whole = fields.end == Some(end);
        (goes_on && is_whole).then_some(Segment {
            name,
            form: Form::Whole,
            term: fields.term,
            first,
            follows,
            previous: None,
            end,
            header_bytes: opened.header_bytes,
            is_seal: fields.is_seal,
        })
    }

    fn follow_growing(&mut self) -> Result<bool, S::Error> {
        let listed = self.medium.list()?;
        let newest = listed.iter().max_by_key(|name| name.rank()).copied();
        // A later one may be that of another writer, or hold what came after this one was full.
        let Some(segment) = self.segments.last().copied() else {
            return Ok(newest.is_none());
        };
        if self.is_detached || newest != Some(segment.name) {
            return Ok(false);
        }
        let reader = match self.medium.open(segment.name) {
            Err(error) if error.fault() == Fault::Gone => return Ok(false),
            opened => opened?,
        };
        let known = segment.offset_of(self.end);
        if reader.size() <= known {
            return Ok(reader.size() == known);
        }
        match find_end(&reader, &segment, self.end) {
            Ok(end) => {
                self.end = end;
                if let Some(last) = self.segments.last_mut() {
                    last.end = end;
                }
                Ok(true)
            }
            // It may have been cut, or another one took its place.
            Err(error) => match error.damage() {
                Ok(_) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }
}
