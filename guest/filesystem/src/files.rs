//! The interface `sidx:storage/files`.

use sidx_stores::{Error, ErrorKind, Result, Storage as _};

use crate::Component;
use crate::bindings::exports::sidx::storage::files::{Guest, Opened};
use crate::bindings::exports::sidx::storage::types;
use crate::state::{self, Growing, Handle, State, split, unknown};

/// Most bytes of files that one call moves.
const CALL_BYTES_MAX: u64 = 64 << 20;

const UNFINISHED: &str = "a file under construction";

fn check_moved(bytes: u64) -> Result<()> {
    match bytes <= CALL_BYTES_MAX {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "{bytes} bytes in one call are more than {CALL_BYTES_MAX}; make several"
        ))),
    }
}

impl State {
    fn begin(&mut self, path: &str) -> Result<u32> {
        let (place, below) = split(path)?;
        let file = self.place(place)?.create(below)?;
        Ok(self.hold(Handle::New(file)))
    }

    fn append(&mut self, handle: u32, bytes: &[u8]) -> Result<()> {
        check_moved(bytes.len() as u64)?;
        match self.handle(handle) {
            Some(Handle::New(file)) => file.append(bytes),
            _ => Err(unknown(handle, UNFINISHED)),
        }
    }

    fn finish(&mut self, handle: u32) -> Result<()> {
        if !matches!(self.handle(handle), Some(Handle::New(_))) {
            return Err(unknown(handle, UNFINISHED));
        }
        match self.release(handle) {
            Some(Handle::New(file)) => file.finish(),
            _ => Err(unknown(handle, UNFINISHED)),
        }
    }

    fn grow(&mut self, path: &str) -> Result<Opened> {
        let (place, below) = split(path)?;
        let file = self.place(place)?.append_file(below)?;
        let size_bytes = file.size();
        let handle = self.hold(Handle::Growing(Growing {
            file,
            is_torn: false,
            is_fresh: true,
        }));
        Ok(Opened { handle, size_bytes })
    }

    fn write(&mut self, handle: u32, offset: u64, bytes: &[u8], sync: bool) -> Result<()> {
        check_moved(bytes.len() as u64)?;
        let Some(Handle::Growing(growing)) = self.handle(handle) else {
            return Err(unknown(handle, "a growing file"));
        };
        let Growing {
            file,
            is_torn,
            is_fresh,
        } = growing;
        let size = file.size();
        if *is_fresh && sync && bytes.is_empty() && offset == size {
            // What a sync before may have left behind, in whatever process.
            return file.resync(size);
        }
        *is_fresh = false;
        if offset > size {
            return Err(Error::invalid(format!(
                "a write at offset {offset} would leave a gap behind the {size} bytes of the file"
            )));
        }
        if offset < size || *is_torn {
            *is_torn = true;
            file.truncate(offset)?;
        }
        *is_torn = true;
        file.append(bytes)?;
        *is_torn = false;
        match sync {
            true => file.sync(),
            false => Ok(()),
        }
    }

    fn open(&mut self, path: &str) -> Result<Opened> {
        let (place, below) = split(path)?;
        let found = self.place(place).and_then(|place| place.open(below));
        let file = found?;
        let size_bytes = file.size();
        let handle = self.hold(Handle::Open(file));
        Ok(Opened { handle, size_bytes })
    }

    fn read_ranges(&mut self, files: &[u32], offsets: &[u64], lengths: &[u32]) -> Result<Vec<u8>> {
        if files.len() != offsets.len() || files.len() != lengths.len() {
            return Err(Error::invalid(format!(
                "{} files, {} offsets and {} lengths are not the same number of ranges",
                files.len(),
                offsets.len(),
                lengths.len()
            )));
        }
        let total: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
        check_moved(total)?;
        // At most what was just allowed.
        let mut bytes = vec![0; usize::try_from(total).unwrap_or(0)];
        let mut rest = bytes.as_mut_slice();
        let mut ranges = files.iter().zip(offsets).zip(lengths).peekable();
        while let Some(((file, offset), length)) = ranges.next() {
            let mut length = u64::from(*length);
            // What lies side by side is read in one piece.
            while let Some((_, more)) = ranges.next_if(|((other, next), _)| {
                *other == file && offset.checked_add(length) == Some(**next)
            }) {
                length += u64::from(*more);
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let (piece, behind) = std::mem::take(&mut rest)
                .split_at_mut_checked(length)
                .ok_or_else(|| Error::new(ErrorKind::Io, "ranges do not add up"))?;
            rest = behind;
            match self.handle(*file) {
                Some(Handle::Open(file)) => file.read_at(*offset, piece)?,
                _ => return Err(unknown(*file, "a file open for reading")),
            }
        }
        Ok(bytes)
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        let (place, below) = split(path)?;
        match self.place_if_any(place)? {
            Some(place) => place.remove(below),
            None => Ok(()),
        }
    }

    fn move_file(&self, from: &str, to: &str) -> Result<()> {
        let ((place, from), (other, to)) = (split(from)?, split(to)?);
        if place != other {
            return Err(Error::invalid(format!(
                "{from} lies in the place {place}, and cannot be moved to {other}"
            )));
        }
        self.place(place)?.rename(from, to)
    }
}

impl Guest for Component {
    fn begin(path: String) -> Result<u32, types::Error> {
        state::with(|state| state.begin(&path))
    }

    fn append(file: u32, bytes: Vec<u8>) -> Result<(), types::Error> {
        state::with(|state| state.append(file, &bytes))
    }

    fn finish(file: u32) -> Result<(), types::Error> {
        state::with(|state| state.finish(file))
    }

    fn grow(path: String) -> Result<Opened, types::Error> {
        state::with(|state| state.grow(&path))
    }

    fn write(file: u32, offset: u64, bytes: Vec<u8>, sync: bool) -> Result<(), types::Error> {
        state::with(|state| state.write(file, offset, &bytes, sync))
    }

    fn open(path: String) -> Result<Opened, types::Error> {
        state::with(|state| state.open(&path))
    }

    fn read_ranges(
        files: Vec<u32>,
        offsets: Vec<u64>,
        lengths: Vec<u32>,
    ) -> Result<Vec<u8>, types::Error> {
        state::with(|state| state.read_ranges(&files, &offsets, &lengths))
    }

    fn close(file: u32) {
        // Whoever closes has nothing to be told: what is under construction is abandoned by it.
        let _ = state::with(|state| Ok(state.release(file)));
    }

    fn list(path: String) -> Result<Vec<String>, types::Error> {
        state::with(|state| {
            let (place, below) = split(&path)?;
            match state.place_if_any(place)? {
                Some(place) => place.list(below),
                None => Ok(Vec::new()),
            }
        })
    }

    fn remove(path: String) -> Result<(), types::Error> {
        state::with(|state| state.remove_file(&path))
    }

    fn move_(from: String, to: String) -> Result<(), types::Error> {
        state::with(|state| state.move_file(&from, &to))
    }

    fn sync(path: String) -> Result<(), types::Error> {
        state::with(|state| {
            let (place, below) = split(&path)?;
            state.place(place)?.sync(below)
        })
    }
}
