//! One segment: its header, laid out in `docs/format.md`, and which positions it holds.
//!
//! The header says where the log ended when the segment was made, which is its first position, or that
//! everything before it was given up, whatever is still there of that. A growing segment is complete and on
//! the medium before one is made that follows it, and its header before its first frame: only the newest can
//! be torn. One that was made whole says where it ends.

use crate::checksum;
use crate::error::Result;
use crate::segments::{Form, Name, Reader, Segments};

/// Bytes before the first frame of a growing segment.
pub(crate) const GROWING_HEADER_BYTES: usize = 32;
/// The same of one that was made whole.
pub(crate) const WHOLE_HEADER_BYTES: usize = 48;
/// No log gets this far; sums of a position and a size below it can't overflow.
pub(crate) const MAX_POSITION: u64 = 1 << 62;

const GROWING_MAGIC: &[u8; 8] = b"SIDXLOG1";
const WHOLE_MAGIC: &[u8; 8] = b"SIDXLOGC";
const VERSION: u32 = 1;
/// In the place of the position that a segment follows.
const NOTHING: u64 = u64::MAX;
const CHECKSUM_BYTES: usize = 4;

impl Form {
    /// Bytes before the first frame.
    pub(crate) fn header_bytes(self) -> usize {
        match self {
            Self::Growing => GROWING_HEADER_BYTES,
            Self::Whole => WHOLE_HEADER_BYTES,
        }
    }

    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Growing => GROWING_MAGIC,
            Self::Whole => WHOLE_MAGIC,
        }
    }
}

/// A segment and the positions in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) name: Name,
    pub(crate) form: Form,
    /// Position of its first frame.
    pub(crate) first: u64,
    /// Where the log ended when it was made; none when everything before it is given up.
    pub(crate) follows: Option<u64>,
    /// Position after its last frame.
    pub(crate) end: u64,
}

impl Segment {
    /// Bytes in the segment up to a position in it.
    pub(crate) fn offset_of(&self, position: u64) -> u64 {
        position.saturating_sub(self.first) + self.form.header_bytes() as u64
    }

    /// The position of a frame at an offset.
    pub(crate) fn position_at(&self, offset: u64) -> u64 {
        self.first + offset.saturating_sub(self.form.header_bytes() as u64)
    }

    /// The bytes before its first frame.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.form.header_bytes());
        bytes.extend_from_slice(self.form.magic());
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        let follows = self.follows.unwrap_or(NOTHING);
        let fields: &[u64] = match self.form {
            Form::Growing => &[self.first, follows],
            Form::Whole => &[self.name.0, self.first, follows, self.end],
        };
        for field in fields {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        let checksum = checksum::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// What the head of a segment is.
pub(crate) enum Header {
    /// That of a segment.
    Good {
        first: u64,
        /// None: everything before it was given up.
        follows: Option<u64>,
        /// Where it ends. One that grows does not say.
        end: Option<u64>,
    },
    /// Nothing, or the beginning of one: the making of a growing segment was interrupted, and no entry is
    /// in it.
    Unborn,
    /// Not that of a segment of this name, and why.
    Bad(String),
    /// That of a newer program.
    Newer(String),
}

/// Opens a segment and looks at its header; the frames are not looked at.
pub(crate) fn open<S: Segments>(medium: &S, name: Name) -> Result<(S::Reader, Header), S::Error> {
    let reader = medium.open(name)?;
    let form = medium.form();
    let mut bytes = vec![0; form.header_bytes()];
    let (size, wanted) = (reader.size(), bytes.len() as u64);
    if size >= wanted {
        reader.read_at(0, &mut bytes)?;
    }
    if form == Form::Growing && size <= wanted && bytes.iter().all(|byte| *byte == 0) {
        return Ok((reader, Header::Unborn));
    }
    let place = |text| format!("{}: {text}", medium.place(name));
    let header = match decode(form, name, &bytes) {
        Header::Bad(text) => Header::Bad(place(text)),
        Header::Newer(text) => Header::Newer(place(text)),
        header => header,
    };
    Ok((reader, header))
}

/// The position at the end of a segment with so many bytes; none when no log gets that far.
pub(crate) fn end_of(form: Form, first: u64, size_bytes: u64) -> Option<u64> {
    let end = first.checked_add(size_bytes.saturating_sub(form.header_bytes() as u64))?;
    (end <= MAX_POSITION).then_some(end)
}

/// What the bytes of a header say.
fn decode(form: Form, name: Name, bytes: &[u8]) -> Header {
    let (fields, checksum) = bytes.split_at(bytes.len().saturating_sub(CHECKSUM_BYTES));
    let whole =
        fields.starts_with(form.magic()) && checksum::crc32c(fields).to_le_bytes() == checksum;
    let version = fields.get(8..12).unwrap_or_default();
    let numbers = fields.get(12..).unwrap_or_default();
    if !whole {
        let text =
            "offset 0: the header of the log segment fails its check; restore the file from backup";
        return Header::Bad(text.to_owned());
    }
    if version != VERSION.to_le_bytes() {
        return Header::Newer(format!(
            "log format {version:?}, this program knows {VERSION}; use a newer one"
        ));
    }
    let mut numbers = numbers
        .as_chunks()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes));
    let mut next = || numbers.next().unwrap_or(NOTHING);
    let (found, name) = (next(), name.0);
    let (first, what) = match form {
        Form::Growing => (found, "does not begin at"),
        Form::Whole => (next(), "is not number"),
    };
    if found != name {
        let problem = format!("the segment {what} {name} as its name says; it was renamed");
        return Header::Bad(format!("offset 12: {problem}"));
    }
    let follows = next();
    let end = (form == Form::Whole).then(next);
    if end.is_some_and(|end| end < first || end > MAX_POSITION) {
        return Header::Bad("offset 36: no log has such a position".to_owned());
    }
    Header::Good {
        first,
        follows: (follows != NOTHING).then_some(follows),
        end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_the_format() {
        let segment = |form| Segment {
            name: Name(0x0102),
            form,
            first: 0x0102,
            follows: None,
            end: 0x0304,
        };
        let nothing = [0xff; 8];
        let growing = segment(Form::Growing).header();
        let fields = [&b"SIDXLOG1\x01\0\0\0\x02\x01\0\0\0\0\0\0"[..], &nothing].concat();
        assert_eq!(growing[..28], fields);
        assert_eq!(growing[28..], checksum::crc32c(&fields).to_le_bytes());
        let whole = segment(Form::Whole).header();
        let fields = [
            &b"SIDXLOGC\x01\0\0\0\x02\x01\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0"[..],
            &nothing,
            &b"\x04\x03\0\0\0\0\0\0"[..],
        ]
        .concat();
        assert_eq!(whole[..44], fields);
        assert_eq!(whole[44..], checksum::crc32c(&fields).to_le_bytes());
    }
}
