//! The files of a copy: which there are, and bringing them over, several at the same time where that is
//! faster.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex, MutexGuard};
use sidx_engine::host::Form;
use sidx_engine::{CopiedFile, CopiedPart, PartToCopy, SnapshotToCopy};

use super::stream::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::lenders::Lenders;
use crate::session::CallLimits;
use crate::storage::Storage;
use crate::work::Task;

/// Files that are copied at the same time where a request takes long, whatever its size.
const FILES_AT_ONCE: usize = 8;
/// A file of more bytes goes to a bucket in pieces, several of which are in memory at the same time.
const LARGE_BYTES: u64 = 8 << 20;
/// Such files that are copied at the same time.
const LARGE_AT_ONCE: usize = 2;
/// No further part is looked at while so many files wait.
const FILES_AHEAD: usize = 64;
/// Bytes that are looked at behind those of a part in one file, to find its manifest.
const FOOTER_BYTES: u64 = 12;

/// How files are brought over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// In which form parts are in the copy, whatever they are now; none where they keep theirs.
    pub(super) form: Option<Form>,
    /// Every byte is compared with what was written, and damage ends the copy. Else files are taken as they
    /// are, and what is missing is left out.
    pub(super) is_strict: bool,
    /// An earlier copy may have brought some.
    pub(super) is_taken_up: bool,
}

/// What was brought over so far.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Paths of files in the copy.
    pub(super) files: BTreeSet<String>,
    pub(super) kept_files: u64,
    pub(super) kept_bytes: u64,
    pub(super) copied_bytes: u64,
    pub(super) linked_files: u64,
    /// Files of the index that are gone, or too short.
    pub(super) missing: BTreeSet<String>,
    /// Names in the folder of the parts that nothing of the copy has, where others may be at work.
    pub(super) superfluous: Vec<String>,
    /// The one that was found so last.
    pub(super) gone: Option<String>,
    /// Parts that are not in another form in the copy, as they cannot be read.
    pub(super) formed_as_before: BTreeSet<String>,
}

/// Both sides of a copy.
pub(super) struct Transfer<'a> {
    pub(super) from: &'a Lenders,
    pub(super) to: &'a dyn Storage,
    pub(super) manner: Manner,
    pub(super) limits: &'a CallLimits,
    pub(super) task: &'a Task,
    pub(super) brought: &'a Mutex<Brought>,
    queue: Mutex<Queue>,
    is_changed: Condvar,
}

/// What is to be done.
enum Job {
    /// Find out which files a part has.
    Part(PartToCopy),
    /// Bring over one of them.
    File(Arc<CopiedPart>, usize),
    /// Bring over a file as it is.
    Plain(String),
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Files among them.
    files: usize,
    /// Jobs that are being done, and those of them that are large files.
    at_work: usize,
    large: usize,
    failed: Option<Error>,
    /// All files that the copy has.
    wanted: BTreeSet<String>,
}

impl Job {
    fn file(&self) -> Option<&CopiedFile> {
        match self {
            Self::File(part, at) => part.files.get(*at),
            _ => None,
        }
    }

    fn is_large(&self) -> bool {
        self.file().is_some_and(|it| it.size_bytes() > LARGE_BYTES)
    }

