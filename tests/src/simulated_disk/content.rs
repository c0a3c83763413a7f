//! The bytes of a file, in the cache of the operating system and on the medium.

use std::ops::Range;

use rand::Rng;
use rand::rngs::SmallRng;

use super::Luck;

/// The unit in which a medium writes.
const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// What a reader sees.
    cached: Vec<u8>,
    /// What is on the medium for sure.
    durable: Vec<u8>,
    /// What happened since, in order.
    undecided: Vec<Step>,
}

/// A change: what the sectors that it touched hold after it.
#[derive(Clone, Debug)]
struct Step {
    first_sector: usize,
    bytes: Vec<u8>,
    size: usize,
}

impl Content {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.cached
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        self.note(offset..end);
    }

    pub(super) fn set_size(&mut self, size: usize) {
        let touched = size..self.cached.len().max(size);
        self.cached.resize(size, 0);
        self.note(touched);
    }

    fn note(&mut self, touched: Range<usize>) {
        let first_sector = touched.start / SECTOR;
        let end_sector = touched.end.div_ceil(SECTOR).max(first_sector);
        let mut bytes = vec![0; (end_sector - first_sector) * SECTOR];
        let from = first_sector * SECTOR;
        let to = (end_sector * SECTOR).min(self.cached.len());
        if from < to {
            bytes[..to - from].copy_from_slice(&self.cached[from..to]);
        }
        self.undecided.push(Step {
            first_sector,
            bytes,
            size: self.cached.len(),
        });
    }

    /// Brings everything to the medium.
    pub(super) fn sync(&mut self) {
        for step in std::mem::take(&mut self.undecided) {
            apply(&mut self.durable, &step, |_| true);
            self.durable.resize(step.size, 0);
        }
    }

    /// A sync that failed: what it was to write may or may not be on the medium, and is not tried
    /// again, though readers go on seeing it.
    pub(super) fn lose_sync(&mut self, random: &mut SmallRng) {
        self.durable = self.survivor(random, Luck::Mixed);
        self.undecided.clear();
    }

    pub(super) fn lose_power(&mut self, random: &mut SmallRng, luck: Luck) {
        self.durable = self.survivor(random, luck);
        self.cached.clone_from(&self.durable);
        self.undecided.clear();
    }

    /// What may be on the medium: each sector, and the size, as at some time since the last sync.
    fn survivor(&self, random: &mut SmallRng, luck: Luck) -> Vec<u8> {
        if self.undecided.is_empty() {
            return self.durable.clone();
        }
        let sizes: Vec<usize> = std::iter::once(self.durable.len())
            .chain(self.undecided.iter().map(|step| step.size))
            .collect();
        let size = match luck {
            // A size on the way from one to the next: long writes reach the medium in pieces.
            Luck::Mixed if random.random_range(0..3) == 0 => {
                let at = random.random_range(1..sizes.len());
                let (one, other) = (sizes[at - 1], sizes[at]);
                random.random_range(one.min(other)..=one.max(other))
            }
            _ => sizes[luck.pick(random, sizes.len())],
        };
        let sectors = sizes.iter().max().unwrap().div_ceil(SECTOR);
        let steps = self.undecided.len();
        // Either everything up to some moment, or each sector up to a moment of its own.
        let moment = (luck != Luck::Mixed || random.random()).then(|| luck.pick(random, steps + 1));
        let moments: Vec<usize> = (0..sectors)
            .map(|_| moment.unwrap_or_else(|| random.random_range(0..=steps)))
            .collect();
        let mut image = self.durable.clone();
        for (at, step) in self.undecided.iter().enumerate() {
            apply(&mut image, step, |sector| {
                moments.get(sector).is_some_and(|&moment| at < moment)
            });
        }
        image.resize(size, 0);
        image
    }
}

/// Puts the wanted sectors of a step into an image, which grows as needed.
fn apply(image: &mut Vec<u8>, step: &Step, wanted: impl Fn(usize) -> bool) {
    for (at, bytes) in step.bytes.chunks(SECTOR).enumerate() {
        let sector = step.first_sector + at;
        if wanted(sector) {
            let start = sector * SECTOR;
            if image.len() < start + SECTOR {
                image.resize(start + SECTOR, 0);
            }
            image[start..start + SECTOR].copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn survivors(content: &Content) -> Vec<Vec<u8>> {
        let mut random = SmallRng::seed_from_u64(1);
        let mut found: Vec<Vec<u8>> = (0..500)
            .map(|_| content.survivor(&mut random, Luck::Mixed))
            .collect();
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn what_was_synced_stays() {
        let mut content = Content::default();
        content.write(&[1; 700], 0);
        content.set_size(600);
        content.write(&[2; 10], 595);
        content.sync();
        let wanted = [vec![1; 595], vec![2; 10]].concat();
        assert_eq!(survivors(&content), [wanted]);
    }

    #[test]
    fn what_was_not_synced_is_old_new_or_torn_between_sectors() {
        let mut content = Content::default();
        content.write(&[1; 600], 0);
        content.sync();
        content.write(&[2; 600], 500);
        let found = survivors(&content);
        let is = |bytes: Vec<u8>| found.contains(&bytes);
        assert!(is(vec![1; 600]), "nothing survived");
        assert!(is([vec![1; 500], vec![2; 600]].concat()), "all survived");
        let second_only = [vec![1; 512], vec![2; 588]].concat();
        assert!(is(second_only), "only the second and third sector survived");
        let size_only = [vec![1; 600], vec![0; 500]].concat();
        assert!(is(size_only), "only the size survived");
        for bytes in &found {
            assert!(bytes.len() >= 600 && bytes[..500] == [1; 500]);
        }
    }

    #[test]
    fn a_sector_is_never_mixed_from_two_moments() {
        let mut content = Content::default();
        content.write(&[1; 100], 0);
        content.write(&[2; 100], 100);
        for bytes in survivors(&content) {
            let second = bytes.get(100).copied().unwrap_or(0);
            assert!(second == 0 || bytes[0] == 1, "{bytes:?}");
        }
    }

    #[test]
    fn a_failed_sync_is_not_made_good_by_the_next() {
        let mut content = Content::default();
        content.write(&[1; 5000], 0);
        content.lose_sync(&mut SmallRng::seed_from_u64(3));
        content.sync();
        assert_eq!(content.bytes(), [1; 5000]);
        assert_ne!(survivors(&content), [vec![1; 5000]]);
    }
}
