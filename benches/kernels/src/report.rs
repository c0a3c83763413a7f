//! Timing a kernel and printing what came of it.

use std::hint::black_box;

use serde_json::json;

use crate::Arguments;
use crate::clock::{self, Clock};
use crate::floor::Floors;

/// What one run of a kernel works on.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// Bytes read.
    pub(crate) read: usize,
    /// Bytes written.
    pub(crate) written: usize,
    /// Values, rows or look-ups.
    pub(crate) items: usize,
}

/// Where figures go.
pub(crate) struct Report {
    clock: Clock,
    floors: Floors,
    pattern: String,
    json: bool,
    rounds: usize,
    wrong: usize,
}

/// Ticks that one measurement takes at least, some tenths of a millisecond.
const TICKS: u64 = 600_000;

impl Report {
    pub(crate) fn new(clock: Clock, floors: Floors, arguments: &Arguments) -> Self {
        if arguments.json {
            let line = json!({
                "tsc_ghz": clock.ticks,
                "core_ghz": clock.core,
                "memory_bytes_per_cycle": floors.memory,
                "cache_bytes_per_cycle": floors.cache,
            });
            println!("{line}");
        } else {
            println!(
                "time stamp counter {:.2} GHz, core {:.2} GHz; floor: memory {:.1} bytes per cycle \
                 ({:.1} GB/s), second cache {:.1} ({:.1} GB/s)",
                clock.ticks,
                clock.core,
                floors.memory,
                floors.memory * clock.ticks,
                floors.cache,
                floors.cache * clock.ticks,
            );
            println!(
                "{:44} {:9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
                "kernel", "with", "GB/s in", "B/cycle", "cyc/item", "ns/item", "of mem", "of cache"
            );
        }
        Self {
            clock,
            floors,
            pattern: arguments.pattern.clone(),
            json: arguments.json,
            rounds: arguments.rounds.max(1),
            wrong: 0,
        }
    }

    /// Whether a kernel is wanted, so that samples need not be made for nothing.
    pub(crate) fn wants(&self, kernel: &str) -> bool {
        kernel.contains(&self.pattern)
    }

    /// Kernels that gave a wrong result.
    pub(crate) fn wrong(&self) -> usize {
        self.wrong
    }

    /// Compares the result of a run with what it must be, times it, and prints the figures.
    pub(crate) fn measure<T: PartialEq>(
        &mut self,
        kernel: &str,
        with: &str,
        work: Work,
        expected: &T,
        mut run: impl FnMut() -> T,
    ) {
        if !self.wants(kernel) {
            return;
        }
        if run() != *expected {
            self.wrong += 1;
            println!("{kernel} {with}: WRONG RESULT");
            return;
        }
        let cycles = self.cycles(|| drop(black_box(run())));
        self.print(kernel, with, work, cycles);
    }

    /// As [`Report::measure`], for kernels that fill a vector, which is kept: a new one each time would cost
    /// more than some kernels.
    pub(crate) fn measure_into<T: Default + PartialEq>(
        &mut self,
        kernel: &str,
        with: &str,
        work: Work,
        expected: &T,
        mut run: impl FnMut(&mut T),
    ) {
        if !self.wants(kernel) {
            return;
        }
        let mut out = T::default();
        run(&mut out);
        if out != *expected {
            self.wrong += 1;
            println!("{kernel} {with}: WRONG RESULT");
            return;
        }
        let cycles = self.cycles(|| run(black_box(&mut out)));
        self.print(kernel, with, work, cycles);
    }

    /// The median of the rounds, in ticks per run.
    fn cycles(&self, mut run: impl FnMut()) -> f64 {
        let mut time = |runs: u64| {
            let start = clock::now();
            (0..runs).for_each(|_| run());
            clock::now() - start
        };
        let once = time(3) / 3 + 1;
        let runs = (TICKS / once).clamp(1, 1_000_000);
        let mut rounds: Vec<f64> = (0..self.rounds)
            .map(|_| time(runs) as f64 / runs as f64)
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    }

    fn print(&self, kernel: &str, with: &str, work: Work, cycles: f64) {
        let speed = work.read as f64 / cycles;
        let traffic = (work.read + work.written) as f64 / cycles;
        let per_item = cycles / work.items as f64;
        let (of_memory, of_cache) = (traffic / self.floors.memory, traffic / self.floors.cache);
        if self.json {
            let line = json!({
                "kernel": kernel,
                "implementation": with,
                "read_bytes": work.read,
                "written_bytes": work.written,
                "items": work.items,
                "cycles": cycles,
                "gigabytes_per_second": speed * self.clock.ticks,
                "bytes_per_cycle": speed,
                "cycles_per_item": per_item,
                "nanoseconds_per_item": per_item / self.clock.ticks,
                "of_memory_floor": of_memory,
                "of_cache_floor": of_cache,
                "correct": true,
            });
            println!("{line}");
        } else {
            println!(
                "{kernel:44} {with:9} {:8.2} {speed:8.3} {per_item:8.3} {:8.3} {of_memory:8.3} \
                 {of_cache:8.3}",
                speed * self.clock.ticks,
                per_item / self.clock.ticks,
            );
        }
    }
}
