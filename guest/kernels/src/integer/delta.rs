//! The delta form of integers: groups of 128 values, each with its start and its own bit width.
//!
//! Within a group, value 0 is the group's start and value `j` is value `j - 1` plus the group's
//! smallest difference plus packed slot `j`. Slot 0 is unused, so that full groups take a whole
//! number of bytes (16 times the width) and every group starts on a byte.

use bytes::Bytes;

use crate::bitpack::{PADDING, Packed};
use crate::error::PageError;
use crate::implementation::Implementation;
#[cfg(target_arch = "x86_64")]
use crate::implementation::Instructions;
use crate::integer::Integers;
use crate::reader::Reader;

#[cfg(target_arch = "x86_64")]
mod avx512;

/// Values per group.
pub const GROUP: usize = 128;

/// Steps down from a known value that cost less than decoding a group.
const STEPS: usize = 24;

/// What is needed to read a group without touching the ones before it.
#[derive(Debug, Clone, Copy)]
struct Head {
    start: i64,
    step: i64,
    /// Byte offset of the group's slots.
    offset: usize,
    width: u32,
}

/// Integers in delta form.
#[derive(Debug, Clone)]
pub(crate) struct Delta {
    count: usize,
    heads: Vec<Head>,
    bytes: Bytes,
}

impl Delta {
    pub(crate) fn open(reader: &mut Reader, count: usize) -> Result<Delta, PageError> {
        let groups = count.div_ceil(GROUP);
        let starts = Integers::open(reader, groups, true)?;
        let steps = Integers::open(reader, groups, true)?;
        let widths = Integers::open(reader, groups, true)?;
        let mut heads = Vec::with_capacity(groups);
        let mut offset = 0;
        for group in 0..groups {
            let get = |field: &Integers| field.get(group).unwrap_or_default();
            let width = match u32::try_from(get(&widths)) {
                Ok(width) if width <= u64::BITS => width,
                _ => {
                    let found = get(&widths).cast_unsigned();
                    return Err(PageError::Field {
                        what: "group width",
                        found,
                        limit: 64,
                    });
                }
            };
            heads.push(Head {
                start: get(&starts),
                step: get(&steps),
                offset,
                width,
            });
            offset += group_bytes(count - group * GROUP, width);
        }
        let bytes = reader.take("packed differences", (offset + PADDING) as u64)?;
        Ok(Delta {
            count,
            heads,
            bytes,
        })
    }

    pub(crate) fn derived_bytes(&self) -> usize {
        self.heads.len() * size_of::<Head>()
    }

    /// The packed slots of a group and its head.
    #[inline]
    fn group(&self, group: usize) -> Option<(Head, Packed<'_>)> {
        let head = *self.heads.get(group)?;
        let slots = self.count.saturating_sub(group * GROUP).min(GROUP);
        let packed = Packed::new(self.bytes.get(head.offset..)?, head.width, slots)?;
        Some((head, packed))
    }

    /// Value `index`: sums up to 127 differences.
    pub(crate) fn get(&self, index: usize) -> Option<i64> {
        let (head, packed) = self.group(index / GROUP)?;
        let within = index % GROUP;
        if within >= packed.count() {
            return None;
        }
        let mut value = head
            .start
            .wrapping_add(head.step.wrapping_mul(within as i64));
        packed.for_each(1, within + 1, |slot| {
            value = value.wrapping_add(slot as i64)
        });
        Some(value)
    }

    /// The first row of `floor..=row` with at least `key`, found by steps down from `row`, whose value is
    /// known to be `value` and at least `key`. None after a few steps, and at the start of a group, whose
    /// value before is not known from the one behind.
    pub(crate) fn step_down(
        &self,
        row: usize,
        value: i64,
        floor: usize,
        key: i64,
    ) -> Option<usize> {
        let (head, packed) = self.group(row / GROUP)?;
        let (mut at, mut value) = (row, value);
        for _ in 0..STEPS {
            if at <= floor {
                return Some(at);
            }
            let within = at % GROUP;
            if within == 0 || within >= packed.count() {
                return None;
            }
            let step = head.step.wrapping_add(packed.get(within) as i64);
            value = value.wrapping_sub(step);
            if value < key {
                return Some(at);
            }
            at -= 1;
        }
        None
    }

    /// How much each of `count` values from `first` on is above the one before it; `count` is at most `N`.
    /// None unless they are of one group, behind its start.
    pub(crate) fn steps<const N: usize>(&self, first: usize, count: usize) -> Option<[i64; N]> {
        let mut steps = [0; N];
        if count == 0 {
            return Some(steps);
        }
        let (head, packed) = self.group(first / GROUP)?;
        let within = first % GROUP;
        if within == 0 || within + count > packed.count() {
            return None;
        }
        for (at, step) in steps.iter_mut().take(count).enumerate() {
            *step = head.step.wrapping_add(packed.get(within + at) as i64);
        }
        Some(steps)
    }

    /// Appends the values of `start..end`, which is within the count.
    pub(crate) fn decode(
        &self,
        with: Implementation,
        start: usize,
        end: usize,
        out: &mut Vec<i64>,
    ) {
        let mut at = start;
        while at < end {
            let stop = (at / GROUP * GROUP + GROUP).min(end);
            self.decode_within(with, at, stop, out);
            at = stop;
        }
    }

