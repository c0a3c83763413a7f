//! From a filter expression to the program that the scan kernels run, and to what the metadata of
//! a part or block says about it.
//!
//! An expression speaks of tags; the store has columns, one per tag and type. Planning replaces
//! each test of a tag by tests of those of its columns that the test can be true for, so that
//! what follows needs no rules about types any more.

mod judge;
mod lower;
mod number;
mod probe;
mod value;

use sidx_columns::ColumnType;
use sidx_kernels::{Step, ValueRange};

use crate::expression::Expression;
use lower::Node;

/// A column that a filter reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name of the tag.
    pub name: String,
    /// Type of the column.
    pub kind: ColumnType,
}

/// A test that no row of a block passes when the membership filter of a slot's column holds none
/// of some hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The slot whose membership filter is meant.
    pub slot: usize,
    /// Hashes of the values looked for, sorted; see `sidx_kernels::hash`.
    pub hashes: Vec<u64>,
    /// The values themselves, where they are strings or bytes.
    pub values: Vec<Vec<u8>>,
}

/// What metadata alone says about the rows of a part or block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No row passes.
    Nothing,
    /// Some may pass and some may not: the rows must be read.
    Some,
    /// Every row passes.
    Everything,
}

/// What metadata knows about the rows of a part or block.
pub trait Facts {
    /// Number of rows.
    fn rows(&self) -> u64;

    /// What is known of the column of a slot; `None` when there is no such column, and so no row
    /// has a value in it.
    fn column(&self, slot: usize) -> Option<ColumnFacts<'_>>;

    /// Whether the membership filter rules out every hash of a probe (its position in
    /// [`Filter::probes`]). Without a filter, or before one was read: false.
    fn excluded(&self, probe: usize) -> bool;
}

/// What metadata knows about a column.
#[derive(Clone, Copy, Debug)]
pub struct ColumnFacts<'a> {
    /// Rows that have a value.
    pub present: u64,
    /// Least and greatest value, or element of an array. `ValueRange::None` says nothing.
    pub limits: &'a ValueRange,
}

/// A planned filter.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Node,
    slots: Vec<Slot>,
    probes: Vec<Probe>,
    /// The slot of the dead rows, behind those of columns.
    dead: Option<usize>,
}

impl Filter {
    /// Plans an expression over the columns that exist. `kinds` gives the types that any part
    /// of the snapshot knows for a tag and is asked once per tag; a part that has none of a slot's
    /// columns counts as one without values there. Cost: linear in the expression times the types
    /// per tag; lists are sorted.
    pub fn plan(expression: &Expression, kinds: &mut dyn FnMut(&str) -> Vec<ColumnType>) -> Filter {
        let (mut root, slots) = lower::lower(expression, kinds);
        let slots = used_slots(&mut root, slots);
        let probes = probe::attach(&mut root);
        Filter {
            root,
            slots,
            probes,
            dead: None,
        }
    }

    /// A filter that every row passes.
    #[must_use]
    pub fn everything() -> Filter {
        Filter {
            root: Node::True,
            slots: Vec::new(),
            probes: Vec::new(),
            dead: None,
        }
    }

    /// The same for rows that are not dead: with a slot more, whose page has a value for those that are.
    #[must_use]
    pub fn of_live_rows(mut self) -> Filter {
        let slot = self.slots.len();
        self.root = lower::absent(self.root, slot);
        self.dead = Some(slot);
        self
    }

    /// Whether a slot is not a column, but that of the dead rows.
    #[must_use]
    pub fn is_dead(&self, slot: usize) -> bool {
        self.dead == Some(slot)
    }

    /// How many pages a block needs for the program: one for each column, and that of the dead rows.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.slots.len() + usize::from(self.dead.is_some())
    }

    /// The program for the kernels; `slot` in its leaves counts through [`Filter::slots`].
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.root.write_steps(&mut steps);
        steps
    }

    /// The columns that the program reads, each once.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Names of the tags among the slots, each once. A tag that no part has a fitting column for
    /// is not among them.
    pub fn tag_names(&self) -> impl Iterator<Item = &str> {
        // The slots of a tag follow each other only by accident, so look back.
        self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let before = self.slots.get(..at).unwrap_or_default();
            let first = before.iter().all(|earlier| earlier.name != slot.name);
            first.then_some(slot.name.as_str())
        })
    }

    /// What to ask the membership filters before rows are read.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// Judges the rows of a part or block by their metadata. [`Facts::excluded`] is asked only
    /// when counts and limits leave the question open.
    pub fn judge(&self, facts: &dyn Facts) -> Verdict {
        let verdict = self.root.judge(facts, false);
        if verdict == Verdict::Some && !self.probes.is_empty() {
            return self.root.judge(facts, true);
        }
        verdict
    }
}

/// Drops the slots that folding left without a reader, and renumbers the others in the order of
/// their first use.
fn used_slots(root: &mut Node, all: Vec<Slot>) -> Vec<Slot> {
    let mut renumbered = vec![None; all.len()];
    let mut used = Vec::new();
    root.each_leaf(&mut |leaf| {
        let (Some(number), Some(slot)) = (renumbered.get_mut(leaf.slot), all.get(leaf.slot)) else {
            return;
        };
        leaf.slot = *number.get_or_insert_with(|| {
            used.push(slot.clone());
            used.len() - 1
        });
    });
    used
}

#[cfg(test)]
mod tests;
