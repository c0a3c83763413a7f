//! The bytes of a load, waited for only so long: rows that were read are written when no others come.

use std::io::{self, Read};

use sidx_command::Moment;
use sidx_command::driver::{CHUNK_BYTES, Direct, Driver, InTurn, Input, Received, Signal};
use wasip2::cli::stdin::get_stdin;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::poll;
use wasip2::io::streams::{InputStream, StreamError};

/// Reads and writes in turn.
pub(crate) struct Turns {
    /// The input is stdin, which may pause.
    pub(crate) reads_stdin: bool,
}

impl Driver for Turns {
    type Input = Bytes;
    type Progress = ();

    fn listen(&self) -> io::Result<()> {
        InTurn.listen()
    }

    fn signal(&self) -> Option<Signal> {
        InTurn.signal()
    }

    fn input(&self, bytes: Box<dyn Read + Send>) -> io::Result<Bytes> {
        Ok(match self.reads_stdin {
            true => Bytes::Stdin(get_stdin()),
            false => Bytes::File(InTurn.input(bytes)?),
        })
    }

    fn progress(&self, visible: bool, size_bytes: Option<u64>) {
        InTurn.progress(visible, size_bytes);
    }

    fn run<T: Send, R: Send>(
        &self,
        read: impl FnOnce(&mut dyn FnMut(T) -> bool) -> R + Send,
        write: impl FnMut(T) -> bool,
    ) -> Option<R> {
        InTurn.run(read, write)
    }
}

/// Where bytes come from.
pub(crate) enum Bytes {
    Stdin(InputStream),
    /// It is never idle.
    File(Direct),
}

impl Input for Bytes {
    fn receive(&mut self, until: Option<Moment>) -> io::Result<Received> {
        match self {
            Self::Stdin(stdin) => receive(stdin, until),
            Self::File(file) => file.receive(until),
        }
    }
}

fn receive(stdin: &InputStream, until: Option<Moment>) -> io::Result<Received> {
    let ready = stdin.subscribe();
    loop {
        match until {
            None => ready.block(),
            Some(until) => {
                let left = u64::try_from(until.left().as_nanos()).unwrap_or(u64::MAX);
                let time = subscribe_duration(left);
                // By their places in the list.
                if !poll(&[&ready, &time]).contains(&0) {
                    return Ok(Received::Idle);
                }
            }
        }
        match stdin.read(CHUNK_BYTES as u64) {
            // Not ready after all.
            Ok(bytes) if bytes.is_empty() => {}
            Ok(bytes) => return Ok(Received::Bytes(bytes)),
            Err(StreamError::Closed) => return Ok(Received::End),
            Err(StreamError::LastOperationFailed(cause)) => {
                return Err(io::Error::other(cause.to_debug_string()));
            }
        }
    }
}
