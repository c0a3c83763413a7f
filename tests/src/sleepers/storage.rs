//! The storage that an actor has: that of all, before whose calls it sleeps, with locks that hold
//! nobody back unless they are asked to.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use sidx_host::storage::log::LogForm;
use sidx_host::storage::{AppendFile, Lock, MediumSpace, NewFile, ReadFile, Storage, Store};
use sidx_host::{Error, ErrorKind, Result};

use super::pins::Pins;
use super::stage::{Fate, Stage, Verb};

/// The content of the panic that ends the thread of an actor whose process dies.
pub struct Died;

/// An actor on its stage.
#[derive(Clone)]
pub struct Me {
    stage: Arc<Stage>,
    pins: Arc<Pins>,
    actor: usize,
}

impl Me {
    /// The actor of this number.
    pub fn new(stage: Arc<Stage>, pins: Arc<Pins>, actor: usize) -> Self {
        Self { stage, pins, actor }
    }

    /// Its stage.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Its number.
    pub fn number(&self) -> usize {
        self.actor
    }

    /// Sleeps where no call is made.
    pub fn pause(&self, verb: Verb) {
        let fate = self.stage.sleep(self.actor, verb, "");
        if fate != Fate::Lives && !thread::panicking() {
            resume_unwind(Box::new(Died));
        }
    }

    /// Sleeps, then calls, unless the process ends before.
    fn call<T>(&self, verb: Verb, path: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
        self.call_or_break(verb, path, call, || ())
    }

    /// The same for a call that the end of the process, or an error, may break off in the middle,
    /// where something is left of it.
    fn call_or_break<T>(
        &self,
        verb: Verb,
        path: &str,
        call: impl FnOnce() -> Result<T>,
        break_off: impl FnOnce(),
    ) -> Result<T> {
        let fate = self.stage.sleep(self.actor, verb, path);
        self.pins.renew(self.actor, self.stage.steps());
        match fate {
            Fate::Lives => {
                let result = call();
                self.stage
                    .answered(result.as_ref().err().map(|error| error.kind()));
                return result;
            }
            Fate::Fails(failure) => {
                if failure.is_done() {
                    drop(call());
                } else if failure.is_half_done() {
                    break_off();
                }
                let error = failure.error(&format!("{verb:?} {path}"));
                self.stage.answered(Some(error.kind()));
                return Err(error);
            }
            Fate::Dies => {}
            Fate::DiesWithin => break_off(),
        }
        // What unwinds may still call, and is not to be stopped twice.
        if thread::panicking() {
            return Err(Error::new(ErrorKind::Io, "the process has ended"));
        }
        resume_unwind(Box::new(Died))
    }
}

/// The store of an actor.
pub struct SleepyStore {
    /// That of all.
    pub inner: Arc<dyn Store>,
    /// Whose it is.
    pub me: Me,
    /// Whether the lock of a writer is more than a word.
    pub takes_lock: bool,
    /// Whether files of parts that are open go with their names, as on a bucket. Who has pinned an
    /// epoch needs no better ones.
    pub forgets: bool,
}

impl Store for SleepyStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn index_names(&self) -> Result<Vec<String>> {
        self.inner.index_names()
    }

    fn places_below(&self, name: &str) -> Result<Vec<String>> {
        self.inner.places_below(name)
    }

    fn open_index(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(Sleepy {
            inner: self.inner.open_index(name, create)?,
            me: self.me.clone(),
            takes_lock: self.takes_lock,
            forgets: self.forgets,
        }))
    }

    fn remove_index(&self, name: &str) -> Result<()> {
        self.inner.remove_index(name)
    }
}

struct Sleepy {
    inner: Arc<dyn Storage>,
    me: Me,
    takes_lock: bool,
    forgets: bool,
}

