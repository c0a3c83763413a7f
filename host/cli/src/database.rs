//! The indexes that commands work on, as the library has them.

use std::fs;
use std::io::ErrorKind as Io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sidx_columns::Column;
use sidx_command::database::{
    Absence, BackupReport, BranchReport, CopyReport, DamagedPart, Dumped, Error, Merged, Order,
    Parameter, Pieces, Query, Result, RetentionPreview, Room,
};
use sidx_command::{Failure, database};
use sidx_host::{BoundQuery, Counted, Durability, IndexBuilder, PreparedQuery, Retention};

/// Stores as the library opens them.
pub(crate) struct Library;

impl database::Database for Library {
    type Store = Store;

    fn store(&self, location: &str) -> Result<Store> {
        sidx_host::Store::open(location).map(Store).map_err(told)
    }
}

/// A store of the library.
pub(crate) struct Store(sidx_host::Store);

impl database::Store for Store {
    type Index = Index;

    fn exists(&self) -> Result<bool> {
        // A bucket without objects is as good as one with some; whether it is there the service tells.
        let Some(path) = self.0.local_path() else {
            return Ok(true);
        };
        let path = path.as_path();
        match fs::metadata(path) {
            Err(cause) if cause.kind() == Io::NotFound && !path.is_symlink() => Ok(false),
            // What else is in the way the library tells.
            Err(cause) if !matches!(cause.kind(), Io::NotFound | Io::NotADirectory) => {
                Err(told(sidx_host::Error::io("look at", path, cause)))
            }
            _ => Ok(true),
        }
    }

    fn absence(&self, index: &str) -> Absence {
        let Some(location) = self.0.local_path() else {
            return Absence::Nothing;
        };
        let location = location.as_path();
        let folder = location.join(index);
        if is_index(location) {
            let name = location.file_name().unwrap_or_default();
            let above = location.parent();
            let above = above.filter(|above| !above.as_os_str().is_empty());
            return Absence::StoreIsIndex {
                above: above.unwrap_or(Path::new(".")).display().to_string(),
                name: name.to_string_lossy().into_owned(),
            };
        }
        let was_dropped = self.0.was_dropped(index).unwrap_or(false);
        match folder.is_dir() && !was_dropped {
            true => Absence::Folder(folder.display().to_string()),
            false => Absence::Nothing,
        }
    }

    fn index_names(&self) -> Result<Vec<String>> {
        self.0.index_names().map_err(told)
    }

    fn create(&self, index: &str, room: Room, wait: Duration) -> Result<Index> {
        let index = within(self.0.index(index), room).lock_wait(wait);
        index.create().map(Index).map_err(told)
    }

    fn open(&self, index: &str, room: Room, wait: Duration) -> Result<Index> {
        let index = within(self.0.index(index), room).automatic_merge(false);
        { index.lock_wait(wait) }.open().map(Index).map_err(told)
    }

    fn read(&self, index: &str) -> Result<Index> {
        self.0.index(index).read_only().map(Index).map_err(told)
    }

    fn repair(&self, index: &str, accept_loss: bool, wait: Duration) -> Result<Value> {
        let index = self.0.index(index).lock_wait(wait);
        index.repair(accept_loss).map_err(told)
    }

    fn garbage(&self, index: &str, apply: Option<Duration>) -> Result<Value> {
        let index = self.0.index(index);
        let report = match apply {
            Some(wait) => index.lock_wait(wait).collect_garbage(),
            None => index.garbage(),
        };
        let report = report.map_err(told)?;
        serde_json::to_value(&report).map_err(|cause| {
            let text = format!("the report is no JSON: {cause}");
            told(sidx_host::Error::new(sidx_host::ErrorKind::Other, text))
        })
    }

    fn remove(&self, index: &str, wait: Duration) -> Result<u64> {
        let index = self.0.index(index).lock_wait(wait);
        index.remove().map_err(told)
    }

    fn branch(&self, index: &str, name: &str) -> Result<BranchReport> {
        let report = self.0.branch(index, name).map_err(told)?;
        Ok(BranchReport {
            epoch: report.epoch,
            shared_files: report.shared_files,
            log_entries: report.log_entries,
        })
    }
}

/// Whether a folder is that of an index.
fn is_index(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| name == "index.json" || name.to_string_lossy().ends_with(".incarnation"))
}

fn within(index: IndexBuilder, room: Room) -> IndexBuilder {
    let mut index = index.one_file_parts(room.one_file_parts);
    if let Some(bytes) = room.disk_bytes {
        index = index.disk_bytes(bytes);
    }
    match room.min_free_bytes {
        Some(bytes) => index.min_free_bytes(bytes),
        None => index,
    }
}

/// An index of the library.
pub(crate) struct Index(sidx_host::Index);

