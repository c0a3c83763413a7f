//! The session as the engine's [`Host`]: the imports of `wit/engine`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use sidx_columns::{Bitmap, Column, ColumnType};
use sidx_engine::host::{
    Chunk, Codec, ColumnFacts, Extent, FileSummary, FinishedDictionary, Form, LogDurability,
    LogEntry, Medium, Object, Piece, Readers, RowKeys, SalvagedLog, Selected, SeriesRuns, Tail,
    TopEnd, TopFacts, Usage,
};
use sidx_engine::{Error, Host, INDEX_OBJECT, Result};
use sidx_executor::{
    Columns, Pages, Purpose, RowSeries, block, dictionary, encode, gather, membership, select, top,
};
use sidx_kernels::{Program, Step};
use sidx_log::{Term, checksum};

use crate::lenders::branch_epochs;
use crate::names::{
    MEMORY_DIRECTORY, check_engine_object, check_engine_path, check_file_path, check_move,
    check_object_name, check_object_prefix, check_object_size,
};
use crate::new_file::NewFile;
use crate::session::{Filter, Found, NewDictionary, Session, facts_of, lengths_of};
use crate::storage::Storage;

/// Most bytes of one raw read, which must fit a list of the component model.
const MAX_READ_BYTES: u32 = (1 << 28) - 1;
/// Most steps of a filter: the longest text of an expression makes fewer. Each costs time in every block.
const MAX_FILTER_STEPS: usize = 1 << 20;
/// Bytes read at a time when a whole file is checked.
const CHECK_BYTES: u32 = 1 << 20;

impl<S: Storage> Host for Session<S> {
    type NewFile = NewFile<S>;
    type Columns = Columns;
    type Filter = Filter;
    type NewDictionary = NewDictionary;

