//! The session as the engine's [`Host`]: the one implementation of the imports of `wit/engine`.

use std::sync::Arc;

use parking_lot::Mutex;
use sidx_columns::{Bitmap, Column, ColumnType};
use sidx_engine::host::{
    Chunk, Codec, ColumnFacts, Extent, FileSummary, FinishedDictionary, Form, LogDurability,
    LogEntry, Medium, Object, Piece, Readers, RowKeys, SalvagedLog, Selected, SeriesRuns, Tail,
    TopEnd, TopFacts, Usage,
};
use sidx_engine::{Error, Host, Result};
use sidx_executor::{
    Pages, Purpose, RowSeries, block, dictionary, encode, gather, membership, select, top,
};
use sidx_kernels::{Program, Step};

use super::authority::{check_engine_object, check_engine_path, check_file_path};
use super::{Columns, Filter, Found, NewDictionary, NewFile, Session};
use sidx_log::{Term, checksum};

use crate::lenders;
use crate::storage::{check_object_name, check_object_size};

/// Most bytes of one raw read, which must fit a list of the component model.
const MAX_READ_BYTES: u32 = (1 << 28) - 1;
/// Most steps of a filter: the longest text of an expression makes fewer. Each costs time in every block.
const MAX_FILTER_STEPS: usize = 1 << 20;
/// Bytes read at a time when a whole file is checked.
const CHECK_BYTES: u32 = 1 << 20;

impl Host for Session {
    type NewFile = NewFile;
    type Columns = Columns;
    type Filter = Filter;
    type NewDictionary = NewDictionary;

