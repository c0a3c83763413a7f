//! Running one test over a page: from the stored values to a selection of rows.

use std::ops::Range;

use crate::bitmap::Bitmap;
use crate::bytestring::{Dictionary, Plain, Strings};
use crate::float::Floats;
use crate::integer_mark::{mark_codes, mark_table};
use crate::offsets::Offsets;
use crate::page::{Page, Stored};
use crate::predicate::{Matcher, exceeds, reaches};
use crate::stop::Stop;
use crate::string_mark;

/// The rows whose answer matters.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    /// A range that holds them all; results outside it are arbitrary.
    pub(crate) window: Range<usize>,
    /// The rows themselves, where they are known; a result may be wrong for others.
    pub(crate) within: Option<&'a Bitmap>,
    /// What may end the work; the result then means nothing.
    pub(crate) stop: &'a Stop<'a>,
}

/// The rows of the page that pass, as far as the scope goes.
pub(crate) fn select_rows(
    page: &Page,
    elements: bool,
    matcher: &Matcher,
    scope: &Scope<'_>,
) -> Bitmap {
    let rows = page.rows() as usize;
    if matches!(matcher, Matcher::Exists) && !elements {
        return page
            .presence()
            .bitmap()
            .cloned()
            .unwrap_or_else(|| Bitmap::ones(rows));
    }
    if elements != page.kind().array || !matcher.fits(page.kind().value) {
        return Bitmap::zeros(rows);
    }
    let positions = page.presence().positions(scope.window.clone());
    let dense = match page.lists() {
        Some(lists) => select_lists(page, lists, matcher, positions, scope.stop),
        None => {
            let candidates = match (page.stored(), scope.within) {
                // Only comparisons of bytes cost enough to look at each candidate alone.
                (Stored::Bytes(_), Some(within)) => Some(page.presence().compress(within)),
                _ => None,
            };
            mark(page, matcher, positions, candidates.as_ref(), scope.stop)
        }
    };
    page.presence().spread(dense, scope.window.clone())
}

/// The present rows, by position, any of whose elements passes.
fn select_lists(
    page: &Page,
    lists: &Offsets,
    matcher: &Matcher,
    positions: Range<usize>,
    stop: &Stop<'_>,
) -> Bitmap {
    let mut dense = Bitmap::zeros(lists.count());
    if matches!(matcher, Matcher::Exists) {
        positions
            .filter(|at| !lists.range(*at).is_empty())
            .for_each(|at| dense.set(at));
        return dense;
    }
    let marks = mark(
        page,
        matcher,
        lists.cover(positions.start, positions.end),
        None,
        stop,
    );
    for at in positions {
        if marks.iter_range(lists.range(at)).next().is_some() {
            dense.set(at);
        }
    }
    dense
}

/// The stored values that pass, as far as the positions go (widened to whole words).
fn mark(
    page: &Page,
    matcher: &Matcher,
    positions: Range<usize>,
    candidates: Option<&Bitmap>,
    stop: &Stop<'_>,
) -> Bitmap {
    let count = page
        .lists()
        .map_or(page.presence().present(), Offsets::total);
    let mut marks = Bitmap::zeros(count);
    let first = positions.start / 64;
    let last = positions.end.min(count).div_ceil(64);
    let Some(words) = marks.words_mut().get_mut(first..last.max(first)) else {
        return marks;
    };
    match (page.stored(), matcher) {
        (Stored::Int(integers), Matcher::IntRange(low, high)) => {
            integers.mark_range(first, words, *low, *high);
        }
        (Stored::Int(integers), Matcher::IntSet(set)) => integers.mark_set(first, words, set),
        (Stored::Float(floats), Matcher::FloatRange(low, high)) => {
            floats.mark_range(first, words, *low, *high);
        }
        (Stored::Float(floats), Matcher::FloatSet(set)) => {
            mark_floats(floats, first, words, set);
        }
        (Stored::Bool(booleans), Matcher::Bool(wanted)) => booleans.mark(first, words, *wanted),
        (Stored::Bytes(Strings::Plain(plain)), matcher)
            if string_mark::mark(plain, first, words, candidates, matcher) => {}
        (Stored::Bytes(Strings::Plain(plain)), matcher) => {
            mark_plain(plain, first, words, candidates, |value| {
                if stop.after(value.len()) {
                    return None;
                }
                Some(matcher.bytes_pass(value))
            });
        }
        (Stored::Bytes(Strings::Dictionary(dictionary)), matcher) => {
            mark_dictionary(dictionary, first, words, matcher, stop);
        }
        _ => words.fill(0),
    }
    marks
}

