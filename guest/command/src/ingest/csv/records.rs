//! Cuts CSV into records, and knows on which line each begins.

use csv_core::{ReadRecordResult, Reader};

use crate::ingest::problem::{Problem, Result};
use crate::ingest::reader::Advance;
use crate::ingest::source::{Filled, RECORD_BYTES_MAX, Source};
use crate::moment::Moment;

/// Reads records one at a time, keeping a started one when the input pauses.
pub(super) struct Records {
    source: Source,
    parser: Reader,
    /// The fields of the record so far, without what separates them, in the first `size` bytes.
    text: Vec<u8>,
    size: usize,
    /// Where each field ends in `text`; `count` of them are known.
    ends: Vec<usize>,
    count: usize,
    /// Line of the next byte.
    line: u64,
    /// Line on which the record begins.
    first_line: u64,
    /// Whether a record has begun and not ended.
    begun: bool,
    /// Whether the last line ended in a carriage return, to which a line feed still belongs.
    returned: bool,
}

impl Records {
    /// The records of a source, the header among them.
    pub(super) fn new(source: Source) -> Records {
        Records {
            source,
            parser: Reader::new(),
            text: vec![0; 4096],
            size: 0,
            ends: vec![0; 64],
            count: 0,
            line: 1,
            first_line: 1,
            begun: false,
            returned: false,
        }
    }

    /// Reads the next record; waits for input until `until` at most.
    pub(super) fn advance(&mut self, until: Option<Moment>) -> Result<Advance> {
        loop {
            match self
                .source
                .fill(until)
                .map_err(|e| Problem::unreadable(&e))?
            {
                Filled::Idle => return Ok(Advance::Idle),
                // Half a record may look like a whole one: `A,12` of `A,123`.
                Filled::End if !self.begun || self.source.is_cut() => return Ok(Advance::End),
                Filled::End => return self.end(),
                Filled::Ready if !self.begun => self.skip_line_ends(),
                Filled::Ready => {
                    if self.read()? {
                        return Ok(Advance::Record(self.size));
                    }
                }
            }
        }
    }

    /// Goes over line ends between records, so that the next byte is the first of one.
    fn skip_line_ends(&mut self) {
        let mut count = 0;
        for byte in self.source.bytes() {
            match byte {
                b'\n' if self.returned => self.returned = false,
                b'\n' => self.line += 1,
                b'\r' => {
                    self.line += 1;
                    self.returned = true;
                }
                _ => {
                    self.begun = true;
                    break;
                }
            }
            count += 1;
        }
        self.source.consume(count);
        if self.begun {
            self.returned = false;
            (self.size, self.count) = (0, 0);
            self.first_line = self.line;
        }
    }

    /// Reads on in the record; whether it is whole now.
    fn read(&mut self) -> Result<bool> {
        let input = self.source.bytes();
        let (result, taken) = feed(
            &mut self.parser,
            input,
            (&mut self.text, &mut self.size),
            (&mut self.ends, &mut self.count),
        )?;
        let is_whole = matches!(result, ReadRecordResult::Record);
        let taken_bytes = input.get(..taken).unwrap_or_default();
        let (last, inner) = match taken_bytes.split_last() {
            // The byte that ends the record ends a line, also when it is a carriage return.
            Some((last, inner)) if is_whole => (Some(*last), inner),
            _ => (None, taken_bytes),
        };
        self.line += memchr::memchr_iter(b'\n', inner).count() as u64 + u64::from(is_whole);
        self.returned = last == Some(b'\r');
        self.begun = !is_whole;
        self.source.consume(taken);
        Ok(is_whole)
    }

    /// The last record, which no line end follows. One more line end ends it, unless it falls into a field
    /// whose quote is still open.
    fn end(&mut self) -> Result<Advance> {
        loop {
            let (result, taken) = feed(
                &mut self.parser,
                b"\n",
                (&mut self.text, &mut self.size),
                (&mut self.ends, &mut self.count),
            )?;
            match result {
                ReadRecordResult::Record => {
                    self.begun = false;
                    return Ok(Advance::Record(self.size));
                }
                _ if taken > 0 => break,
                _ => {}
            }
        }
        // A quote opens a field, so it stands behind all lines of the fields before.
        let before = self.count.checked_sub(1).and_then(|at| self.ends.get(at));
        let before = self.text.get(..before.copied().unwrap_or(0));
        self.first_line += memchr::memchr_iter(b'\n', before.unwrap_or_default()).count() as u64;
        Err(Problem::new(
            "a quote is opened and not closed",
            "close it; a quote inside a quoted field is written twice",
        ))
    }

