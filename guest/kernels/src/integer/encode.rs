//! Choosing and writing the smallest form of a sequence of integers.

use crate::bitpack::{self, packed_bytes, width_of};
use crate::integer::delta::{GROUP, group_bytes};
use crate::integer::{CONSTANT, DELTA, DICTIONARY, MAX_DICTIONARY, OFFSET, PROGRESSION};

/// Slots of the probing table, a power of two well above the dictionary's limit.
const TABLE: usize = 1024;

/// Appends the smallest form of the values. `nested` leaves out the delta form.
/// Cost: four passes over the values at most.
pub(crate) fn write(values: &[i64], nested: bool, out: &mut Vec<u8>) {
    let Some(first) = values.first().copied() else {
        return write_pair(CONSTANT, &[0], out);
    };
    let (low, high) = values
        .iter()
        .fold((first, first), |(low, high), v| (low.min(*v), high.max(*v)));
    if low == high {
        return write_pair(CONSTANT, &[first], out);
    }
    let step = values.get(1).map_or(0, |second| second.wrapping_sub(first));
    if values.len() > 2 && differences(values).all(|difference| difference == step) {
        return write_pair(PROGRESSION, &[first, step], out);
    }
    let width = width_of(high.wrapping_sub(low).cast_unsigned());
    let offset_bytes = 9 + packed_bytes(values.len(), width);
    let dictionary = Dictionary::of(values, width);
    let dictionary_bytes = dictionary.as_ref().map_or(u64::MAX, Dictionary::bytes);
    let best = offset_bytes.min(dictionary_bytes);
    if !nested {
        let groups = Groups::of(values);
        // The directory is written only when the slots alone already promise a gain.
        if groups.slot_bytes() < best {
            let mut delta = Vec::new();
            groups.write(values, &mut delta);
            if (delta.len() as u64) < best {
                return out.append(&mut delta);
            }
        }
    }
    match dictionary {
        Some(dictionary) if dictionary_bytes < offset_bytes => dictionary.write(values, out),
        _ => {
            out.push(OFFSET);
            out.extend_from_slice(&low.to_le_bytes());
            out.push(width as u8);
            let offsets = values
                .iter()
                .map(|value| value.wrapping_sub(low).cast_unsigned());
            bitpack::write_padded(offsets, width, out);
        }
    }
}

fn write_pair(code: u8, fields: &[i64], out: &mut Vec<u8>) {
    out.push(code);
    fields
        .iter()
        .for_each(|field| out.extend_from_slice(&field.to_le_bytes()));
}

fn differences(values: &[i64]) -> impl Iterator<Item = i64> {
    values
        .iter()
        .zip(values.iter().skip(1))
        .map(|(before, value)| value.wrapping_sub(*before))
}

/// The distinct values of a sequence that has few.
struct Dictionary {
    entries: Vec<i64>,
    count: usize,
}

impl Dictionary {
    /// `None` when there are more than [`MAX_DICTIONARY`], or so many that offsets of `width`
    /// bits can't be beaten. Gives up early, so the cost on unsuited data is small.
    fn of(values: &[i64], width: u32) -> Option<Dictionary> {
        let mut slots: Vec<Option<i64>> = vec![None; TABLE];
        let mut entries = Vec::new();
        let most = MAX_DICTIONARY.min(1 << width.saturating_sub(1).min(16));
        let mut last = None;
        for value in values {
            // Runs of one value need no look at the table.
            if last == Some(*value) || find_or_insert(&mut slots, *value) {
                last = Some(*value);
                continue;
            }
            last = Some(*value);
            entries.push(*value);
            if entries.len() > most {
                return None;
            }
        }
        entries.sort_unstable();
        Some(Dictionary {
            entries,
            count: values.len(),
        })
    }

    fn width(&self) -> u32 {
        width_of(self.entries.len().saturating_sub(1) as u64)
    }

    fn bytes(&self) -> u64 {
        1 + self.entries.len() as u64 * 8 + packed_bytes(self.count, self.width())
    }

    fn write(&self, values: &[i64], out: &mut Vec<u8>) {
        out.push(DICTIONARY);
        out.push(self.entries.len().saturating_sub(1) as u8);
        self.entries
            .iter()
            .for_each(|entry| out.extend_from_slice(&entry.to_le_bytes()));
        let codes = values
            .iter()
            .map(|v| self.entries.partition_point(|entry| entry < v) as u64);
        bitpack::write_padded(codes, self.width(), out);
    }
}

