//! Running one test over a page: from the stored values to a selection of rows.

use std::ops::Range;

use sidx_columns::Bitmap;

use crate::float::Floats;
use crate::offsets::Offsets;
use crate::page::{Page, Stored};
use crate::predicate::Matcher;
use crate::program::resolutions::{Codes, Resolutions};
use crate::stop::Stop;
use crate::string;
use crate::string::{Dictionary, Plain, Strings};

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

/// A test, and what it found out about dictionaries.
pub(crate) struct Test<'a> {
    pub(crate) matcher: &'a Matcher,
    pub(crate) resolutions: &'a Resolutions,
}

/// The rows of the page that pass, as far as the scope goes.
pub(crate) fn select_rows(
    page: &Page,
    elements: bool,
    test: &Test<'_>,
    scope: &Scope<'_>,
) -> Bitmap {
    let matcher = test.matcher;
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
        Some(lists) => select_lists(page, lists, test, positions, scope.stop),
        None => {
            let candidates = match (page.stored(), scope.within) {
                // Only comparisons of bytes cost enough to look at each candidate alone.
                (Stored::Bytes(_), Some(within)) => Some(page.presence().compress(within)),
                _ => None,
            };
            mark(page, test, positions, candidates.as_ref(), scope.stop)
        }
    };
    page.presence().spread(dense, scope.window.clone())
}

/// The present rows, by position, any of whose elements passes.
fn select_lists(
    page: &Page,
    lists: &Offsets,
    test: &Test<'_>,
    positions: Range<usize>,
    stop: &Stop<'_>,
) -> Bitmap {
    let mut dense = Bitmap::zeros(lists.count());
    if matches!(test.matcher, Matcher::Exists) {
        positions
            .filter(|at| !lists.range(*at).is_empty())
            .for_each(|at| dense.set(at));
        return dense;
    }
    let marks = mark(
        page,
        test,
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
    test: &Test<'_>,
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
    match (page.stored(), test.matcher) {
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
            if string::mark(plain, first, words, candidates, matcher) => {}
        (Stored::Bytes(Strings::Plain(plain)), matcher) => {
            mark_plain(plain, first, words, candidates, |value| {
                if stop.after(value.len()) {
                    return None;
                }
                Some(matcher.bytes_pass(value))
            });
        }
        (Stored::Bytes(Strings::Dictionary(dictionary)), _) => {
            mark_dictionary(dictionary, first, words, test, stop);
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

/// Tests each entry of a dictionary once, also where many pages share it, and maps the answer to codes.
fn mark_dictionary(
    dictionary: &Dictionary,
    first: usize,
    words: &mut [u64],
    test: &Test<'_>,
    stop: &Stop<'_>,
) {
    let Some(codes) = dictionary.codes() else {
        return words.fill(0);
    };
    let find = || Codes::of(dictionary.entries(), test.matcher, stop);
    match dictionary.shared() {
        None => find().mark(&codes, first, words),
        Some(shared) => {
            let resolved = test.resolutions.get_or(shared.id(), stop, find);
            resolved.mark(&codes, first, words);
        }
    }
}
