//! The handle of an open index that a program has.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use sidx_engine::{Durability, Receipt, Retention, Subject};

use crate::batch::Batch;
use crate::copy::{BackupReport, CopyReport};
use crate::damage::DamagedPart;
use crate::dump::Dump;
use crate::error::Result;
use crate::handle::Handle;
use crate::health::{Health, levels};
use crate::instance::{Instance, parse_report};
use crate::maintenance::Maintenance;
use crate::open::Open;
use crate::part::{self, PartInfo};
use crate::query::Query;
use crate::salvage::SalvageReport;
use crate::scrub::ScrubReport;
use crate::store::Store;
use crate::work::Merged;
use crate::write::Write;

/// A handle of an open index. Clones are handles of the same index and may be used from any thread. The
/// index is closed when the last of them is dropped, and with it the last of what was made of them and holds
/// it open: queries, prepared ones too, cursors, writes, maintenance and dumps.
///
/// Dropping flushes nothing: rows written with durability `sync` or `os` are in the log and come back
/// when the index is opened again. Rows written with `none` need [`flush`](Self::flush) or
/// [`close`](Self::close).
#[derive(Clone)]
pub struct Index {
    handle: Handle,
}

impl Index {
    pub(crate) fn new(open: Arc<Open>) -> Self {
        Self {
            handle: Handle::new(open),
        }
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        self.handle.name()
    }

