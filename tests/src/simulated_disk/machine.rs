//! The calls of one machine on its disk, from its boot to its end.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::Rng;
use sidx_host::storage::{Access, FileKind, FileMetadata, FileSystem, MediumSpace, OpenFile};

use super::content::Content;
use super::names::Names;
use super::{Body, Call, Course, Node, ROOT, State, off};

pub(super) struct Machine {
    state: Arc<Mutex<State>>,
    boot: u64,
}

impl Machine {
    pub(super) fn new(state: Arc<Mutex<State>>, boot: u64) -> Self {
        Self { state, boot }
    }

    /// Does what `change` does unless the plan of the disk says otherwise.
    fn call<T>(
        &self,
        call: Call,
        text: impl FnOnce() -> String,
        change: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state.lock().unwrap();
        let course = state.begin(self.boot, call, text)?;
        let result = change(&mut state);
        // A handle that nobody gets takes the lock of the disk when it goes.
        drop(state);
        if course == Course::Last {
            Err(off())
        } else {
            result
        }
    }

    fn handle(&self, state: &mut State, file: u64) -> Box<dyn OpenFile> {
        state.next_handle += 1;
        state.opened(file);
        Box::new(Handle {
            state: Arc::clone(&self.state),
            boot: self.boot,
            file,
            number: state.next_handle,
        })
    }
}

