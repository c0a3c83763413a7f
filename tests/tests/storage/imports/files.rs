//! Files over a native store.

use std::sync::Arc;

use sidx_host::storage::ReadFile;
use sidx_host::{Error, Result};

use super::super::flaws::Flaw;
use super::bindings::sidx::storage::files;
use super::{Answer, Growing, Handle, State, answer, unknown};

/// Most bytes of files that one call moves.
const CALL_BYTES_MAX: u64 = 64 << 20;

fn check_moved(bytes: u64) -> Result<()> {
    match bytes <= CALL_BYTES_MAX {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "{bytes} bytes in one call are more than {CALL_BYTES_MAX}; make several"
        ))),
    }
}

impl State {
    fn open_file(&self, handle: u32) -> Result<(&Arc<dyn ReadFile>, &str)> {
        match self.handles.get(&handle) {
            Some(Handle::Open(file, path)) => Ok((file, path)),
            _ => Err(unknown(handle, "a file open for reading")),
        }
    }

    fn begin(&mut self, path: &str) -> Result<u32> {
        let (place, below) = self.split(path)?;
        let file = self.place(&place)?.create(&below)?;
        Ok(self.hold(Handle::New(file, path.to_owned())))
    }

    fn append(&mut self, handle: u32, bytes: &[u8]) -> Result<()> {
        check_moved(bytes.len() as u64)?;
        let as_text = self.has(Flaw::BytesAsText);
        match self.handles.get_mut(&handle) {
            Some(Handle::New(file, _)) if as_text => {
                file.append(String::from_utf8_lossy(bytes).as_bytes())
            }
            Some(Handle::New(file, _)) => file.append(bytes),
            _ => Err(unknown(handle, "a file under construction")),
        }
    }

    fn finish(&mut self, handle: u32) -> Result<()> {
        match self.handles.remove(&handle) {
            Some(Handle::New(file, path)) => {
                if self.has(Flaw::FinishReplaces) {
                    let (place, below) = self.split(&path)?;
                    self.place(&place)?.remove(&below)?;
                }
                file.finish()
            }
            Some(other) => {
                self.handles.insert(handle, other);
                Err(unknown(handle, "a file under construction"))
            }
            None => Err(unknown(handle, "a file under construction")),
        }
    }

    fn grow(&mut self, path: &str) -> Result<files::Opened> {
        let (place, below) = self.split(path)?;
        let mut file = self.place(&place)?.append_file(&below)?;
        if self.has(Flaw::GrowEmpties) {
            file.truncate(0)?;
        }
        let size_bytes = file.size();
        let handle = self.hold(Handle::Growing(Growing {
            file,
            torn: false,
            fresh: true,
        }));
        Ok(files::Opened { handle, size_bytes })
    }

    fn write(&mut self, handle: u32, offset: u64, bytes: &[u8], sync: bool) -> Result<()> {
        check_moved(bytes.len() as u64)?;
        let appends = self.has(Flaw::WriteAppends);
        let Some(Handle::Growing(Growing { file, torn, fresh })) = self.handles.get_mut(&handle)
        else {
            return Err(unknown(handle, "a growing file"));
        };
        let size = file.size();
        if *fresh && sync && bytes.is_empty() && offset == size {
            return file.resync(size);
        }
        *fresh = false;
        if offset > size {
            return Err(Error::invalid(format!(
                "a write at offset {offset} would leave a gap behind the {size} bytes of the file"
            )));
        }
        if (offset < size || *torn) && !appends {
            file.truncate(offset)?;
        }
        *torn = true;
        file.append(bytes)?;
        *torn = false;
        match sync {
            true => file.sync(),
            false => Ok(()),
        }
    }

    fn open(&mut self, path: &str) -> Result<files::Opened> {
        let (place, below) = self.split(path)?;
        let file = self.place(&place)?.open(&below)?;
        let size_bytes = file.size();
        let handle = self.hold(Handle::Open(file, path.to_owned()));
        Ok(files::Opened { handle, size_bytes })
    }

