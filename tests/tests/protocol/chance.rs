//! Random runs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use sidx_tests::sleepers::casting::Locks;
use sidx_tests::sleepers::play::{Played, play_random};

use crate::variable;

const RUNS: u64 = 10_000;
const THREADS: u64 = 2;

/// What came of many runs.
#[derive(Default)]
struct Tally {
    runs: u64,
    steps: u64,
    /// Calls that failed.
    calls_failed: u64,
    batches: [u64; 3],
    most_snapshots: u64,
    errors: BTreeMap<String, u64>,
    /// By what was wrong: how often, the seed of the shortest run, and its steps.
    failures: BTreeMap<String, (u64, u64, u64, String)>,
}

impl Tally {
    fn add(&mut self, seed: u64, played: Played) {
        self.runs += 1;
        self.steps += played.steps;
        self.calls_failed += played.failures;
        for (sum, count) in self.batches.iter_mut().zip(played.batches) {
            *sum += count;
        }
        self.most_snapshots = self.most_snapshots.max(played.snapshots.0);
        for (text, count) in played.errors {
            *self.errors.entry(text).or_default() += count;
        }
        if let Some(what) = played.failure {
            let sort = sort_of(&what);
            let found = self
                .failures
                .entry(sort)
                .or_insert((0, seed, u64::MAX, String::new()));
            found.0 += 1;
            if played.steps < found.2 {
                *found = (found.0, seed, played.steps, what);
            }
        }
    }

    fn print(&self) {
        let [acknowledged, refused, unknown] = self.batches;
        println!(
            "{} runs, {} steps, {} of them failed; batches: {acknowledged} acknowledged, {refused} refused, \
             {unknown} unknown; at most {} snapshots",
            self.runs, self.steps, self.calls_failed, self.most_snapshots
        );
        for (text, count) in &self.errors {
            println!("{count:>7} {text}");
        }
        for (count, seed, steps, what) in self.failures.values() {
            println!("FAILED {count} times, in {steps} steps with seed {seed}: {what}");
        }
    }
}

/// A text without places, numbers and lists, so that failures of one kind count as one.
fn sort_of(what: &str) -> String {
    let mut is_listed = false;
    let mut sort = Vec::new();
    for word in what.split_whitespace() {
        is_listed |= word.starts_with('[');
        let is_name = word.contains(['/', '.']) || word.contains(|it: char| it.is_ascii_digit());
        if !is_listed && !is_name {
            sort.push(word);
        }
        is_listed &= !word.contains(']');
    }
    sort.truncate(14);
    sort.join(" ")
}

/// Plays many runs, or the one that is asked for.
fn play_many(locks: Locks, default: u64) {
    if let Some(seed) = variable("SIDX_SLEEPERS_SEED") {
        let played = play_random(seed, locks);
        println!("{}", played.trace);
        assert!(played.failure.is_none(), "{:?}", played.failure);
        return;
    }
    let runs = variable("SIDX_SLEEPERS_RUNS").unwrap_or(default);
    let first = variable("SIDX_SLEEPERS_FIRST").unwrap_or(0);
    let goes_on = variable("SIDX_SLEEPERS_ALL").is_some_and(|it| it > 0);
    let next = AtomicU64::new(first);
    let has_failed = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while goes_on || !has_failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs {
                        return;
                    }
                    let played = play_random(seed, locks);
                    has_failed.fetch_or(played.failure.is_some(), Ordering::Relaxed);
                    tally.lock().unwrap().add(seed, played);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    tally.print();
    let shortest = tally.failures.values().min_by_key(|found| found.2);
    if let Some((_, seed, _, what)) = shortest {
        let test = thread::current().name().unwrap_or_default().to_owned();
        println!("{}", play_random(*seed, locks).trace);
        panic!(
            "seed {seed}: {what}\nSIDX_SLEEPERS_SEED={seed} cargo test -p sidx-tests --test protocol \
             {test} -- --nocapture"
        );
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_that_was_fenced_is_believed() {
    play_many(Locks::Some, RUNS);
}

/// What the judge finds wrong here is wrong with one writer after another, or with the judge.
#[test]
fn where_all_take_the_lock_nothing_is_lost_either() {
    play_many(Locks::All, RUNS / 10);
}

/// A run that found something once.
#[test]
fn what_was_found_is_not_found_again() {
    // A drop that had met an index which was just being made took it for damaged ever after, and removed
    // its log before the drop was decided.
    let played = play_random(8_003_169, Locks::Some);
    assert!(
        played.failure.is_none(),
        "{:?}\n{}",
        played.failure,
        played.trace
    );
}

#[test]
fn a_seed_is_one_run() {
    for seed in 0..20 {
        let [one, other] = [0, 1].map(|_| play_random(seed, Locks::Some));
        assert_eq!(one.trace, other.trace, "seed {seed}");
    }
}
