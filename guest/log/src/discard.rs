//! Giving up what is not needed any more, and setting damaged segments aside.

use crate::error::{Fault, Result};
use crate::log::{Log, State, check_position};
use crate::segments::{Form, Name, Segments};

/// From this size on, the newest segment is replaced when all of it was given up, so that the next
/// opening has little to scan: 1 MiB.
const WORTH_REPLACING_BYTES: u64 = 1 << 20;

impl<S: Segments> Log<S> {
    /// Gives up the entries before a position. Segments that end there or before are removed, never
    /// the newest; the rest may still be read. A position behind the end moves the end there: that
    /// is what a writer needs whose snapshot absorbed entries that a power loss took from the log,
    /// because their positions must not be used again.
    ///
    /// Room is made without a write where the medium has none left: the end moves all the same, and who
    /// opens the log again [from](Self::open_from) the position finds it there.
    pub fn drop_before(&mut self, position: u64) -> Result<(), S::Error> {
        if self.state == State::Damaged {
            return self.set_aside(position);
        }
        self.check_writable()?;
        check_position(Some(position))?;
        let held = self
            .segments
            .last()
            .map_or(0, |segment| self.end - segment.first);
        let worth_replacing = held >= WORTH_REPLACING_BYTES.min(self.segment_bytes);
        if position > self.end || (position == self.end && worth_replacing) {
            self.begin_anew(position)?;
        }
        self.needed_from = self.needed_from.max(position);
        for name in std::mem::take(&mut self.absorbed) {
            self.medium.remove(name)?;
        }
        while let [oldest, _, ..] = self.segments.as_slice() {
            if oldest.end > position {
                break;
            }
            self.medium.remove(oldest.name)?;
            self.segments.remove(0);
        }
        Ok(())
    }

    /// Begins a segment at a position before which nothing is needed. On a medium without any room there is
    /// none: what is left of the log goes all the same, which makes some, and who opens it from the position
    /// finds its end there. Where segments are made whole the newest stays, as it tells the next name.
    fn begin_anew(&mut self, position: u64) -> Result<(), S::Error> {
        match self.start_segment(position, None) {
            Err(error) if error.fault() == Some(Fault::Full) => {
                self.tail = None;
                self.reading = None;
                (self.end, self.durable) = (position, position);
                self.is_detached = true;
                let kept = match self.medium.form() {
                    Form::Growing => {
                        self.medium.remove(Name(position))?;
                        0
                    }
                    Form::Whole => 1,
                };
                while self.segments.len() > kept
                    && let Some(oldest) = self.segments.first()
                {
                    self.medium.remove(oldest.name)?;
                    self.segments.remove(0);
                }
                Ok(())
            }
            result => self.fail_on_error(result),
        }
    }

    /// Sets the damaged segments aside and begins anew at a position, once nothing before it is needed.
    fn set_aside(&mut self, position: u64) -> Result<(), S::Error> {
        if position < self.end {
            return Ok(());
        }
        for damaged in std::mem::take(&mut self.damaged) {
            self.medium.set_aside(damaged)?;
            self.segments.retain(|segment| segment.name != damaged);
            self.absorbed.retain(|name| *name != damaged);
            self.leftovers.retain(|name| *name != damaged);
        }
        self.reading = None;
        self.state = State::Good;
        let result = self.start_segment(position, None);
        self.fail_on_error(result)?;
        for name in std::mem::take(&mut self.leftovers) {
            if Some(name) != self.newest {
                self.medium.remove(name)?;
            }
        }
        self.drop_before(position)
    }
}