/// Whether the value is in the table; adds it when not. The table never fills: its caller stops
/// at a quarter.
fn find_or_insert(slots: &mut [Option<i64>], value: i64) -> bool {
    let mixed = value.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    for probe in 0..TABLE {
        match slots.get_mut((mixed as usize + probe) % TABLE) {
            Some(Some(found)) if *found == value => return true,
            Some(Some(_)) => {}
            Some(slot) => {
                *slot = Some(value);
                return false;
            }
            None => return false,
        }
    }
    false
}

/// The smallest difference and the slot width of each group of a sequence.
struct Groups {
    steps: Vec<i64>,
    widths: Vec<i64>,
    count: usize,
}

impl Groups {
    fn of(values: &[i64]) -> Groups {
        let mut groups = Groups {
            steps: Vec::new(),
            widths: Vec::new(),
            count: values.len(),
        };
        for group in values.chunks(GROUP) {
            let step = differences(group).min().unwrap_or(0);
            let high = differences(group).max().unwrap_or(0);
            groups.steps.push(step);
            groups
                .widths
                .push(i64::from(width_of(high.wrapping_sub(step).cast_unsigned())));
        }
        groups
    }

    fn slot_bytes(&self) -> u64 {
        let group = |(group, width): (usize, &i64)| {
            group_bytes(self.count - group * GROUP, *width as u32) as u64
        };
        self.widths.iter().enumerate().map(group).sum()
    }