    fn create_file(&self, path: &str, medium: Medium) -> Result<NewFile> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_file_path(path)?;
        self.check_create("new-file.create", path, medium)?;
        NewFile::create(&self.shared, path, medium, || self.space())
    }

    fn create_section(&self, file: &NewFile) -> Result<NewFile> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-file.section")?;
        file.section()
    }

    fn append(
        &self,
        file: &NewFile,
        pages: &[u8],
        lengths: &[u32],
        codec: Codec,
    ) -> Result<Vec<Extent>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-file.append")?;
        let extents = file.append(pages, lengths, codec)?;
        self.pace(
            extents
                .iter()
                .map(|extent| u64::from(extent.stored_bytes))
                .sum(),
        )?;
        Ok(extents)
    }

    fn finish(&self, file: NewFile) -> Result<FileSummary> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-file.finish")?;
        file.finish()
    }

    fn open_file(&self, path: &str) -> Result<u32> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_engine_path(path)?;
        let source = match self.shared.memory_files.get(path) {
            Some(source) => source,
            None => { &self.shared.open_files }.open(path, || self.shared.lenders.open(path))?,
        };
        self.handles.lock().add_file(source)
    }

    fn open_section(&self, file: u32, name: &str, chunks: &[Chunk]) -> Result<u32> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_object_name(name)?;
        let mut handles = self.handles.lock();
        let section = self
            .shared
            .open_files
            .open_section(handles.file(file)?, name, chunks)?;
        handles.add_file(section)
    }

    fn close_file(&self, file: u32) {
        let _crossing = self.activity.crossing();
        self.handles.lock().remove_file(file);
    }

    fn file_size(&self, file: u32) -> Result<u64> {
        let _crossing = self.activity.crossing();
        Ok(self.handles.lock().file(file)?.size())
    }

    fn read_file(&self, file: u32, offset: u64, length: u32) -> Result<Vec<u8>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        if length > MAX_READ_BYTES {
            let text = format!("a read of {length} bytes exceeds {MAX_READ_BYTES} bytes");
            return Err(Error::invalid(text));
        }
        let source = Arc::clone(self.handles.lock().file(file)?);
        let bytes = source.read(offset, length)?;
        self.activity.read(u64::from(length));
        Ok(bytes.into())
    }

    fn read_tail(&self, file: u32, length: u32) -> Result<Tail> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        let source = Arc::clone(self.handles.lock().file(file)?);
        let size_bytes = source.size();
        // At most what a list of the component model may have.
        let length = length.min(MAX_READ_BYTES);
        let length = u32::try_from(size_bytes).map_or(length, |size| size.min(length));
        let bytes = source.read(size_bytes - u64::from(length), length)?;
        self.activity.read(u64::from(length));
        Ok(Tail {
            size_bytes,
            bytes: bytes.into(),
        })
    }

    fn file_checksum(&self, file: u32) -> Result<u32> {
        let _crossing = self.activity.crossing();
        let source = Arc::clone(self.handles.lock().file(file)?);
        let (size, mut offset, mut checksum) = (source.size(), 0, 0);
        while offset < size {
            self.check_call()?;
            let length = u64::from(CHECK_BYTES).min(size - offset);
            let bytes = source.read(offset, length as u32)?;
            checksum = checksum::crc32c_append(checksum, &bytes);
            offset += length;
        }
        self.activity.read(size);
        Ok(checksum)
    }

    fn register_pages(&self, file: u32, extents: &[Extent]) -> Result<u32> {
        let _crossing = self.activity.crossing();
        self.handles.lock().add_pages(file, extents)
    }

    fn register_coded_pages(&self, file: u32, extents: &[Extent], dictionary: u32) -> Result<u32> {
        let _crossing = self.activity.crossing();
        let mut handles = self.handles.lock();
        handles.add_coded_pages(file, extents, dictionary)
    }

    fn prefetch(&self, pages: &[u32]) -> Result<()> {
        let _crossing = self.activity.crossing();
        let held = self.pages();
        held.load(pages.iter().copied(), Purpose::Raw);
        for page in pages {
            held.page(*page, Purpose::Raw)?;
        }
        Ok(())
    }

    fn load_page(&self, page: u32) -> Result<Vec<u8>> {
        Ok(self.page_bytes(page)?.into())
    }

    fn part_form(&self) -> Form {
        let _crossing = self.activity.crossing();
        self.shared.form
    }

    fn moves_copy(&self) -> bool {
        let _crossing = self.activity.crossing();
        // Where there are no folders there are no names beside the objects either.
        !self.shared.storage.takes_folders()
    }

    fn list_files(&self, path: &str, medium: Medium) -> Result<Vec<String>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_engine_path(path)?;
        match medium {
            Medium::Memory => Ok(self.shared.memory_files.list(path)),
            Medium::Durable => Ok(self.shared.storage.list(path)?),
        }
    }

    fn remove_files(&self, path: &str, medium: Medium) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_file_path(path)?;
        self.check_remove("files.remove", medium)?;
        match medium {
            Medium::Memory => self.shared.memory_files.remove(path),
            Medium::Durable => {
                self.shared.storage.remove(path)?;
                self.shared.forget(path);
            }
        }
        Ok(())
    }

    fn rename_files(&self, from: &str, to: &str) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_file_path(from)?;
        check_file_path(to)?;
        self.check_change("files.rename")?;
        self.shared.storage.rename(from, to)?;
        self.shared.forget(from);
        Ok(())
    }

    fn sync_files(&self, path: &str) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_engine_path(path)?;
        self.check_build("files.sync")?;
        Ok(self.shared.storage.sync(path)?)
    }

    fn get_object(&self, name: &str) -> Result<Option<Object>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        let object = self.shared.storage.get(name)?;
        Ok(object.map(|(bytes, version)| Object { bytes, version }))
    }

    fn put_object_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_engine_object(name)?;
        check_object_size(name, bytes)?;
        self.check_change("objects.put-if-absent")?;
        let version = self.shared.storage.put_if_absent(name, bytes)?;
        self.shared.disk.grew(bytes.len() as u64);
        Ok(version)
    }

    fn swap_object(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_engine_object(name)?;
        check_object_size(name, bytes)?;
        self.check_change("objects.compare-and-swap")?;
        Ok(self.shared.storage.compare_and_swap(name, version, bytes)?)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        Ok(self.shared.storage.list_objects(prefix)?)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        check_engine_object(name)?;
        self.check_object_removal(name)?;
        self.shared.storage.remove_object(name)?;
        self.shared.disk.shrank();
        Ok(())
    }

    fn append_log(
        &self,
        headers: &[Vec<u8>],
        columns: &[&Columns],
        durability: LogDurability,
    ) -> Result<u64> {
        let headers: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
        self.append_log_entries(&headers, columns, durability)
    }

    fn log_end(&self) -> Result<u64> {
        let _crossing = self.activity.crossing();
        self.shared.log.end()
    }

    fn read_log(&self, position: u64) -> Result<Option<LogEntry<Columns>>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.shared.log.read(position)
    }

    fn drop_log_before(&self, position: u64, kept_from: u64) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_drop(position)?;
        self.shared.log.drop_before(position, kept_from)?;
        self.shared.disk.shrank();
        Ok(())
    }

    fn open_log(&self, position: u64, awaited: Option<Term>) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_log_opening()?;
        self.shared.log.open(position, awaited)
    }

    fn follow_log(&self) -> Result<bool> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_log_following()?;
        self.shared.log.follow()
    }

    fn take_over_log(&self, position: u64, term: Term, fence: bool) -> Result<bool> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_takeover(position)?;
        self.shared.log.take_over(position, term, fence)
    }

    fn nonce(&self) -> Result<u128> {
        let _crossing = self.activity.crossing();
        Ok(self.shared.storage.nonce()?)
    }

    fn salvage_log(&self, needed_from: Option<u64>, term: Option<Term>) -> Result<SalvagedLog> {
        let _crossing = self.activity.crossing();
        self.check_salvage()?;
        self.shared.log.salvage(needed_from, term)
    }

    fn column_facts(&self, columns: &Columns) -> Result<ColumnFacts> {
        let all = columns.all();
        let longest = |column: &Column| saturated(column.max_value_bytes());
        Ok(ColumnFacts {
            rows: columns.rows(),
            kinds: all.iter().map(Column::kind).collect(),
            size_bytes: columns.size_bytes(),
            longest_bytes: all.iter().map(longest).collect(),
        })
    }

    fn column_lengths(&self, columns: &Columns, column: u32) -> Vec<u32> {
        let of_column = |column: &Column| -> Vec<u32> {
            let bytes = (0..column.rows()).map(|row| column.value_bytes(row));
            bytes.map(saturated).collect()
        };
        columns.get(column).map_or_else(|_| Vec::new(), of_column)
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
        let _crossing = self.activity.crossing();
        if steps.len() > MAX_FILTER_STEPS {
            let given = steps.len();
            let text = format!("a filter of {given} steps, the limit is {MAX_FILTER_STEPS}");
            return Err(Error::invalid(text));
        }
        let program = Program::compile(steps).map_err(|cause| Error::invalid(cause.to_string()))?;
        Ok(Filter(Arc::new(program)))
    }

    fn probe(&self, pages: &[u32], hashes: &[u64]) -> Result<Vec<u8>> {
        let _crossing = self.activity.crossing();
        membership::probe(&self.pages(), pages, hashes)
    }

    fn find_slices(&self, dictionary: u32, postings: &[u32], values: &[&[u8]]) -> Result<Vec<u32>> {
        let _crossing = self.activity.crossing();
        dictionary::slices(&self.pages(), dictionary, postings, values)
    }

    fn select(&self, filter: Option<&Filter>, request: &select::Request<'_>) -> Result<Selected> {
        let _crossing = self.activity.crossing();
        select::select(&self.pages(), program(filter), request)
    }

    fn top(&self, filter: Option<&Filter>, request: &top::Request<'_>) -> Result<TopEnd> {
        let _crossing = self.activity.crossing();
        // What was found before is not to be taken for what was not found now.
        self.forget_found();
        let top = top::top(&self.pages(), program(filter), request)?;
        *self.found.lock() = Found {
            columns: Some(top.columns),
            facts: top.facts,
        };
        Ok(top.end)
    }

    fn top_facts(&self) -> TopFacts {
        self.found.lock().facts
    }

    fn count(&self, filter: Option<&Filter>, request: &select::Request<'_>) -> Result<Vec<u64>> {
        let _crossing = self.activity.crossing();
        select::count(&self.pages(), program(filter), request)
    }

    fn gather(&self, sources: &[gather::Source<'_>], keys: Option<RowKeys>) -> Result<Columns> {
        let _crossing = self.activity.crossing();
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
        let _crossing = self.activity.crossing();
        gather::gather_ranges(&self.pages(), keys, series, sources)
    }

    fn lengths(&self, source: gather::Source<'_>) -> Result<Vec<u32>> {
        let _crossing = self.activity.crossing();
        gather::lengths(&self.pages(), source)
    }

    fn keys(&self, page: u32, start: u32, end: u32) -> Result<Vec<i64>> {
        let _crossing = self.activity.crossing();
        gather::keys(&self.pages(), page, start, end)
    }

    fn encode_pages(
        &self,
        target: &NewFile,
        filters: Option<&NewFile>,
        source: gather::Source<'_>,
        page_bytes: u32,
    ) -> Result<Vec<Piece>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("scan.encode-pages")?;
        let (target, filters) = (self.target(target), filters.map(|file| self.target(file)));
        encode::encode(&self.pages(), &target, filters.as_ref(), source, page_bytes)
    }

    fn encode_ints(&self, target: &NewFile, ints: &[i64]) -> Result<Piece> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("scan.encode-ints")?;
        self.activity.wrote_rows(ints.len() as u64);
        encode::encode_ints(&self.target(target), ints.to_vec())
    }

    fn new_dictionary(&self, kind: ColumnType, pages: &[u32]) -> Result<Option<NewDictionary>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-dictionary.create")?;
        let made = dictionary::NewDictionary::create(&self.pages(), kind, pages)?;
        Ok(made.map(|state| NewDictionary {
            state: Mutex::new(state),
        }))
    }

    fn encode_coded(
        &self,
        dictionary: &NewDictionary,
        target: &NewFile,
        postings: &NewFile,
        source: gather::Source<'_>,
        first_slice: u32,
    ) -> Result<Piece> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-dictionary.encode")?;
        let (target, postings) = (self.target(target), self.target(postings));
        let mut dictionary = dictionary.state.lock();
        dictionary.encode(&self.pages(), &target, &postings, source, first_slice)
    }

    fn finish_dictionary(
        &self,
        dictionary: NewDictionary,
        target: &NewFile,
        postings: &NewFile,
    ) -> Result<FinishedDictionary> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("new-dictionary.finish")?;
        let dictionary = dictionary.state.into_inner();
        dictionary.finish(&self.target(target), &self.target(postings))
    }

    fn write_block(
        &self,
        target: &NewFile,
        keys: &[i64],
        from: &Columns,
        columns: &[u32],
        rows: &[u32],
    ) -> Result<Vec<Piece>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("scan.write-block")?;
        let target = self.target(target);
        let written = block::write(&target, keys, from, columns, rows, || self.check_call())?;
        self.activity.wrote_rows(keys.len() as u64);
        Ok(written)
    }

    fn fold_block(
        &self,
        target: &NewFile,
        keys: &[i64],
        source: block::Source<'_>,
    ) -> Result<Vec<Piece>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("scan.fold-block")?;
        let written = block::fold(&self.pages(), &self.target(target), keys, source)?;
        self.activity.wrote_rows(keys.len() as u64);
        Ok(written)
    }

    fn usage(&self) -> Usage {
        let _crossing = self.activity.crossing();
        self.shared.usage()
    }

    fn check(&self) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_call()
    }

    fn find_readers(&self) -> Result<Readers> {
        let _crossing = self.activity.crossing();
        let version = if self.introducer {
            self.shared.views.oldest_or_newest()
        } else {
            self.shared.views.oldest()
        };
        // Who only reads removes nothing that another process could read.
        let (epochs, branches) = match self.shared.read_only {
            true => Default::default(),
            false => lenders::epochs_by_kind(self.shared.storage.as_ref())?,
        };
        Ok(Readers {
            version,
            settled: self.shared.settling.settled(),
            epochs,
            branches,
        })
    }

    fn pin_epoch(&self, epoch: u64) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_pin()?;
        Ok(self.shared.pinned.pin_epoch(epoch)?)
    }

    fn release_lender(&self, place: &str) -> Result<()> {
        let _crossing = self.activity.crossing();
        self.check_change("limits.release-lender")?;
        Ok(self.shared.lenders.release(place)?)
    }
}

fn program(filter: Option<&Filter>) -> Option<&Program> {
    filter.map(|filter| filter.0.as_ref())
}

/// Bytes of a value, as the boundary counts them.
fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
