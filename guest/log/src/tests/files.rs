//! Growing files in memory that fail on demand, and that know what a power loss may take.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::{Fault, Form, MediumError, Name, Reader, Segments, Tail};

/// A call on a growing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Append,
    Sync,
    Truncate,
}

#[derive(Default)]
struct State {
    files: BTreeMap<Name, Content>,
    /// Calls that fail from now on, and how.
    failing: Vec<Call>,
    fault: Option<Fault>,
    /// Whether nothing fails any more once a file was removed.
    until_removal: bool,
    /// The fewest files that a removal left.
    fewest: Option<usize>,
    /// Bytes of each file that a power loss can't take.
    synced: BTreeMap<Name, u64>,
}

type Content = Arc<Mutex<Vec<u8>>>;

/// See the module. Clones share the files.
#[derive(Clone, Default)]
pub(crate) struct Files {
    state: Arc<Mutex<State>>,
}

/// What goes wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct FileError {
    fault: Fault,
    text: String,
}

impl MediumError for FileError {
    fn fault(&self) -> Fault {
        self.fault
    }
}

fn failed(fault: Fault, text: impl Into<String>) -> FileError {
    let text = text.into();
    FileError { fault, text }
}

impl Files {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test fails in here")
    }

    /// Puts bytes in the place of a file, or where there was none.
    pub(crate) fn replace(&self, name: Name, bytes: &[u8]) {
        let mut state = self.lock();
        let content = state.files.entry(name).or_default();
        *content.lock().expect("free") = bytes.to_vec();
    }

    /// Files of their own that have the same bytes.
    pub(crate) fn copied(&self) -> Self {
        let copy = Self::new();
        for (name, content) in &self.lock().files {
            copy.replace(*name, &content.lock().expect("free"));
        }
        copy
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        let state = self.lock();
        let sizes = { state.files.values() }.map(|file| file.lock().expect("free").len() as u64);
        sizes.sum()
    }

    pub(crate) fn fail(&self, calls: &[Call]) {
        self.fail_as(Fault::Other, calls);
    }

    /// Lets calls fail with an error of a kind.
    pub(crate) fn fail_as(&self, fault: Fault, calls: &[Call]) {
        let mut state = self.lock();
        state.failing = calls.to_vec();
        state.fault = Some(fault);
    }

    /// Lets nothing fail any more once a file was removed.
    pub(crate) fn pass_after_removal(&self) {
        self.lock().until_removal = true;
    }

    /// The fewest files that a removal left.
    pub(crate) fn fewest(&self) -> Option<usize> {
        self.lock().fewest
    }

    /// Bytes of a file that were synced.
    pub(crate) fn synced(&self, name: Name) -> u64 {
        self.lock().synced.get(&name).copied().unwrap_or(0)
    }
}

impl Segments for Files {
    type Error = FileError;
    type Reader = FileReader;
    type Tail = FileTail;

    fn form(&self) -> Form {
        Form::Growing
    }

    fn location(&self) -> String {
        "memory:x".to_owned()
    }

    fn place(&self, name: Name) -> String {
        match name.term {
            Some(term) => format!("memory:x/log/{:016x}-{term}.log", name.number),
            None => format!("memory:x/log/{:016x}.log", name.number),
        }
    }

    fn list(&self) -> Result<Vec<Name>, FileError> {
        Ok(self.lock().files.keys().copied().collect())
    }

    fn open(&self, name: Name) -> Result<FileReader, FileError> {
        let content = self.lock().files.get(&name).cloned();
        let content = content.ok_or_else(|| failed(Fault::Gone, self.place(name)))?;
        let size = content.lock().expect("free").len() as u64;
        Ok(FileReader { content, size })
    }

    fn begin(&self, name: Name, bytes: &[u8]) -> Result<Option<FileTail>, FileError> {
        let mut tail = self.tail(name)?;
        if let Some(tail) = &mut tail {
            tail.truncate(0)?;
            tail.append(bytes)?;
            tail.sync()?;
        }
        Ok(tail)
    }

    fn tail(&self, name: Name) -> Result<Option<FileTail>, FileError> {
        let content = Arc::clone(self.lock().files.entry(name).or_default());
        Ok(Some(FileTail {
            content,
            name,
            files: self.clone(),
        }))
    }

    fn remove(&self, name: Name) -> Result<(), FileError> {
        let mut state = self.lock();
        if std::mem::take(&mut state.until_removal) {
            state.failing.clear();
        }
        state.files.remove(&name);
        let left = state.files.len();
        state.fewest = Some(state.fewest.map_or(left, |fewest| fewest.min(left)));
        Ok(())
    }

    fn set_aside(&self, name: Name) -> Result<(), FileError> {
        let mut state = self.lock();
        let gone = || failed(Fault::Gone, "nothing to set aside");
        state.files.remove(&name).ok_or_else(gone).map(drop)
    }

    fn sync(&self) -> Result<(), FileError> {
        Ok(())
    }
}

pub(crate) struct FileReader {
    content: Content,
    size: u64,
}

impl Reader for FileReader {
    type Error = FileError;

    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FileError> {
        let content = self.content.lock().expect("free");
        let start = offset as usize;
        let end = start + buffer.len();
        let bytes = content.get(start..end).filter(|_| end as u64 <= self.size);
        let short = || failed(Fault::Short, "the file was cut");
        buffer.copy_from_slice(bytes.ok_or_else(short)?);
        Ok(())
    }
}

pub(crate) struct FileTail {
    content: Content,
    name: Name,
    files: Files,
}

impl FileTail {
    fn check(&self, call: Call) -> Result<(), FileError> {
        let state = self.files.lock();
        if state.failing.contains(&call) {
            let fault = state.fault.unwrap_or(Fault::Other);
            return Err(failed(fault, format!("{:?}: {call:?} failed", self.name)));
        }
        Ok(())
    }
}

impl Tail for FileTail {
    type Error = FileError;

    fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let result = self.check(Call::Append);
        // Of what fails a part arrives.
        let arrived = match result {
            Ok(()) => bytes,
            Err(_) => &bytes[..bytes.len() / 2],
        };
        let mut content = self.content.lock().expect("free");
        content.extend_from_slice(arrived);
        result
    }

    fn sync(&mut self) -> Result<(), FileError> {
        self.check(Call::Sync)?;
        let size = self.size();
        self.files.lock().synced.insert(self.name, size);
        Ok(())
    }

    fn resync(&mut self, _size: u64) -> Result<(), FileError> {
        self.sync()
    }

    fn size(&self) -> u64 {
        self.content.lock().expect("free").len() as u64
    }

    fn truncate(&mut self, size: u64) -> Result<(), FileError> {
        self.check(Call::Truncate)?;
        self.content.lock().expect("free").truncate(size as usize);
        Ok(())
    }
}
