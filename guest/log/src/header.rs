//! What a segment begins with, laid out in `docs/format.md`.
//!
//! The header says whose the segment is, and where the log ended when it was made, which is its first
//! position, or that everything before it was given up, whatever is still there of that. A growing segment
//! also names the one that it follows, which counts up to there and no further. It is made when the one
//! before it is on the medium up to there, and its header before its first frame: only the newest of a
//! writer can be torn. One that was made whole says where it ends.
//!
//! In version 1, which is read, there is no term and nothing of a previous one. All fields have a fixed size.

use crate::checksum;
use crate::error::Result;
use crate::segment::{MAX_POSITION, Segment};
use crate::segments::{Form, Name, Reader, Segments};
use crate::term::{TERM_BYTES, Term};
use postcard::fixint::le;
use serde::{Deserialize, Serialize};

const GROWING_MAGIC: &[u8; 8] = b"SIDXLOG1";
const WHOLE_MAGIC: &[u8; 8] = b"SIDXLOGC";
/// The version without terms.
const UNTERMED: u32 = 1;
const VERSION: u32 = 2;
/// In the place of a position that there is none of.
const NOTHING: u64 = u64::MAX;
/// The same where an object without frames follows nothing and is no seal.
const RENEWED: u64 = NOTHING - 1;
const CHECKSUM_BYTES: usize = 4;

impl Form {
    /// Bytes before the first frame.
    pub(crate) const fn header_bytes(self) -> usize {
        match self {
            Self::Growing => self.untermed_header_bytes() + 2 * TERM_BYTES + 8,
            Self::Whole => self.untermed_header_bytes() + TERM_BYTES,
        }
    }

    /// The same of version 1.
    pub(crate) const fn untermed_header_bytes(self) -> usize {
        match self {
            Self::Growing => 32,
            Self::Whole => 48,
        }
    }

    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Growing => GROWING_MAGIC,
            Self::Whole => WHOLE_MAGIC,
        }
    }
}

impl Segment {
    /// The bytes before its first frame, in the newest version.
    pub(crate) fn header(&self) -> Vec<u8> {
        let front = Front {
            magic: *self.form.magic(),
            version: VERSION,
        };
        let bytes = match self.form {
            Form::Growing => {
                let previous = self.previous;
                let origin = Origin {
                    term: self.term,
                    previous_first: previous.map_or(NOTHING, |previous| previous.number),
                    previous_term: previous.and_then(|it| it.term).unwrap_or(Term::NONE),
                };
                sealed(&(front, self.growing(), origin))
            }
            Form::Whole => {
                let is_renewed = self.first == self.end && !self.is_seal;
                let nothing = if is_renewed { RENEWED } else { NOTHING };
                sealed(&(front, self.whole(nothing), self.term))
            }
        };
        debug_assert_eq!(bytes.len(), self.form.header_bytes());
        bytes
    }

    /// The same in version 1.
    #[cfg(test)]
    pub(crate) fn untermed_header(&self) -> Vec<u8> {
        let front = Front {
            magic: *self.form.magic(),
            version: UNTERMED,
        };
        match self.form {
            Form::Growing => sealed(&(front, self.growing())),
            Form::Whole => sealed(&(front, self.whole(NOTHING))),
        }
    }

    fn growing(&self) -> Growing {
        Growing {
            first: self.first,
            follows: self.follows.unwrap_or(NOTHING),
        }
    }

    fn whole(&self, nothing: u64) -> Whole {
        Whole {
            number: self.name.number,
            first: self.first,
            follows: self.follows.unwrap_or(nothing),
            end: self.end,
        }
    }
}

/// What every header begins with.
#[derive(Serialize, Deserialize)]
struct Front {
    magic: [u8; 8],
    #[serde(with = "le")]
    version: u32,
}

/// What the header of one that grows goes on with.
#[derive(Serialize, Deserialize)]
struct Growing {
    #[serde(with = "le")]
    first: u64,
    /// [`NOTHING`] when it follows nothing.
    #[serde(with = "le")]
    follows: u64,
}

/// And from version 2 on ends with.
#[derive(Serialize, Deserialize)]
struct Origin {
    term: Term,
    /// [`NOTHING`] when it follows nothing.
    #[serde(with = "le")]
    previous_first: u64,
    previous_term: Term,
}