impl Storage for Sleepy {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        let inner = self
            .me
            .call(Verb::Create, path, || self.inner.create(path))?;
        Ok(Box::new(SleepyFile {
            inner,
            path: path.to_owned(),
            number: self.me.stage.begin_file(),
            storage: None,
            me: self.me.clone(),
        }))
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        let inner = self.me.call(Verb::Open, path, || self.inner.open(path))?;
        Ok(Arc::new(SleepyFile {
            inner,
            path: path.to_owned(),
            number: 0,
            storage: (self.forgets && path.starts_with("parts/")).then(|| Arc::clone(&self.inner)),
            me: self.me.clone(),
        }))
    }

    fn put_file(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let put = || self.inner.put_file(path, bytes);
        self.me.call(Verb::Finish, path, put)
    }

    fn takes_folders(&self) -> bool {
        self.inner.takes_folders()
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.me.call(Verb::List, path, || self.inner.list(path))
    }

    fn remove(&self, path: &str) -> Result<()> {
        let half = || {
            let names = self.inner.list(path).unwrap_or_default();
            for name in names.iter().take(names.len().div_ceil(2)) {
                drop(self.inner.remove(&format!("{path}/{name}")));
            }
        };
        let all = || self.inner.remove(path);
        self.me.call_or_break(Verb::Remove, path, all, half)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.me
            .call(Verb::Rename, from, || self.inner.rename(from, to))
    }

    fn sync(&self, path: &str) -> Result<()> {
        self.me
            .call(Verb::SyncNames, path, || self.inner.sync(path))
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        self.me.call(Verb::Get, name, || self.inner.get(name))
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        self.me
            .call(Verb::Put, name, || self.inner.put_if_absent(name, bytes))
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        self.me.call(Verb::Swap, name, || {
            self.inner.compare_and_swap(name, version, bytes)
        })
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        self.me.call(Verb::ListObjects, prefix, || {
            self.inner.list_objects(prefix)
        })
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        self.me
            .call(Verb::RemoveObject, name, || self.inner.remove_object(name))
    }

    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        let inner = self
            .me
            .call(Verb::Grow, path, || self.inner.append_file(path))?;
        Ok(Box::new(SleepyTail {
            size: inner.size(),
            inner,
            storage: Arc::clone(&self.inner),
            path: path.to_owned(),
            me: self.me.clone(),
        }))
    }

    fn lock(&self) -> Result<Lock> {
        self.me.call(Verb::Lock, "", || match self.takes_lock {
            true => self.inner.lock(),
            false => Ok(Box::new(())),
        })
    }

    fn nonce(&self) -> Result<u128> {
        Ok(self.me.stage().nonce())
    }

    fn has_locks(&self) -> bool {
        self.takes_lock
    }

    fn unfinished(&self) -> Result<Vec<String>> {
        let last = || Ok(vec![self.me.stage().last_file().to_string()]);
        self.me.call(Verb::Unfinished, "", last)
    }

    fn clear_unfinished(&self, unfinished: &[String]) -> Result<()> {
        self.me.call(Verb::Clear, "", || {
            for last in unfinished {
                let last = last.parse().expect("the number of a file");
                self.me.stage().clear_unfinished(self.me.number(), last);
            }
            Ok(())
        })
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        let name = format!("{epoch:x}");
        let (pins, actor) = (&self.me.pins, self.me.actor);
        self.me.call(Verb::Pin, &name, || match pins.patience {
            None => self.inner.pin(epoch),
            Some(_) => Ok(Some(pins.take(
                actor,
                (self.inner.location(), epoch),
                self.me.stage.steps(),
            ))),
        })
    }

    fn pinned_epochs(&self) -> Result<Vec<u64>> {
        let pins = &self.me.pins;
        self.me.call(Verb::Pinned, "", || match pins.patience {
            None => self.inner.pinned_epochs(),
            Some(patience) => {
                Ok(pins.held(&self.inner.location(), self.me.stage.steps(), patience))
            }
        })
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        self.inner.local_path(path)
    }

    fn link(&self, path: &str, from: &Path) -> Result<bool> {
        self.inner.link(path, from)
    }

    fn size_bytes(&self) -> Result<u64> {
        self.inner.size_bytes()
    }

    fn space(&self) -> Result<Option<MediumSpace>> {
        self.inner.space()
    }
}

struct SleepyFile<F> {
    inner: F,
    path: String,
    /// Which of all files that were begun it is.
    number: u64,
    /// Where its name must be when it is read.
    storage: Option<Arc<dyn Storage>>,
    me: Me,
}

impl NewFile for SleepyFile<Box<dyn NewFile>> {
    /// Nobody sees bytes of a file without a name: sleeping here would be sleeping before the next
    /// call.
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.append(bytes)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Self {
            inner,
            path,
            number,
            me,
            ..
        } = *self;
        me.call(Verb::Finish, &path, || {
            if me.stage.is_cleared(me.actor, number) {
                let text = format!("{path} was cleared away by another writer; reopen the index");
                return Err(Error::conflict(text));
            }
            inner.finish()
        })
    }
}

impl ReadFile for SleepyFile<Arc<dyn ReadFile>> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    /// Only files of the log change while they are read, and where nothing else is gone with its
    /// name, sleeping before other reads shows nothing.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut read = || {
            let named = self.storage.as_ref().map(|it| it.open(&self.path));
            named.transpose()?;
            self.inner.read_at(offset, buffer)
        };
        match self.storage.is_some() || self.path.starts_with("log/") {
            true => self.me.call(Verb::Read, &self.path, read),
            false => read(),
        }
    }
}

/// A growing file that is written at a position of its own, as files of directories are, and not
/// where another handle left its end.
struct SleepyTail {
    inner: Box<dyn AppendFile>,
    storage: Arc<dyn Storage>,
    size: u64,
    path: String,
    me: Me,
}

/// Puts bytes into a growing file at a position, over whatever is there.
fn write_at(
    file: &mut dyn AppendFile,
    storage: &dyn Storage,
    path: &str,
    position: u64,
    bytes: &[u8],
) -> Result<()> {
    let end = position + bytes.len() as u64;
    let mut kept = Vec::new();
    if file.size() > position {
        if file.size() > end
            && let Ok(reader) = storage.open(path)
            && reader.size() > end
        {
            kept.resize((reader.size() - end) as usize, 0);
            reader.read_at(end, &mut kept)?;
        }
        file.truncate(position)?;
    }
    let hole = position - file.size();
    file.append(&[&vec![0; hole as usize], bytes, &kept].concat())
}

impl AppendFile for SleepyTail {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let Self {
            inner,
            storage,
            size,
            path,
            me,
        } = self;
        let file = std::cell::RefCell::new(inner);
        let write =
            |bytes: &[u8]| write_at(&mut ***file.borrow_mut(), &**storage, path, *size, bytes);
        let half = &bytes[..bytes.len() / 2];
        me.call_or_break(Verb::Append, path, || write(bytes), || drop(write(half)))?;
        *size += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let inner = &mut self.inner;
        self.me.call(Verb::Sync, &self.path, || inner.sync())
    }

    fn resync(&mut self, size: u64) -> Result<()> {
        let inner = &mut self.inner;
        self.me.call(Verb::Sync, &self.path, || inner.resync(size))
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        let inner = &mut self.inner;
        self.me.call(Verb::Truncate, &self.path, || {
            let most = inner.size();
            inner.truncate(size.min(most))
        })?;
        self.size = size;
        Ok(())
    }
}
