//! A progress bar on stderr, when someone is there to see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use sidx_command::driver::Progress;

const REDRAW: Duration = Duration::from_millis(200);
const FILE: &str = "{wide_bar} {bytes}/{total_bytes} ETA {eta}  {rows} rows, {rate} rows/s";
const STREAM: &str = "{spinner} {bytes} read  {rows} rows, {rate} rows/s";

/// Shows how far a load is.
pub(crate) struct Bar {
    bar: ProgressBar,
    rows: Arc<AtomicU64>,
    read_bytes: Arc<AtomicU64>,
}

impl Bar {
    /// A bar when `visible`, against the size of the input if that is known.
    pub(crate) fn new(visible: bool, size_bytes: Option<u64>, read_bytes: Arc<AtomicU64>) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(size_bytes, target);
        let rows = Arc::new(AtomicU64::new(0));
        if visible {
            let template = if size_bytes.is_some() { FILE } else { STREAM };
            bar.set_style(style(template, &rows));
            bar.enable_steady_tick(REDRAW);
        }
        Bar {
            bar,
            rows,
            read_bytes,
        }
    }
}

impl Progress for Bar {
    fn set_rows(&self, rows: u64) {
        self.rows.store(rows, Ordering::Relaxed);
        self.bar
            .set_position(self.read_bytes.load(Ordering::Relaxed));
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str, rows: &Arc<AtomicU64>) -> ProgressStyle {
    let started = Instant::now();
    let (total, rate) = (Arc::clone(rows), Arc::clone(rows));
    // A template that does not parse would be a slip here; the default bar then serves as well.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key(
            "rows",
            move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{}", total.load(Ordering::Relaxed));
            },
        )
        .with_key(
            "rate",
            move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                let seconds = started.elapsed().as_secs_f64().max(1e-3);
                let _ = write!(out, "{:.0}", rate.load(Ordering::Relaxed) as f64 / seconds);
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_templates_parse() {
        for template in [FILE, STREAM] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
