//! What is written, read back.

use sidx_columns::{Column, ColumnType, ValueType};
use sidx_executor::{ABSENT, Columns, Extent, Piece, block, dictionary, encode, gather};
use sidx_kernels::SharedDictionary;

use super::blocks::{self, Blocks, VALUES};
use super::memory::Memory;
use super::numbers::Numbers;
use super::{same, texts};

/// Rows of a slice, by which postings tell where a value is.
const SLICE_ROWS: usize = 1_024;

/// Columns to pages, with and without a shared dictionary, and blocks of memory.
pub fn written(case: u64) -> Result<(), String> {
    let numbers = &mut Numbers::new(case);
    let memory = Memory::new(numbers);
    let blocks = Blocks::random(numbers, &memory)?;
    let mut rows = Vec::new();
    for block in &blocks.blocks {
        let picked = (0..block.keys.len() as u32).filter(|_| numbers.below(4) > 0);
        rows.extend(picked.map(|row| (block.value_page, row, block.value(row))));
    }
    let pages: Vec<u32> = rows.iter().map(|row| row.0).collect();
    let numbers_of: Vec<u32> = rows.iter().map(|row| row.1).collect();
    let expected = blocks::column(rows.iter().map(|row| row.2.clone()))?;
    let source = gather::Source {
        kind: VALUES,
        pages: &pages,
        rows: &numbers_of,
    };
    let page_bytes = [1, 500, u32::MAX]
        .get(numbers.below(3))
        .copied()
        .unwrap_or(1);
    let pieces =
        encode::encode(&memory, &memory, Some(&memory), source, page_bytes).map_err(texts)?;
    same("pages", &read(&memory, &pieces)?, &expected)?;
    coded(&memory, &blocks, source, &expected)?;
    in_memory(numbers, &memory, &blocks)
}

fn handle(extent: &Extent) -> u32 {
    extent.offset as u32
}

/// All rows of pages.
fn read(memory: &Memory, pieces: &[Piece]) -> Result<Column, String> {
    let pages: Vec<u32> = pieces.iter().map(|piece| handle(&piece.extent)).collect();
    let each = pages.iter().zip(pieces);
    let each = each.flat_map(|(page, piece)| (0..piece.rows).map(|row| (*page, row)));
    let (pages, rows): (Vec<u32>, Vec<u32>) = each.unzip();
    let source = gather::Source {
        kind: VALUES,
        pages: &pages,
        rows: &rows,
    };
    let columns = gather::gather(memory, &[source]).map_err(texts)?;
    columns.get(0).cloned().map_err(texts)
}

/// The same rows as codes of a dictionary, and where it says that values are.
fn coded(
    memory: &Memory,
    blocks: &Blocks,
    source: gather::Source<'_>,
    expected: &Column,
) -> Result<(), String> {
    let pages: Vec<u32> = blocks.blocks.iter().map(|block| block.value_page).collect();
    let made = dictionary::NewDictionary::create(memory, VALUES, &pages).map_err(texts)?;
    let Some(mut dictionary) = made else {
        // Few rows, or values that hardly repeat.
        return Ok(());
    };
    let encoded = dictionary.encode(memory, memory, memory, source, 0);
    let piece = encoded.map_err(texts)?;
    let finished = dictionary.finish(memory, memory).map_err(texts)?;
    let of_dictionary = handle(&finished.extent);
    let opened = memory.raw(of_dictionary).and_then(|bytes| {
        SharedDictionary::open(bytes.into()).map_err(|error| error.to_string())
    })?;
    let page = memory.coded_column(handle(&piece.extent), opened)?;
    same("coded rows", &page, expected)?;
    let postings: Vec<u32> = finished.postings.iter().map(handle).collect();
    for row in (0..expected.rows()).step_by(37) {
        let Some(sidx_columns::Value::String(value)) = expected.value(row) else {
            continue;
        };
        let values = [value.as_bytes(), b"no such value".as_slice()];
        let slices = dictionary::slices(memory, of_dictionary, &postings, &values);
        let slices = slices.map_err(texts)?;
        let slice = (row / SLICE_ROWS) as u32;
        let found = postings.is_empty() || slices.contains(&slice);
        same("the slice of a value is found", &found, &true)?;
    }
    Ok(())
}

/// A batch as a block, and rows of two blocks as one.
fn in_memory(numbers: &mut Numbers, memory: &Memory, blocks: &Blocks) -> Result<(), String> {
    let mut rows: Vec<(i64, u32, u32)> = Vec::new();
    for (at, block) in (0u32..).zip(&blocks.blocks) {
        let all = 0..block.keys.len() as u32;
        rows.extend(all.map(|row| (block.key(row), at, row)));
    }
    rows.retain(|_| numbers.below(3) > 0);
    rows.sort_unstable();
    let keys: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let values = rows.iter().map(|row| blocks.value(row.1, row.2));
    let expected = blocks::column(values)?;
    let mut pages: Vec<u32> = blocks.blocks.iter().map(|block| block.value_page).collect();
    pages.extend(vec![ABSENT; blocks.blocks.len()]);
    let source = block::Source {
        kinds: &[VALUES, ColumnType::scalar(ValueType::Float)],
        pages: &pages,
        blocks: &rows.iter().map(|row| row.1).collect::<Vec<u32>>(),
        rows: &rows.iter().map(|row| row.2).collect::<Vec<u32>>(),
    };
    let pieces = block::fold(memory, memory, &keys, source).map_err(texts)?;
    same("pages of a folded block", &pieces.len(), &3)?;
    same(
        "folded rows",
        &read(memory, pieces.get(1..2).unwrap_or_default())?,
        &expected,
    )?;
    let absent = pieces.get(2).map(|piece| (piece.rows, piece.present));
    same(
        "rows of an absent column",
        &absent,
        &Some((rows.len() as u32, 0)),
    )?;
    // Turned around, as a batch that came in the wrong order.
    let order: Vec<u32> = (0..rows.len() as u32).rev().collect();
    let columns = Columns::from_columns(rows.len(), vec![expected.clone()]).map_err(texts)?;
    let pieces = block::write(memory, &keys, &columns, &[0], &order, || Ok(())).map_err(texts)?;
    let turned = expected.take(&order).map_err(|error| error.to_string())?;
    same(
        "written rows",
        &read(memory, pieces.get(1..).unwrap_or_default())?,
        &turned,
    )
}