fn mark_floats(floats: &Floats, first: usize, words: &mut [u64], set: &[f64]) {
    // The set has no NaN, for which alone `partial_cmp` is empty; a NaN value passes nothing.
    floats.mark_with(first, words, |value| {
        let at = set.partition_point(|member| *member < value);
        set.get(at).is_some_and(|member| *member == value)
    });
}

/// Tests values one by one, only the candidates where they are known, until the test says none.
fn mark_plain(
    plain: &Plain,
    first: usize,
    words: &mut [u64],
    candidates: Option<&Bitmap>,
    test: impl Fn(&[u8]) -> Option<bool>,
) {
    for (index, word) in words.iter_mut().enumerate() {
        let at = first + index;
        let mut left = candidates.map_or(u64::MAX, |candidates| {
            candidates.words().get(at).copied().unwrap_or(0)
        });
        *word = 0;
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            match plain.get(at * 64 + bit).map(&test) {
                Some(Some(passes)) => *word |= u64::from(passes) << bit,
                Some(None) => return,
                None => break,
            }
        }
    }
}

/// Tests each entry of a dictionary once and maps the answer to codes. Tests that keep to the
/// order of the entries turn into one range of codes by bisection.
fn mark_dictionary(
    dictionary: &Dictionary,
    first: usize,
    words: &mut [u64],
    matcher: &Matcher,
    stop: &Stop<'_>,
) {
    let entries = dictionary.entries();
    let Some(codes) = dictionary.codes() else {
        return words.fill(0);
    };
    let range = match matcher {
        Matcher::BytesRange(low, high) => {
            let from = entries.partition_point(|entry| !reaches(entry, low));
            from..entries.partition_point(|entry| !exceeds(entry, high))
        }
        Matcher::BytesPrefix(prefix, behind) => {
            let from = entries.partition_point(|entry| entry < prefix.as_slice());
            let to = behind.as_ref().map_or(entries.len(), |behind| {
                entries.partition_point(|entry| entry < behind.as_slice())
            });
            from..to
        }
        Matcher::BytesSet(set) => {
            let found: Vec<usize> = set
                .iter()
                .filter_map(|value| find(entries, value))
                .collect();
            return mark_found(entries.len(), &found, &codes, first, words);
        }
        matcher => {
            let passing = entries
                .iter()
                .enumerate()
                .take_while(|(_, entry)| !stop.after(entry.len()))
                .filter(|(_, entry)| matcher.bytes_pass(entry));
            let found: Vec<usize> = passing.map(|(code, _)| code).collect();
            return mark_found(entries.len(), &found, &codes, first, words);
        }
    };
    mark_codes(&codes, first, words, range.start, range.end);
}

fn find(entries: &Plain, value: &[u8]) -> Option<usize> {
    let at = entries.partition_point(|entry| entry < value);
    (entries.get(at) == Some(value)).then_some(at)
}

/// Marks an ascending list of codes: by ranges when there are few, by a table otherwise.
fn mark_found(
    entries: usize,
    found: &[usize],
    codes: &crate::bitpack::Packed<'_>,
    first: usize,
    words: &mut [u64],
) {
    /// Ranges up to which several passes of the range kernel beat one of the table.
    const FEW: usize = 4;
    let runs: Vec<&[usize]> = found.chunk_by(|a, b| a + 1 == *b).collect();
    if runs.len() > FEW {
        let mut flags = vec![false; entries];
        for code in found {
            if let Some(flag) = flags.get_mut(*code) {
                *flag = true;
            }
        }
        return mark_table(codes, first, words, &flags);
    }
    words.fill(0);
    let mut marks = vec![0; words.len()];
    for run in runs {
        let (Some(from), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        mark_codes(codes, first, &mut marks, *from, *last + 1);
        words
            .iter_mut()
            .zip(&marks)
            .for_each(|(word, more)| *word |= more);
    }
}