impl database::Index for Index {
    type Store = Store;
    type Batch = sidx_host::Batch;
    type Cursor = Cursor;
    type Rows = Rows;

    fn batch(pieces: Pieces) -> Result<Self::Batch> {
        let Pieces {
            series,
            keys,
            labels,
            payloads,
            tags,
        } = pieces;
        let batch = sidx_host::Batch::from_columns(series, keys, payloads, tags);
        let mut batch = batch.map_err(told)?;
        for label in &labels {
            batch.add_label(label);
        }
        Ok(batch)
    }

    fn write(&self, batch: Self::Batch, durability: Durability) -> Result<()> {
        let written = self.0.write_with(batch, durability);
        written.map(drop).map_err(told)
    }

    fn flush(&self) -> Result<Merged> {
        self.0.flush().map(merged).map_err(told)
    }

    fn merge(&self) -> Result<Merged> {
        self.0.merge().map(merged).map_err(told)
    }

    fn merge_all(&self) -> Result<Merged> {
        self.0.merge_all().map(merged).map_err(told)
    }

    fn retain(&self, rule: Retention) -> Result<Merged> {
        self.0.retain(rule).map(merged).map_err(told)
    }

    fn preview_retention(&self, rule: Retention) -> Result<RetentionPreview> {
        let preview = self.0.maintain().preview_retention(rule).map_err(told)?;
        Ok(RetentionPreview {
            rows: preview.rows,
            dropped_rows: preview.dropped_rows,
            dropped_bytes: preview.dropped_bytes,
            parts_dropped: preview.parts_dropped,
            parts_rewritten: preview.parts_rewritten,
            parts_untouched: preview.parts_untouched,
            rows_rewritten: preview.rows_rewritten,
            memory_rows: preview.memory_rows,
            memory_dropped_rows: preview.memory_dropped_rows,
            unreadable: preview.unreadable,
        })
    }

    fn backup(&self, store: &Store, name: &str) -> Result<BackupReport> {
        let report = self.0.backup(&store.0, name).map_err(told)?;
        Ok(BackupReport {
            files: report.files,
            linked_files: report.linked_files,
            copied_bytes: report.copied_bytes,
            log_entries: report.log_entries,
            missing_files: report.missing_files,
        })
    }

    fn copy_to(&self, store: &Store, name: &str) -> Result<CopyReport> {
        let report = self.0.copy_to(&store.0, name).map_err(told)?;
        Ok(CopyReport {
            already_there: report.already_there,
            files: report.files,
            kept_files: report.kept_files,
            kept_bytes: report.kept_bytes,
            copied_bytes: report.copied_bytes,
            log_entries: report.log_entries,
        })
    }

    fn damaged(&self) -> Vec<DamagedPart> {
        let damaged = self.0.damaged().into_iter().map(|part| DamagedPart {
            part: part.part,
            reason: part.reasons.into_iter().next().unwrap_or_default(),
        });
        damaged.collect()
    }

    fn stats(&self) -> Result<Value> {
        self.0.stats().map_err(told)
    }

    fn parts(&self) -> Result<Value> {
        self.0.parts().map_err(told)
    }

    fn verify(&self) -> Result<Value> {
        self.0.verify().map_err(told)
    }

    fn query(&self, asked: &Query<'_>) -> Result<Cursor> {
        let query = self.asked(asked);
        let cursor = match asked.parameters {
            [] => query.run(),
            values => query.prepare().and_then(|it| bound(&it, values).run()),
        };
        cursor.map(Cursor).map_err(told)
    }

    fn count(&self, asked: &Query<'_>) -> Result<Counted> {
        let query = self.asked(asked);
        let counted = match asked.parameters {
            [] => query.count_partial(),
            values => query
                .prepare()
                .and_then(|it| bound(&it, values).count_partial()),
        };
        counted.map_err(told)
    }

    fn dump(&self) -> Result<impl Iterator<Item = Result<Dumped<Rows>>>> {
        let dump = self.0.dump().map_err(told)?;
        Ok(dump.map(|dumped| {
            let dumped = dumped.map_err(told)?;
            Ok(Dumped {
                part: dumped.part,
                first_row: dumped.first_row,
                rows: Rows(dumped.rows),
            })
        }))
    }

    fn close(self) -> Result<()> {
        self.0.close().map_err(told)
    }
}

