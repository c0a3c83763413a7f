//! An index under test, natively or as the component, driven in the words of the model.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use serde_json::Value;
use sidx_columns::OwnedValue;
use sidx_host::storage::{BucketStore, RequestLimits, Service};
use sidx_host::{
    Batch, Cursor, Durability, Engine, Error, Index, IndexBuilder, Receipt, Result, Rows, Series,
    Staleness, Store,
};
use tempfile::TempDir;

use crate::model::{Cell, Found, Projection, Query, Row, SeriesName};

/// Name of the index in its store.
pub const NAME: &str = "subject";

/// Runs a test on the native engine and on the component, each with a new index in a directory.
pub fn on_both_engines(test: impl Fn(Subject)) {
    for engine in [Engine::Native, Engine::Component] {
        test(Subject::create(engine));
    }
}

/// The same, and on the component with parts that are one file each, in a directory and in a bucket.
pub fn on_all_forms(test: impl Fn(Subject)) {
    on_all_forms_in_directories(&test);
    test(Subject::create_in_bucket(Engine::Component));
}

/// The same without the bucket, for tests that change files themselves.
pub fn on_all_forms_in_directories(test: impl Fn(Subject)) {
    on_both_engines(&test);
    test(Subject::create_with_one_file_parts(Engine::Component));
}

/// A store in a bucket of a service.
pub fn bucket(service: Arc<dyn Service>) -> Store {
    let limits = RequestLimits::default();
    let lease = Duration::from_secs(10);
    let store = BucketStore::new(service, "s3://bucket/a", "a", limits, lease).unwrap();
    Store::with_backend(Arc::new(store))
}

/// The component whose parts have the facet of `sidx-latest`; empty where it could not be built.
const LATEST: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/latest.wasm"));

/// Lets an index have the facet of `sidx-latest`, whichever engine runs it.
pub fn latest(options: IndexBuilder) -> IndexBuilder {
    options
        .further_facets::<sidx_latest::Set>()
        .component(LATEST)
}

/// An index in a store of its own.
pub struct Subject {
    engine: Engine,
    /// Whether parts are made as one file each.
    one_file: bool,
    /// Whether its parts have the facet of `sidx-latest`.
    has_latest: bool,
    store: Store,
    index: Option<Index>,
    /// None for a store in memory.
    directory: Option<TempDir>,
}

impl Subject {
    /// A new, empty index in a directory.
    pub fn create(engine: Engine) -> Subject {
        Subject::in_directory(engine, false)
    }

