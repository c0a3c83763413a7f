//! The host's functions as the engine's [`Host`].

use sidx_columns::{Bitmap, Column, ColumnType};
use sidx_engine::host::{
    Chunk, Codec, ColumnFacts, Extent, FileSummary, FinishedDictionary, Form, LogDurability,
    LogEntry, Medium, Object, Piece, Readers, RowKeys, SalvagedLog, Selected, SeriesRuns, Tail,
    TopEnd, TopFacts, Usage,
};
use sidx_engine::{Host, Result};
use sidx_executor::{block, gather, select, top};
use sidx_kernels::Step;
use sidx_log::Term;

use crate::bindings::sidx::engine::{files, limits, log, objects, scan};
use crate::{from_engine, to_engine};

/// The world that this instance was linked to.
pub(crate) struct Imports;

/// A compiled filter, by its number.
pub(crate) struct Filter(u32);

impl Drop for Filter {
    fn drop(&mut self) {
        scan::drop_filter(self.0);
    }
}

fn number(filter: Option<&Filter>) -> Option<u32> {
    filter.map(|filter| filter.0)
}

impl Host for Imports {
    type NewFile = files::NewFile;
    type Columns = scan::Columns;
    type Filter = Filter;
    type NewDictionary = scan::NewDictionary;

    fn create_file(&self, path: &str, medium: Medium) -> Result<files::NewFile> {
        files::NewFile::create(path, from_engine::medium(medium)).map_err(to_engine::error)
    }

    fn create_section(&self, file: &files::NewFile) -> Result<files::NewFile> {
        file.section().map_err(to_engine::error)
    }

    fn append(
        &self,
        file: &files::NewFile,
        pages: &[u8],
        lengths: &[u32],
        codec: Codec,
    ) -> Result<Vec<Extent>> {
        let extents = file
            .append(pages, lengths, from_engine::codec(codec))
            .map_err(to_engine::error)?;
        Ok(extents.into_iter().map(to_engine::extent).collect())
    }

    fn finish(&self, file: files::NewFile) -> Result<FileSummary> {
        files::NewFile::finish(file)
            .map(to_engine::summary)
            .map_err(to_engine::error)
    }

    fn open_file(&self, path: &str) -> Result<u32> {
        files::open(path).map_err(to_engine::error)
    }

    fn open_section(&self, file: u32, name: &str, chunks: &[Chunk]) -> Result<u32> {
        let chunks: Vec<_> = chunks.iter().map(from_engine::chunk).collect();
        files::open_section(file, name, &chunks).map_err(to_engine::error)
    }

    fn close_file(&self, file: u32) {
        files::close(file);
    }

    fn file_size(&self, file: u32) -> Result<u64> {
        files::size(file).map_err(to_engine::error)
    }

    fn read_file(&self, file: u32, offset: u64, length: u32) -> Result<Vec<u8>> {
        files::read(file, offset, length).map_err(to_engine::error)
    }

    fn read_tail(&self, file: u32, length: u32) -> Result<Tail> {
        files::read_tail(file, length)
            .map(to_engine::tail)
            .map_err(to_engine::error)
    }

    fn file_checksum(&self, file: u32) -> Result<u32> {
        files::checksum(file).map_err(to_engine::error)
    }

    fn register_pages(&self, file: u32, extents: &[Extent]) -> Result<u32> {
        files::pages(file, &from_engine::extents(extents)).map_err(to_engine::error)
    }

    fn register_coded_pages(&self, file: u32, extents: &[Extent], dictionary: u32) -> Result<u32> {
        files::coded_pages(file, &from_engine::extents(extents), dictionary)
            .map_err(to_engine::error)
    }

    fn prefetch(&self, pages: &[u32]) -> Result<()> {
        files::prefetch(pages).map_err(to_engine::error)
    }

    fn load_page(&self, page: u32) -> Result<Vec<u8>> {
        files::load(page).map_err(to_engine::error)
    }

    fn part_form(&self) -> Form {
        to_engine::form(files::part_form())
    }

    fn moves_copy(&self) -> bool {
        files::moves_copy()
    }

    fn list_files(&self, path: &str, medium: Medium) -> Result<Vec<String>> {
        files::list(path, from_engine::medium(medium)).map_err(to_engine::error)
    }

    fn remove_files(&self, path: &str, medium: Medium) -> Result<()> {
        files::remove(path, from_engine::medium(medium)).map_err(to_engine::error)
    }

