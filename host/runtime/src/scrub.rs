//! Scrubs: the files of all parts are read, slowly if so wished, to find damage before somebody needs what
//! it hit.
//!
//! A scrub compares whole files and sections with the checksums in the manifests. It reads them itself,
//! past the page cache, and holds neither an instance nor a view meanwhile: what a merge replaces beside it
//! can go at once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use sidx_engine::PartFile;
use sidx_log::checksum;

use crate::damage::DamagedPart;
use crate::error::{Error, ErrorKind, Result};
use crate::open::Open;
use crate::rate::Rate;
use crate::session::{CallLimits, Chunks, read_section};
use crate::storage::ReadFile;
use crate::work::{Operation, Task, unix_ms};

/// A pass that repeats begins this long after the one before began, or when that is over.
pub(crate) const INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Bytes read at a time; between two the scrub may be stopped.
const CHUNK_BYTES: u64 = 256 << 10;
/// A file is opened anew after so many bytes: one that was removed meanwhile gives its room back then.
const REOPEN_BYTES: u64 = 16 << 20;

/// What one pass over all parts found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScrubReport {
    /// Parts that were checked. Those that a merge replaced meanwhile are not among them.
    pub parts: u64,
    /// Files that were read to their end and are as they were written.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Files that could not be read for other reasons than damage; `last_errors` of
    /// [`Index::health`](crate::Index::health) tells why.
    pub unread_files: u64,
    /// Every part that is known to be damaged at the end of the pass.
    pub damaged: Vec<DamagedPart>,
}

/// Reads all files of all parts once, at a rate if there is one, and notes what is damaged.
pub(crate) fn pass(index: &Open, limits: &CallLimits, rate: Option<&Rate>) -> Result<ScrubReport> {
    let mut task = index.work().begin(Operation::Scrub);
    let scrubs = &index.shared().scrubs;
    let mut pass = Pass {
        index,
        limits,
        rate,
        task: &task,
        report: ScrubReport::default(),
    };
    let done = pass.run();
    let mut report = pass.report;
    scrubs.change(|health| {
        health.running = false;
        if done.is_ok() {
            health.passes += 1;
            health.last_finished_unix_ms = Some(unix_ms(SystemTime::now()));
        }
    });
    task.end(done.as_ref().map(drop));
    done?;
    report.damaged = index.shared().damages.list();
    Ok(report)
}

struct Pass<'a> {
    index: &'a Open,
    limits: &'a CallLimits,
    /// None to read as fast as can be.
    rate: Option<&'a Rate>,
    task: &'a Task,
    report: ScrubReport,
}

/// What a file turned out to be.
enum Found {
    Sound,
    Damaged(Error),
    /// It could not be read, which tells nothing about what is in it.
    Unread(Error),
}