    /// Whether writes are refused because it was opened with
    /// [`read_only`](crate::IndexBuilder::read_only).
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.handle.is_read_only()
    }

    /// Adds the rows of a batch, all or none, with the durability of the index. On return they are as
    /// durable as that and visible to every query that starts later.
    ///
    /// It waits as long as it takes; [`writing`](Self::writing) bounds that.
    ///
    /// # Errors
    /// `invalid-argument`, which names the row and tag, and `resource-exhausted` refuse the batch and
    /// nothing else: when memory, the store or its medium have room again, the index takes writes again.
    /// After `io` or `conflict` it takes no more: reopen it.
    pub fn write(&self, batch: Batch) -> Result<Receipt> {
        self.writing().run(batch)
    }

    /// As [`write`](Self::write), with a durability of its own.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_with(&self, batch: Batch, durability: Durability) -> Result<Receipt> {
        self.writing().durability(durability).run(batch)
    }

    /// Starts to put a write together that may be bounded and stopped.
    pub fn writing(&self) -> Write {
        Write::new(self.handle.clone())
    }

    /// Starts to put a flush, merge, retention, salvage, scrub, check, dump, backup or copy together that may
    /// be stopped.
    pub fn maintain(&self) -> Maintenance {
        Maintenance::new(self.handle.clone())
    }

    /// Writes all rows that are in memory to a part in the store. They are durable on return, whatever
    /// durability they were written with. One flush runs at a time; others wait for it. With
    /// [`automatic_merge`](crate::IndexBuilder::automatic_merge), the default, it then waits for a running
    /// merge and does the merges that are worth it, and so does [`close`](Self::close).
    ///
    /// # Errors
    /// `resource-exhausted` when another program has filled the medium: the index is as before then, and the
    /// flush may be tried again. After `io` or `conflict` reopen the index.
    pub fn flush(&self) -> Result<Merged> {
        self.maintain().flush()
    }

    /// Removes what was replaced or left by a writer before and nobody needs any more, as far as that can be
    /// done now. Flushes and merges do that too, and with [`background`](crate::IndexBuilder::background),
    /// the default, a thread does each minute.
    /// [`IndexBuilder::collect_garbage`](crate::IndexBuilder::collect_garbage) does it for an index that
    /// nobody has open for writing.
    ///
    /// # Errors
    /// `invalid-argument` for one that was opened read-only. What cannot be removed is no error, and is tried
    /// again the next time.
    pub fn collect_garbage(&self) -> Result<()> {
        self.handle.check_writable()?;
        self.handle
            .writer()
            .consult(|introducer| introducer.collect())
    }

    /// Merges parts of similar size until nothing is worth merging. Queries and writes go on meanwhile.
    /// One merge runs at a time; others wait for it. A damaged part stays where it is,
    /// and is counted in [`Merged::left_out`].
    ///
    /// # Errors
    /// As [`flush`](Self::flush), and `resource-exhausted` from the level `severe` on. A merge that fails
    /// leaves the index as it was.
    pub fn merge(&self) -> Result<Merged> {
        self.maintain().merge()
    }

    /// Flushes, then merges everything into one part, or into one on each side of every damaged part.
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn merge_all(&self) -> Result<Merged> {
        self.maintain().merge_all()
    }

    /// Drops the rows that the rule names: all of them that were acknowledged before the call; of rows
    /// that are
    /// written meanwhile, none or those that came first. What stays, and what was in memory, is durable on
    /// return.
    ///
    /// Parts of which every row goes leave the index first, all at once and without being read where
    /// their key
    /// range or the limits of their tags tell; parts of which no row goes stay as they are. Rows in
    /// memory are
    /// flushed without those that go. The other parts are rewritten one at a time, those that leave
    /// least first, so that the room which is needed is that of one part. Nothing is merged.
    ///
    /// [`Maintenance::preview_retention`] tells beforehand what would go.
    ///
    /// ```
    /// # fn main() -> sidx_host::Result<()> {
    /// use sidx_host::{Batch, Retention, Store};
    ///
    /// let index = Store::memory().index("requests").create()?;
    /// for keys in [0..100, 100..200] {
    ///     let mut batch = Batch::new();
    ///     for key in keys {
    ///         batch.row("api", key).add()?;
    ///     }
    ///     index.write(batch)?;
    ///     index.flush()?;
    /// }
    /// let rule = Retention { drop_below: Some(100), ..Retention::default() };
    /// let preview = index.maintain().preview_retention(rule.clone())?;
    /// assert_eq!((preview.dropped_rows, preview.parts_rewritten), (100, 0));
    /// let done = index.retain(rule)?;
    /// assert_eq!((done.dropped_rows, done.dropped_parts, done.bytes_written), (100, 1, 0));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `invalid-argument` for an expression that cannot be read; nothing was done then. A part that cannot be
    /// rewritten, because it is damaged or the room is not there, does not hinder the others; the first such
    /// error is returned at the end, and its text says which parts are left and what was done. The same
    /// call goes
    /// on from there, as it does after one that was stopped or broke off: every job is whole or has not
    /// happened.
    pub fn retain(&self, rule: Retention) -> Result<Merged> {
        self.maintain().retain(rule)
    }

    /// Starts to put a query together.
    pub fn query(&self) -> Query {
        Query::new(self.handle.clone())
    }

    /// The label of each series, `None` where it has none.
    ///
    /// # Errors
    /// `corrupt` or `io` when parts cannot be read, `resource-exhausted` when all instances are in use.
    pub fn series_labels(&self, series: &[u64]) -> Result<Vec<Option<Arc<str>>>> {
        let labels = self.handle.labels().resolve(series)?;
        Ok(series.iter().map(|id| labels.get(id).cloned()).collect())
    }

    /// The parts, as JSON, with all that is known of each; [`part_list`](Self::part_list) has the numbers.
    ///
    /// # Errors
    /// `corrupt` or `io` when parts cannot be read, `resource-exhausted` when all instances are in use.
    pub fn parts(&self) -> Result<Value> {
        let mut lease = self.handle.lease()?;
        let report = lease.instance()?.describe(Subject::Parts)?;
        lease.whole(parse_report(&report))
    }

    /// The parts in order of age: what a policy for flushes and merges decides by. Parts in memory end with a
    /// [`flush`](Self::flush), parts in files are merged with their neighbours in this order only.
    ///
    /// # Errors
    /// `corrupt` or `io` when parts cannot be read, `resource-exhausted` when all instances are in use.
    pub fn part_list(&self) -> Result<Vec<PartInfo>> {
        part::list(&self.parts()?)
    }

    /// Counters and sizes, as JSON; under `page_cache` those of this index's page cache, under `levels`
    /// the file parts by size, under `health` what [`health`](Self::health) tells.
    ///
    /// # Errors
    /// `corrupt` or `io` when parts cannot be read, `resource-exhausted` when all instances are in use.
    pub fn stats(&self) -> Result<Value> {
        // The introducer alone knows what comes next: element ids, log position, refusals.
        let described = |introducer: &mut dyn Instance| {
            let parts = introducer.describe(Subject::Parts)?;
            Ok((introducer.describe(Subject::Stats)?, parts))
        };
        let (stats, parts) = self.handle.writer().consult(described)?;
        let (mut report, parts) = (parse_report(&stats)?, parse_report(&parts)?);
        if let Some(report) = report.as_object_mut() {
            let health = self.health().to_json();
            let cache = health.get("page_cache").cloned().unwrap_or_default();
            report.insert("page_cache".into(), cache);
            report.insert("levels".into(), levels(&parts));
            report.insert("health".into(), health);
        }
        Ok(report)
    }

    /// How the index is: budgets, backlog, running work, counters, failures. It waits for no write, flush
    /// or merge and reads no page, so it may be asked every second.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(&self.handle)
    }

    /// The parts that are known to be damaged: those that a job, a query or a check met since the index was
    /// opened, and that were not salvaged since. It reads nothing.
    #[must_use]
    pub fn damaged(&self) -> Vec<DamagedPart> {
        self.handle.shared().damages.list()
    }

    /// Reads every file of every part once and compares it with its checksum, past the page cache; a few
    /// megabytes of memory and no instance are held meanwhile. What it finds is in the report, and from then
    /// on in [`damaged`](Self::damaged); merges go around it. See
    /// [`scrub_bytes_per_second`](crate::IndexBuilder::scrub_bytes_per_second) for a scrub that repeats by
    /// itself, and [`verify`](Self::verify) for a check of everything that is said in the files as well.
    ///
    /// # Errors
    /// Only when the scrub itself could not go on.
    pub fn scrub(&self) -> Result<ScrubReport> {
        self.maintain().scrub()
    }

    /// Scrubs, and puts what can be read of each damaged part in its place: a row is saved whole or not at
    /// all. Queries and writes go on meanwhile. The damaged part moves to `quarantine/`, with the reason
    /// beside it, once no reader needs it where it is. What was lost is remembered: queries that touch it
    /// fail with `corrupt` unless they take a partial result, until a
    /// [`repair`](crate::IndexBuilder::repair) accepts the loss. On return all of this is durable.
    ///
    /// ```
    /// # fn main() -> sidx_host::Result<()> {
    /// use sidx_host::{Batch, Store};
    ///
    /// let index = Store::memory().index("delays").create()?;
    /// let mut batch = Batch::new();
    /// batch.row("UA", 42).add()?;
    /// index.write(batch)?;
    /// index.flush()?;
    /// let report = index.salvage()?;
    /// assert!(report.parts.is_empty() && report.is_without_loss());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn salvage(&self) -> Result<SalvageReport> {
        self.maintain().salvage()
    }

    /// Checks every file, page and cross-reference of every part, and every entry of the log. Damage is
    /// in the report, which is a JSON object.
    ///
    /// # Errors
    /// Only when the check itself could not run.
    pub fn verify(&self) -> Result<Value> {
        self.maintain().verify()
    }

    /// Every physical row of every part, a block at a time, unsorted.
    ///
    /// # Errors
    /// `corrupt` or `io` when parts cannot be read, `resource-exhausted` when all instances are in use.
    pub fn dump(&self) -> Result<Dump> {
        self.maintain().dump()
    }

    /// Copies the index, as it is now, to another store, under a name that is free there. Files are hard
    /// links where both stores are directories of one file system, which costs next to nothing, and copies
    /// elsewhere. Opening the copy is all that restoring it takes.
    ///
    /// Writes, flushes and merges go on meanwhile. Every row that was acknowledged before the call is in
    /// the copy, whatever its durability, because it begins with a flush; of rows that are written
    /// meanwhile, those that were first. An index that was opened read-only may be copied while another
    /// process writes it: then rows of durability `none` that were not flushed are missing. Parts in
    /// quarantine are not copied.
    ///
    /// ```
    /// # fn main() -> sidx_host::Result<()> {
    /// use sidx_host::{Batch, Store};
    ///
    /// let index = Store::memory().index("delays").create()?;
    /// let mut batch = Batch::new();
    /// batch.row("UA", 42).add()?;
    /// index.write(batch)?;
    /// let other = Store::memory();
    /// index.backup(&other, "delays")?;
    /// assert_eq!(other.index("delays").open()?.query().count()?, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `conflict` when the name is taken there, `resource-exhausted` when the other store is full, those of
    /// a read and of a flush. Whatever the error, there is no index of that name afterwards, and what was
    /// copied is removed, at the latest by the next backup to the same place.
    pub fn backup(&self, target: &Store, name: &str) -> Result<BackupReport> {
        self.maintain().backup(target, name)
    }

    /// Copies the index to another store under a name that is free there, and compares every file with what
    /// was written: for moving an index to another kind of store, such as a bucket. Nothing is decoded or
    /// compressed anew. Parts become one file each for a store that takes no folders, and folders for one
    /// that does from one that does not; else they stay as they are. What is in the copy is as for
    /// [`backup`](Self::backup), but that nothing is linked, and that damage ends the copy.
    ///
    /// A copy that was interrupted, by an error, a token or the end of the process, is no index. The next
    /// copy of the same index to the same name goes on with it: files that are there are not copied again,
    /// also where the index was written to meanwhile. An index of the name that is such a copy is left as it
    /// is, also where its original was written to since: [`already_there`](CopyReport::already_there). Which
    /// index is the same is told by where it lies; of those in memory, by the name alone.
    ///
    /// A file is copied in chunks of 1 MiB, or of 4 MiB from a bucket; from or to a bucket up to 8 files at
    /// the same time, of which 2 may be large. It takes some 100 MiB of memory then.
    ///
    /// ```
    /// # fn main() -> sidx_host::Result<()> {
    /// use sidx_host::{Batch, Store};
    ///
    /// let index = Store::memory().index("delays").create()?;
    /// let mut batch = Batch::new();
    /// batch.row("UA", 42).add()?;
    /// index.write(batch)?;
    /// let other = Store::memory();
    /// index.copy_to(&other, "delays")?;
    /// assert_eq!(other.index("delays").open()?.query().count()?, 1);
    /// assert!(index.copy_to(&other, "delays")?.already_there);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `corrupt`, which names the file, when one is damaged or gone; `conflict` when the name is taken by
    /// another index, or another copy is being made there (in a bucket also for the time of a lease after one
    /// was killed); `resource-exhausted` when the other store is full; those of a read and of a flush. What
    /// was copied until then stays for the next copy, or until the name is dropped.
    pub fn copy_to(&self, target: &Store, name: &str) -> Result<CopyReport> {
        self.maintain().copy_to(target, name)
    }

    /// Flushes what is in memory and lets go of this handle.
    ///
    /// # Errors
    /// As [`flush`](Self::flush). The handle is gone in any case.
    pub fn close(self) -> Result<()> {
        if !self.is_read_only() {
            self.flush()?;
        }
        Ok(())
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::storage::{MemoryStore, Store as _};
    use crate::{Cursor, Engine, Rows};

    /// Also without a query.
    #[test]
    fn the_pin_of_an_idle_reader_moves() {
        let backend = Arc::new(MemoryStore::new());
        let store = Store::with_backend(Arc::clone(&backend) as _);
        let options = || store.index("a").engine(Engine::Native);
        let writer = options().create().unwrap();
        let reader = options().read_only().unwrap();
        let place = backend.open_index("a", false).unwrap();
        let before = place.pinned_epochs().unwrap();
        assert_eq!(before.len(), 1);
        for key in 0..3 {
            let mut batch = Batch::new();
            batch.row("s", key).payload(b"x").add().unwrap();
            writer.write(batch).unwrap();
            writer.flush().unwrap();
        }
        reader
            .handle
            .follow_idle(Duration::from_secs(3600))
            .unwrap();
        assert_eq!(place.pinned_epochs().unwrap(), before);
        reader.handle.follow_idle(Duration::ZERO).unwrap();
        let after = place.pinned_epochs().unwrap();
        assert_eq!(after.len(), 1);
        assert!(after > before, "{after:?}, {before:?}");
    }

    #[test]
    fn handles_and_cursors_may_move_between_threads() {
        fn shared<T: Send + Sync>() {}
        fn sent<T: Send>() {}
        shared::<Index>();
        shared::<Rows>();
        shared::<Query>();
        sent::<Cursor>();
        sent::<Dump>();
    }
}
