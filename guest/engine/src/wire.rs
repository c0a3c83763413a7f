//! Metadata records: what postcard writes of a value, one behind the other.

use crate::error::{Error, Result};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The bytes of a record.
pub(crate) fn write<T: Serialize + ?Sized>(record: &T) -> Vec<u8> {
    let mut out = Vec::new();
    append(record, &mut out);
    out
}

/// Appends the bytes of a record.
#[inline]
pub(crate) fn append<T: Serialize + ?Sized>(record: &T, out: &mut Vec<u8>) {
    let written = postcard::serialize_with_flavor(record, Output(out));
    // A vector takes everything, and every sequence knows its length.
    debug_assert_eq!(written, Ok(()));
}

/// Where postcard puts what it writes, so that records follow each other in one allocation.
struct Output<'a>(&'a mut Vec<u8>);

impl Output<'_> {
    /// The same as to extend by them all, for so many.
    #[inline(always)]
    fn copy<const N: usize>(&mut self, bytes: &[u8]) {
        if let Some(bytes) = bytes.first_chunk::<N>() {
            self.0.extend_from_slice(bytes);
        }
    }
}

impl Flavor for Output<'_> {
    type Output = ();

    #[inline(always)]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        // Every length of a varint, of which records mostly consist. Where one is written, the compiler knows
        // its length in each case, and to copy a known number of bytes is no call.
        match bytes.len() {
            1 => self.copy::<1>(bytes),
            2 => self.copy::<2>(bytes),
            3 => self.copy::<3>(bytes),
            4 => self.copy::<4>(bytes),
            5 => self.copy::<5>(bytes),
            6 => self.copy::<6>(bytes),
            7 => self.copy::<7>(bytes),
            8 => self.copy::<8>(bytes),
            9 => self.copy::<9>(bytes),
            10 => self.copy::<10>(bytes),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    #[inline(always)]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// A sequence that is written as it is made, so that nobody collects it before.
pub(crate) struct Sequence<I>(pub(crate) I);

impl<I: ExactSizeIterator<Item: Serialize> + Clone> Serialize for Sequence<I> {
    #[inline]
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_seq(self.0.clone())
    }
}

/// A byte string with its length, taken in one piece. A list of bytes has the same form, byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Serialize for Bytes<'_> {
    #[inline]
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Bytes<'a> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        <&[u8]>::deserialize(from).map(Self)
    }
}

/// Takes records from the front of a byte string; every fault is `corrupt` and names the record.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self {
            bytes,
            position: 0,
            what,
        }
    }

    /// A fault at the current position.
    pub(crate) fn fault(&self, reason: &str) -> Error {
        Error::corrupt(format!("{} at byte {}: {reason}", self.what, self.position))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// What is left.
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// The next record. Where it is wrong, the position is behind what was read of it.
    #[inline]
    pub(crate) fn read<T: Deserialize<'a>>(&mut self) -> Result<T> {
        // Memory for a sequence grows with what is read of it: a length beyond what is left is not believed.
        let mut from = postcard::Deserializer::from_bytes(self.rest());
        let record = T::deserialize(&mut from);
        let left = from.finalize().map_or(0, <[u8]>::len);
        self.position = self.bytes.len().saturating_sub(left);
        record.map_err(|error| self.fault(&reason(&error)))
    }

    /// The next bytes, as they are.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let slice = self
            .rest()
            .get(..length)
            .ok_or_else(|| self.fault(&format!("{length} bytes expected, record ends")))?;
        self.position += length;
        Ok(slice)
    }

    /// Checks that nothing is left over.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.fault("bytes after the last record"))
        }
    }
}

/// What is wrong with a record, in the words of the format. What is refused without a word has a code that it
/// does not know.
#[cold]
fn reason(error: &postcard::Error) -> String {
    match error {
        postcard::Error::DeserializeUnexpectedEnd => "more bytes expected, record ends".to_owned(),
        postcard::Error::DeserializeBadVarint => "a number does not fit its field".to_owned(),
        postcard::Error::DeserializeBadUtf8 => "text is not UTF-8".to_owned(),
        postcard::Error::DeserializeBadBool | postcard::Error::DeserializeBadOption => {
            "a flag is neither 0 nor 1".to_owned()
        }
        postcard::Error::SerdeDeCustom => "an unknown code".to_owned(),
        other => other.to_string(),
    }
}

