//! The loops over chunks of eight values, which all kernels share that bring a chunk into lanes at a time.
//!
//! Eight values of width `w` take exactly `w` bytes, so each chunk starts on a byte. What differs between
//! sets of instructions, a chunk loaded and tested or stored, is a closure of a function that has them; the
//! loops are inlined into that function, and the closure into the loops (as in memchr's generic searchers).

use crate::bitpack::Packed;

/// Values per chunk.
pub(crate) const CHUNK: usize = 8;

/// Chunks per word of a selection.
const PER_WORD: usize = 8;

/// Chunks of a width from the first on whose loads, the last of which is of 16 bytes from byte `last_load` of
/// a chunk on, stay within `length` bytes.
pub(super) fn loadable(length: usize, width: usize, last_load: usize) -> usize {
    match length.checked_sub(last_load + 16) {
        None => 0,
        Some(last_start) => last_start / width + 1,
    }
}

/// Writes selection words: the bits that `bits` gives for whole chunks, the lowest for the chunk's first
/// value, and those of values that pass `single`, the equal test, for what is left. `bits` may rely on its
/// chunk being below `loadable`.
#[inline(always)]
pub(super) fn mark(
    packed: &Packed<'_>,
    first: usize,
    words: &mut [u64],
    loadable: usize,
    bits: impl Fn(usize) -> u64,
    single: impl Fn(u64) -> bool,
) {
    // Only whole chunks below the count, so that no lane holds bits beyond the values.
    let chunks = loadable.min(packed.count() / CHUNK);
    for (index, word) in words.iter_mut().enumerate() {
        let start = (first + index) * PER_WORD;
        *word = 0;
        if start + PER_WORD <= chunks {
            for at in 0..PER_WORD {
                *word |= bits(start + at) << (at * CHUNK);
            }
        } else {
            *word = tail(packed, start * CHUNK, &single);
        }
    }
}

/// The last word or two, whose chunks are not whole or end where a load would reach beyond the bytes. Apart,
/// so that the loop of the whole words stays short.
#[cold]
#[inline(never)]
fn tail(packed: &Packed<'_>, start: usize, single: impl Fn(u64) -> bool) -> u64 {
    packed.mask_of(start, start + 64, single)
}

/// Appends the values of the whole chunks of `start..end` below `loadable`, and returns where the caller
/// continues. `start` must be a multiple of eight, `end` at most the count. `store` gets a chunk below
/// `loadable` and room for its values.
///
/// # Safety
/// `store` must write all eight values.
#[inline(always)]
pub(super) unsafe fn decode(
    start: usize,
    end: usize,
    loadable: usize,
    out: &mut Vec<i64>,
    store: impl Fn(usize, *mut i64),
) -> usize {
    let first = start / CHUNK;
    let last = loadable.min(end / CHUNK);
    if first >= last {
        return start;
    }
    let count = (last - first) * CHUNK;
    out.reserve(count);
    let length = out.len();
    // SAFETY: `reserve` made room for `count` values behind the length.
    let mut room = unsafe { out.as_mut_ptr().add(length) };
    for chunk in first..last {
        store(chunk, room);
        // SAFETY: each round takes eight of the values that were reserved.
        room = unsafe { room.add(CHUNK) };
    }
    // SAFETY: `store` wrote `count` values behind the old length.
    unsafe { out.set_len(length + count) };
    last * CHUNK
}
