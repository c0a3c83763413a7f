//! Giving up what is not needed any more, and setting damaged segments aside.

use crate::error::{Fault, Result};
use crate::log::{Log, State, check_position};
use crate::segments::{Form, Segments};

/// From this size on, the newest segment is replaced when all of it was given up, so that the next
/// opening has little to scan: 1 MiB.
const WORTH_REPLACING_BYTES: u64 = 1 << 20;

impl<S: Segments> Log<S> {
    /// Gives up the entries before a position. Segments that end there or before are removed, never
    /// the newest, and no seals; the rest may still be read. A position behind the end moves the end there:
    /// that is what a writer needs whose snapshot absorbed entries that a power loss took from the log,
    /// because their positions must not be used again.
    ///
    /// Where the medium has no room left what is given up makes some, and the end moves in any case: who
    /// opens the log again [from](Self::open_from) the position finds it there.
    ///
    /// The first call also removes what the opening found to count for nothing. Only a writer that knows that
    /// it has not been overtaken may make it.
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
        if position > self.end || (position == self.end && held > 0 && worth_replacing) {
            self.begin_anew(position)?;
        }
        self.needed_from = self.needed_from.max(position);
        while let Some(name) = self.superfluous.first().copied() {
            self.medium.remove(name)?;
            self.superfluous.remove(0);
        }
        while let [oldest, _, ..] = self.segments.as_slice() {
            if oldest.end > position {
                break;
            }
            self.remove_first()?;
        }
        let segments = &self.segments;
        { &mut self.opened }.retain(|(name, _)| segments.iter().any(|it| it.name == *name));
        Ok(())
    }

    /// Begins a segment at a position before which nothing is needed. On a medium without any room what is
    /// left of the log goes first, which makes some; if that is not enough there is no segment, and who opens
    /// the log from the position finds its end there.
    fn begin_anew(&mut self, position: u64) -> Result<(), S::Error> {
        if self.start_anew(position)? {
            return Ok(());
        }
        self.tail = None;
        self.reading = None;
        (self.end, self.durable) = (position, position);
        self.is_detached = true;
        // The newest last: where segments grow it tells everybody whose the log is until there is another,
        // and where they are made whole it stays, as it tells the next name.
        self.remove_oldest(1)?;
        if self.medium.form() == Form::Growing && !self.start_anew(position)? {
            self.remove_oldest(0)?;
            self.start_anew(position)?;
        }
        Ok(())
    }

    /// False when the medium has no room for a segment.
    fn start_anew(&mut self, position: u64) -> Result<bool, S::Error> {
        match self.start_segment(position, None) {
            Err(error) if error.fault() == Some(Fault::Full) => Ok(false),
            result => self.fail_on_error(result).map(|()| true),
        }
    }

    /// Removes all segments but so many.
    fn remove_oldest(&mut self, kept: usize) -> Result<(), S::Error> {
        while self.segments.len() > kept {
            self.remove_first()?;
        }
        Ok(())
    }

    /// Gives the oldest segment up. A seal stays where it is: another writer may still be about to take its
    /// number.
    fn remove_first(&mut self) -> Result<(), S::Error> {
        if let Some(oldest) = self.segments.first() {
            if !oldest.is_seal {
                self.medium.remove(oldest.name)?;
            }
            self.segments.remove(0);
        }
        Ok(())
    }

    /// Sets the damaged segments aside and begins anew at a position, once nothing before it is needed.
    fn set_aside(&mut self, position: u64) -> Result<(), S::Error> {
        if position < self.end {
            return Ok(());
        }
        // A seal behind which, or before which, something is missing is none the worse, and stays.
        let is_seal = |name| self.segments.iter().any(|it| it.name == name && it.is_seal);
        self.damaged = { self.damaged.iter().copied() }
            .filter(|name| !is_seal(*name))
            .collect();
        for damaged in std::mem::take(&mut self.damaged) {
            self.medium.set_aside(damaged)?;
            self.segments.retain(|segment| segment.name != damaged);
            self.superfluous.retain(|name| *name != damaged);
        }
        self.reading = None;
        self.state = State::Good;
        let segment = self.own_segment(position, None);
        let result = self.make(segment, &segment.header());
        self.fail_on_error(result)?;
        self.drop_before(position)
    }
}