    /// A new, empty index in which of rows with equal payloads only the latest lives.
    pub fn create_with_latest(engine: Engine) -> Subject {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().to_str().unwrap()).unwrap();
        Subject::with_latest(store, engine, Some(directory))
    }

    /// The same in a store.
    pub fn with_latest(store: Store, engine: Engine, directory: Option<TempDir>) -> Subject {
        let mut subject = Subject {
            engine,
            one_file: false,
            has_latest: true,
            store,
            index: None,
            directory,
        };
        subject.index = Some(subject.options().create().unwrap());
        subject
    }

    /// The same with parts that are one file each.
    pub fn create_with_one_file_parts(engine: Engine) -> Subject {
        Subject::in_directory(engine, true)
    }

    fn in_directory(engine: Engine, one_file: bool) -> Subject {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().to_str().unwrap()).unwrap();
        Subject::within(store, engine, Some(directory), one_file)
    }

    /// A new, empty index in a bucket of a service in memory.
    pub fn create_in_bucket(engine: Engine) -> Subject {
        let service = Arc::new(InMemory::new());
        Subject::within(bucket(service), engine, None, true)
    }

    /// A new, empty index in memory, which spares the waits for a medium.
    pub fn create_in_memory(engine: Engine) -> Subject {
        Subject::within(Store::memory(), engine, None, false)
    }

    fn within(store: Store, engine: Engine, directory: Option<TempDir>, one_file: bool) -> Subject {
        let mut subject = Subject {
            engine,
            one_file,
            has_latest: false,
            store,
            index: None,
            directory,
        };
        subject.index = Some(subject.options().create().unwrap());
        subject
    }

    /// How this index is opened; flushes and merges happen only when a test asks for them, and who only reads
    /// goes on with what there was.
    pub fn options(&self) -> IndexBuilder {
        let options = self
            .store
            .index(NAME)
            .engine(self.engine)
            .automatic_merge(false)
            .staleness(Staleness::Opened)
            .one_file_parts(self.one_file);
        match self.has_latest {
            true => latest(options),
            false => options,
        }
    }

    /// From now on parts are made in the other form. Of the index as it is opened next.
    pub fn change_form(&mut self) {
        self.one_file = !self.one_file;
    }

    /// What runs the index at present.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The store around the index.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The open index.
    pub fn index(&self) -> &Index {
        self.index.as_ref().expect("the index is closed")
    }

    /// The directory of the index.
    pub fn path(&self) -> PathBuf {
        self.directory
            .as_ref()
            .expect("the store is in memory")
            .path()
            .join(NAME)
    }

    /// Lets go of the index without flushing, as the end of the process would.
    pub fn leave(&mut self) {
        self.index = None;
    }

    /// Opens the index again after [`Subject::leave`].
    pub fn enter(&mut self) {
        self.enter_with(|options| options);
    }

    /// The same with other options.
    pub fn enter_with(&mut self, change: impl FnOnce(IndexBuilder) -> IndexBuilder) {
        self.index = Some(change(self.options()).open().unwrap());
    }

    /// Leaves the index without a flush and opens it again.
    pub fn reopen(&mut self) {
        self.leave();
        self.enter();
    }

    /// Leaves the index and opens it with another engine.
    pub fn switch(&mut self, engine: Engine) {
        self.leave();
        self.engine = engine;
        self.enter();
    }

    /// Writes a batch that must be accepted.
    pub fn write(&self, rows: &[Row]) -> Receipt {
        self.write_with(rows, Durability::Os).unwrap()
    }

    /// Writes a batch.
    pub fn write_with(&self, rows: &[Row], durability: Durability) -> Result<Receipt> {
        self.index().write_with(batch(rows)?, durability)
    }

    /// Writes a batch and flushes it, which makes one file part of it.
    pub fn write_part(&self, rows: &[Row]) {
        self.write(rows);
        self.flush();
    }

    /// Flushes.
    pub fn flush(&self) {
        self.index().flush().unwrap();
    }

    /// Merges all file parts into one.
    pub fn merge_all(&self) {
        self.index().merge_all().unwrap();
    }

    /// A query of the library that asks for the same.
    pub fn query(&self, query: &Query) -> sidx_host::Query {
        ask(self.index(), query)
    }

    /// The rows of a query, taken from the cursor at most `batch_rows` at a time.
    pub fn rows_by(&self, query: &Query, batch_rows: u32) -> Result<Vec<Found>> {
        read(self.query(query).rows_per_batch(batch_rows).run()?)
    }

    /// What the engine counts for a query.
    pub fn count(&self, query: &Query) -> u64 {
        self.query(query).count().unwrap()
    }

    /// A query of the library: everything, until told otherwise.
    pub fn ask(&self) -> sidx_host::Query {
        self.index().query()
    }

    /// The keys of the rows that a filter lets through, ascending.
    pub fn keys_where(&self, filter: &str) -> Vec<i64> {
        keys_of(self.ask().filter(filter))
    }

    /// Every physical row, sorted as a multiset.
    pub fn dump(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for dumped in self.index().dump().unwrap() {
            append(&dumped.unwrap().rows, &mut found).unwrap();
        }
        found.sort_unstable();
        found
    }

    /// Checks that the report of a full check is clean and counts `rows` rows.
    pub fn assert_sound(&self, rows: usize) {
        let report = self.index().verify().unwrap();
        assert_eq!(report["ok"], true, "{report:#}");
        assert_eq!(report["rows"], rows, "{report:#}");
        assert_eq!(report["damage"], serde_json::json!([]));
    }

    /// The parts of one medium, `memory` or `file`, in order of age.
    pub fn parts(&self, medium: &str) -> Vec<Value> {
        let parts = self.index().parts().unwrap();
        let parts = parts.as_array().unwrap().iter();
        parts
            .filter(|part| part["medium"] == medium)
            .cloned()
            .collect()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the index of the failed test ran on {:?}", self.engine);
        }
    }
}

/// A query of the library that asks an index for the same.
pub fn ask(index: &Index, query: &Query) -> sidx_host::Query {
    let mut asked = index
        .query()
        .keys((query.low, query.high))
        .payload(query.payload);
    if query.series.is_some() {
        asked = asked.series_ids([]);
    }
    for name in query.series.iter().flatten() {
        asked = match name {
            SeriesName::Label(label) => asked.series(label),
            SeriesName::Id(id) => asked.series_id(*id),
        };
    }
    if let Some(filter) = &query.filter {
        asked = asked.filter(filter.text());
    }
    if query.descending {
        asked = asked.descending();
    }
    if let Some(limit) = query.limit {
        asked = asked.limit(limit);
    }
    if query.distinct_payload {
        asked = asked.distinct_payload();
    }
    if let Projection::Only(names) = &query.projection {
        asked = asked.select(names.iter().cloned());
    }
    asked
}