    fn rename_files(&self, from: &str, to: &str) -> Result<()> {
        files::rename(from, to).map_err(to_engine::error)
    }

    fn sync_files(&self, path: &str) -> Result<()> {
        files::sync(path).map_err(to_engine::error)
    }

    fn get_object(&self, name: &str) -> Result<Option<Object>> {
        let object = objects::get(name).map_err(to_engine::error)?;
        Ok(object.map(to_engine::object))
    }

    fn put_object_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        objects::put_if_absent(name, bytes).map_err(to_engine::error)
    }

    fn swap_object(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        objects::compare_and_swap(name, version, bytes).map_err(to_engine::error)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        objects::list(prefix).map_err(to_engine::error)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        objects::remove(name).map_err(to_engine::error)
    }

    fn append_log(
        &self,
        headers: &[Vec<u8>],
        columns: &[&scan::Columns],
        durability: LogDurability,
    ) -> Result<u64> {
        let headers: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
        log::append(&headers, columns, from_engine::log_durability(durability))
            .map_err(to_engine::error)
    }

    fn log_end(&self) -> Result<u64> {
        log::end().map_err(to_engine::error)
    }

    fn read_log(&self, position: u64) -> Result<Option<LogEntry<scan::Columns>>> {
        let entry = log::read(position).map_err(to_engine::error)?;
        Ok(entry.map(to_engine::log_entry))
    }

    fn drop_log_before(&self, position: u64, kept_from: u64) -> Result<()> {
        log::drop_before(position, kept_from).map_err(to_engine::error)
    }

    fn follow_log(&self) -> Result<bool> {
        log::follow().map_err(to_engine::error)
    }

    fn open_log(&self, position: u64, awaited: Option<Term>) -> Result<()> {
        log::open(position, awaited.map(from_engine::term)).map_err(to_engine::error)
    }

    fn take_over_log(&self, position: u64, term: Term, fence: bool) -> Result<bool> {
        log::take_over(position, from_engine::term(term), fence).map_err(to_engine::error)
    }

    fn nonce(&self) -> Result<u128> {
        log::nonce().map(to_engine::nonce).map_err(to_engine::error)
    }

    fn salvage_log(&self, needed_from: Option<u64>, term: Option<Term>) -> Result<SalvagedLog> {
        log::salvage(needed_from, term.map(from_engine::term))
            .map(to_engine::salvaged_log)
            .map_err(to_engine::error)
    }

    fn column_facts(&self, columns: &scan::Columns) -> Result<ColumnFacts> {
        to_engine::column_facts(columns.facts())
    }

    fn column_lengths(&self, columns: &scan::Columns, column: u32) -> Vec<u32> {
        columns.lengths(column)
    }

    fn column_presence(
        &self,
        columns: &scan::Columns,
        column: u32,
        rows: usize,
    ) -> Result<Option<Bitmap>> {
        to_engine::presence(columns.presence(column), rows)
    }

    fn read_column(&self, columns: &scan::Columns, column: u32) -> Result<Column> {
        to_engine::column(columns.read(column))
    }

    fn compile_filter(&self, steps: Vec<Step>) -> Result<Filter> {
        let sets = from_engine::byte_sets(&steps);
        scan::compile_filter(&from_engine::steps(&steps, &sets))
            .map(Filter)
            .map_err(to_engine::error)
    }

    fn probe(&self, pages: &[u32], hashes: &[u64]) -> Result<Vec<u8>> {
        scan::probe(pages, hashes).map_err(to_engine::error)
    }

    fn find_slices(&self, dictionary: u32, postings: &[u32], values: &[&[u8]]) -> Result<Vec<u32>> {
        scan::find_slices(dictionary, postings, values).map_err(to_engine::error)
    }

    fn select(&self, filter: Option<&Filter>, request: &select::Request<'_>) -> Result<Selected> {
        scan::select(number(filter), from_engine::selection(request))
            .map(to_engine::selected)
            .map_err(to_engine::error)
    }

    fn top(&self, filter: Option<&Filter>, request: &top::Request<'_>) -> Result<TopEnd> {
        let end = scan::top(number(filter), from_engine::request(request));
        to_engine::top_end(end).ok_or_else(|| to_engine::error(scan::top_failure()))
    }

    fn top_facts(&self) -> TopFacts {
        to_engine::top_facts(scan::last_top())
    }

    fn count(&self, filter: Option<&Filter>, request: &select::Request<'_>) -> Result<Vec<u64>> {
        scan::count(number(filter), from_engine::selection(request)).map_err(to_engine::error)
    }

    fn gather(
        &self,
        sources: &[gather::Source<'_>],
        keys: Option<RowKeys>,
    ) -> Result<scan::Columns> {
        let sources: Vec<_> = sources.iter().map(from_engine::page_source).collect();
        let keys = keys.as_ref().map(from_engine::row_keys);
        scan::gather(&sources, keys).map_err(to_engine::error)
    }

    fn gather_ranges(
        &self,
        keys: gather::Ranges<'_>,
        series: SeriesRuns,
        sources: &[gather::Ranges<'_>],
    ) -> Result<scan::Columns> {
        let sources: Vec<_> = sources.iter().map(from_engine::page_ranges).collect();
        let (keys, series) = (
            from_engine::page_ranges(&keys),
            from_engine::series_runs(&series),
        );
        scan::gather_ranges(keys, series, &sources).map_err(to_engine::error)
    }

    fn lengths(&self, source: gather::Source<'_>) -> Result<Vec<u32>> {
        scan::lengths(from_engine::page_source(&source)).map_err(to_engine::error)
    }

    fn keys(&self, page: u32, start: u32, end: u32) -> Result<Vec<i64>> {
        scan::keys(page, start, end).map_err(to_engine::error)
    }

    fn encode_pages(
        &self,
        target: &files::NewFile,
        filters: Option<&files::NewFile>,
        source: gather::Source<'_>,
        page_bytes: u32,
    ) -> Result<Vec<Piece>> {
        let source = from_engine::page_source(&source);
        let pieces = scan::encode_pages(target, filters, source, page_bytes);
        pieces.map(to_engine::pieces).map_err(to_engine::error)
    }

    fn encode_ints(&self, target: &files::NewFile, ints: &[i64]) -> Result<Piece> {
        scan::encode_ints(target, ints)
            .map(to_engine::piece)
            .map_err(to_engine::error)
    }

    fn new_dictionary(
        &self,
        kind: ColumnType,
        pages: &[u32],
    ) -> Result<Option<scan::NewDictionary>> {
        scan::NewDictionary::create(kind.code(), pages).map_err(to_engine::error)
    }

    fn encode_coded(
        &self,
        dictionary: &scan::NewDictionary,
        target: &files::NewFile,
        postings: &files::NewFile,
        source: gather::Source<'_>,
        first_slice: u32,
    ) -> Result<Piece> {
        let source = from_engine::page_source(&source);
        dictionary
            .encode(target, postings, source, first_slice)
            .map(to_engine::piece)
            .map_err(to_engine::error)
    }

    fn finish_dictionary(
        &self,
        dictionary: scan::NewDictionary,
        target: &files::NewFile,
        postings: &files::NewFile,
    ) -> Result<FinishedDictionary> {
        let finished = scan::NewDictionary::finish(dictionary, target, postings);
        finished
            .map(to_engine::finished_dictionary)
            .map_err(to_engine::error)
    }

    fn write_block(
        &self,
        target: &files::NewFile,
        keys: &[i64],
        from: &scan::Columns,
        columns: &[u32],
        rows: &[u32],
    ) -> Result<Vec<Piece>> {
        scan::write_block(target, keys, from, columns, rows)
            .map(to_engine::pieces)
            .map_err(to_engine::error)
    }

    fn fold_block(
        &self,
        target: &files::NewFile,
        keys: &[i64],
        source: block::Source<'_>,
    ) -> Result<Vec<Piece>> {
        let kinds = from_engine::kinds(source.kinds);
        let source = from_engine::block_source(&source, &kinds);
        scan::fold_block(target, keys, source)
            .map(to_engine::pieces)
            .map_err(to_engine::error)
    }

    fn usage(&self) -> Usage {
        to_engine::usage(limits::usage())
    }

    fn check(&self) -> Result<()> {
        limits::check().map_err(to_engine::error)
    }

    fn find_readers(&self) -> Result<Readers> {
        limits::find_readers()
            .map(to_engine::readers)
            .map_err(to_engine::error)
    }

    fn pin_epoch(&self, epoch: u64) -> Result<()> {
        limits::pin_epoch(epoch).map_err(to_engine::error)
    }

    fn release_lender(&self, place: &str) -> Result<()> {
        limits::release_lender(place).map_err(to_engine::error)
    }
}
