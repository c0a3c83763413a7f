//! Static membership filter over 64-bit hashes: a binary fuse filter with 8-bit fingerprints
//! (Graf and Lemire, 2022).
//!
//! Every member picks three slots, one in each of three neighbouring segments; the fingerprints
//! in its slots XOR to the member's own. A stranger passes with probability 1/256. A lookup
//! reads three bytes.

use crate::error::PageError;

/// Layout this crate writes and reads; the first byte of every membership page.
pub const LAYOUT: u8 = 1;

/// Bytes before the fingerprints: layout, log2 of the segment length, segments, members, seed.
pub const HEADER_BYTES: usize = 1 + 1 + 4 + 4 + 8;

/// Most members of one page.
pub const MAX_MEMBERS: usize = 1 << 26;

/// Longest segment, as a power of two.
const MAX_SEGMENT_LOG2: u32 = 18;

/// Seeds tried before giving up; each fails with a probability of a few percent at most.
const ATTEMPTS: u64 = 100;

/// Where members lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    segment_log2: u32,
    /// Segments a member's first slot can be in; two more follow.
    segments: u32,
    seed: u64,
}

impl Shape {
    /// A shape that peels with high probability, from the formulas of the paper.
    fn for_members(members: usize) -> Shape {
        let size = members.max(2) as f64;
        let log2 = (size.ln() / 3.33f64.ln() + 2.25).floor() as u32;
        let segment_log2 = log2.min(MAX_SEGMENT_LOG2);
        let factor = (0.875 + 0.25 * 1e6f64.ln() / size.ln()).max(1.125);
        let slots = (size * factor).round() as u32;
        let segments = slots.div_ceil(1 << segment_log2).saturating_sub(2).max(1);
        Shape {
            segment_log2,
            segments,
            seed: 0,
        }
    }

    fn slots(self) -> usize {
        (self.segments as usize + 2) << self.segment_log2
    }

    /// The three slots and the fingerprint of a hash.
    #[inline]
    fn place(self, hash: u64) -> ([usize; 3], u8) {
        let mixed = mix(hash.wrapping_add(self.seed));
        let range = u64::from(self.segments) << self.segment_log2;
        // High bits choose the first slot, low bits vary the other two within their segments.
        let first = ((u128::from(mixed) * u128::from(range)) >> 64) as usize;
        let length = 1usize << self.segment_log2;
        let second = (first + length) ^ ((mixed >> 18) as usize & (length - 1));
        let third = (first + 2 * length) ^ (mixed as usize & (length - 1));
        ([first, second, third], (mixed ^ (mixed >> 32)) as u8)
    }
}

/// Spreads every input bit over the whole word (the finaliser of MurmurHash3).
#[inline]
fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Builds and serialises a membership page over hashes; duplicates count once. `None` when there are too
/// many members or, which does not happen in practice, no seed works: a missing one is always
/// correct. Cost: about 60 ns and 22 bytes of working memory per member.
#[must_use]
pub fn build(mut hashes: Vec<u64>) -> Option<Vec<u8>> {
    hashes.sort_unstable();
    hashes.dedup();
    if hashes.len() > MAX_MEMBERS {
        return None;
    }
    let mut shape = Shape::for_members(hashes.len());
    for attempt in 0..ATTEMPTS {
        // Fixed seeds: the same values always give the same bytes.
        shape.seed = mix(attempt.wrapping_add(0x5349_4458));
        if let Some(order) = peel(shape, &hashes) {
            return Some(serialise(shape, hashes.len(), &assign(shape, &order)));
        }
    }
    None
}

/// A slot during peeling: how many members still use it and the XOR of their hashes.
#[derive(Clone, Copy, Default)]
struct Slot {
    uses: u32,
    hashes: u64,
}

/// Members in peeling order, each with the slot it was alone in; `None` when some are entangled.
fn peel(shape: Shape, hashes: &[u64]) -> Option<Vec<(u64, usize)>> {
    let mut slots = vec![Slot::default(); shape.slots()];
    for hash in hashes {
        for at in shape.place(*hash).0 {
            let slot = slots.get_mut(at)?;
            slot.uses += 1;
            slot.hashes ^= hash;
        }
    }
    let alone = |(at, slot): (usize, &Slot)| (slot.uses == 1).then_some(at);
    let mut ready: Vec<usize> = slots.iter().enumerate().filter_map(alone).collect();
    let mut order = Vec::with_capacity(hashes.len());
    while let Some(at) = ready.pop() {
        let slot = *slots.get(at)?;
        if slot.uses != 1 {
            continue;
        }
        order.push((slot.hashes, at));
        for other in shape.place(slot.hashes).0 {
            let used = slots.get_mut(other)?;
            used.uses -= 1;
            used.hashes ^= slot.hashes;
            if used.uses == 1 {
                ready.push(other);
            }
        }
    }
    (order.len() == hashes.len()).then_some(order)
}