/// A batch of the library.
pub fn batch(rows: &[Row]) -> Result<Batch> {
    let mut batch = Batch::new();
    for row in rows {
        let series = match &row.series {
            SeriesName::Label(label) => Series::label(label),
            SeriesName::Id(id) => Series::id(*id),
        };
        let mut builder = batch.row(series, row.key).payload(&row.payload);
        for (name, value) in &row.tags {
            builder = builder.tag(name, value);
        }
        builder.add()?;
    }
    Ok(batch)
}

/// The rows of a query that must succeed.
pub fn rows_of(query: sidx_host::Query) -> Vec<Found> {
    read(query.run().unwrap()).unwrap()
}

/// The keys of a query's rows.
pub fn keys_of(query: sidx_host::Query) -> Vec<i64> {
    rows_of(query).iter().map(|row| row.key).collect()
}

/// The payloads of a query's rows as text.
pub fn payloads_of(query: sidx_host::Query) -> Vec<String> {
    let text = |row: Found| String::from_utf8(row.payload.unwrap()).unwrap();
    rows_of(query).into_iter().map(text).collect()
}

/// What a query did, after all its rows were read.
pub fn explain_of(query: sidx_host::Query) -> Value {
    let mut cursor = query.run().unwrap();
    for rows in cursor.by_ref() {
        rows.unwrap();
    }
    cursor.explain().unwrap()
}

/// The error that a query ends with, at its start or later.
pub fn error_of(query: sidx_host::Query) -> Error {
    query.run().and_then(read).expect_err("the query must fail")
}

/// All rows of a cursor.
pub fn read(cursor: Cursor) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for rows in cursor {
        append(&rows?, &mut found)?;
    }
    Ok(found)
}

fn append(rows: &Rows, found: &mut Vec<Found>) -> Result<()> {
    for at in 0..rows.len() {
        let row = rows.row(at)?.expect("the row is within the batch");
        let count = row.tags.len();
        let cell = |(name, value): (String, OwnedValue)| (name, Cell::from(&value));
        let tags: std::collections::BTreeMap<String, Cell> =
            row.tags.into_iter().map(cell).collect();
        assert_eq!(
            tags.len(),
            count,
            "a row came back with one tag in two types"
        );
        found.push(Found {
            key: row.key,
            series: row.series,
            label: row.label.map(|label| label.to_string()),
            payload: row.payload,
            tags,
        });
    }
    Ok(())
}

/// Every file below a directory with its bytes.
pub fn tree(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The folder of a part of an index in a folder, by what reports call it: behind that its name has the term
/// of the writer that made it.
pub fn part_folder(index: &Path, label: &str) -> PathBuf {
    let folders = std::fs::read_dir(index.join("parts")).unwrap();
    let mut paths = folders.map(|entry| entry.unwrap().path());
    // Files with its dead rows begin as it does.
    let is_dead = |path: &PathBuf| path.to_str().is_some_and(|path| path.contains(".dead-"));
    let path = paths.find(|path| part_label(path) == label && !is_dead(path));
    path.unwrap_or_else(|| panic!("no part {label}"))
}

/// What reports call the part in a folder.
pub fn part_label(folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let label = name.split(['-', '.']).next();
    label.unwrap_or(name).to_owned()
}

/// Changes a byte behind the middle of a file, or of a section of a part that is one file, which is named
/// as a file in it would be.
pub fn spoil(path: &Path) {
    let (file, section) = match path.parent() {
        Some(part) if part.is_file() => (part, path.file_name()),
        _ => (path, None),
    };
    let mut bytes = fs::read(file).unwrap();
    let middle = |length: usize| length / 2 + length / 8;
    let at = match section {
        None => middle(bytes.len()),
        Some(section) => {
            let chunks = section_chunks(&bytes, section.to_str().unwrap());
            let length = chunks.iter().map(|[_, length]| length).sum();
            let mut left = middle(length);
            let inside = |[offset, length]: &[usize; 2]| {
                let found = (left < *length).then_some(offset + left);
                left = left.wrapping_sub(*length);
                found
            };
            chunks.iter().find_map(inside).unwrap()
        }
    };
    bytes[at] ^= 0x55;
    fs::write(file, bytes).unwrap();
}

/// Offsets and lengths of the chunks of a section of a part that is one file.
pub fn section_chunks(part: &[u8], section: &str) -> Vec<[usize; 2]> {
    let (rest, footer) = part.split_last_chunk::<12>().unwrap();
    assert_eq!(&footer[4..], b"partSIDX");
    let length = u32::from_le_bytes(*footer.first_chunk().unwrap()) as usize;
    let manifest: Value = serde_json::from_slice(&rest[rest.len() - length..]).unwrap();
    let files = manifest["body"]["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["name"] == section);
    let file = file.unwrap_or_else(|| panic!("no section {section}"));
    serde_json::from_value(file["chunks"].clone()).unwrap()
}
