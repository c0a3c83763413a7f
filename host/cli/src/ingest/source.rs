//! The bytes of the input: where they come from, and when they end.
//!
//! A thread of its own waits for them, so that the load can write what it has when nothing comes, and end
//! when it is told to.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Instant;

use super::interruption::Interruption;
use crate::exit::{Code, Failure};

/// Longest record: a payload of 16 MiB whose every byte is escaped, with room for tags.
pub(super) const RECORD_BYTES_MAX: usize = 128 << 20;

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks read ahead.
const CHUNKS_AHEAD: usize = 2;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// An opened input.
pub(super) struct Source {
    chunks: Receiver<Chunk>,
    /// What was received last, and how much of it is used.
    chunk: Vec<u8>,
    used: usize,
    end: Option<End>,
    interruption: Arc<Interruption>,
    /// Size of the whole input, when it is a file.
    pub(super) size_bytes: Option<u64>,
    /// Bytes read so far, for progress.
    pub(super) read_bytes: Arc<AtomicU64>,
}

/// What the reading thread sends.
enum Chunk {
    Bytes(Vec<u8>),
    Failed(io::Error),
    End,
    /// Nothing: the input is to end.
    Wake,
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
    pub(super) fn open(path: &Path, interruption: &Arc<Interruption>) -> Result<Source, Failure> {
        let (input, size_bytes): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
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
        Source::new(input, size_bytes, path, interruption)
    }

    /// The input that `path` stands for. Waits for its first bytes.
    pub(super) fn new(
        input: Box<dyn Read + Send>,
        size_bytes: Option<u64>,
        path: &Path,
        interruption: &Arc<Interruption>,
    ) -> Result<Source, Failure> {
        let read_bytes = Arc::new(AtomicU64::new(0));
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        let wake = sender.clone();
        // A channel that is full wakes nobody: then the load does not wait, and looks by itself.
        interruption.wake(move || {
            let _ = wake.try_send(Chunk::Wake);
        });
        let (halt, counted) = (Arc::clone(interruption), Arc::clone(&read_bytes));
        // Never waited for: it may hang in a read that ends with the process.
        std::thread::Builder::new()
            .name("input".into())
            .spawn(move || read(input, &sender, &halt, &counted))
            .map_err(|error| unreadable(path, &error))?;
        let mut source = Source {
            chunks,
            chunk: Vec::new(),
            used: 0,
            end: None,
            interruption: Arc::clone(interruption),
            size_bytes,
            read_bytes,
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
    pub(super) fn fill(&mut self, until: Option<Instant>) -> io::Result<Filled> {
        loop {
            if self.used < self.chunk.len() {
                return Ok(Filled::Ready);
            }
            if self.end.is_some() {
                return Ok(Filled::End);
            }
            match self.receive(until) {
                Ok(Chunk::Bytes(bytes)) => {
                    self.chunk = bytes;
                    self.used = 0;
                }
                Ok(Chunk::Failed(error)) => {
                    self.end = Some(End::Cut);
                    return Err(error);
                }
                Ok(Chunk::End) => self.end = Some(End::Whole),
                Ok(Chunk::Wake) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(Filled::Idle),
                Err(RecvTimeoutError::Disconnected) => self.end = Some(End::Cut),
            }
        }
    }

    /// The next chunk; of an input that is to end only what was read before.
    fn receive(&self, until: Option<Instant>) -> Result<Chunk, RecvTimeoutError> {
        if self.interruption.is_raised() {
            let received = self.chunks.try_recv();
            return received.map_err(|_: TryRecvError| RecvTimeoutError::Disconnected);
        }
        match until {
            None => Ok(self.chunks.recv()?),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.chunks.recv_timeout(left)
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

/// Reads until the end, or until nobody wants more.
fn read(
    mut input: Box<dyn Read + Send>,
    chunks: &SyncSender<Chunk>,
    interruption: &Interruption,
    read_bytes: &AtomicU64,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while !interruption.is_raised() {
        let chunk = match input.read(&mut buffer) {
            Ok(0) => Chunk::End,
            Ok(count) => {
                read_bytes.fetch_add(count as u64, Ordering::Relaxed);
                Chunk::Bytes(buffer.get(..count).unwrap_or_default().to_vec())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Chunk::Failed(error),
        };
        let is_last = !matches!(chunk, Chunk::Bytes(_));
        if chunks.send(chunk).is_err() || is_last {
            return;
        }
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
    use std::io::Cursor;
    use std::time::Duration;

    /// An input of these bytes.
    pub(in super::super) fn source_of(bytes: &[u8]) -> Source {
        source(Box::new(Cursor::new(bytes.to_vec())), &Interruption::new())
    }

    fn source(input: Box<dyn Read + Send>, interruption: &Arc<Interruption>) -> Source {
        Source::new(input, None, Path::new("-"), interruption).unwrap()
    }

    /// Gives what it is sent, and ends with its sender.
    pub(in super::super) struct Slow(pub(in super::super) Receiver<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.recv().unwrap_or_default();
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn a_mark_at_the_start_is_taken_off_however_it_comes() {
        for pieces in [
            &[&b"\xef\xbb\xbfab"[..]][..],
            &[b"\xef", b"\xbb", b"\xbfa", b"b"],
        ] {
            let (sender, receiver) = sync_channel(8);
            pieces
                .iter()
                .for_each(|piece| sender.send(piece.to_vec()).unwrap());
            drop(sender);
            let mut source = source(Box::new(Slow(receiver)), &Interruption::new());
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
    fn waiting_ends_in_time_and_an_interruption_ends_the_input() {
        let interruption = Interruption::new();
        let (sender, receiver) = sync_channel(8);
        sender.send(b"abc".to_vec()).unwrap();
        let mut source = source(Box::new(Slow(receiver)), &interruption);
        source.consume(3);
        let soon = Instant::now() + Duration::from_millis(1);
        assert_eq!(source.fill(Some(soon)).unwrap(), Filled::Idle);
        interruption.end_input();
        assert_eq!(source.fill(None).unwrap(), Filled::End);
        assert!(source.is_cut());
        drop(sender);
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let path = Path::new("/nonexistent/file");
        let Err(failure) = Source::open(path, &Interruption::new()) else {
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
