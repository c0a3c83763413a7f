//! A test answered for every entry of a dictionary, as the codes that pass.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::bitpack::Packed;
use crate::integer::mark::{mark_codes, mark_table};
use crate::predicate::{Matcher, exceeds, reaches};
use crate::stop::Stop;
use crate::string::Plain;

/// Ranges up to which several passes of the range kernel beat one of the table.
const FEW: usize = 4;

/// The codes that pass.
#[derive(Debug)]
pub(crate) enum Codes {
    /// Up to four ranges, ascending and apart.
    Ranges(Vec<Range<usize>>),
    /// One flag per entry.
    Table(Vec<bool>),
}

impl Codes {
    /// Tests the entries, each at most once. Tests that keep to their order turn into a range by bisection.
    pub(crate) fn of(entries: &Plain, matcher: &Matcher, stop: &Stop<'_>) -> Codes {
        match matcher {
            Matcher::BytesRange(low, high) => {
                let from = entries.partition_point(|entry| !reaches(entry, low));
                let to = entries.partition_point(|entry| !exceeds(entry, high));
                Codes::Ranges(std::iter::once(from..to).collect())
            }
            Matcher::BytesPrefix(prefix, behind) => {
                let from = entries.partition_point(|entry| entry < prefix.as_slice());
                let to = behind.as_ref().map_or(entries.len(), |behind| {
                    entries.partition_point(|entry| entry < behind.as_slice())
                });
                Codes::Ranges(std::iter::once(from..to).collect())
            }
            Matcher::BytesSet(set) => {
                let found = set.iter().filter_map(|value| entries.find(value));
                Codes::of_found(entries.len(), &found.collect::<Vec<_>>())
            }
            matcher => {
                let passing = entries
                    .iter()
                    .enumerate()
                    .take_while(|(_, entry)| !stop.after(entry.len()))
                    .filter(|(_, entry)| matcher.bytes_pass(entry));
                let found: Vec<usize> = passing.map(|(code, _)| code).collect();
                Codes::of_found(entries.len(), &found)
            }
        }
    }

    /// From an ascending list of codes.
    fn of_found(entries: usize, found: &[usize]) -> Codes {
        let mut runs = found.chunk_by(|a, b| a + 1 == *b);
        let ranges: Vec<Range<usize>> = runs
            .by_ref()
            .take(FEW)
            .filter_map(|run| Some(*run.first()?..*run.last()? + 1))
            .collect();
        if runs.next().is_none() {
            return Codes::Ranges(ranges);
        }
        let mut flags = vec![false; entries];
        for code in found {
            if let Some(flag) = flags.get_mut(*code) {
                *flag = true;
            }
        }
        Codes::Table(flags)
    }

    /// Writes selection words from word `first` on.
    pub(crate) fn mark(&self, codes: &Packed<'_>, first: usize, words: &mut [u64]) {
        match self {
            Codes::Table(flags) => mark_table(codes, first, words, flags),
            Codes::Ranges(ranges) => match ranges.as_slice() {
                [] => words.fill(0),
                [only] => mark_codes(codes, first, words, only.start, only.end),
                several => {
                    words.fill(0);
                    let mut marks = vec![0; words.len()];
                    for range in several {
                        mark_codes(codes, first, &mut marks, range.start, range.end);
                        words
                            .iter_mut()
                            .zip(&marks)
                            .for_each(|(word, more)| *word |= more);
                    }
                }
            },
        }
    }
}

/// What a test found out about the shared dictionaries that it met, so that it looks at each entry once
/// however many pages refer to it.
#[derive(Debug, Default)]
pub(crate) struct Resolutions(Mutex<Vec<(u64, Arc<Codes>)>>);

/// Dictionaries remembered; one per part, usually.
const REMEMBERED: usize = 64;

impl Clone for Resolutions {
    /// A clone begins with nothing, and finds out again.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Resolutions {
    /// What is known of dictionary `id`, else what `find` says, which is kept unless the work was stopped.
    pub(crate) fn get_or(
        &self,
        id: u64,
        stop: &Stop<'_>,
        find: impl FnOnce() -> Codes,
    ) -> Arc<Codes> {
        // A poisoned lock only means that nothing is remembered.
        if let Ok(known) = self.0.lock()
            && let Some((_, codes)) = known.iter().find(|(other, _)| *other == id)
        {
            return Arc::clone(codes);
        }
        let found = Arc::new(find());
        if stop.check().is_ok()
            && let Ok(mut known) = self.0.lock()
        {
            if known.len() >= REMEMBERED {
                known.remove(0);
            }
            known.push((id, Arc::clone(&found)));
        }
        found
    }
}
