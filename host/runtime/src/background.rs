//! Flushes and merges that writes ask for, on threads of their own: one that flushes and one that merges, so
//! that a flush waits for no merge; one that scrubs, if that is wanted; and one that removes what waited for
//! readers, where nothing tells when they end, or follows the writer where nobody asks. A thread starts when
//! it is first needed.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::open::Open;
use crate::rate::Rate;
use crate::scrub;
use crate::session::{CallLimits, CancelToken};

/// Where readers give their pins up without a word, and files stay for a while, so often is looked whether
/// some can go. Without any that wait this asks for nothing.
const COLLECTS_EVERY: Duration = Duration::from_secs(60);
/// A reader that nobody asks moves its pin so often, where that keeps things for which others pay.
pub(crate) const FOLLOWS_EVERY: Duration = Duration::from_secs(120);
/// How long a scrub that could not go on waits before it begins anew.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// The threads of one open index. They end when the last handle of the index is dropped.
#[derive(Default)]
pub(crate) struct Background {
    flusher: Worker,
    merger: Worker,
    scrubber: Worker,
    collector: Worker,
    /// Stops what is being done.
    cancel: CancelToken,
}

/// A thread that does one thing when it is asked to, and once more when it is asked meanwhile.
#[derive(Default)]
struct Worker {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_wanted: bool,
    is_stopped: bool,
    thread: Option<JoinHandle<()>>,
}

/// Stops the threads of an index, and waits for them, when its last handle is dropped.
pub(crate) struct Stopper(Arc<Background>);

impl Stopper {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Arc::default()))
    }

    /// Flushes soon, then merges what is worth it; an error when there can be no thread for that.
    pub(crate) fn flush_soon(&self, index: &Arc<Open>) -> io::Result<()> {
        self.0.flush_soon(index)
    }

    /// Scrubs at a rate from now on, until the index is closed.
    pub(crate) fn scrub_always(&self, index: &Arc<Open>, rate: Rate) -> io::Result<()> {
        self.0.scrub_always(index, rate)
    }

    /// Removes what nobody needs any more from time to time, until the index is closed.
    pub(crate) fn collect_always(&self, index: &Arc<Open>) -> io::Result<()> {
        self.0.collect_always(index)
    }

    /// Sees to it, so often, that who only reads does not keep an old epoch, until the index is closed.
    pub(crate) fn follow_always(&self, index: &Arc<Open>, every: Duration) -> io::Result<()> {
        self.0.follow_always(index, every)
    }

    /// Merges what is worth it soon; an error when there can be no thread for that.
    pub(crate) fn merge_soon(&self, index: &Arc<Open>) -> io::Result<()> {
        self.0.merge_soon(index)
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.cancel.cancel();
        self.0.flusher.stop();
        self.0.merger.stop();
        self.0.scrubber.stop();
        self.0.collector.stop();
    }
}

impl Background {
    fn limits(&self) -> CallLimits {
        CallLimits::new(None, Some(self.cancel.clone()))
    }

    fn flush_soon(self: &Arc<Self>, index: &Arc<Open>) -> io::Result<()> {
        let flush = |background: &Arc<Self>, index: &Arc<Open>| {
            let flushed = index.flush(&background.limits()).map(drop);
            // Writes that asked meanwhile saw the rows that have just been flushed.
            background.flusher.forget();
            flushed?;
            if index.settings().automatic_merge
                && let Err(error) = background.merge_soon(index)
            {
                tracing::warn!(index = index.name(), %error, "no thread for merges");
            }
            Ok(())
        };
        self.ask(|background| &background.flusher, "sidx-flush", index, flush)
    }

    fn merge_soon(self: &Arc<Self>, index: &Arc<Open>) -> io::Result<()> {
        let merge = |background: &Arc<Self>, index: &Arc<Open>| {
            index.merge_by_itself(&background.limits()).map(drop)
        };
        self.ask(|background| &background.merger, "sidx-merge", index, merge)
    }

