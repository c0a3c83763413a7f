//! Packed values against the values themselves: every width, tail, offset and alignment, however the
//! kernels are carried out.

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::bitpack::{Packed, packed_bytes, write_padded};
use crate::implementation::Implementation;

/// Miri is a thousand times slower, and these show it every kind of access: widths that end in one word,
/// ones that span two, those of each vector kernel, and the widest.
fn widths() -> Vec<u32> {
    match cfg!(miri) {
        true => vec![3, 12, 31, 59, 64],
        false => (0..=64).collect(),
    }
}

fn counts() -> Vec<usize> {
    match cfg!(miri) {
        true => vec![1, 9, 65],
        false => (0..=300).collect(),
    }
}

/// Values of a width, and their packed form at some place in a buffer of random bytes, so that nothing
/// around it is zero or aligned.
struct Sample {
    width: u32,
    values: Vec<u64>,
    buffer: Vec<u8>,
    place: usize,
    length: usize,
}

impl Sample {
    fn new(random: &mut SmallRng, width: u32, count: usize, alignment: usize) -> Sample {
        let mask = largest(width);
        let values: Vec<u64> = (0..count).map(|_| random.random::<u64>() & mask).collect();
        let mut packed = Vec::new();
        write_padded(values.iter().copied(), width, &mut packed);
        let mut buffer: Vec<u8> = (0..packed.len() + 192).map(|_| random.random()).collect();
        let place = buffer.as_ptr().align_offset(64).min(63) + alignment;
        buffer[place..place + packed.len()].copy_from_slice(&packed);
        Sample {
            width,
            values,
            buffer,
            place,
            length: packed.len(),
        }
    }

    fn packed(&self) -> Packed<'_> {
        let bytes = &self.buffer[self.place..self.place + self.length];
        Packed::new(bytes, self.width, self.values.len()).unwrap()
    }

    /// The words from word `first` on.
    fn marks(&self, first: usize, words: usize, test: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut marks = vec![0u64; words];
        let values = self.values.iter().skip(first * 64).take(words * 64);
        for (at, value) in values.enumerate() {
            marks[at / 64] |= u64::from(test(*value)) << (at % 64);
        }
        marks
    }

    fn check_decode(&self, start: usize, end: usize, base: i64) {
        let (packed, count) = (self.packed(), self.values.len());
        let naive: Vec<i64> = std::iter::once(7)
            .chain(
                self.values[start.min(count)..end.min(count).max(start.min(count))]
                    .iter()
                    .map(|value| base.wrapping_add(*value as i64)),
            )
            .collect();
        for with in Implementation::available() {
            let mut out = vec![7];
            packed.decode_with(with, start, end, base, &mut out);
            let width = self.width;
            assert_eq!(out, naive, "{with:?} width {width} {start}..{end}");
        }
    }

    fn check_range(&self, first: usize, low: u64, high: u64) {
        let naive = self.marks(first, 3, |value| (low..=high).contains(&value));
        for with in Implementation::available() {
            let mut ours = vec![9u64; 3];
            self.packed()
                .mark_range_with(with, first, &mut ours, low, high - low);
            let (width, count) = (self.width, self.values.len());
            assert_eq!(
                ours, naive,
                "{with:?} width {width} count {count} first {first} {low}..={high}"
            );
        }
    }

    fn check_members(&self, first: usize, members: &[u64]) {
        let is_member = |value: u64| {
            let word = members.get((value / 64) as usize);
            word.is_some_and(|word| word >> (value % 64) & 1 == 1)
        };
        let naive = self.marks(first, 3, is_member);
        for with in Implementation::available() {
            let mut ours = vec![9u64; 3];
            self.packed()
                .mark_members_with(with, first, &mut ours, members);
            let (width, count) = (self.width, self.values.len());
            assert_eq!(
                ours, naive,
                "{with:?} width {width} count {count} first {first}"
            );
        }
    }
}

fn largest(width: u32) -> u64 {
    match width {
        0 => 0,
        width => u64::MAX >> (64 - width),
    }
}

/// Two values of a width, the smaller first; now and then a bound no value reaches.
fn bounds(random: &mut SmallRng, width: u32) -> (u64, u64) {
    let mut any = || random.random::<u64>() & largest(width);
    let (a, b) = (any(), any());
    match random.random_range(0..5) {
        0 => (a, a),
        1 => (a, u64::MAX),
        2 => (largest(width).saturating_add(1), u64::MAX),
        _ => (a.min(b), a.max(b)),
    }
}