/// The record with each byte of it in turn replaced by a number that no memory holds as many members of: who
/// believes it for a count ends the test.
#[cfg(test)]
pub(crate) fn with_huge_numbers(record: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let numbers = [u64::from(u32::MAX), 1 << 45, u64::MAX];
    let places = (0..record.len()).flat_map(move |at| numbers.map(|number| (at, number)));
    places.map(|(at, number)| [&record[..at], &write(&number), &record[at + 1..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidx_kernels::varint;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample<'a> {
        number: u64,
        signed: i64,
        short: u32,
        #[serde(with = "postcard::fixint::le")]
        fixed: u32,
        list: Vec<i64>,
        text: &'a str,
        #[serde(borrow)]
        bytes: Bytes<'a>,
        missing: Option<u64>,
        found: Option<u64>,
    }

    const SAMPLE: fn() -> Sample<'static> = || Sample {
        number: u64::MAX,
        signed: i64::MIN,
        short: 300,
        fixed: 0xdead_beef,
        list: vec![-1, 1],
        text: "é",
        bytes: Bytes(&[7; 200]),
        missing: None,
        found: Some(5),
    };

    #[test]
    fn fields_have_the_forms_of_the_format() {
        let mut wanted = Vec::new();
        varint::write(u64::MAX, &mut wanted);
        varint::write(varint::zigzag(i64::MIN), &mut wanted);
        varint::write(300, &mut wanted);
        wanted.extend(0xdead_beef_u32.to_le_bytes());
        wanted.extend([2, 1, 2, 2, 0xc3, 0xa9]);
        varint::write(200, &mut wanted);
        wanted.extend([7; 200]);
        wanted.extend([0, 1, 5]);
        let bytes = write(&SAMPLE());
        assert_eq!(bytes, wanted);
        let mut reader = Reader::new(&bytes, "sample");
        assert_eq!(reader.read::<Sample<'_>>().unwrap(), SAMPLE());
        reader.finish().unwrap();
        let sequence = Sequence([-1i64, 1].iter());
        assert_eq!(write(&sequence), write(&[-1i64, 1][..]));
    }

    #[test]
    fn cuts_and_huge_numbers_are_refused() {
        let bytes = write(&SAMPLE());
        for cut in 0..bytes.len() {
            let error = Reader::new(&bytes[..cut], "sample").read::<Sample<'_>>();
            let message = error.unwrap_err().message().to_owned();
            assert!(message.starts_with("sample at byte "), "{message}");
            assert!(message.ends_with("record ends"), "{message}");
        }
        for damaged in with_huge_numbers(&bytes) {
            let _ = Reader::new(&damaged, "sample").read::<Sample<'_>>();
        }
        for damaged in with_huge_numbers(&[1]) {
            assert!(Reader::new(&damaged, "list").read::<Vec<u64>>().is_err());
            assert!(Reader::new(&damaged, "bytes").read::<Bytes<'_>>().is_err());
        }
    }

    #[test]
    fn numbers_beyond_their_field_are_refused_where_they_stand() {
        let fault = |bytes: &[u8], read: fn(&mut Reader<'_>) -> Result<u64>| {
            let mut reader = Reader::new(bytes, "number");
            read(&mut reader).unwrap_err().message().to_owned()
        };
        let long = |reader: &mut Reader<'_>| reader.read::<u64>();
        let short = |reader: &mut Reader<'_>| reader.read::<u32>().map(u64::from);
        let beyond = "number at byte 10: a number does not fit its field";
        assert_eq!(fault(&[0xff; 11], long), beyond);
        // The tenth byte holds one bit.
        let mut most = write(&u64::MAX);
        assert_eq!(Reader::new(&most, "number").read::<u64>(), Ok(u64::MAX));
        most[9] = 2;
        assert_eq!(fault(&most, long), beyond);
        let beyond = "number at byte 5: a number does not fit its field";
        assert_eq!(fault(&write(&(1u64 << 32)), short), beyond);
        let mut reader = Reader::new(&[1, 2], "number");
        assert_eq!(reader.read::<u64>(), Ok(1));
        let error = reader.finish().unwrap_err();
        assert_eq!(
            error.message(),
            "number at byte 1: bytes after the last record"
        );
        assert_eq!(reader.take(1), Ok(&[2][..]));
        assert!(reader.take(usize::MAX).is_err() && reader.is_empty());
    }
}