    fn read_ranges(&self, files: &[u32], offsets: &[u64], lengths: &[u32]) -> Result<Vec<u8>> {
        if files.len() != offsets.len() || files.len() != lengths.len() {
            return Err(Error::invalid(format!(
                "{} files, {} offsets and {} lengths are not the same number of ranges",
                files.len(),
                offsets.len(),
                lengths.len()
            )));
        }
        check_moved(lengths.iter().map(|length| u64::from(*length)).sum())?;
        let offsets_and_lengths = offsets.iter().zip(lengths);
        let mut ranges: Vec<_> = files.iter().zip(offsets_and_lengths).collect();
        if self.has(Flaw::ReadsSorted) {
            ranges.sort();
        }
        let mut bytes = Vec::new();
        for (handle, (offset, length)) in ranges {
            let (file, path) = self.open_file(*handle)?;
            let mut range = vec![0; *length as usize];
            let read = if self.has(Flaw::ReadsByName) {
                let (place, below) = self.split(path)?;
                self.place(&place)?
                    .open(&below)?
                    .read_at(*offset, &mut range)
            } else {
                file.read_at(*offset, &mut range)
            };
            match read {
                Err(_) if self.has(Flaw::ReadsClamped) => {}
                read => read?,
            }
            bytes.extend_from_slice(&range);
        }
        if self.has(Flaw::ReadsShort) {
            bytes.pop();
        }
        Ok(bytes)
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        let (place, below) = self.split(path)?;
        let Some(place) = self.place_if_any(&place)? else {
            return Ok(());
        };
        if self.has(Flaw::RemovesByPrefix) {
            let (directory, name) = below.rsplit_once('/').unwrap_or(("", &below));
            let names = place.list(directory).unwrap_or_default();
            for other in names.iter().filter(|other| other.starts_with(name)) {
                place.remove(&format!("{directory}/{other}"))?;
            }
        }
        place.remove(&below)
    }

    fn move_file(&self, from: &str, to: &str) -> Result<()> {
        let ((place, from), (other, to)) = (self.split(from)?, self.split(to)?);
        if place != other {
            return Err(Error::invalid(format!(
                "{from} lies in the place {place}, and cannot be moved to {other}"
            )));
        }
        let place = self.place(&place)?;
        if self.has(Flaw::MoveReplaces) && !to.starts_with(&format!("{from}/")) {
            place.remove(&to)?;
        }
        place.rename(&from, &to)
    }
}

impl files::Host for State {
    fn begin(&mut self, path: String) -> Answer<u32> {
        answer(Self::begin(self, &path))
    }

    fn append(&mut self, file: u32, bytes: Vec<u8>) -> Answer<()> {
        answer(Self::append(self, file, &bytes))
    }

    fn finish(&mut self, file: u32) -> Answer<()> {
        answer(Self::finish(self, file))
    }

    fn grow(&mut self, path: String) -> Answer<files::Opened> {
        answer(Self::grow(self, &path))
    }

    fn write(&mut self, file: u32, offset: u64, bytes: Vec<u8>, sync: bool) -> Answer<()> {
        answer(Self::write(self, file, offset, &bytes, sync))
    }

    fn open(&mut self, path: String) -> Answer<files::Opened> {
        answer(Self::open(self, &path))
    }

    fn read_ranges(
        &mut self,
        files: Vec<u32>,
        offsets: Vec<u64>,
        lengths: Vec<u32>,
    ) -> Answer<Vec<u8>> {
        answer(Self::read_ranges(self, &files, &offsets, &lengths))
    }

    fn close(&mut self, file: u32) {
        if self.has(Flaw::HandlesStay) || matches!(self.handles.get(&file), Some(Handle::Lock(_))) {
            return;
        }
        if self.has(Flaw::AbandonedStays) {
            let _ = Self::finish(self, file);
        }
        self.handles.remove(&file);
    }

    fn list(&mut self, path: String) -> Answer<Vec<String>> {
        answer(self.split(&path).and_then(|(place, below)| {
            let names = match self.place_if_any(&place)? {
                Some(place) => place.list(&below)?,
                None => Vec::new(),
            };
            Ok(self.listed(names))
        }))
    }

    fn remove(&mut self, path: String) -> Answer<()> {
        answer(self.remove_file(&path))
    }

    fn move_(&mut self, from: String, to: String) -> Answer<()> {
        answer(self.move_file(&from, &to))
    }

    fn sync(&mut self, path: String) -> Answer<()> {
        if self.has(Flaw::RefusesSyncs) {
            return answer(Err(Error::not_found(format!(
                "{path} was not synced before"
            ))));
        }
        answer(
            self.split(&path)
                .and_then(|(place, below)| self.place(&place)?.sync(&below)),
        )
    }
}
