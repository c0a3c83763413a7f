//! Rows as a block has them: a page per tag and type, and the metadata of each.

use std::collections::{BTreeMap, BTreeSet};

use sidx_columns::{ColumnBuilder, ColumnType, OwnedValue};
use sidx_kernels::{Page, Program, ValueRange, encode, hash};

use super::Row;
use crate::filter::{ColumnFacts, Facts, Filter, Slot};

/// What a judge may look at besides counts and limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Knowledge {
    Limits,
    Hashes,
}

struct Piece {
    page: Page,
    present: u64,
    limits: ValueRange,
    /// Hashes of all values or elements: a membership filter without false positives.
    hashes: BTreeSet<u64>,
}

pub(super) struct Block {
    rows: usize,
    pieces: BTreeMap<(String, ColumnType), Piece>,
}

impl Block {
    /// Limits of strings and bytes are shortened to `cut` bytes, outwards.
    pub(super) fn new(rows: &[Row], cut: usize) -> Self {
        let mut pieces = BTreeMap::new();
        for (name, value) in rows.iter().flatten() {
            let key = ((*name).to_owned(), value.kind());
            pieces
                .entry(key)
                .or_insert_with(|| piece(rows, name, value.kind(), cut));
        }
        Self {
            rows: rows.len(),
            pieces,
        }
    }

    pub(super) fn kinds(&self, tag: &str) -> Vec<ColumnType> {
        let kinds = self.pieces.keys().filter(|(name, _)| name == tag);
        kinds.map(|(_, kind)| *kind).collect()
    }

    /// The rows that the kernels select.
    pub(super) fn select(&self, filter: &Filter) -> Vec<bool> {
        let program = Program::compile(filter.steps()).unwrap();
        assert!(program.slots() as usize <= filter.slots().len());
        let pages: Vec<Option<&Page>> = filter
            .slots()
            .iter()
            .map(|slot| self.piece(slot).map(|piece| &piece.page))
            .collect();
        let selected = program.evaluate(&pages, self.rows as u32, None).unwrap();
        (0..self.rows).map(|row| selected.get(row)).collect()
    }

    pub(super) fn facts<'a>(&'a self, filter: &'a Filter, knowledge: Knowledge) -> BlockFacts<'a> {
        BlockFacts {
            block: self,
            filter,
            knowledge,
        }
    }

    fn piece(&self, slot: &Slot) -> Option<&Piece> {
        self.pieces.get(&(slot.name.clone(), slot.kind))
    }
}

pub(super) struct BlockFacts<'a> {
    block: &'a Block,
    filter: &'a Filter,
    knowledge: Knowledge,
}

impl Facts for BlockFacts<'_> {
    fn rows(&self) -> u64 {
        self.block.rows as u64
    }

    fn column(&self, slot: usize) -> Option<ColumnFacts<'_>> {
        let piece = self.block.piece(&self.filter.slots()[slot])?;
        Some(ColumnFacts {
            present: piece.present,
            limits: &piece.limits,
        })
    }

    fn excluded(&self, probe: usize) -> bool {
        let probe = &self.filter.probes()[probe];
        self.knowledge == Knowledge::Hashes
            && self
                .block
                .piece(&self.filter.slots()[probe.slot])
                .is_none_or(|piece| probe.hashes.iter().all(|hash| !piece.hashes.contains(hash)))
    }
}

fn piece(rows: &[Row], name: &str, kind: ColumnType, cut: usize) -> Piece {
    let mut builder = ColumnBuilder::new(kind);
    let mut hashes = BTreeSet::new();
    for row in rows {
        let value = row
            .iter()
            .find(|(tag, value)| *tag == name && value.kind() == kind);
        match value {
            Some((_, value)) => {
                add_hashes(value, &mut hashes);
                builder.push_value(value).unwrap();
            }
            None => builder.push_absent().unwrap(),
        }
    }
    let encoded = encode(&builder.finish()).unwrap();
    Piece {
        page: Page::open(encoded.page.into()).unwrap(),
        present: u64::from(encoded.stats.present),
        limits: shortened(encoded.stats.range, cut),
        hashes,
    }
}

fn add_hashes(value: &OwnedValue, hashes: &mut BTreeSet<u64>) {
    match value {
        OwnedValue::Array(_, elements) => elements.iter().for_each(|e| add_hashes(e, hashes)),
        OwnedValue::String(text) => drop(hashes.insert(hash::of_bytes(text.as_bytes()))),
        OwnedValue::Bytes(bytes) => drop(hashes.insert(hash::of_bytes(bytes))),
        OwnedValue::Int(value) | OwnedValue::Timestamp(value) => {
            hashes.insert(hash::of_int(*value));
        }
        OwnedValue::Float(value) => drop(hashes.insert(hash::of_float(*value))),
        OwnedValue::Bool(value) => drop(hashes.insert(hash::of_bool(*value))),
    }
}

fn shortened(limits: ValueRange, cut: usize) -> ValueRange {
    let ValueRange::Bytes { mut min, max } = limits else {
        return limits;
    };
    min.truncate(cut);
    let max = max.and_then(|mut max| {
        if max.len() > cut {
            max.truncate(cut);
            while max.pop_if(|byte| *byte == u8::MAX).is_some() {}
            *max.last_mut()? += 1;
        }
        Some(max)
    });
    ValueRange::Bytes { min, max }
}
