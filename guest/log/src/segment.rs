//! One segment: which positions it holds.

use crate::segments::{Form, Name};
use crate::term::Term;

/// No log gets this far; sums of a position and a size below it can't overflow.
pub(crate) const MAX_POSITION: u64 = 1 << 62;

/// A segment and the positions in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) name: Name,
    pub(crate) form: Form,
    /// Whose it is.
    pub(crate) term: Term,
    /// Position of its first frame.
    pub(crate) first: u64,
    /// Where the log ended when it was made; none when everything before it is given up.
    pub(crate) follows: Option<u64>,
    /// The one that it follows, where it says that.
    pub(crate) previous: Option<Name>,
    /// Position after its last frame that counts.
    pub(crate) end: u64,
    /// Bytes before its first frame.
    pub(crate) header_bytes: u64,
    /// Whether it was made whole to take a number from the writers before it. It is never removed: one of
    /// them may still be about to make an object of that number.
    pub(crate) is_seal: bool,
}

impl Segment {
    /// Bytes in the segment up to a position in it.
    pub(crate) fn offset_of(&self, position: u64) -> u64 {
        position.saturating_sub(self.first) + self.header_bytes
    }

    /// The position of a frame at an offset.
    pub(crate) fn position_at(&self, offset: u64) -> u64 {
        self.first + offset.saturating_sub(self.header_bytes)
    }
}

/// The position at the end of a segment with so many bytes; none when no log gets that far.
pub(crate) fn end_of(first: u64, size_bytes: u64, header_bytes: u64) -> Option<u64> {
    let end = first.checked_add(size_bytes.saturating_sub(header_bytes))?;
    (end <= MAX_POSITION).then_some(end)
}