#[test]
fn values_return_one_by_one_and_short_bytes_are_refused() {
    let mut random = SmallRng::seed_from_u64(1);
    for width in widths() {
        for count in counts() {
            let sample = Sample::new(&mut random, width, count, 0);
            let bytes = packed_bytes(count, width);
            assert_eq!(sample.length as u64, bytes, "width {width}");
            let packed = sample.packed();
            let read: Vec<u64> = (0..count).map(|index| packed.get(index)).collect();
            assert_eq!(read, sample.values, "width {width}");
            assert_eq!(packed.get(count), 0);
            let start = sample.place;
            let short = &sample.buffer[start..start + sample.length.saturating_sub(1)];
            assert_eq!(Packed::new(short, width, count).is_none(), width > 0);
        }
    }
    assert!(Packed::new(&[0; 999], 65, 1).is_none());
    assert!(Packed::new(&[0; 999], 64, usize::MAX).is_none());
    assert!(Packed::new(&[0; 999], 64, 1 << 58).is_none());
}

#[test]
fn every_width_and_tail_decodes_and_compares_like_the_values_packed() {
    let mut random = SmallRng::seed_from_u64(2);
    for width in widths() {
        for count in counts() {
            let alignment = random.random_range(0..64);
            let sample = Sample::new(&mut random, width, count, alignment);
            for start in [0, random.random_range(0..64), count / 2] {
                let end = random.random_range(0..=count + 3);
                sample.check_decode(start, end.max(start), random.random());
                sample.check_decode(start, count + 3, random.random());
            }
            for first in 0..3 {
                let (low, high) = bounds(&mut random, width);
                sample.check_range(first, low, high);
            }
        }
    }
}

#[test]
fn every_offset_and_alignment_decodes_and_compares_like_the_values_packed() {
    let mut random = SmallRng::seed_from_u64(3);
    let offsets: Vec<usize> = match cfg!(miri) {
        true => vec![0, 1, 9],
        false => (0..64).collect(),
    };
    for width in widths() {
        for alignment in offsets.iter().copied() {
            let count = random.random_range(64..=300);
            let sample = Sample::new(&mut random, width, count, alignment);
            for start in offsets.iter().copied() {
                sample.check_decode(start, count, random.random());
            }
            for first in 0..5 {
                let (low, high) = bounds(&mut random, width);
                sample.check_range(first, low, high);
            }
        }
    }
}

#[test]
fn sets_of_values_are_marked_like_the_values_packed() {
    let mut random = SmallRng::seed_from_u64(4);
    for width in widths() {
        // A bit for every value of the width, then too few of them.
        let complete = (1usize << width.min(16)).div_ceil(64);
        for words in [complete, 1, 0, 3] {
            let members: Vec<u64> = (0..words).map(|_| random.random()).collect();
            for count in counts() {
                let alignment = random.random_range(0..64);
                let sample = Sample::new(&mut random, width, count, alignment);
                sample.check_members(random.random_range(0..3), &members);
            }
        }
    }
}

#[test]
fn values_are_gathered_like_one_by_one() {
    let mut random = SmallRng::seed_from_u64(5);
    for width in widths() {
        for count in counts() {
            let alignment = random.random_range(0..64);
            let sample = Sample::new(&mut random, width, count, alignment);
            let positions: Vec<u32> = (0..random.random_range(0..70))
                .map(|_| match random.random_range(0..9) {
                    0 => u32::MAX,
                    1 => count as u32,
                    _ => random.random_range(0..=count as u32 + 1),
                })
                .collect();
            let base: i64 = random.random();
            let value = |at: &u32| {
                let value = sample.values.get(*at as usize);
                value.map_or(0, |value| base.wrapping_add(*value as i64))
            };
            let naive: Vec<i64> = std::iter::once(7)
                .chain(positions.iter().map(value))
                .collect();
            for with in Implementation::available() {
                let mut ours = vec![7];
                sample
                    .packed()
                    .gather_with(with, &positions, base, &mut ours);
                assert_eq!(ours, naive, "{with:?} width {width} count {count}");
            }
        }
    }
}

#[test]
fn ascending_values_are_bisected_like_slices() {
    let mut random = SmallRng::seed_from_u64(6);
    for width in widths() {
        for count in counts() {
            let mut values: Vec<u64> = (0..count)
                .map(|_| random.random::<u64>() & largest(width))
                .collect();
            values.sort_unstable();
            let mut bytes = Vec::new();
            write_padded(values.iter().copied(), width, &mut bytes);
            let packed = Packed::new(&bytes, width, count).unwrap();
            for _ in 0..5 {
                let start = random.random_range(0..=count);
                let end = random.random_range(start..=count);
                let key = match values.get(random.random_range(0..=count)) {
                    Some(value) => value
                        .wrapping_add(random.random_range(0..3))
                        .wrapping_sub(1),
                    None => random.random(),
                };
                let naive = start + values[start..end].partition_point(|value| *value < key);
                assert_eq!(packed.lower_bound(start, end, key), naive, "width {width}");
            }
        }
    }
}