    fn create_file(&self, path: &str, medium: Medium) -> Result<NewFile<S>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_file_path(path)?;
        let in_memory = path.split('/').next() == Some(MEMORY_DIRECTORY);
        if in_memory != (medium == Medium::Memory) {
            let text = format!(
                "path `{path}`: files in memory, and only those, lie below {MEMORY_DIRECTORY}/"
            );
            return Err(Error::invalid(text));
        }
        if !in_memory {
            self.shared.check_change("new-file.create")?;
        }
        NewFile::create(&self.shared, path, medium, || self.space())
    }

    fn create_section(&self, file: &NewFile<S>) -> Result<NewFile<S>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        file.section()
    }

    fn append(
        &self,
        file: &NewFile<S>,
        pages: &[u8],
        lengths: &[u32],
        codec: Codec,
    ) -> Result<Vec<Extent>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        let extents = file.append(pages, lengths, codec)?;
        let stored = extents.iter().map(|extent| u64::from(extent.stored_bytes));
        self.shared.activity.wrote(stored.sum());
        Ok(extents)
    }

    fn finish(&self, file: NewFile<S>) -> Result<FileSummary> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        file.finish()
    }

    fn open_file(&self, path: &str) -> Result<u32> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_engine_path(path)?;
        let source = match self.shared.memory_files.get(path) {
            Some(source) => source,
            None => {
                let open = || self.shared.lenders.open(path);
                self.shared.open_files.open(path, open)?
            }
        };
        self.handles.borrow_mut().add_file(source)
    }

    fn open_section(&self, file: u32, name: &str, chunks: &[Chunk]) -> Result<u32> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_object_name(name)?;
        let mut handles = self.handles.borrow_mut();
        let section = self
            .shared
            .open_files
            .open_section(handles.file(file)?, name, chunks)?;
        handles.add_file(section)
    }

    fn close_file(&self, file: u32) {
        let _crossing = self.crossing();
        self.handles.borrow_mut().remove_file(file);
    }

    fn file_size(&self, file: u32) -> Result<u64> {
        let _crossing = self.crossing();
        Ok(self.handles.borrow().file(file)?.size())
    }

    fn read_file(&self, file: u32, offset: u64, length: u32) -> Result<Vec<u8>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        if length > MAX_READ_BYTES {
            let text = format!("a read of {length} bytes exceeds {MAX_READ_BYTES} bytes");
            return Err(Error::invalid(text));
        }
        let source = Rc::clone(self.handles.borrow().file(file)?);
        let bytes = source.read(offset, length)?;
        self.shared.activity.read(u64::from(length));
        Ok(bytes.to_vec())
    }

    fn read_tail(&self, file: u32, length: u32) -> Result<Tail> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        let source = Rc::clone(self.handles.borrow().file(file)?);
        let size_bytes = source.size();
        // At most what a list of the component model may have.
        let length = length.min(MAX_READ_BYTES);
        let length = u32::try_from(size_bytes).map_or(length, |size| size.min(length));
        let bytes = source.read(size_bytes - u64::from(length), length)?;
        self.shared.activity.read(u64::from(length));
        Ok(Tail {
            size_bytes,
            bytes: bytes.to_vec(),
        })
    }

    fn file_checksum(&self, file: u32) -> Result<u32> {
        let _crossing = self.crossing();
        let source = Rc::clone(self.handles.borrow().file(file)?);
        let (size, mut offset, mut checksum) = (source.size(), 0, 0);
        while offset < size {
            self.shared.check_call()?;
            let length = u64::from(CHECK_BYTES).min(size - offset);
            let bytes = source.read(offset, length as u32)?;
            checksum = checksum::crc32c_append(checksum, &bytes);
            offset += length;
        }
        self.shared.activity.read(size);
        Ok(checksum)
    }

    fn register_pages(&self, file: u32, extents: &[Extent]) -> Result<u32> {
        let _crossing = self.crossing();
        self.handles.borrow_mut().add_pages(file, extents)
    }

    fn register_coded_pages(&self, file: u32, extents: &[Extent], dictionary: u32) -> Result<u32> {
        let _crossing = self.crossing();
        let mut handles = self.handles.borrow_mut();
        handles.add_coded_pages(file, extents, dictionary)
    }

    fn prefetch(&self, pages: &[u32]) -> Result<()> {
        let _crossing = self.crossing();
        let held = self.pages();
        held.load(pages.iter().copied(), Purpose::Raw);
        for page in pages {
            held.page(*page, Purpose::Raw)?;
        }
        Ok(())
    }

    fn load_page(&self, page: u32) -> Result<Vec<u8>> {
        let _crossing = self.crossing();
        let page = self.pages().page(page, Purpose::Raw)?;
        Ok(page.raw().to_vec())
    }

    fn part_form(&self) -> Form {
        let _crossing = self.crossing();
        self.shared.form
    }

    fn moves_copy(&self) -> bool {
        let _crossing = self.crossing();
        self.shared.is_far
    }

    fn list_files(&self, path: &str, medium: Medium) -> Result<Vec<String>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_engine_path(path)?;
        match medium {
            Medium::Memory => Ok(self.shared.memory_files.list(path)),
            Medium::Durable => self.shared.place.list(path),
        }
    }

    fn remove_files(&self, path: &str, medium: Medium) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_file_path(path)?;
        match medium {
            Medium::Memory => self.shared.memory_files.remove(path),
            Medium::Durable => {
                self.shared.check_change("files.remove")?;
                self.shared.place.remove(path)?;
                self.shared.forget(path);
            }
        }
        Ok(())
    }

    fn rename_files(&self, from: &str, to: &str) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_move(from, to)?;
        self.shared.check_change("files.rename")?;
        self.shared.place.rename(from, to)?;
        self.shared.forget(from);
        Ok(())
    }

    fn sync_files(&self, path: &str) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_engine_path(path)?;
        self.shared.place.sync(path)
    }

    fn get_object(&self, name: &str) -> Result<Option<Object>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_object_name(name)?;
        let object = self.shared.place.get(name)?;
        Ok(object.map(|(bytes, version)| Object { bytes, version }))
    }

    fn put_object_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_engine_object(name)?;
        check_object_size(name, bytes)?;
        self.shared.check_change("objects.put-if-absent")?;
        let version = self.shared.place.put_if_absent(name, bytes)?;
        self.shared.disk.grew(bytes.len() as u64);
        Ok(version)
    }

    fn swap_object(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_engine_object(name)?;
        check_object_size(name, bytes)?;
        self.shared.check_change("objects.compare-and-swap")?;
        self.shared.place.compare_and_swap(name, version, bytes)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_object_prefix(prefix)?;
        self.shared.place.list_objects(prefix)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        check_engine_object(name)?;
        self.shared.check_change("objects.remove")?;
        if name == INDEX_OBJECT {
            let text = format!("objects.remove is refused: without {name} there is no index");
            return Err(Error::invalid(text));
        }
        self.shared.place.remove_object(name)?;
        self.shared.disk.shrank();
        Ok(())
    }

    fn append_log(
        &self,
        headers: &[Vec<u8>],
        columns: &[&Columns],
        durability: LogDurability,
    ) -> Result<u64> {
        let _crossing = self.crossing();
        self.shared.check_change("log.append")?;
        let headers: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
        let disk = &self.shared.disk;
        let segment_bytes = disk.flush_threshold_bytes();
        let log = &self.shared.log;
        let (end, bytes) = log.append(&headers, columns, durability, segment_bytes)?;
        disk.grew(bytes);
        Ok(end)
    }

    fn log_end(&self) -> Result<u64> {
        let _crossing = self.crossing();
        self.shared.log.end()
    }

    fn read_log(&self, position: u64) -> Result<Option<LogEntry<Columns>>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        self.shared.log.read(position)
    }

    fn drop_log_before(&self, position: u64, kept_from: u64) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.check_change("log.drop-before")?;
        self.shared.log.drop_before(position, kept_from)?;
        self.shared.disk.shrank();
        Ok(())
    }

    fn open_log(&self, position: u64, awaited: Option<Term>) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        self.shared.log.open(position, awaited)
    }

    fn follow_log(&self) -> Result<bool> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        self.shared.log.follow()
    }

    fn take_over_log(&self, position: u64, term: Term, fence: bool) -> Result<bool> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        self.shared.check_change("log.take-over")?;
        self.shared.log.take_over(position, term, fence)
    }

    fn nonce(&self) -> Result<u128> {
        let _crossing = self.crossing();
        Ok(self.shared.place.storage().random())
    }

    fn salvage_log(&self, needed_from: Option<u64>, term: Option<Term>) -> Result<SalvagedLog> {
        let _crossing = self.crossing();
        self.shared.check_change("log.salvage")?;
        self.shared.log.salvage(needed_from, term)
    }

    fn column_facts(&self, columns: &Columns) -> Result<ColumnFacts> {
        Ok(facts_of(columns))
    }

    fn column_lengths(&self, columns: &Columns, column: u32) -> Vec<u32> {
        lengths_of(columns, column)
    }

    fn column_presence(
        &self,
        columns: &Columns,
        column: u32,
        _rows: usize,
    ) -> Result<Option<Bitmap>> {
        Ok(columns.get(column)?.presence().cloned())
    }

    fn read_column(&self, columns: &Columns, column: u32) -> Result<Column> {
        Ok(columns.get(column)?.clone())
    }

    fn compile_filter(&self, steps: Vec<Step>) -> Result<Filter> {
        let _crossing = self.crossing();
        if steps.len() > MAX_FILTER_STEPS {
            let given = steps.len();
            let text = format!("a filter of {given} steps, the limit is {MAX_FILTER_STEPS}");
            return Err(Error::invalid(text));
        }
        let program = Program::compile(steps).map_err(|cause| Error::invalid(cause.to_string()))?;
        Ok(Filter(Arc::new(program)))
    }

    fn probe(&self, pages: &[u32], hashes: &[u64]) -> Result<Vec<u8>> {
        let _crossing = self.crossing();
        membership::probe(&self.pages(), pages, hashes)
    }

    fn find_slices(&self, dictionary: u32, postings: &[u32], values: &[&[u8]]) -> Result<Vec<u32>> {
        let _crossing = self.crossing();
        dictionary::slices(&self.pages(), dictionary, postings, values)
    }

    fn select(&self, filter: Option<&Filter>, request: &select::Request<'_>) -> Result<Selected> {
        let _crossing = self.crossing();
        select::select(&self.pages(), program(filter), request)
    }

    fn top(&self, filter: Option<&Filter>, request: &top::Request<'_>) -> Result<TopEnd> {
        let _crossing = self.crossing();
        // What was found before is not to be taken for what was not found now.
        self.forget_found();
        let top = top::top(&self.pages(), program(filter), request)?;
        *self.found.borrow_mut() = Found {
            columns: Some(top.columns),
            facts: top.facts,
        };
        Ok(top.end)
    }

    fn top_facts(&self) -> TopFacts {
        self.found.borrow().facts
    }

    fn count(&self, filter: Option<&Filter>, request: &select::Request<'_>) -> Result<Vec<u64>> {
        let _crossing = self.crossing();
        select::count(&self.pages(), program(filter), request)
    }

    fn gather(&self, sources: &[gather::Source<'_>], keys: Option<RowKeys>) -> Result<Columns> {
        let _crossing = self.crossing();
        let columns = gather::gather(&self.pages(), sources)?;
        let Some(RowKeys { keys, series }) = keys else {
            return Ok(columns);
        };
        Ok(columns.with_keys(keys, RowSeries::Each(series))?)
    }

    fn gather_ranges(
        &self,
        keys: gather::Ranges<'_>,
        series: SeriesRuns,
        sources: &[gather::Ranges<'_>],
    ) -> Result<Columns> {
        let _crossing = self.crossing();
        gather::gather_ranges(&self.pages(), keys, series, sources)
    }

    fn lengths(&self, source: gather::Source<'_>) -> Result<Vec<u32>> {
        let _crossing = self.crossing();
        gather::lengths(&self.pages(), source)
    }

    fn keys(&self, page: u32, start: u32, end: u32) -> Result<Vec<i64>> {
        let _crossing = self.crossing();
        gather::keys(&self.pages(), page, start, end)
    }

    fn encode_pages(
        &self,
        target: &NewFile<S>,
        filters: Option<&NewFile<S>>,
        source: gather::Source<'_>,
        page_bytes: u32,
    ) -> Result<Vec<Piece>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        let (target, filters) = (self.target(target), filters.map(|file| self.target(file)));
        encode::encode(&self.pages(), &target, filters.as_ref(), source, page_bytes)
    }

    fn encode_ints(&self, target: &NewFile<S>, ints: &[i64]) -> Result<Piece> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        self.shared.activity.wrote_rows(ints.len() as u64);
        encode::encode_ints(&self.target(target), ints.to_vec())
    }

    fn new_dictionary(&self, kind: ColumnType, pages: &[u32]) -> Result<Option<NewDictionary>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        let made = dictionary::NewDictionary::create(&self.pages(), kind, pages)?;
        Ok(made.map(|state| NewDictionary(RefCell::new(state))))
    }

    fn encode_coded(
        &self,
        dictionary: &NewDictionary,
        target: &NewFile<S>,
        postings: &NewFile<S>,
        source: gather::Source<'_>,
        first_slice: u32,
    ) -> Result<Piece> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        let (target, postings) = (self.target(target), self.target(postings));
        let mut dictionary = dictionary.0.borrow_mut();
        dictionary.encode(&self.pages(), &target, &postings, source, first_slice)
    }

    fn finish_dictionary(
        &self,
        dictionary: NewDictionary,
        target: &NewFile<S>,
        postings: &NewFile<S>,
    ) -> Result<FinishedDictionary> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        let dictionary = dictionary.0.into_inner();
        dictionary.finish(&self.target(target), &self.target(postings))
    }

    fn write_block(
        &self,
        target: &NewFile<S>,
        keys: &[i64],
        from: &Columns,
        columns: &[u32],
        rows: &[u32],
    ) -> Result<Vec<Piece>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        let target = self.target(target);
        let written = block::write(&target, keys, from, columns, rows, || {
            self.shared.check_call()
        })?;
        self.shared.activity.wrote_rows(keys.len() as u64);
        Ok(written)
    }

    fn fold_block(
        &self,
        target: &NewFile<S>,
        keys: &[i64],
        source: block::Source<'_>,
    ) -> Result<Vec<Piece>> {
        let _crossing = self.crossing();
        self.shared.check_call()?;
        let written = block::fold(&self.pages(), &self.target(target), keys, source)?;
        self.shared.activity.wrote_rows(keys.len() as u64);
        Ok(written)
    }

    fn usage(&self) -> Usage {
        let _crossing = self.crossing();
        self.shared.usage()
    }

    fn check(&self) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.check_call()
    }

    fn find_readers(&self) -> Result<Readers> {
        let _crossing = self.crossing();
        let shared = &self.shared;
        // Who only reads removes nothing that another process could read.
        let (epochs, branches) = match shared.read_only {
            true => Default::default(),
            false => {
                let objects = shared.place.list_objects("")?;
                let mut epochs = shared.place.pinned_epochs()?;
                epochs.append(&mut shared.watch.epochs(&shared.place, &objects)?);
                epochs.sort_unstable();
                epochs.dedup();
                (epochs, branch_epochs(&objects))
            }
        };
        Ok(Readers {
            // The engine itself knows which views its cursors read.
            version: u64::MAX,
            settled: shared.settling.settled(shared.now_ms()),
            epochs,
            branches,
        })
    }

    fn pin_epoch(&self, epoch: u64) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.pins.pin(epoch)
    }

    fn release_lender(&self, place: &str) -> Result<()> {
        let _crossing = self.crossing();
        self.shared.check_change("limits.release-lender")?;
        self.shared.lenders.release(place)
    }
}

fn program(filter: Option<&Filter>) -> Option<&Program> {
    filter.map(|filter| filter.0.as_ref())
}
