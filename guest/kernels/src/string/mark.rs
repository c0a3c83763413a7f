//! Tests of plain byte strings that need not look at each by itself.

use memchr::memmem::Finder;
use sidx_columns::Bitmap;

use crate::bitmap;
use crate::predicate::Matcher;
use crate::string::Plain;

/// Writes selection words from word `first` on: the values that pass, as far as they are candidates. False,
/// and nothing written, where a look at each candidate is all that can be done, or cheaper.
pub(crate) fn mark(
    plain: &Plain,
    first: usize,
    words: &mut [u64],
    candidates: Option<&Bitmap>,
    matcher: &Matcher,
) -> bool {
    /// A pass over all values costs about as much as looking at an eighth of them one by one.
    const SHARE: usize = 8;
    if candidates.is_some_and(|few| bitmap::count(few) < words.len() * 64 / SHARE) {
        return false;
    }
    match matcher {
        Matcher::BytesSet(set) => match set.as_slice() {
            [needle] => plain.mark_equal(first, words, needle),
            set => plain.mark_set(first, words, set),
        },
        Matcher::BytesPrefix(prefix, _) => plain.mark_prefix(first, words, prefix),
        Matcher::BytesContain(finder) => plain.mark_containing(first, words, finder),
        _ => return false,
    }
    true
}

/// The first bytes of a needle as a number: what a value must begin with.
#[derive(Debug, Clone, Copy)]
struct Head {
    bits: u64,
    mask: u64,
}

impl Head {
    /// Bytes compared at once.
    const BYTES: usize = 8;

    fn of(needle: &[u8]) -> Head {
        let mut bytes = [0; Head::BYTES];
        let mut mask = [0; Head::BYTES];
        for ((byte, kept), from) in bytes.iter_mut().zip(&mut mask).zip(needle) {
            (*byte, *kept) = (*from, u8::MAX);
        }
        Head {
            bits: u64::from_le_bytes(bytes),
            mask: u64::from_le_bytes(mask),
        }
    }

    /// Whether the bytes from `start` on may begin with the needle; they do when it is all in the head.
    #[inline(always)]
    fn begins(self, bytes: &[u8], start: usize) -> bool {
        first_bytes(bytes, start) & self.mask == self.bits
    }
}

impl Plain {
    /// Writes selection words from word `first` on: the values that begin with a prefix.
    pub(crate) fn mark_prefix(&self, first: usize, words: &mut [u64], prefix: &[u8]) {
        let least = prefix.len() as u32;
        self.mark_head(first, words, prefix, |length| length >= least);
    }

    /// Writes selection words from word `first` on: the values equal to a needle.
    pub(crate) fn mark_equal(&self, first: usize, words: &mut [u64], needle: &[u8]) {
        let length_of = needle.len() as u32;
        self.mark_head(first, words, needle, |length| length == length_of);
    }

    /// Writes selection words from word `first` on: the values in an ascending set. Most of the others are
    /// told apart by a hash of their first bytes and their length, before any is compared.
    pub(crate) fn mark_set(&self, first: usize, words: &mut [u64], set: &[Vec<u8>]) {
        let mut hashes = [0u64; HASHES / 64];
        for member in set {
            let hash = head_hash(member, 0, member.len());
            if let Some(word) = hashes.get_mut(hash / 64) {
                *word |= 1 << (hash % 64);
            }
        }
        let (_, bytes) = self.parts();
        self.mark_spans(first, words, |start, end| {
            let hash = head_hash(bytes, start as usize, (end - start) as usize);
            hashes
                .get(hash / 64)
                .is_some_and(|word| word >> (hash % 64) & 1 == 1)
        });
        keep(first, words, |at| {
            let value = self.get(at).unwrap_or_default();
            set.binary_search_by(|member| member.as_slice().cmp(value))
                .is_ok()
        });
    }

    /// Marks the values that begin with a needle and have a fitting length, which is at least the needle's.
    /// Eight bytes are compared at once and without a branch; only what passes is compared to its end.
    fn mark_head(
        &self,
        first: usize,
        words: &mut [u64],
        needle: &[u8],
        fits: impl Fn(u32) -> bool,
    ) {
        let head = Head::of(needle);
        let (_, bytes) = self.parts();
        self.mark_spans(first, words, |start, end| {
            fits(end - start) & head.begins(bytes, start as usize)
        });
        if needle.len() > Head::BYTES {
            keep(first, words, |at| {
                self.get(at).is_some_and(|value| value.starts_with(needle))
            });
        }
    }

    /// Marks the values whose start and end pass a test.
    #[inline(always)]
    fn mark_spans(&self, first: usize, words: &mut [u64], test: impl Fn(u32, u32) -> bool) {
        let (offsets, _) = self.parts();
        for (index, word) in words.iter_mut().enumerate() {
            let from = (first + index) * 64;
            let mut start = offsets.range(from).start as u32;
            let (mut marks, mut bit) = (0u64, 0);
            offsets.for_each_end(from, from + 64, |end| {
                marks |= u64::from(test(start, end)) << bit;
                bit += 1;
                start = end;
            });
            *word = marks;
        }
    }