/// What the header of one that was made whole goes on with. From version 2 on the term follows.
#[derive(Serialize, Deserialize)]
struct Whole {
    #[serde(with = "le")]
    number: u64,
    #[serde(with = "le")]
    first: u64,
    /// [`NOTHING`] or [`RENEWED`] when it follows nothing.
    #[serde(with = "le")]
    follows: u64,
    #[serde(with = "le")]
    end: u64,
}

/// The bytes of fields of fixed size, and their checksum.
fn sealed<T: Serialize>(fields: &T) -> Vec<u8> {
    // Nothing can fail: a vector takes everything.
    let mut bytes = postcard::to_allocvec(fields).unwrap_or_default();
    let checksum = checksum::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The fields at the beginning of bytes, and what follows them.
fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<(T, &'a [u8])> {
    postcard::take_from_bytes(bytes).ok()
}

/// What a good header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) term: Term,
    pub(crate) first: u64,
    /// None: everything before it was given up.
    pub(crate) follows: Option<u64>,
    /// The one that it follows. One that was made whole, and one of version 1, does not say.
    pub(crate) previous: Option<Name>,
    /// Where it ends. One that grows does not say.
    pub(crate) end: Option<u64>,
    /// See [`Segment::is_seal`].
    pub(crate) is_seal: bool,
}

/// What the head of a segment is.
pub(crate) enum Header {
    /// That of a segment.
    Good(Fields),
    /// Nothing, or the beginning of one: the making of a growing segment was interrupted, and no entry is
    /// in it.
    Unborn,
    /// Not that of a segment of this name, and why.
    Bad(String),
    /// That of a newer program.
    Newer(String),
}

/// A segment whose header was read.
pub(crate) struct Opened<R> {
    pub(crate) reader: R,
    pub(crate) header: Header,
    /// Bytes before its first frame, as far as that is known.
    pub(crate) header_bytes: u64,
}

/// Opens a segment and looks at its header; the frames are not looked at.
pub(crate) fn open<S: Segments>(medium: &S, name: Name) -> Result<Opened<S::Reader>, S::Error> {
    read(medium, name, medium.open(name)?)
}

/// The same of one that is open.
pub(crate) fn read<S: Segments>(
    medium: &S,
    name: Name,
    reader: S::Reader,
) -> Result<Opened<S::Reader>, S::Error> {
    let form = medium.form();
    // The name of one that grows tells its version; of others only the header does.
    let wanted = match (form, name.term) {
        (Form::Growing, None) => form.untermed_header_bytes(),
        _ => form.header_bytes(),
    };
    let size = reader.size();
    let is_short = size < wanted as u64;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(wanted).min(wanted)];
    reader.read_at(0, &mut bytes)?;
    let is_empty = size <= wanted as u64 && bytes.iter().all(|byte| *byte == 0);
    let header_bytes = match form {
        Form::Growing => wanted,
        Form::Whole if version_of(&bytes) == UNTERMED => form.untermed_header_bytes(),
        Form::Whole => form.header_bytes(),
    };
    let place = |text| format!("{}: {text}", medium.place(name));
    let header = match form {
        Form::Growing if is_short || is_empty => Header::Unborn,
        _ => match decode(form, name, bytes.get(..header_bytes).unwrap_or_default()) {
            Header::Bad(text) => Header::Bad(place(text)),
            Header::Newer(text) => Header::Newer(place(text)),
            header => header,
        },
    };
    Ok(Opened {
        reader,
        header,
        header_bytes: header_bytes as u64,
    })
}

/// Whether what is open under the name of a segment is that segment. Where they do not grow the name of one
/// that was given up is free, and a writer that slept may make another of it. The name of one that grows is
/// of one term, and never made anew.
pub(crate) fn is_same<R: Reader>(reader: &R, segment: &Segment) -> Result<bool, R::Error> {
    if segment.form == Form::Growing {
        return Ok(true);
    }
    let mut bytes = vec![0; usize::try_from(segment.header_bytes).unwrap_or_default()];
    if reader.size() < segment.header_bytes {
        return Ok(false);
    }
    reader.read_at(0, &mut bytes)?;
    Ok(match decode(segment.form, segment.name, &bytes) {
        Header::Good(fields) => {
            fields.term == segment.term
                && fields.first == segment.first
                && fields.end == Some(segment.end)
        }
        // Damage, unless it is longer: then it is of another version.
        Header::Newer(_) => false,
        Header::Unborn | Header::Bad(_) => true,
    })
}

/// The version that a header states; 0 when it is too short for one.
fn version_of(bytes: &[u8]) -> u32 {
    take(bytes).map_or(0, |(Front { version, .. }, _)| version)
}

