//! How a load runs: where the bytes of its input come from, and whether it reads while it writes.

use std::io::{self, ErrorKind, Read};

use crate::exit::Code;
use crate::moment::Moment;

/// Bytes read at once.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Runs loads.
pub trait Driver: Sync {
    /// The bytes of an input.
    type Input: Input + 'static;
    /// What people see of a load.
    type Progress: Progress;

    /// Has signals end the input from now on, where there are signals.
    ///
    /// # Errors
    /// Where they cannot be listened for.
    fn listen(&self) -> io::Result<()>;

    /// The signal that asked for the end of the input, if one did.
    fn signal(&self) -> Option<Signal>;

    /// The bytes that a reader gives, a chunk at a time.
    ///
    /// # Errors
    /// Where nothing can wait for them.
    fn input(&self, bytes: Box<dyn Read + Send>) -> io::Result<Self::Input>;

    /// Shows how far the load of an input is, when `visible`, against its size if that is known.
    fn progress(&self, visible: bool, size_bytes: Option<u64>) -> Self::Progress;

    /// Calls `read`, which makes things and hands each to the function that it is given, and `write` with
    /// each of them, in order. When `write` refuses one, the input ends, and so do things: the function says
    /// false, now or the next time. What `read` returns at its end; none if it broke off.
    fn run<T: Send, R: Send>(
        &self,
        read: impl FnOnce(&mut dyn FnMut(T) -> bool) -> R + Send,
        write: impl FnMut(T) -> bool,
    ) -> Option<R>;
}

/// The bytes of an input.
pub trait Input: Send {
    /// The next ones, waiting for them until `until` at most; for ever without.
    ///
    /// # Errors
    /// Those of reading. The input has ended then.
    fn receive(&mut self, until: Option<Moment>) -> io::Result<Received>;
}

/// What came of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes, at least one.
    Bytes(Vec<u8>),
    /// Nothing in time.
    Idle,
    /// Its end.
    End,
    /// Its end before its end: it was interrupted.
    Cut,
}

/// What people see of a load.
pub trait Progress {
    /// Rows written so far.
    fn set_rows(&self, rows: u64);

    /// Takes it away.
    fn finish(&self);
}

/// A signal that ends a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as Ctrl-C sends.
    Interrupt,
    /// SIGTERM, as `kill` and service managers send.
    Terminate,
}

impl Signal {
    /// Its name, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        }
    }

    /// The exit code of a load that it ended, as shells count them.
    pub(super) fn code(self) -> Code {
        match self {
            Signal::Interrupt => Code::Interrupted,
            Signal::Terminate => Code::Terminated,
        }
    }
}

/// Reads and writes in turn, for programs without threads and signals. It shows nothing, and its input is
/// never idle.
#[derive(Clone, Copy, Debug, Default)]
pub struct InTurn;

impl Driver for InTurn {
    type Input = Direct;
    type Progress = ();

    fn listen(&self) -> io::Result<()> {
        Ok(())
    }

    fn signal(&self) -> Option<Signal> {
        None
    }

    fn input(&self, bytes: Box<dyn Read + Send>) -> io::Result<Direct> {
        Ok(Direct(bytes))
    }

    fn progress(&self, _visible: bool, _size_bytes: Option<u64>) {}

    fn run<T: Send, R: Send>(
        &self,
        read: impl FnOnce(&mut dyn FnMut(T) -> bool) -> R + Send,
        mut write: impl FnMut(T) -> bool,
    ) -> Option<R> {
        let mut is_wanted = true;
        Some(read(&mut |thing| {
            is_wanted = is_wanted && write(thing);
            is_wanted
        }))
    }
}

impl Progress for () {
    fn set_rows(&self, _rows: u64) {}

    fn finish(&self) {}
}

/// An input that is read when bytes are asked for, however long that takes.
pub struct Direct(Box<dyn Read + Send>);

impl Input for Direct {
    fn receive(&mut self, _until: Option<Moment>) -> io::Result<Received> {
        let mut bytes = vec![0; CHUNK_BYTES];
        loop {
            match self.0.read(&mut bytes) {
                Ok(0) => return Ok(Received::End),
                Ok(count) => {
                    bytes.truncate(count);
                    return Ok(Received::Bytes(bytes));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_after_what_was_refused() {
        let mut written = Vec::new();
        let told = InTurn.run(
            |hand| [1, 2, 3].map(hand),
            |number| {
                written.push(number);
                number < 2
            },
        );
        assert_eq!(told, Some([true, false, false]));
        assert_eq!(written, [1, 2]);
    }

    #[test]
    fn an_input_is_given_as_it_is_read() {
        let mut input = InTurn.input(Box::new(&b"abc"[..])).unwrap();
        let bytes = Received::Bytes(b"abc".to_vec());
        assert_eq!(input.receive(None).unwrap(), bytes);
        assert_eq!(input.receive(None).unwrap(), Received::End);
    }
}