/// Fingerprints set in reverse peeling order: each member's own slot is free when it comes.
fn assign(shape: Shape, order: &[(u64, usize)]) -> Vec<u8> {
    let mut prints = vec![0u8; shape.slots()];
    for (hash, own) in order.iter().rev() {
        let (places, print) = shape.place(*hash);
        let rest = places
            .iter()
            .filter(|at| *at != own)
            .filter_map(|at| prints.get(*at))
            .fold(print, |sum, print| sum ^ print);
        if let Some(slot) = prints.get_mut(*own) {
            *slot = rest;
        }
    }
    prints
}

fn serialise(shape: Shape, members: usize, prints: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + prints.len());
    out.extend_from_slice(&[LAYOUT, shape.segment_log2 as u8]);
    out.extend_from_slice(&shape.segments.to_le_bytes());
    out.extend_from_slice(&(members as u32).to_le_bytes());
    out.extend_from_slice(&shape.seed.to_le_bytes());
    out.extend_from_slice(prints);
    out
}

/// An opened membership page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    shape: Shape,
    members: u32,
    prints: Vec<u8>,
}

impl Membership {
    /// Checks a membership page and copies its fingerprints.
    ///
    /// # Errors
    /// When the header is unknown or does not match the number of bytes.
    pub fn open(bytes: &[u8]) -> Result<Membership, PageError> {
        let available = bytes.len();
        let Some((header, prints)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            let (what, needed) = ("membership header", HEADER_BYTES as u64);
            return Err(PageError::Truncated {
                what,
                offset: 0,
                needed,
                available,
            });
        };
        let [layout, log2, a0, a1, a2, a3, b0, b1, b2, b3, seed @ ..] = *header;
        if layout != LAYOUT {
            return Err(PageError::Code {
                what: "membership layout",
                found: layout,
            });
        }
        if u32::from(log2) > MAX_SEGMENT_LOG2 {
            let (what, limit) = ("membership segment length", MAX_SEGMENT_LOG2.into());
            return Err(PageError::Field {
                what,
                found: log2.into(),
                limit,
            });
        }
        let segments = u32::from_le_bytes([a0, a1, a2, a3]);
        let members = u32::from_le_bytes([b0, b1, b2, b3]);
        let slots = (u64::from(segments) + 2) << log2;
        if segments == 0 || slots != prints.len() as u64 {
            let (what, limit) = ("membership slots", prints.len() as u64);
            return Err(PageError::Field {
                what,
                found: slots,
                limit,
            });
        }
        let seed = u64::from_le_bytes(seed);
        let shape = Shape {
            segment_log2: log2.into(),
            segments,
            seed,
        };
        Ok(Membership {
            shape,
            members,
            prints: prints.to_vec(),
        })
    }

    /// Whether a value with this hash may be among the members: always true for members, false
    /// for all but about 0.4 % of the rest. Hashes are those of [`hash`](crate::hash).
    #[must_use]
    #[inline]
    pub fn contains(&self, hash: u64) -> bool {
        let (places, print) = self.shape.place(hash);
        let sum = places
            .iter()
            .filter_map(|at| self.prints.get(*at))
            .fold(print, |sum, print| sum ^ print);
        sum == 0
    }

    /// Number of members it was built over.
    #[must_use]
    pub fn members(&self) -> u32 {
        self.members
    }

    /// Heap bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.prints.len()
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::hash;

    #[test]
    fn members_pass_and_few_strangers_do() {
        let mut random = SmallRng::seed_from_u64(7);
        for count in [1, 2, 3, 10, 65, 100, 1000, 8192, 60_000] {
            let members: Vec<u64> = (0..count).map(|_| random.random()).collect();
            let doubled = members.iter().chain(&members).copied().collect();
            let bytes = build(doubled).unwrap();
            let membership = Membership::open(&bytes).unwrap();
            assert_eq!(membership.members(), count as u32);
            assert!(
                members.iter().all(|member| membership.contains(*member)),
                "{count}"
            );
            let strangers = 200_000;
            let passed = (0..strangers)
                .filter(|_| membership.contains(random.random()))
                .count();
            let rate = passed as f64 / f64::from(strangers);
            assert!(rate <= 0.005, "{count} members: {rate}");
        }
    }

    #[test]
    fn hashes_of_similar_values_are_as_good_as_random() {
        let bytes = build((0..8192).map(hash::of_int).collect()).unwrap();
        assert!(bytes.len() < 8192 * 4 / 3, "{} bytes", bytes.len());
        let membership = Membership::open(&bytes).unwrap();
        let passed = (8192..208_192)
            .filter(|n| membership.contains(hash::of_int(*n)))
            .count();
        assert!(passed <= 1000, "{passed}");
    }

    #[test]
    fn bad_bytes_are_refused() {
        let bytes = build((0..100).map(hash::of_int).collect()).unwrap();
        for length in 0..bytes.len() {
            assert!(Membership::open(&bytes[..length]).is_err());
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                if let Ok(membership) = Membership::open(&bad) {
                    let _ = membership.contains(1);
                }
            }
        }
        assert!(Membership::open(&[LAYOUT, 200, 1, 0, 0, 0]).is_err());
        assert_eq!((LAYOUT, HEADER_BYTES), (1, 18));
    }

    #[test]
    fn no_members_make_a_page_that_holds_little() {
        let membership = Membership::open(&build(Vec::new()).unwrap()).unwrap();
        assert_eq!(membership.members(), 0);
    }
}