    /// Writes selection words from word `first` on: the values that contain a needle, which must not be
    /// empty. Searches the joined bytes; every value that contains it costs a bisection.
    pub(crate) fn mark_containing(&self, first: usize, words: &mut [u64], finder: &Finder<'_>) {
        words.fill(0);
        let (offsets, bytes) = self.parts();
        let needle = finder.needle().len();
        let cover = offsets.cover(first * 64, (first + words.len()) * 64);
        let bytes = bytes.get(..cover.end).unwrap_or_default();
        let (mut at, mut index) = (cover.start, first * 64);
        while let Some(found) = finder.find(bytes.get(at..).unwrap_or_default()) {
            let start = at + found;
            index = offsets.index_of(start, index);
            let range = offsets.range(index);
            if start + needle <= range.end {
                if let Some(word) = words.get_mut(index / 64 - first) {
                    *word |= 1 << (index % 64);
                }
                // The value is done with, and has at least the needle's bytes.
                at = range.end;
            } else {
                // It lies across values, and may be found again one byte on.
                at = start + 1;
            }
        }
    }
}

/// Different hashes of [`head_hash`].
const HASHES: usize = 4096;

/// A hash of a value's length and first eight bytes, the value beginning at `start`.
#[inline(always)]
fn head_hash(bytes: &[u8], start: usize, length: usize) -> usize {
    let mask = match length {
        0 => 0,
        1..8 => u64::MAX >> (64 - length * 8),
        _ => u64::MAX,
    };
    let head = first_bytes(bytes, start) & mask;
    let mixed = (head ^ length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 32) as usize % HASHES
}

/// The eight bytes from `start` on, zeros where there are fewer.
#[inline(always)]
fn first_bytes(bytes: &[u8], start: usize) -> u64 {
    let rest = bytes.get(start..).unwrap_or_default();
    match rest.first_chunk::<{ Head::BYTES }>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => Head::of(rest).bits,
    }
}

/// Keeps the marks of values that pass a test.
fn keep(first: usize, words: &mut [u64], test: impl Fn(usize) -> bool) {
    for (index, word) in words.iter_mut().enumerate() {
        let mut left = *word;
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            if !test((first + index) * 64 + bit) {
                *word &= !(1 << bit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;
    use crate::reader::Reader;
    use crate::string::{Strings, write};

    /// Strings of few letters, so that needles are found inside and across values.
    fn strings(random: &mut SmallRng, count: usize, fixed: Option<usize>) -> Vec<Vec<u8>> {
        (0..count)
            .map(|_| {
                let length = fixed.unwrap_or_else(|| random.random_range(0..24));
                (0..length)
                    .map(|_| b"ab\xff"[random.random_range(0..3)])
                    .collect()
            })
            .collect()
    }

    fn plain(values: &[Vec<u8>]) -> Option<Plain> {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let mut bytes = Vec::new();
        write(&values, None, true, &mut bytes);
        let mut reader = Reader::new(Bytes::from(bytes));
        match Strings::open(&mut reader, values.len(), false, None).unwrap() {
            Strings::Plain(plain) => Some(plain),
            _ => None,
        }
    }

    fn check(
        values: &[Vec<u8>],
        first: usize,
        test: impl Fn(&[u8]) -> bool,
        mark: impl Fn(&mut [u64]),
    ) {
        let mut naive = vec![0u64; 3];
        for (at, value) in values.iter().skip(first * 64).take(192).enumerate() {
            naive[at / 64] |= u64::from(test(value)) << (at % 64);
        }
        let mut ours = vec![9u64; 3];
        mark(&mut ours);
        assert_eq!(ours, naive, "{} values, first {first}", values.len());
    }

    #[test]
    fn strings_are_marked_like_one_by_one() {
        let mut random = SmallRng::seed_from_u64(9);
        let mut seen = 0;
        // Few under Miri, which is a thousand times slower.
        for count in (0..=300).step_by(if cfg!(miri) { 77 } else { 1 }) {
            let fixed = [None, None, Some(9), Some(3)][count % 4];
            let values = strings(&mut random, count, fixed);
            let Some(plain) = plain(&values) else {
                continue;
            };
            seen += 1;
            for length in 1..=12 {
                let needle = match values.get(random.random_range(0..=count)) {
                    Some(value) if value.len() >= length && random.random_bool(0.7) => {
                        value[..length].to_vec()
                    }
                    _ => strings(&mut random, 1, Some(length)).remove(0),
                };
                let first = random.random_range(0..4);
                check(
                    &values,
                    first,
                    |value| value.starts_with(&needle),
                    |words| plain.mark_prefix(first, words, &needle),
                );
                check(
                    &values,
                    first,
                    |value| value == needle,
                    |words| plain.mark_equal(first, words, &needle),
                );
                let contains = |value: &[u8]| value.windows(length).any(|window| window == needle);
                let finder = Finder::new(&needle);
                check(&values, first, contains, |words| {
                    plain.mark_containing(first, words, &finder);
                });
            }
            let mut set = strings(&mut random, 3, Some(1));
            set.extend(values.iter().step_by(9).cloned());
            set.sort_unstable();
            set.dedup();
            let first = random.random_range(0..4);
            let in_set = |value: &[u8]| set.iter().any(|member| member == value);
            check(&values, first, in_set, |words| {
                plain.mark_set(first, words, &set);
            });
            let first = random.random_range(0..4);
            check(&values, first, <[u8]>::is_empty, |words| {
                plain.mark_equal(first, words, b"")
            });
            check(
                &values,
                first,
                |_| true,
                |words| {
                    plain.mark_prefix(first, words, b"");
                },
            );
        }
        assert!(seen > 200 || cfg!(miri), "only {seen} pages were plain");
    }
}