    /// The path of a file that is in the copy when it is done.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Part(_) => None,
            Self::File(..) => self.file().map(|file| file.path.as_str()),
            Self::Plain(path) => Some(path),
        }
    }
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        (from, to): (&'a Lenders, &'a dyn Storage),
        manner: Manner,
        limits: &'a CallLimits,
        task: &'a Task,
        brought: &'a Mutex<Brought>,
    ) -> Self {
        Self {
            from,
            to,
            manner,
            limits,
            task,
            brought,
            queue: Mutex::default(),
            is_changed: Condvar::new(),
        }
    }

    /// Brings over all files of a snapshot that were not brought before, `files` by their paths, and removes
    /// those that are not of it, or lists them where another copy may be at work. On return all names are
    /// durable.
    pub(super) fn run(mut self, snapshot: &SnapshotToCopy, files: &[String]) -> Result<()> {
        let jobs = self.jobs(snapshot, files)?;
        self.queue.get_mut().add(jobs);
        let threads = match self.from.reads_at_once().max(self.to.reads_at_once()) {
            0 | 1 => 1,
            _ => FILES_AT_ONCE,
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                let work = || self.work(files);
                if let Err(cause) = thread::Builder::new().spawn_scoped(scope, work) {
                    tracing::debug!(%cause, "a copy goes on with fewer threads");
                }
            }
            self.work(files);
        });
        let queue = std::mem::take(self.queue.get_mut());
        match queue.failed {
            Some(error) => Err(error),
            None => self.settle(&queue.wanted),
        }
    }

    /// What there is to do at first.
    fn jobs(&self, snapshot: &SnapshotToCopy, files: &[String]) -> Result<Vec<Job>> {
        let Manner {
            form, is_strict, ..
        } = self.manner;
        let parts = snapshot.parts()?;
        if is_strict {
            let dead = snapshot.dead()?.into_iter();
            let dead = dead.map(|file| Job::File(Arc::new(file), 0));
            return Ok(parts.into_iter().map(Job::Part).chain(dead).collect());
        }
        let (moved, same): (Vec<_>, Vec<_>) =
            { parts.into_iter() }.partition(|part| form.is_some_and(|form| form != part.form()));
        let mut jobs: Vec<Job> = moved.iter().copied().map(Job::Part).collect();
        drop(same);
        let is_of_moved = |path: &&String| moved.iter().any(|part| is_of(*part, path));
        let plain = files.iter().filter(|path| !is_of_moved(path));
        jobs.extend(plain.cloned().map(Job::Plain));
        Ok(jobs)
    }

    fn brought(&self) -> MutexGuard<'_, Brought> {
        self.brought.lock()
    }

    // ---- the queue ----

    fn work(&self, files: &[String]) {
        let mut buffer = Vec::new();
        while let Some(job) = self.next() {
            let done = self.carry_out(&job, files, &mut buffer);
            let mut queue = self.queue.lock();
            queue.at_work -= 1;
            queue.large -= usize::from(job.is_large());
            match done {
                Ok(jobs) => queue.add(jobs),
                Err(error) => drop(queue.failed.get_or_insert(error)),
            }
            self.is_changed.notify_all();
        }
    }

    /// The next job; none when there is none and none will come.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if queue.failed.is_some() {
                return None;
            }
            if let Some(job) = queue.take() {
                return Some(job);
            }
            if queue.at_work == 0 {
                return None;
            }
            self.is_changed.wait(&mut queue);
        }
    }

    fn check(&self) -> Result<()> {
        self.limits.check()?;
        match &self.queue.lock().failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    // ---- jobs ----

    /// Does a job; what is to be done because of it.
    fn carry_out(&self, job: &Job, files: &[String], buffer: &mut Vec<u8>) -> Result<Vec<Job>> {
        self.check()?;
        if let Some(path) = job.path()
            && self.brought().files.contains(path)
        {
            return Ok(Vec::new());
        }
        match job {
            Job::Part(part) => return self.plan(*part, files),
            Job::File(part, at) => {
                if let Some(file) = part.files.get(*at) {
                    self.copy_file(part, file, buffer)?;
                }
            }
            Job::Plain(path) if self.brought().missing.contains(path) => return Ok(Vec::new()),
            Job::Plain(path) => self.copy_plain(path, buffer)?,
        }
        if let Some(path) = job.path() {
            self.brought().files.insert(path.to_owned());
        }
        Ok(Vec::new())
    }

    /// The files of a part.
    fn plan(&self, part: PartToCopy, files: &[String]) -> Result<Vec<Job>> {
        let form = self.manner.form.unwrap_or(part.form());
        match self.read_manifest(part, form) {
            Ok(planned) => {
                let planned = Arc::new(planned);
                let files = 0..planned.files.len();
                Ok(files
                    .map(|at| Job::File(Arc::clone(&planned), at))
                    .collect())
            }
            Err(error) if !self.manner.is_strict && error.kind() == ErrorKind::Corrupt => {
                let path = part.path();
                tracing::warn!(path, %error, "a backup takes a damaged part as it is");
                let mut brought = self.brought();
                brought.formed_as_before.insert(part.name());
                let files = files.iter().filter(|path| is_of(part, path));
                Ok(files.cloned().map(Job::Plain).collect())
            }
            Err(error) => Err(error),
        }
    }

    fn read_manifest(&self, part: PartToCopy, form: Form) -> Result<CopiedPart> {
        let path = part.manifest_path();
        let is_missing = self.brought().missing.contains(&path);
        if is_missing {
            return Err(Error::corrupt("it is missing").at(path));
        }
        let file = self.from.open(&path);
        let file = file.map_err(|error| self.note_gone(&path, error))?;
        let size = file.size();
        let mut last = vec![0; FOOTER_BYTES.min(size) as usize];
        file.read_at(size - last.len() as u64, &mut last)?;
        let (offset, length) = part.manifest_extent(size, &last)?;
        let mut manifest = vec![0; length as usize];
        file.read_at(offset, &mut manifest)?;
        Ok(part.copied(form, &manifest, size)?)
    }

    /// Remembers that it was a file of the index that was not found.
    fn note_gone(&self, path: &str, error: Error) -> Error {
        if error.kind() == ErrorKind::NotFound {
            self.brought().gone = Some(path.to_owned());
        }
        error
    }

    fn copy_file(&self, part: &CopiedPart, file: &CopiedFile, buffer: &mut Vec<u8>) -> Result<()> {
        if self.manner.is_taken_up {
            match self.is_there(file)? {
                Some(true) => {
                    let mut brought = self.brought();
                    brought.kept_files += 1;
                    brought.kept_bytes += file.size_bytes();
                    return Ok(());
                }
                Some(false) if self.to.has_locks() => self.to.remove(&file.path)?,
                Some(false) => {
                    let text = format!(
                        "{} is there with other bytes; drop what is left of an earlier copy, then copy again",
                        file.path
                    );
                    return Err(Error::conflict(text));
                }
                None => {}
            }
        }
        let mut to = self.to.create(&file.path)?;
        let is_missing = |path: &str| self.brought().missing.contains(path);
        let mut stream = Stream::new(self.from, part, self.manner.is_strict, buffer);
        let streamed = stream.run(file, &is_missing, &|| self.check(), &mut |bytes| {
            to.append(bytes)?;
            self.count(bytes.len() as u64);
            Ok(())
        });
        let (gone, short) = (stream.gone.take(), std::mem::take(&mut stream.short));
        if let Err(error) = streamed {
            return Err(match gone {
                Some(path) => self.note_gone(&path, error),
                None => error,
            });
        }
        self.brought().missing.extend(short);
        match to.finish() {
            // Whoever was at work here before brought it just now.
            Err(error)
                if error.kind() == ErrorKind::Conflict
                    && self.manner.is_taken_up
                    && self.is_there(file)? == Some(true) =>
            {
                Ok(())
            }
            finished => finished,
        }
    }

    /// Whether a file is there already, and is the one that is wanted. No two parts have the same name, and a
    /// file has one only when all its bytes were compared: its size and its end tell.
    fn is_there(&self, file: &CopiedFile) -> Result<Option<bool>> {
        let there = match self.to.open(&file.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            there => there?,
        };
        let begin = file.size_bytes() - file.end.len() as u64;
        if there.size() != file.size_bytes() {
            return Ok(Some(false));
        }
        let mut end = vec![0; file.end.len()];
        there.read_at(begin, &mut end)?;
        Ok(Some(end == file.end))
    }

    /// Takes a file as it is, without a look at what it is.
    fn copy_plain(&self, path: &str, buffer: &mut Vec<u8>) -> Result<()> {
        let gone = |error| self.note_gone(path, error);
        if let Some(local) = self.from.local_path(path)?
            && self.to.link(path, &local).map_err(gone)?
        {
            self.brought().linked_files += 1;
            return Ok(());
        }
        let from = self.from.open(path).map_err(gone)?;
        let mut to = self.to.create(path)?;
        let mut offset = 0;
        while offset < from.size() {
            self.check()?;
            let length = super::stream::chunk_bytes(self.from).min(from.size() - offset);
            // At most the size of a chunk.
            buffer.resize(length as usize, 0);
            from.read_at(offset, buffer)?;
            to.append(buffer)?;
            offset += length;
            self.count(length);
        }
        to.finish()
    }

    fn count(&self, bytes: u64) {
        self.brought().copied_bytes += bytes;
        self.task.add_bytes(bytes);
    }

    // ---- what is left to do when all files are there ----

    fn settle(&self, wanted: &BTreeSet<String>) -> Result<()> {
        let tops: BTreeSet<&str> = { wanted.iter() }
            .filter_map(|path| path.strip_prefix("parts/")?.split('/').next())
            .collect();
        let mut brought = self.brought();
        let is_left =
            self.manner.is_taken_up || brought.files.iter().any(|it| !wanted.contains(it));
        brought.files.retain(|path| wanted.contains(path));
        if is_left {
            let mut others = self.to.list("parts")?;
            others.retain(|name| !tops.contains(name.as_str()));
            match self.to.has_locks() {
                true => others
                    .iter()
                    .try_for_each(|name| self.to.remove(&format!("parts/{name}")))?,
                false => brought.superfluous = others,
            }
        }
        let folders = brought.files.iter();
        let folders: BTreeSet<&str> = folders
            .filter_map(|path| Some(path.rsplit_once('/')?.0))
            .collect();
        for folder in folders {
            self.to.sync(folder)?;
        }
        Ok(())
    }
}

impl Queue {
    /// Takes jobs in, before those that are there.
    fn add(&mut self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            self.wanted.extend(job.path().map(str::to_owned));
            self.files += usize::from(job.path().is_some());
            self.jobs.push_front(job);
        }
    }

    /// The first job that may be begun now.
    fn take(&mut self) -> Option<Job> {
        let (large, files) = (self.large, self.files);
        let may_begin = |job: &Job| match job {
            Job::Part(_) => files < FILES_AHEAD,
            _ => large < LARGE_AT_ONCE || !job.is_large(),
        };
        let at = self.jobs.iter().position(may_begin)?;
        let job = self.jobs.remove(at)?;
        self.files -= usize::from(job.path().is_some());
        self.at_work += 1;
        self.large += usize::from(job.is_large());
        Some(job)
    }
}

/// Whether a file is one of a part.
fn is_of(part: PartToCopy, path: &str) -> bool {
    let rest = path.strip_prefix(part.path().as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
