//! What facets count of an index: how much of it a snapshot has, and what entries of the log behind its
//! position add.

use std::collections::BTreeMap;

/// Counters, by the names of their facets.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// As the snapshot has them.
    stored: BTreeMap<String, u64>,
    /// What was added by entries that end at a position, ascending.
    later: Vec<(u64, &'static str, u64)>,
}

impl Counters {
    /// Those of a snapshot.
    pub(super) fn of(stored: &BTreeMap<String, u64>) -> Self {
        Self {
            stored: stored.clone(),
            later: Vec::new(),
        }
    }

    /// An entry that ends at a position adds to a counter.
    pub(super) fn add(&mut self, position: u64, name: &'static str, count: u64) {
        self.later.push((position, name, count));
    }

    /// How much was added since the snapshot.
    pub(super) fn count(&self) -> usize {
        self.later.len()
    }

    /// Leaves out what was added behind that.
    pub(super) fn truncate(&mut self, count: usize) {
        self.later.truncate(count);
    }

    /// What they are with the entries before a position.
    pub(super) fn at(&self, position: u64) -> BTreeMap<String, u64> {
        let mut counters = self.stored.clone();
        for (_, name, count) in { self.later.iter() }.filter(|entry| entry.0 <= position) {
            let counter = counters.entry((*name).to_owned()).or_default();
            *counter = counter.saturating_add(*count);
        }
        counters
    }

    /// A snapshot has the entries before a position.
    pub(super) fn absorb(&mut self, position: u64) {
        self.stored = self.at(position);
        self.later.retain(|(end, ..)| *end > position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_what_was_counted_before_its_position() {
        let mut counters = Counters::of(&[("a".to_owned(), 5)].into());
        counters.add(10, "a", 1);
        counters.add(20, "b", 7);
        counters.add(20, "a", 2);
        let told = |position, counters: &Counters| {
            let found = counters.at(position);
            ["a", "b"].map(|name| found.get(name).copied())
        };
        assert_eq!(told(9, &counters), [Some(5), None]);
        assert_eq!(told(10, &counters), [Some(6), None]);
        assert_eq!(told(u64::MAX, &counters), [Some(8), Some(7)]);
        counters.absorb(10);
        assert_eq!(told(0, &counters), [Some(6), None]);
        assert_eq!(told(20, &counters), [Some(8), Some(7)]);
    }
}