    fn write(&self, values: &[i64], out: &mut Vec<u8>) {
        out.push(DELTA);
        let starts: Vec<i64> = values
            .chunks(GROUP)
            .filter_map(|g| g.first())
            .copied()
            .collect();
        write(&starts, true, out);
        write(&self.steps, true, out);
        write(&self.widths, true, out);
        let fields = self.steps.iter().zip(&self.widths);
        for (group, (step, width)) in values.chunks(GROUP).zip(fields) {
            // Slot 0 belongs to the group's start, which the directory holds.
            let slots = differences(group).map(|d| d.wrapping_sub(*step).cast_unsigned());
            bitpack::write(std::iter::once(0).chain(slots), *width as u32, out);
        }
        out.extend_from_slice(&[0; bitpack::PADDING]);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::integer::{ABSENT, Form, Integers};
    use crate::reader::Reader;

    fn open(values: &[i64]) -> (Integers, usize) {
        let mut bytes = Vec::new();
        write(values, false, &mut bytes);
        let size = bytes.len();
        let mut reader = Reader::new(Bytes::from(bytes));
        let integers = Integers::open(&mut reader, values.len(), false).unwrap();
        reader.finish("rest").unwrap();
        (integers, size)
    }

    fn shapes(random: &mut SmallRng) -> Vec<Vec<i64>> {
        let mut shapes = vec![
            vec![],
            vec![5],
            vec![i64::MIN, i64::MAX],
            vec![i64::MAX, i64::MIN, 0],
            vec![-3; 500],
            (0..1000).map(|n| n * 7 - 50).collect(),
            (0..300)
                .map(|n: i64| n.wrapping_mul(i64::MAX / 3))
                .collect(),
            (0..400)
                .map(|n| if n % 2 == 0 { i64::MIN } else { i64::MAX })
                .collect(),
        ];
        for width in 0..=64u32 {
            let mask = if width == 0 {
                0
            } else {
                u64::MAX >> (64 - width)
            };
            for count in [2, 127, 128, 129, 700] {
                let base: i64 = if width > 60 {
                    i64::MIN
                } else {
                    random.random::<i32>().into()
                };
                let value = |r: &mut SmallRng| base.wrapping_add((r.random::<u64>() & mask) as i64);
                let mut values: Vec<i64> = (0..count).map(|_| value(random)).collect();
                shapes.push(values.clone());
                values.sort_unstable();
                shapes.push(values);
            }
        }
        shapes.push(
            (0..900)
                .map(|_| [200, 404, 500, 503][random.random_range(0..4)])
                .collect(),
        );
        shapes
    }

    #[test]
    fn every_shape_returns_by_every_access() {
        let mut random = SmallRng::seed_from_u64(2);
        for values in shapes(&mut random) {
            let (integers, _) = open(&values);
            let count = values.len();
            let read: Vec<i64> = (0..count).filter_map(|at| integers.get(at)).collect();
            assert_eq!(read, values);
            assert_eq!(integers.get(count), None);
            for _ in 0..8 {
                let a = random.random_range(0..=count);
                let b = random.random_range(0..=count + 5);
                let mut out = Vec::new();
                integers.decode(a, b, &mut out);
                assert_eq!(out, values.get(a..b.min(count)).unwrap_or_default());
            }
            let positions: Vec<u32> = (0..50)
                .map(|_| match random.random_range(0..=count) {
                    at if at == count => ABSENT,
                    at => at as u32,
                })
                .collect();
            let mut out = Vec::new();
            integers.gather(&positions, &mut out);
            let naive: Vec<i64> = positions
                .iter()
                .map(|at| values.get(*at as usize).copied().unwrap_or(0))
                .collect();
            assert_eq!(out, naive);
        }
    }

    #[test]
    fn marks_match_a_test_of_each_value() {
        let mut random = SmallRng::seed_from_u64(3);
        for values in shapes(&mut random) {
            let (integers, _) = open(&values);
            let pick = |random: &mut SmallRng| match values.len() {
                0 => 0,
                count => {
                    values[random.random_range(0..count)].wrapping_add(random.random_range(-1..=1))
                }
            };
            for _ in 0..6 {
                let (a, b) = (pick(&mut random), pick(&mut random));
                let mut set: Vec<i64> = (0..random.random_range(0..9))
                    .map(|_| pick(&mut random))
                    .collect();
                set.sort_unstable();
                set.dedup();
                for first in [0, 1] {
                    let mut words = vec![0; 3];
                    integers.mark_range(first, &mut words, a, b);
                    check(&words, first, &values, |v| v >= a && v <= b);
                    integers.mark_set(first, &mut words, &set);
                    check(&words, first, &values, |v| set.contains(&v));
                }
            }
        }
    }

    fn check(words: &[u64], first: usize, values: &[i64], test: impl Fn(i64) -> bool) {
        for bit in 0..words.len() * 64 {
            let expected = values
                .get(first * 64 + bit)
                .is_some_and(|value| test(*value));
            assert_eq!(
                words[bit / 64] >> (bit % 64) & 1 == 1,
                expected,
                "bit {bit}"
            );
        }
    }

    #[test]
    fn bounds_match_partition_point() {
        let mut random = SmallRng::seed_from_u64(4);
        for mut values in shapes(&mut random) {
            values.sort_unstable();
            let (integers, _) = open(&values);
            let count = values.len();
            for _ in 0..20 {
                let a = random.random_range(0..=count);
                let b = random.random_range(a..=count);
                let key = match count {
                    0 => 1,
                    _ => values[random.random_range(0..count)]
                        .wrapping_add(random.random_range(-1..=1)),
                };
                let lower = a + values[a..b].partition_point(|value| *value < key);
                let upper = a + values[a..b].partition_point(|value| *value <= key);
                assert_eq!(integers.lower_bound(a, b, key), lower);
                assert_eq!(integers.upper_bound(a, b, key), upper);
            }
        }
    }

    #[test]
    fn forms_are_chosen_by_size() {
        let form = |values: &[i64]| match open(values).0.form() {
            Form::Constant(_) => CONSTANT,
            Form::Progression { .. } => PROGRESSION,
            Form::Offset { .. } => OFFSET,
            Form::Delta(_) => DELTA,
            Form::Dictionary { .. } => DICTIONARY,
        };
        let mut random = SmallRng::seed_from_u64(5);
        let noise: Vec<i64> = (0..5000).map(|_| random.random_range(0..1 << 40)).collect();
        let mut sorted = noise.clone();
        sorted.sort_unstable();
        let few: Vec<i64> = (0..5000).map(|_| 1 << random.random_range(0..40)).collect();
        assert_eq!(form(&[4; 9]), CONSTANT);
        assert_eq!(form(&[1, 3, 5, 7]), PROGRESSION);
        assert_eq!(form(&noise), OFFSET);
        assert_eq!(form(&sorted), DELTA);
        assert_eq!(form(&few), DICTIONARY);
        assert_eq!(
            [CONSTANT, PROGRESSION, OFFSET, DELTA, DICTIONARY],
            [0, 1, 2, 3, 4]
        );
    }
}
