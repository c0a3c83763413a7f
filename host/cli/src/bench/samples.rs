//! Measurements, their spread, and the clocks they are taken with.

use std::time::{Duration, Instant};

use sidx_host::Engine;

use super::figure::Figure;

/// One measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// In the unit of the figure.
    pub(super) value: f64,
    /// CPU seconds of the process, where they are measured.
    pub(super) cpu_seconds: Option<f64>,
    /// Most memory that the process had meanwhile, in MiB, where it is measured.
    pub(super) peak_mib: Option<f64>,
    /// Rows that a query returned or counted.
    pub(super) result_rows: Option<u64>,
}

impl Sample {
    /// Rows per second.
    pub(super) fn rate(rows: u64, spent: Spent) -> Sample {
        Sample {
            value: rows as f64 / spent.wall.as_secs_f64().max(1e-9),
            cpu_seconds: spent.cpu_seconds,
            peak_mib: spent.peak_mib,
            result_rows: None,
        }
    }

    /// Microseconds.
    pub(super) fn microseconds(wall: Duration) -> Sample {
        Sample {
            value: wall.as_secs_f64() * 1e6,
            ..Sample::default()
        }
    }
}

/// The measurements of one figure with one engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

impl Samples {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The middle value, or the mean of the two in the middle; NaN when there are none.
    pub(super) fn median(&self) -> f64 {
        median(self.0.iter().map(|sample| sample.value).collect())
    }

    /// The least value.
    pub(super) fn min(&self) -> f64 {
        let values = self.0.iter().map(|sample| sample.value);
        values.fold(f64::INFINITY, f64::min)
    }

    /// The greatest value.
    pub(super) fn max(&self) -> f64 {
        let values = self.0.iter().map(|sample| sample.value);
        values.fold(f64::NEG_INFINITY, f64::max)
    }

    /// The middle of the CPU seconds, where they are measured.
    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        let seconds: Vec<f64> = self.0.iter().filter_map(|one| one.cpu_seconds).collect();
        (!seconds.is_empty()).then(|| median(seconds))
    }

    /// The most memory of all measurements, in MiB, where it is measured.
    pub(super) fn peak_mib(&self) -> Option<f64> {
        let peaks = self.0.iter().filter_map(|one| one.peak_mib);
        peaks.max_by(f64::total_cmp)
    }

    /// Rows of each result: all have the same, as they were checked.
    pub(super) fn result_rows(&self) -> Option<u64> {
        self.0.first().and_then(|sample| sample.result_rows)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        return middle(half);
    }
    f64::midpoint(middle(half.saturating_sub(1)), middle(half))
}

/// All that was measured with one number of series.
#[derive(Debug, Default)]
pub(super) struct Results(Vec<(Figure, Engine, Samples)>);

impl Results {
    /// Adds a measurement.
    pub(super) fn push(&mut self, figure: Figure, engine: Engine, sample: Sample) {
        let mut known = self.0.iter_mut();
        match known.find(|(f, e, _)| *f == figure && *e == engine) {
            Some((_, _, samples)) => samples.0.push(sample),
            None => self.0.push((figure, engine, Samples(vec![sample]))),
        }
    }

    /// The measurements of a figure with an engine, if there are any.
    pub(super) fn get(&self, figure: Figure, engine: Engine) -> Option<&Samples> {
        let mut known = self.0.iter();
        let found = known.find(|(f, e, _)| *f == figure && *e == engine);
        found.map(|(_, _, samples)| samples)
    }
}

/// Time and CPU time that work took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// By the clock on the wall.
    pub(super) wall: Duration,
    /// Seconds of all threads of the process, in it and in the kernel for it; none where the system does
    /// not tell.
    pub(super) cpu_seconds: Option<f64>,
    /// Most memory of the process meanwhile, in MiB; none where the system does not tell.
    pub(super) peak_mib: Option<f64>,
}

impl Spent {
    /// This and more.
    pub(super) fn and(self, more: Spent) -> Spent {
        let cpu_seconds = match (self.cpu_seconds, more.cpu_seconds) {
            (Some(a), Some(b)) => Some(a + b),
            (one, other) => one.or(other),
        };
        let peaks = [self.peak_mib, more.peak_mib].into_iter().flatten();
        Spent {
            wall: self.wall + more.wall,
            cpu_seconds,
            peak_mib: peaks.max_by(f64::total_cmp),
        }
    }
}

/// Clocks that were started together.
pub(super) struct Clocks {
    /// What the system knows as the peak of memory is that since the start.
    forgot_peak: bool,
    cpu_seconds: Option<f64>,
    wall: Instant,
}

impl Clocks {
    /// Starts them.
    pub(super) fn start() -> Clocks {
        Clocks {
            forgot_peak: forget_peak(),
            cpu_seconds: cpu_seconds(),
            wall: Instant::now(),
        }
    }

    /// What they show.
    pub(super) fn stop(&self) -> Spent {
        let wall = self.wall.elapsed();
        let cpu_seconds = self
            .cpu_seconds
            .zip(cpu_seconds())
            .map(|(started, now)| now - started);
        let peak_mib = self.forgot_peak.then(peak_mib).flatten();
        Spent {
            wall,
            cpu_seconds,
            peak_mib,
        }
    }
}

/// CPU seconds of this process so far, to a hundredth.
#[cfg(target_os = "linux")]
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    cpu_ticks(&text).map(|ticks| ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(not(target_os = "linux"))]
fn cpu_seconds() -> Option<f64> {
    None
}

/// Makes the memory that the process has now its peak so far.
#[cfg(target_os = "linux")]
fn forget_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

#[cfg(not(target_os = "linux"))]
fn forget_peak() -> bool {
    false
}

/// The peak of the memory of this process.
fn peak_mib() -> Option<f64> {
    peak_kib(&std::fs::read_to_string("/proc/self/status").ok()?).map(|kib| kib as f64 / 1024.0)
}

/// What the system calls the high-water mark of the resident set.
fn peak_kib(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Clock ticks in user and kernel mode: fields 14 and 15, counted from 1. Field 2 is a name in
/// parentheses, which may hold blanks and parentheses itself.
#[cfg(target_os = "linux")]
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    user.checked_add(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let of = |values: &[f64]| median(values.to_vec());
        assert_eq!(of(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(of(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(of(&[7.0]), 7.0);
        assert!(of(&[]).is_nan());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_is_that_since_the_start() {
        assert_eq!(peak_kib("Name: a\nVmHWM:\t    1234 kB\n"), Some(1_234));
        assert_eq!(peak_kib("Name: a\n"), None);
        let clocks = Clocks::start();
        let room = vec![7u8; 64 << 20];
        let spent = clocks.stop();
        assert!(spent.peak_mib.is_some_and(|peak| peak > 64.0) && room.len() > 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn cpu_ticks_stand_behind_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 1 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        assert!(cpu_seconds().is_some());
    }
}
