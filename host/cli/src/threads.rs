//! Loads on threads: one waits for input, one reads rows, one writes them.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;

use sidx_command::Moment;
use sidx_command::driver::{CHUNK_BYTES, Driver, Input, Received, Signal};

use crate::interruption::Interruption;
use crate::progress::Bar;

/// Batches read ahead of the one that is being written.
const BATCHES_AHEAD: usize = 1;
/// Chunks of input read ahead.
const CHUNKS_AHEAD: usize = 2;

/// Runs a load on threads, which a signal may end.
pub(crate) struct Threads {
    interruption: Arc<Interruption>,
    /// Bytes read so far, for progress.
    read_bytes: Arc<AtomicU64>,
}

impl Threads {
    /// None yet.
    pub(crate) fn new() -> Threads {
        Threads {
            interruption: Interruption::new(),
            read_bytes: Arc::default(),
        }
    }
}

impl Driver for Threads {
    type Input = Chunks;
    type Progress = Bar;

    fn listen(&self) -> io::Result<()> {
        self.interruption.listen()
    }

    fn signal(&self) -> Option<Signal> {
        self.interruption.signal()
    }

    /// A thread of its own waits for the bytes, so that the load can write what it has when nothing comes,
    /// and end when it is told to.
    fn input(&self, bytes: Box<dyn Read + Send>) -> io::Result<Chunks> {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        let wake = sender.clone();
        // A channel that is full wakes nobody: then the load does not wait, and looks by itself.
        self.interruption.wake(move || {
            let _ = wake.try_send(Chunk::Wake);
        });
        let (halt, counted) = (Arc::clone(&self.interruption), Arc::clone(&self.read_bytes));
        // Never waited for: it may hang in a read that ends with the process.
        thread::Builder::new()
            .name("input".into())
            .spawn(move || read(bytes, &sender, &halt, &counted))?;
        Ok(Chunks {
            chunks,
            interruption: Arc::clone(&self.interruption),
        })
    }

    fn progress(&self, visible: bool, size_bytes: Option<u64>) -> Bar {
        Bar::new(visible, size_bytes, Arc::clone(&self.read_bytes))
    }

    /// Reads on a thread of its own, and writes on this one.
    fn run<T: Send, R: Send>(
        &self,
        read: impl FnOnce(&mut dyn FnMut(T) -> bool) -> R + Send,
        write: impl FnMut(T) -> bool,
    ) -> Option<R> {
        thread::scope(|scope| {
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            let reading = scope.spawn(move || read(&mut |thing| sender.send(thing).is_ok()));
            // Takes the receiver, so that what is refused stops the reader at its next batch.
            let all_written = receiver.into_iter().all(write);
            if !all_written {
                self.interruption.end_input();
            }
            reading.join().ok()
        })
    }
}

/// The bytes of an input, as a thread reads them.
pub(crate) struct Chunks {
    chunks: Receiver<Chunk>,
    interruption: Arc<Interruption>,
}

/// What the reading thread sends.
enum Chunk {
    Bytes(Vec<u8>),
    Failed(io::Error),
    End,
    /// Nothing: the input is to end.
    Wake,
}

impl Input for Chunks {
    fn receive(&mut self, until: Option<Moment>) -> io::Result<Received> {
        loop {
            return match self.next(until) {
                Ok(Chunk::Bytes(bytes)) => Ok(Received::Bytes(bytes)),
                Ok(Chunk::Failed(error)) => Err(error),
                Ok(Chunk::End) => Ok(Received::End),
                Ok(Chunk::Wake) => continue,
                Err(RecvTimeoutError::Timeout) => Ok(Received::Idle),
                Err(RecvTimeoutError::Disconnected) => Ok(Received::Cut),
            };
        }
    }
}

impl Chunks {
    /// The next chunk; of an input that is to end only what was read before.
    fn next(&self, until: Option<Moment>) -> Result<Chunk, RecvTimeoutError> {
        if self.interruption.is_raised() {
            let received = self.chunks.try_recv();
            return received.map_err(|_: TryRecvError| RecvTimeoutError::Disconnected);
        }
        match until {
            None => Ok(self.chunks.recv()?),
            Some(until) => self.chunks.recv_timeout(until.left()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Gives what it is sent, and ends with its sender.
    struct Slow(Receiver<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.recv().unwrap_or_default();
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn waiting_ends_in_time_and_an_interruption_ends_the_input() {
        let threads = Threads::new();
        let (sender, receiver) = sync_channel(8);
        sender.send(b"abc".to_vec()).unwrap();
        let mut input = threads.input(Box::new(Slow(receiver))).unwrap();
        let bytes = Received::Bytes(b"abc".to_vec());
        assert_eq!(input.receive(None).unwrap(), bytes);
        let soon = Moment::now() + Duration::from_millis(1);
        assert_eq!(input.receive(Some(soon)).unwrap(), Received::Idle);
        threads.interruption.end_input();
        assert_eq!(input.receive(None).unwrap(), Received::Cut);
        drop(sender);
    }

    #[test]
    fn an_input_ends_where_its_bytes_do() {
        let threads = Threads::new();
        let mut input = threads.input(Box::new(&b"abc"[..])).unwrap();
        let bytes = Received::Bytes(b"abc".to_vec());
        assert_eq!(input.receive(None).unwrap(), bytes);
        assert_eq!(input.receive(None).unwrap(), Received::End);
    }

    #[test]
    fn what_is_refused_ends_the_input() {
        let threads = Threads::new();
        let sent = threads.run(
            |send| (0..10).take_while(|number| send(*number)).count(),
            |number| number < 2,
        );
        assert!(sent.is_some_and(|sent| sent < 10));
        assert!(threads.interruption.is_raised());
        let broken = threads.run(|_| -> u32 { panic!("broken off") }, |()| true);
        assert_eq!(broken, None);
    }
}
