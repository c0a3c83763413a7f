//! Drops of the index, and which batches one may, must or may not have taken with it.

/// A moment of a run; each event has one of its own.
pub type Moment = u64;

/// From when to when a call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// It began.
    pub begin: Moment,
    /// It returned; never, if it did not.
    pub end: Moment,
}

impl Span {
    /// Of a call that has begun.
    pub fn begun(begin: Moment) -> Self {
        Self {
            begin,
            end: Moment::MAX,
        }
    }
}

/// What whoever asked for a drop knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It waits, or will never be told, or was told of a failure.
    Unknown,
    /// The index was dropped.
    Dropped,
    /// It was not, by this call.
    Refused,
}

/// A drop of the index.
struct Removal {
    call: Span,
    answer: Answer,
}

/// All drops of a run.
#[derive(Default)]
pub struct Removals(Vec<Removal>);

/// What is known of the life of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// The opening of the handle that wrote it.
    pub opening: Span,
    /// It was acknowledged.
    pub acknowledged: Option<Moment>,
}

impl Removals {
    /// Whether none has begun.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A drop begins. Returns which it is.
    pub fn begin(&mut self, now: Moment) -> usize {
        self.0.push(Removal {
            call: Span::begun(now),
            answer: Answer::Unknown,
        });
        self.0.len() - 1
    }

    /// It was answered.
    pub fn end(&mut self, removal: usize, now: Moment, answer: Answer) {
        let removal = &mut self.0[removal];
        removal.call.end = now;
        removal.answer = answer;
    }

    /// Whether a batch may be gone with a drop that began before a moment: unless its handle was opened
    /// after that drop, it may lie in what was dropped.
    pub fn may_be_gone(&self, batch: Life, before: Moment) -> bool {
        self.0.iter().any(|removal| {
            removal.answer != Answer::Refused
                && removal.call.begin < before
                && batch.opening.begin < removal.call.end
        })
    }

    /// Whether nobody may be shown a batch who opens the index at a moment: it was there before a drop began
    /// that had ended by then.
    pub fn is_gone(&self, batch: Life, at: Moment) -> bool {
        self.0.iter().any(|removal| {
            let was_before = |moment: Moment| moment < removal.call.begin;
            removal.answer == Answer::Dropped
                && removal.call.end < at
                && (batch.acknowledged.is_some_and(was_before) || was_before(batch.opening.end))
        })
    }

    /// Whether a write that begins now on a handle may not be acknowledged: the index was dropped since that
    /// was opened.
    pub fn has_ended(&self, opening: Span, now: Moment) -> bool {
        self.0.iter().any(|removal| {
            removal.answer == Answer::Dropped
                && removal.call.end < now
                && opening.end < removal.call.begin
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_takes_what_was_there_and_nothing_that_came_after_it() {
        let mut removals = Removals::default();
        let removal = removals.begin(10);
        let life = |begin, end, acknowledged| Life {
            opening: Span { begin, end },
            acknowledged,
        };
        let (old, meanwhile, new) = (
            life(1, 2, Some(5)),
            life(11, 12, Some(13)),
            life(21, 22, Some(23)),
        );
        // Nobody knows before it has ended.
        assert!(removals.may_be_gone(old, 15) && !removals.is_gone(old, 15));
        assert!(!removals.may_be_gone(old, 9));
        removals.end(removal, 20, Answer::Dropped);
        assert!(removals.may_be_gone(meanwhile, 30) && !removals.is_gone(meanwhile, 30));
        assert!(removals.is_gone(old, 30) && !removals.is_gone(old, 15));
        assert!(!removals.may_be_gone(new, 30) && !removals.is_gone(new, 30));
        assert!(removals.has_ended(old.opening, 25));
        assert!(!removals.has_ended(meanwhile.opening, 25) && !removals.has_ended(old.opening, 15));
        removals.end(removal, 20, Answer::Refused);
        assert!(!removals.may_be_gone(old, 30) && !removals.is_gone(old, 30));
    }
}
