//! The names in a directory, in the cache of the operating system and on the medium.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;

use super::Luck;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// What a reader sees.
    cached: BTreeMap<String, u64>,
    /// The names that changed since the last sync, each with all that it stood for since then, the
    /// value on the medium first.
    undecided: BTreeMap<String, Vec<Option<u64>>>,
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.cached.get(name).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, u64)> {
        self.cached.iter().map(|(name, file)| (name, *file))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cached.is_empty()
    }

    /// Lets a name stand for a file, or for nothing.
    pub(super) fn set(&mut self, name: &str, file: Option<u64>) {
        let before = match file {
            Some(file) => self.cached.insert(name.to_owned(), file),
            None => self.cached.remove(name),
        };
        self.undecided
            .entry(name.to_owned())
            .or_insert_with(|| vec![before])
            .push(file);
    }

    /// Brings everything to the medium.
    pub(super) fn sync(&mut self) {
        self.undecided.clear();
    }

    pub(super) fn lose_power(&mut self, random: &mut SmallRng, luck: Luck) {
        for (name, values) in std::mem::take(&mut self.undecided) {
            match values[luck.pick(random, values.len())] {
                Some(file) => self.cached.insert(name, file),
                None => self.cached.remove(&name),
            };
        }
    }

    /// Keeps names by the file that they stand for.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(u64) -> bool) {
        self.cached.retain(|_, file| wanted(*file));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn each_name_takes_one_of_its_values_on_its_own() {
        let mut names = Names::default();
        names.set("synced", Some(1));
        names.sync();
        names.set("new", Some(2));
        names.set("new", None);
        names.set("new", Some(3));
        names.set("moved", Some(1));
        names.set("synced", None);
        let mut random = SmallRng::seed_from_u64(1);
        let found: BTreeSet<_> = (0..500)
            .map(|_| {
                let mut names = names.clone();
                names.lose_power(&mut random, Luck::Mixed);
                (names.get("new"), names.get("moved"), names.get("synced"))
            })
            .collect();
        assert_eq!(found.len(), 3 * 2 * 2, "{found:?}");
        assert!(found.contains(&(Some(2), None, None)));
    }
}