    /// Appends `start..end` of one group.
    fn decode_within(&self, with: Implementation, start: usize, end: usize, out: &mut Vec<i64>) {
        let Some((head, packed)) = self.group(start / GROUP) else {
            return;
        };
        let (from, to) = (start % GROUP, (end - 1) % GROUP + 1);
        if head.width == 0 {
            let value = |j: usize| head.start.wrapping_add(head.step.wrapping_mul(j as i64));
            return out.extend((from..to).map(value));
        }
        let first = out.len();
        match with.instructions() {
            // SAFETY: the implementation exists, so the processor has its instructions.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe {
                avx512::decode(&packed, head.start, head.step, to, out);
            },
            _ => {
                // Unpacking all differences before the first is added up lets the kernels do that.
                packed.decode_with(with, 0, to, head.step, out);
                let values = out.get_mut(first..).unwrap_or_default();
                let mut sum = head.start;
                if let Some((start, rest)) = values.split_first_mut() {
                    *start = sum;
                    for value in rest {
                        sum = sum.wrapping_add(*value);
                        *value = sum;
                    }
                }
            }
        }
        if from > 0 {
            out.drain(first..first + from);
        }
    }

    /// Appends the value at each position, 0 beyond the last. Positions that ascend decode each
    /// group once.
    pub(crate) fn gather(&self, positions: &[u32], out: &mut Vec<i64>) {
        let mut buffer = Vec::with_capacity(GROUP);
        let mut loaded = usize::MAX;
        for at in positions {
            let at = *at as usize;
            if at >= self.count {
                out.push(0);
                continue;
            }
            let group = at / GROUP;
            if group != loaded {
                buffer.clear();
                self.decode(
                    Implementation::best(),
                    group * GROUP,
                    (group * GROUP + GROUP).min(self.count),
                    &mut buffer,
                );
                loaded = group;
            }
            out.push(buffer.get(at % GROUP).copied().unwrap_or(0));
        }
    }

    /// Narrows a search for the first value at least `key` in the ascending range `start..end`
    /// to one group: the answer lies in the range returned, or is its end.
    pub(crate) fn narrow(&self, start: usize, end: usize, key: i64) -> (usize, usize) {
        if start >= end {
            return (start, start);
        }
        // Groups that begin inside the range, the first of which may begin after its start.
        let first = start.div_ceil(GROUP);
        let behind = end.div_ceil(GROUP);
        let inside = self.heads.get(first..behind).unwrap_or_default();
        let below = inside.partition_point(|head| head.start < key);
        let low = if below == 0 {
            start
        } else {
            (first + below - 1) * GROUP
        };
        (low.max(start), ((first + below) * GROUP).min(end))
    }
}

/// Bytes of a group's slots when `left` values remain from its first on.
pub(crate) fn group_bytes(left: usize, width: u32) -> usize {
    (left.min(GROUP) * width as usize).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;

    /// Groups of slots of a width, and the values they stand for.
    fn sample(random: &mut SmallRng, width: u32, count: usize) -> (Delta, Vec<i64>) {
        let (mut heads, mut bytes, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for group in 0..count.div_ceil(GROUP) {
            let length = (count - group * GROUP).min(GROUP);
            let mask = if width == 0 {
                0
            } else {
                u64::MAX >> (64 - width)
            };
            let slots: Vec<u64> = (0..length).map(|_| random.random::<u64>() & mask).collect();
            let (start, step) = (random.random(), random.random());
            heads.push(Head {
                start,
                step,
                offset: bytes.len(),
                width,
            });
            crate::bitpack::write(slots.iter().copied(), width, &mut bytes);
            let mut value = start;
            values.push(value);
            for slot in slots.iter().skip(1) {
                value = value.wrapping_add(step).wrapping_add(*slot as i64);
                values.push(value);
            }
        }
        bytes.extend_from_slice(&[0xff; PADDING]);
        let bytes = Bytes::from(bytes);
        let delta = Delta {
            count,
            heads,
            bytes,
        };
        (delta, values)
    }

    #[test]
    fn every_width_tail_and_offset_decodes_like_sums_one_by_one() {
        let mut random = SmallRng::seed_from_u64(12);
        let (widths, counts): (Vec<u32>, Vec<usize>) = match cfg!(miri) {
            true => (vec![0, 3, 40, 63], vec![1, 9, 140]),
            false => ((0..=64).collect(), (1..=300).collect()),
        };
        for width in widths {
            for count in &counts {
                let (delta, values) = sample(&mut random, width, *count);
                for start in [0, random.random_range(0..*count), (*count - 1).min(63)] {
                    let end = random.random_range(start..=*count);
                    let naive: Vec<i64> = std::iter::once(7)
                        .chain(values[start..end].iter().copied())
                        .collect();
                    for with in Implementation::available() {
                        let mut ours = vec![7];
                        delta.decode(with, start, end, &mut ours);
                        assert_eq!(ours, naive, "{with:?} width {width} {start}..{end}");
                    }
                    let last = delta.get(end.min(count - 1));
                    assert_eq!(last, values.get(end.min(count - 1)).copied());
                }
            }
        }
    }
}
