//! The bytes of the input, and when they end.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::driver::{Driver, Input, Received};
use crate::exit::{Code, Failure};
use crate::moment::Moment;

/// Longest record: a payload of 16 MiB whose every byte is escaped, with room for tags.
pub(super) const RECORD_BYTES_MAX: usize = 128 << 20;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// An opened input.
pub(super) struct Source {
    input: Box<dyn Input>,
    /// What was received last, and how much of it is used.
    chunk: Vec<u8>,
    used: usize,
    end: Option<End>,
    /// Size of the whole input, when it is a file.
    pub(super) size_bytes: Option<u64>,
}

/// Why there is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was read to its end.
    Whole,
    /// It was interrupted, or could not be read.
    Cut,
}

/// What there is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// At least a byte.
    Ready,
    /// Nothing came in time.
    Idle,
    /// Nothing ever again.
    End,
}

impl Source {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path, driver: &impl Driver) -> Result<Source, Failure> {
        let (bytes, size_bytes): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
            if metadata.is_dir() {
                let message = format!("{} is a directory", path.display());
                return Err(Failure::usage(
                    message,
                    "name a file, or - for standard input",
                ));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        let input = driver.input(bytes);
        let input = input.map_err(|error| unreadable(path, &error))?;
        Source::new(Box::new(input), size_bytes, path)
    }

    /// The input that `path` stands for. Waits for its first bytes.
    pub(super) fn new(
        input: Box<dyn Input>,
        size_bytes: Option<u64>,
        path: &Path,
    ) -> Result<Source, Failure> {
        let mut source = Source {
            input,
            chunk: Vec::new(),
            used: 0,
            end: None,
            size_bytes,
        };
        source.begin(path)?;
        Ok(source)
    }

    /// Looks at the first bytes: takes a byte order mark off, refuses what is compressed.
    fn begin(&mut self, path: &Path) -> Result<(), Failure> {
        let mut start = Vec::new();
        while start.len() < UTF8_MARK.len() {
            match self.fill(None) {
                Ok(Filled::Ready) => {
                    start.extend_from_slice(self.bytes());
                    self.consume(self.bytes().len());
                }
                Ok(_) => break,
                Err(error) => return Err(unreadable(path, &error)),
            }
        }
        if start.starts_with(GZIP_MAGIC) {
            let message = format!("{} is gzip-compressed", path.display());
            return Err(Failure::usage(
                message,
                "pipe it in: gzip -dc FILE | sidx ingest STORE -",
            ));
        }
        self.used = if start.starts_with(UTF8_MARK) {
            UTF8_MARK.len()
        } else {
            0
        };
        self.chunk = start;
        Ok(())
    }

    /// Sees to it that there is something to read, waiting for it until `until` at most; for ever without.
    pub(super) fn fill(&mut self, until: Option<Moment>) -> io::Result<Filled> {
        loop {
            if self.used < self.chunk.len() {
                return Ok(Filled::Ready);
            }
            if self.end.is_some() {
                return Ok(Filled::End);
            }
            match self.input.receive(until) {
                Ok(Received::Bytes(bytes)) => {
                    self.chunk = bytes;
                    self.used = 0;
                }
                Ok(Received::Idle) => return Ok(Filled::Idle),
                Ok(Received::End) => self.end = Some(End::Whole),
                Ok(Received::Cut) => self.end = Some(End::Cut),
                Err(error) => {
                    self.end = Some(End::Cut);
                    return Err(error);
                }
            }
        }
    }

    /// What can be read without waiting.
    pub(super) fn bytes(&self) -> &[u8] {
        self.chunk.get(self.used..).unwrap_or_default()
    }

    /// Takes the first bytes for read.
    pub(super) fn consume(&mut self, count: usize) {
        self.used = self.used.saturating_add(count).min(self.chunk.len());
    }

    /// Whether the input ended before its end: what it ends with need not be a whole record.
    pub(super) fn is_cut(&self) -> bool {
        self.end == Some(End::Cut)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let code = if error.kind() == ErrorKind::NotFound {
        Code::NotFound
    } else {
        Code::Other
    };
    let message = format!("cannot read {}: {error}", path.display());
    Failure::new(code, message, "check the FILE argument")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ingest::driver::InTurn;
    use std::collections::VecDeque;
    use std::io::Cursor;

    /// An input of these bytes.
    pub(in super::super) fn source_of(bytes: &[u8]) -> Source {
        source(Box::new(Cursor::new(bytes.to_vec())))
    }

    fn source(bytes: Box<dyn Read + Send>) -> Source {
        let input = InTurn.input(bytes).unwrap();
        Source::new(Box::new(input), None, Path::new("-")).unwrap()
    }

    /// Gives what it has, a piece at a time.
    struct Slow(VecDeque<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.pop_front().unwrap_or_default();
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    /// An input of which this comes.
    struct Given(VecDeque<Received>);

    impl Input for Given {
        fn receive(&mut self, _until: Option<Moment>) -> io::Result<Received> {
            Ok(self.0.pop_front().unwrap())
        }
    }

    #[test]
    fn a_mark_at_the_start_is_taken_off_however_it_comes() {
        for pieces in [
            &[&b"\xef\xbb\xbfab"[..]][..],
            &[b"\xef", b"\xbb", b"\xbfa", b"b"],
        ] {
            let pieces = pieces.iter().map(|piece| piece.to_vec());
            let mut source = source(Box::new(Slow(pieces.collect())));
            let mut all = Vec::new();
            while source.fill(None).unwrap() == Filled::Ready {
                all.extend_from_slice(source.bytes());
                source.consume(all.len());
            }
            assert_eq!(all, b"ab");
            assert!(!source.is_cut());
        }
        assert_eq!(source_of(b"a").bytes(), b"a");
        assert_eq!(source_of(b"").fill(None).unwrap(), Filled::End);
    }

    #[test]
    fn an_input_may_pause_and_be_cut() {
        let given = [
            Received::Bytes(b"abc".to_vec()),
            Received::Idle,
            Received::Cut,
        ];
        let input = Given(given.into());
        let mut source = Source::new(Box::new(input), None, Path::new("-")).unwrap();
        source.consume(3);
        let soon = Moment::now();
        assert_eq!(source.fill(Some(soon)).unwrap(), Filled::Idle);
        assert!(!source.is_cut());
        assert_eq!(source.fill(None).unwrap(), Filled::End);
        assert!(source.is_cut());
        assert_eq!(source.fill(None).unwrap(), Filled::End);
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let path = Path::new("/nonexistent/file");
        let Err(failure) = Source::open(path, &InTurn) else {
            panic!("opened")
        };
        assert!(matches!(
            failure,
            Failure::Told {
                code: Code::NotFound,
                ..
            }
        ));
    }
}