    /// The fields of the record, in order.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count).map(|at| self.field(at))
    }

    /// Number of fields of the record.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// A field of the record; empty beyond the last.
    pub(super) fn field(&self, at: usize) -> &[u8] {
        let ends = self.ends.get(..self.count).unwrap_or_default();
        let start = at
            .checked_sub(1)
            .map_or(Some(0), |at| ends.get(at).copied());
        match (start, ends.get(at)) {
            (Some(start), Some(end)) => self.text.get(start..*end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The line on which the record begins, counted from 1.
    pub(super) fn first_line(&self) -> u64 {
        self.first_line
    }

    /// Whether the input ended before its end.
    pub(super) fn is_cut(&self) -> bool {
        self.source.is_cut()
    }
}

/// Gives input to the parser, and makes room for more of the record where it needs it.
fn feed(
    parser: &mut Reader,
    input: &[u8],
    (text, size): (&mut Vec<u8>, &mut usize),
    (ends, count): (&mut Vec<usize>, &mut usize),
) -> Result<(ReadRecordResult, usize)> {
    let (text_left, ends_left) = (
        text.get_mut(*size..).unwrap_or_default(),
        ends.get_mut(*count..).unwrap_or_default(),
    );
    let (result, taken, written, ended) = parser.read_record(input, text_left, ends_left);
    *size += written;
    *count += ended;
    if *size > RECORD_BYTES_MAX {
        let what = "the record is longer than 128 MiB";
        return Err(Problem::new(what, "is a quote left open?"));
    }
    match result {
        ReadRecordResult::OutputFull => text.resize(text.len() * 2, 0),
        ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
        _ => {}
    }
    Ok((result, taken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::source::tests::source_of;
    use proptest::prelude::*;

    /// A record and its line.
    type Told = (u64, Vec<Vec<u8>>);

    /// The records with their lines, and the problem at the end with its line.
    fn read(input: &[u8]) -> (Vec<Told>, Option<u64>) {
        let mut records = Records::new(source_of(input));
        let mut all = Vec::new();
        loop {
            match records.advance(None) {
                Ok(Advance::Record(_)) => {
                    let fields = records.fields().map(<[u8]>::to_vec).collect();
                    all.push((records.first_line(), fields));
                }
                Ok(_) => return (all, None),
                Err(_) => return (all, Some(records.first_line())),
            }
        }
    }

    fn lines(input: &[u8]) -> Vec<u64> {
        read(input).0.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn records_know_their_lines() {
        assert_eq!(lines(b"a\nb\n\nc"), [1, 2, 4]);
        assert_eq!(lines(b"a\r\nb\r\n\r\nc\r\n"), [1, 2, 4]);
        assert_eq!(lines(b"a\rb\rc"), [1, 2, 3]);
        assert_eq!(lines(b"\n\n\"a\n\nb\",c\nd\n"), [3, 6]);
        assert_eq!(lines(b"\"a\r\nb\"\r\nc"), [1, 3]);
        assert_eq!(lines(b"a\n\"\""), [1, 2]);
    }

    #[test]
    fn an_open_quote_is_told_and_a_closed_one_is_good() {
        let open: [(&[u8], usize, u64); 6] = [
            (b"a\nb,\"c\nd\ne", 1, 2),
            (b"a\n\"", 1, 2),
            (b"a\n\"b\"\"", 1, 2),
            (b"\"x\ny\",\"z", 0, 2),
            (b"a\n\"x\ny\",\"\n\n\n", 1, 3),
            (b"a\n\"b\n", 1, 2),
        ];
        for (input, before, line) in open {
            let (records, problem) = read(input);
            assert_eq!((records.len(), problem), (before, Some(line)), "{input:?}");
        }
        for input in [
            &b"a\n\"b\""[..],
            b"a\n\"b\n\"",
            b"a\nb\"",
            b"a\n\"b\"c",
            b"a\n\"b\"\"\"",
        ] {
            let (records, problem) = read(input);
            assert_eq!((records.len(), problem), (2, None), "{input:?}");
        }
    }

    #[test]
    fn long_records_and_many_fields_find_room() {
        let field = "x".repeat(100_000);
        let line = vec![field.as_str(); 200].join(",");
        let (records, problem) = read(format!("{line}\n{line}").as_bytes());
        assert_eq!((records.len(), problem), (2, None));
        for (_, fields) in records {
            assert_eq!(fields.len(), 200);
            assert!(fields.iter().all(|found| found == field.as_bytes()));
        }
    }

    proptest! {
        /// Against the reader of the whole crate, with which nothing is read in pieces.
        #[test]
        fn records_are_those_of_the_crate(input in "[ab,\"\r\n]{0,60}") {
            let mut reader = csv::ReaderBuilder::new();
            let mut reader = reader.has_headers(false).flexible(true).from_reader(input.as_bytes());
            let expected: Vec<Vec<Vec<u8>>> = reader
                .byte_records()
                .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
                .collect();
            let (records, problem) = read(input.as_bytes());
            let mut found: Vec<Vec<Vec<u8>>> = records.into_iter().map(|(_, fields)| fields).collect();
            if problem.is_some() {
                // The crate takes the rest of the input for the last field.
                found.push(expected.last().cloned().unwrap());
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn an_open_quote_is_open_until_one_more_closes_it(input in "[ab,\"\r\n]{0,60}") {
            let is_open = read(input.as_bytes()).1.is_some();
            let closed = format!("{input}\"");
            if is_open {
                prop_assert!(read(closed.as_bytes()).1.is_none());
            }
        }
    }
}