impl State {
    /// The directory that holds a path, and the last name in it.
    fn parent(&self, path: &Path) -> io::Result<(u64, String)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.names(parent)?;
        Ok((parent, name.to_str().unwrap().to_owned()))
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut at = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let names = self.names(at)?;
                at = names
                    .get(name.to_str().unwrap())
                    .ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(at)
    }

    fn names(&self, file: u64) -> io::Result<&Names> {
        match &self.files[&file].body {
            Body::Directory(names) => Ok(names),
            Body::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn set_name(&mut self, directory: u64, name: &str, file: Option<u64>) {
        if let Body::Directory(names) = &mut self.files.get_mut(&directory).unwrap().body {
            names.set(name, file);
        }
        self.touch(directory);
    }

    fn content(&mut self, file: u64) -> &mut Content {
        match &mut self.files.get_mut(&file).unwrap().body {
            Body::File(content) => content,
            Body::Directory(_) => panic!("a directory is open as a file"),
        }
    }

    fn add(&mut self, path: &Path, body: Body) -> io::Result<u64> {
        let (parent, name) = self.parent(path)?;
        if self.names(parent)?.get(&name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.check_name_fits()?;
        let file = self.next_file;
        self.next_file += 1;
        self.files.insert(file, Node { body, modified: 0 });
        self.touch(file);
        self.set_name(parent, &name, Some(file));
        Ok(file)
    }

    fn metadata_of(&self, file: u64) -> FileMetadata {
        let node = &self.files[&file];
        let (kind, size) = match &node.body {
            Body::File(content) => (FileKind::File, content.bytes().len() as u64),
            Body::Directory(_) => (FileKind::Directory, 0),
        };
        FileMetadata {
            kind,
            size,
            identity: (1, file),
            modified: (node.modified, 0),
        }
    }
}

impl FileSystem for Machine {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let text = || format!("create {}", path.display());
        self.call(Call::Grow, text, |state| {
            let file = state.add(path, Body::File(Content::default()))?;
            Ok(self.handle(state, file))
        })
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
        // A call that makes nothing needs no space, nor a medium that can be written.
        let exists = || self.state.lock().unwrap().find(path).is_ok();
        let call = match access {
            Access::WriteOrCreate if !exists() => Call::Grow,
            _ => Call::Look,
        };
        let text = || format!("open {} for {access:?}", path.display());
        self.call(call, text, |state| {
            let file = match state.find(path) {
                Err(cause)
                    if cause.kind() == io::ErrorKind::NotFound
                        && access == Access::WriteOrCreate =>
                {
                    state.add(path, Body::File(Content::default()))?
                }
                found => found?,
            };
            if access != Access::Read && state.files[&file].is_directory() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(self.handle(state, file))
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let text = || format!("sync directory {}", path.display());
        let course = state.begin(self.boot, Call::Sync, text)?;
        let file = state.find(path)?;
        let Body::Directory(names) = &mut state.files.get_mut(&file).unwrap().body else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        match course {
            Course::LostSync => Err(io::Error::from_raw_os_error(5)),
            Course::Last => {
                names.sync();
                Err(off())
            }
            _ => {
                names.sync();
                Ok(())
            }
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let text = || format!("link {} as {}", from.display(), to.display());
        self.call(Call::Grow, text, |state| {
            let file = state.find(from)?;
            if state.files[&file].is_directory() {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let (parent, name) = state.parent(to)?;
            if state.names(parent)?.get(&name).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.set_name(parent, &name, Some(file));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let text = || format!("rename {} to {}", from.display(), to.display());
        self.call(Call::Grow, text, |state| {
            let file = state.find(from)?;
            let (source, old) = state.parent(from)?;
            let (target, new) = state.parent(to)?;
            if let Some(replaced) = state.names(target)?.get(&new) {
                match (&state.files[&file].body, &state.files[&replaced].body) {
                    (Body::Directory(_), Body::Directory(names)) if !names.is_empty() => {
                        return Err(io::ErrorKind::DirectoryNotEmpty.into());
                    }
                    (Body::Directory(_), Body::File(_)) => {
                        return Err(io::ErrorKind::NotADirectory.into());
                    }
                    (Body::File(_), Body::Directory(_)) => {
                        return Err(io::ErrorKind::IsADirectory.into());
                    }
                    _ => {}
                }
            }
            state.set_name(source, &old, None);
            state.set_name(target, &new, Some(file));
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let text = || format!("remove {}", path.display());
        self.call(Call::Change, text, |state| {
            let file = state.find(path)?;
            if state.files[&file].is_directory() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let (parent, name) = state.parent(path)?;
            state.set_name(parent, &name, None);
            Ok(())
        })
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let text = || format!("make directory {}", path.display());
        let exists = self.state.lock().unwrap().find(path).is_ok();
        let call = if exists { Call::Look } else { Call::Grow };
        self.call(call, text, |state| {
            state
                .add(path, Body::Directory(Names::default()))
                .map(|_| ())
        })
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let text = || format!("remove directory {}", path.display());
        self.call(Call::Change, text, |state| {
            let file = state.find(path)?;
            if !state.names(file)?.is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let (parent, name) = state.parent(path)?;
            state.set_name(parent, &name, None);
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, FileKind)>> {
        let text = || format!("list {}", path.display());
        self.call(Call::Look, text, |state| {
            let file = state.find(path)?;
            let kind = |file| match state.files[&file].is_directory() {
                true => FileKind::Directory,
                false => FileKind::File,
            };
            let names = state.names(file)?;
            // Not in the order of names, which nobody may rely on, and of which temporary ones differ
            // from process to process: the youngest first.
            let mut files: Vec<_> = names.iter().collect();
            files.sort_by_key(|(_, file)| std::cmp::Reverse(*file));
            let entry = |(name, file): (&String, u64)| (OsString::from(name), kind(file));
            Ok(files.into_iter().map(entry).collect())
        })
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let text = || format!("look at {}", path.display());
        self.call(Call::Look, text, |state| {
            Ok(state.metadata_of(state.find(path)?))
        })
    }

    fn link_metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.metadata(path)
    }

    /// Not a call that is counted: when it is asked is up to a clock.
    fn space(&self, _path: &Path) -> io::Result<Option<MediumSpace>> {
        let state = self.state.lock().unwrap();
        if state.crashed || state.boot != self.boot {
            return Err(off());
        }
        let free = state.free_bytes().zip(state.capacity());
        Ok(free.map(|(free_bytes, total_bytes)| MediumSpace {
            total_bytes,
            free_bytes,
            free_files: state.free_files(),
        }))
    }

    /// All stores of a test are on one disk, so that links between them can be tried.
    fn local_path(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_owned())
    }
}

struct Handle {
    state: Arc<Mutex<State>>,
    boot: u64,
    file: u64,
    number: u64,
}

impl Handle {
    fn begin(&self, call: Call, text: &str) -> io::Result<(MutexGuard<'_, State>, Course)> {
        let mut state = self.state.lock().unwrap();
        let course = state.begin(self.boot, call, || format!("{text} file {}", self.file))?;
        Ok((state, course))
    }
}

impl OpenFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (mut state, _) = self.begin(Call::Look, "read")?;
        if state.files[&self.file].is_directory() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let bytes = state.content(self.file).bytes();
        let start = bytes.len().min(offset as usize);
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let (mut state, course) = self.begin(Call::Write, "write")?;
        let count = match course {
            Course::Last => state.random.random_range(0..=bytes.len()),
            Course::Short => bytes.len() / 2,
            _ => bytes.len(),
        };
        let size = state.content(self.file).bytes().len() as u64;
        let count = state.fitting(size, offset, count)?;
        state
            .content(self.file)
            .write(&bytes[..count], offset as usize);
        state.touch(self.file);
        match course {
            Course::Last => Err(off()),
            // Half of one byte is no progress.
            Course::Short if count == 0 => Err(io::Error::from_raw_os_error(28)),
            _ => Ok(count),
        }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let (mut state, course) = self.begin(Call::Change, "set the size of")?;
        state.content(self.file).set_size(size as usize);
        state.touch(self.file);
        if course == Course::Last {
            Err(off())
        } else {
            Ok(())
        }
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, course) = self.begin(Call::Sync, "sync")?;
        match course {
            Course::LostSync => {
                let mut random = state.random.clone();
                state.content(self.file).lose_sync(&mut random);
                state.random = random;
                Err(io::Error::from_raw_os_error(5))
            }
            Course::Last => {
                state.content(self.file).sync();
                Err(off())
            }
            _ => {
                state.content(self.file).sync();
                Ok(())
            }
        }
    }

    fn metadata(&self) -> io::Result<FileMetadata> {
        let (state, _) = self.begin(Call::Look, "look at")?;
        Ok(state.metadata_of(self.file))
    }

    fn try_lock(&self) -> io::Result<bool> {
        let (mut state, _) = self.begin(Call::Look, "lock")?;
        let holder = *state.locks.entry(self.file).or_insert(self.number);
        Ok(holder == self.number)
    }

    fn lock(&self) -> io::Result<()> {
        // Nobody holds a lock for long that others wait for.
        while !self.try_lock()? {
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        if state.boot == self.boot {
            state.closed(self.file);
        }
        if state.boot == self.boot && state.locks.get(&self.file) == Some(&self.number) {
            state.locks.remove(&self.file);
        }
    }
}