    fn scrub_always(self: &Arc<Self>, index: &Arc<Open>, rate: Rate) -> io::Result<()> {
        let (background, index) = (Arc::clone(self), Arc::clone(index));
        let run = move || {
            loop {
                let begun = Instant::now();
                let done = scrub::pass(&index, &background.limits(), Some(&rate));
                if background.cancel.is_cancelled() {
                    return;
                }
                let pause = match &done {
                    Ok(_) => scrub::INTERVAL.saturating_sub(begun.elapsed()),
                    Err(error) => {
                        tracing::warn!(index = index.name(), %error, "a scrub broke off");
                        PAUSE_AFTER_FAILURE
                    }
                };
                if !background.scrubber.rest(pause) {
                    return;
                }
            }
        };
        let mut state = self.scrubber.state.lock();
        let name = "sidx-scrub".to_owned();
        state.thread = Some(thread::Builder::new().name(name).spawn(run)?);
        Ok(())
    }

    fn collect_always(self: &Arc<Self>, index: &Arc<Open>) -> io::Result<()> {
        let (background, index) = (Arc::clone(self), Arc::clone(index));
        let run = move || {
            while background.collector.rest(COLLECTS_EVERY) {
                if let Err(error) = index.writer().consult(|introducer| introducer.collect()) {
                    tracing::debug!(index = index.name(), %error, "nothing was collected");
                }
            }
        };
        let mut state = self.collector.state.lock();
        let name = "sidx-collect".to_owned();
        state.thread = Some(thread::Builder::new().name(name).spawn(run)?);
        Ok(())
    }

    fn follow_always(self: &Arc<Self>, index: &Arc<Open>, every: Duration) -> io::Result<()> {
        let (background, index) = (Arc::clone(self), Arc::clone(index));
        let run = move || {
            while background.collector.rest(every) {
                if let Err(error) = index.follow_idle(every) {
                    tracing::debug!(index = index.name(), %error, "a reader did not follow");
                }
            }
        };
        let mut state = self.collector.state.lock();
        let name = "sidx-idle".to_owned();
        state.thread = Some(thread::Builder::new().name(name).spawn(run)?);
        Ok(())
    }

    /// Asks a worker for its work, and starts its thread when there is none.
    fn ask(
        self: &Arc<Self>,
        worker: fn(&Self) -> &Worker,
        name: &str,
        index: &Arc<Open>,
        work: fn(&Arc<Self>, &Arc<Open>) -> crate::Result<()>,
    ) -> io::Result<()> {
        let mut state = worker(self).state.lock();
        if state.is_stopped {
            return Ok(());
        }
        state.is_wanted = true;
        // One that ended by itself had a bug.
        if state.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            // Without the right to stop the threads, so that they do not keep themselves alive.
            let (background, index) = (Arc::clone(self), Arc::clone(index));
            let run = move || {
                while worker(&background).wait() {
                    if let Err(error) = work(&background, &index)
                        && !background.cancel.is_cancelled()
                    {
                        // The rows are safe whatever becomes of it; a later write asks again.
                        let index = index.name();
                        tracing::warn!(index, %error, "an automatic flush or merge failed");
                    }
                }
            };
            state.thread = Some(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        }
        worker(self).changed.notify_all();
        Ok(())
    }
}

impl Worker {
    /// Waits for work; false when there will be no more.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        while !state.is_wanted && !state.is_stopped {
            self.changed.wait(&mut state);
        }
        state.is_wanted = false;
        !state.is_stopped
    }

    /// Waits so long; false when there will be no more work.
    fn rest(&self, time: Duration) -> bool {
        // A time beyond the clock's range is for ever.
        let end = Instant::now().checked_add(time);
        let mut state = self.state.lock();
        while !state.is_stopped {
            let is_over = match end {
                Some(end) => self.changed.wait_until(&mut state, end).timed_out(),
                None => {
                    self.changed.wait(&mut state);
                    false
                }
            };
            if is_over {
                break;
            }
        }
        !state.is_stopped
    }

    /// Forgets what was asked for since the work began.
    fn forget(&self) {
        self.state.lock().is_wanted = false;
    }

    fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.is_stopped = true;
            self.changed.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}