/// What the bytes of a header say. A newer version is told from damage when its checksum is where it is in
/// this one.
fn decode(form: Form, name: Name, bytes: &[u8]) -> Header {
    let (fields, checksum) = bytes.split_at(bytes.len().saturating_sub(CHECKSUM_BYTES));
    let is_right = |front: &Front| {
        front.magic == *form.magic() && checksum::crc32c(fields).to_le_bytes() == checksum
    };
    let Some((Front { version, .. }, rest)) = take(fields).filter(|(front, _)| is_right(front))
    else {
        let text =
            "offset 0: the header of the log segment fails its check; restore the file from backup";
        return Header::Bad(text.to_owned());
    };
    if version > VERSION {
        return Header::Newer(format!(
            "log format {version}, this program knows {VERSION}; use a newer one"
        ));
    }
    let is_named = match form {
        Form::Growing => (version == UNTERMED) == name.term.is_none(),
        Form::Whole => name.term.is_none(),
    };
    if version == 0 || !is_named {
        let problem = format!("a log segment of format {version} does not have such a name");
        return Header::Bad(format!("offset 8: {problem}"));
    }
    let read = match (form, version) {
        (Form::Growing, UNTERMED) => read_growing(rest, true),
        (Form::Growing, _) => read_growing(rest, false),
        (Form::Whole, UNTERMED) => read_whole(rest, true),
        (Form::Whole, _) => read_whole(rest, false),
    };
    // Not met: the header has the length of its version.
    let Some((number, fields)) = read else {
        return Header::Bad("offset 12: the header of the log segment is cut".to_owned());
    };
    match check(form, name, number, &fields) {
        Ok(()) => Header::Good(fields),
        Err(problem) => Header::Bad(problem),
    }
}

/// The number that the name must have, and the fields.
fn read_growing(bytes: &[u8], untermed: bool) -> Option<(u64, Fields)> {
    let (Growing { first, follows }, rest) = take(bytes)?;
    let mut fields = Fields {
        term: Term::NONE,
        first,
        follows: (follows != NOTHING).then_some(follows),
        previous: None,
        end: None,
        is_seal: false,
    };
    if !untermed {
        let (origin, _): (Origin, _) = take(rest)?;
        fields.term = origin.term;
        let (number, term) = (origin.previous_first, origin.previous_term);
        let term = (term != Term::NONE).then_some(term);
        fields.previous = (number != NOTHING).then_some(Name { number, term });
    }
    Some((first, fields))
}

/// As of one that grows.
fn read_whole(bytes: &[u8], untermed: bool) -> Option<(u64, Fields)> {
    let (whole, rest): (Whole, _) = take(bytes)?;
    let Whole {
        number,
        first,
        follows,
        end,
    } = whole;
    let term = match untermed {
        true => Term::NONE,
        false => take(rest)?.0,
    };
    let fields = Fields {
        term,
        first,
        follows: (follows < RENEWED).then_some(follows),
        previous: None,
        end: Some(end),
        // Before there were terms nobody made any.
        is_seal: !untermed && first == end && follows != RENEWED,
    };
    Some((number, fields))
}

/// Whether a header says what one of this name can say.
fn check(form: Form, name: Name, number: u64, fields: &Fields) -> std::result::Result<(), String> {
    if number != name.number {
        let (what, name) = match form {
            Form::Growing => ("does not begin at", name.number),
            Form::Whole => ("is not number", name.number),
        };
        return Err(format!(
            "offset 12: the segment {what} {name} as its name says; it was renamed"
        ));
    }
    let term = (fields.term != Term::NONE).then_some(fields.term);
    match form {
        Form::Growing if term != name.term => Err(
            "offset 28: the segment does not have the term that its name says; it was renamed"
                .to_owned(),
        ),
        // One of version 1 may follow nothing that anybody knows.
        Form::Growing if term.is_none() => Ok(()),
        Form::Growing => {
            let follows = fields.previous.map(|_| fields.first);
            // Earlier names, so that going back comes to an end.
            let is_earlier = |it: Name| it.number <= name.number && it.rank() < name.rank();
            match follows == fields.follows && fields.previous.is_none_or(is_earlier) {
                true => Ok(()),
                false => {
                    Err("offset 20: the segment follows what no segment can follow".to_owned())
                }
            }
        }
        Form::Whole => match fields.end {
            Some(end) if (fields.first..=MAX_POSITION).contains(&end) => Ok(()),
            _ => Err("offset 36: no log has such a position".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests;