impl Pass<'_> {
    fn run(&mut self) -> Result<()> {
        let files = self.files()?;
        let parts: Vec<&[PartFile]> = files.chunk_by(|one, two| one.part == two.part).collect();
        self.index.shared().scrubs.change(|health| {
            health.running = true;
            health.checked_parts = 0;
            health.parts = parts.len() as u64;
        });
        // Where a process ends before its pass does, the next one shall not begin with the same parts again.
        let begin = match (self.rate, parts.len() as u64) {
            (None, _) | (_, 0) => 0,
            (Some(_), count) => (unix_ms(SystemTime::now()) / 1_000 % count) as usize,
        };
        let (earlier, later) = parts.split_at(begin.min(parts.len()));
        for files in later.iter().chain(earlier) {
            self.limits.check()?;
            self.part(files)?;
            let scrubs = &self.index.shared().scrubs;
            scrubs.change(|health| health.checked_parts += 1);
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<PartFile>> {
        let mut lease = self.index.pool().lease(self.limits.clone())?;
        lease.instance()?.part_files()
    }

    fn part(&mut self, files: &[PartFile]) -> Result<()> {
        let Some(part) = files.first().map(|file| file.part) else {
            return Ok(());
        };
        let mut is_sound = self.survey(part, false)?;
        for file in files {
            match self.file(file)? {
                Found::Sound => self.report.files += 1,
                Found::Unread(error) => {
                    self.report.unread_files += 1;
                    self.index.work().failed(Operation::Scrub, &error);
                }
                Found::Damaged(error) => {
                    // A merge may have replaced the part, or a flush one file of it, and removed that.
                    let live = self.files()?;
                    if !live.iter().any(|live| live.part == part) {
                        return Ok(());
                    }
                    if !live.iter().any(|live| name_of(live) == name_of(file)) {
                        continue;
                    }
                    is_sound = false;
                    self.note(file, &error);
                }
            }
        }
        let damages = &self.index.shared().damages;
        if !is_sound {
            self.survey(part, true)?;
        } else if damages.has(part) && self.survey(part, true)? {
            // What was once read wrong was read right now.
            damages.forget([part]);
        }
        self.report.parts += 1;
        Ok(())
    }

    /// Has the engine look at a part; true when it finds nothing.
    fn survey(&self, part: u64, pages: bool) -> Result<bool> {
        let mut lease = self.index.pool().lease(self.limits.clone())?;
        let found = lease.instance()?.survey(&[part], pages)?;
        let is_sound = found.is_empty();
        for damage in found {
            if self.index.shared().damages.note(damage) {
                self.count();
            }
        }
        Ok(is_sound)
    }

    fn note(&self, file: &PartFile, error: &Error) {
        let shared = self.index.shared();
        // Who looks next shall see what is in the store, not what was there once.
        shared.forget(&file.path);
        let known = shared.damages.added();
        shared.damages.note_file(&name_of(file), error.message());
        if shared.damages.added() > known {
            self.count();
        }
    }

    fn count(&self) {
        let scrubs = &self.index.shared().scrubs;
        scrubs.change(|health| health.found += 1);
    }

    /// Reads a file to its end. An error means that the scrub must stop.
    fn file(&mut self, file: &PartFile) -> Result<Found> {
        let mut source: Option<Source> = None;
        let (mut offset, mut checksum) = (0, 0);
        let mut buffer = Vec::new();
        loop {
            self.limits.check()?;
            if offset % REOPEN_BYTES == 0 {
                source = None;
            }
            let length = CHUNK_BYTES.min(file.size_bytes.saturating_sub(offset));
            if let Some(rate) = self.rate {
                rate.take(length, || self.limits.check())?;
            }
            // At most the size of a chunk.
            buffer.resize(length as usize, 0);
            if let Err(error) = self.read(file, &mut source, offset, &mut buffer) {
                return Ok(match error.kind() {
                    ErrorKind::NotFound | ErrorKind::Corrupt => Found::Damaged(error),
                    _ => Found::Unread(error),
                });
            }
            checksum = checksum::crc32c_append(checksum, &buffer);
            self.report.bytes += length;
            self.task.add_bytes(length);
            let scrubs = &self.index.shared().scrubs;
            scrubs.change(|health| health.bytes += length);
            offset += length;
            if offset >= file.size_bytes {
                break;
            }
        }
        if checksum == file.checksum {
            return Ok(Found::Sound);
        }
        Ok(Found::Damaged(Error::corrupt(format!(
            "{}: its CRC32C is {checksum:08x}, the manifest says {:08x}",
            name_of(file),
            file.checksum
        ))))
    }

    fn read(
        &self,
        file: &PartFile,
        source: &mut Option<Source>,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<()> {
        let source = match source {
            Some(source) => source,
            None => {
                let opened = self.index.shared().lenders.open(&file.path)?;
                source.insert(Source::new(file, opened)?)
            }
        };
        source.read_at(offset, buffer)
    }
}

/// What is read: a file, or a section of one.
struct Source {
    file: Arc<dyn ReadFile>,
    chunks: Option<Chunks>,
}

impl Source {
    /// Compares what was opened with what the manifest says.
    fn new(file: &PartFile, opened: Arc<dyn ReadFile>) -> Result<Self> {
        let at = |error: sidx_engine::Error| Error::from(error.at(name_of(file)));
        let chunks = file.section.as_ref();
        let chunks = chunks.map(|section| Chunks::new(section.chunks.clone(), opened.size()));
        let chunks = chunks.transpose().map_err(at)?;
        let size_bytes = chunks
            .as_ref()
            .map_or_else(|| opened.size(), Chunks::size_bytes);
        if size_bytes != file.size_bytes {
            return Err(Error::corrupt(format!(
                "{}: {size_bytes} bytes, the manifest says {}",
                name_of(file),
                file.size_bytes
            )));
        }
        Ok(Self {
            file: opened,
            chunks,
        })
    }

    /// Fills `buffer` with the bytes at `offset`, which are inside.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        match &self.chunks {
            None => self.file.read_at(offset, buffer),
            Some(chunks) => read_section(chunks, self.file.as_ref(), offset, buffer),
        }
    }
}

/// What a file or section is called: by its path, and the name of the section behind it.
fn name_of(file: &PartFile) -> String {
    match &file.section {
        None => file.path.clone(),
        Some(section) => format!("{}/{}", file.path, section.name),
    }
}