impl Index {
    /// A query of the library, whose parameters have no values yet.
    fn asked(&self, asked: &Query<'_>) -> sidx_host::Query {
        let mut query = self.0.query().keys(asked.keys);
        for label in asked.series {
            query = query.series(label);
        }
        for id in asked.series_ids {
            query = query.series_id(*id);
        }
        if let Some(filter) = asked.filter {
            query = query.filter(filter);
        }
        query = match asked.order {
            Order::Ascending => query.ascending(),
            Order::Descending => query.descending(),
            Order::Any => query.any_order(),
        };
        if let Some(limit) = asked.limit {
            query = query.limit(limit);
        }
        if let Some(names) = asked.select {
            query = query.select(names.iter().map(String::as_str));
        }
        if asked.distinct_payload {
            query = query.distinct_payload();
        }
        if let Some(timeout) = asked.timeout {
            query = query.timeout(timeout);
        }
        if asked.allow_partial {
            query = query.allow_partial();
        }
        if let Some(rows) = asked.max_rows {
            query = query.max_rows(rows);
        }
        if let Some(bytes) = asked.memory_bytes {
            query = query.memory_bytes(bytes);
        }
        if let Some(threads) = asked.threads {
            query = query.threads(threads);
        }
        query.payload(asked.payload).timed(asked.timed)
    }
}

/// A run of a prepared query with these values of its parameters.
fn bound<'p>(prepared: &'p PreparedQuery, values: &[Parameter]) -> BoundQuery<'p> {
    values.iter().fold(prepared.bind(), |run, parameter| {
        run.value(&parameter.name, &parameter.value)
    })
}

/// A query of the library.
pub(crate) struct Cursor(sidx_host::Cursor);

impl database::Cursor for Cursor {
    type Rows = Rows;

    fn next(&mut self) -> Result<Option<Rows>> {
        let rows = self.0.next().transpose();
        rows.map(|rows| rows.map(Rows)).map_err(told)
    }

    fn explain(&mut self) -> Result<Value> {
        self.0.explain().map_err(told)
    }

    fn missing(&mut self) -> Result<Vec<String>> {
        self.0.missing().map_err(told)
    }
}

/// Rows of the library.
pub(crate) struct Rows(sidx_host::Rows);

impl database::Rows for Rows {
    fn keys(&self) -> &[i64] {
        self.0.keys()
    }

    fn series(&self) -> &[u64] {
        self.0.series()
    }

    fn label(&self, row: usize) -> Result<Option<Arc<str>>> {
        self.0.label(row).map_err(told)
    }

    fn payloads(&self) -> Option<&Column> {
        self.0.payloads()
    }

    fn tags(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.0.tags()
    }
}

fn merged(merged: sidx_host::Merged) -> Merged {
    Merged {
        parts: merged.parts,
        rows: merged.rows,
        dropped_rows: merged.dropped_rows,
        bytes_written: merged.bytes_written,
        dropped_parts: merged.dropped_parts,
        left_out: merged.left_out,
    }
}

/// An error of the library, with the one below all others.
fn told(error: sidx_host::Error) -> Error {
    use std::error::Error as _;
    let mut root = None;
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(|it| it.downcast_ref::<sidx_host::Error>()) {
        root = Some(deeper);
        cause = deeper.source();
    }
    let told = Error::new(error.kind(), error.message());
    match root {
        Some(root) => told.because_of(Error::new(root.kind(), root.message())),
        None => told,
    }
}

/// What the command says of an error of the library.
pub(crate) fn failure(error: sidx_host::Error) -> Failure {
    told(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use sidx_command::arguments::Arguments;
    use sidx_command::driver::InTurn;
    use sidx_command::{Code, Console};

    /// The exit code of a command, which fails.
    fn code(words: &[&str]) -> Option<Code> {
        let words = ["sidx"].iter().chain(words);
        let arguments = <Arguments>::try_parse_from(words).unwrap();
        let mut console = Console {
            out: &mut Vec::new(),
            err: &mut Vec::new(),
            in_is_terminal: false,
            out_is_terminal: false,
            err_is_terminal: false,
        };
        let run = sidx_command::run(&arguments.command, &Library, &InTurn, &mut console);
        run.unwrap_err().code()
    }

    #[test]
    fn only_directories_are_stores() {
        for store in [
            "s3://bucket/prefix",
            "http://x/y",
            "file://x",
            "file:x",
            "memory:",
        ] {
            assert_eq!(
                code(&["stats", store, "--index", "i"]),
                Some(Code::Usage),
                "{store}"
            );
        }
        for store in ["file:///nonexistent/x", "file:/nonexistent/x", "./file:x"] {
            assert_eq!(
                code(&["stats", store, "--index", "i"]),
                Some(Code::NotFound),
                "{store}"
            );
        }
    }

    #[test]
    fn reading_a_store_that_is_not_there_makes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("none");
        let location = store.to_string_lossy();
        for command in ["stats", "flush"] {
            assert_eq!(
                code(&[command, &location, "--index", "i"]),
                Some(Code::NotFound)
            );
        }
        assert!(!store.exists());
    }

    #[test]
    fn what_failed_first_is_known() {
        let error = |text: &str| sidx_host::Error::conflict(text);
        let middle = error("middle").with_source(error("first"));
        let told = told(error("last").with_source(middle));
        assert_eq!((told.message(), told.root().message()), ("last", "first"));
    }
}
