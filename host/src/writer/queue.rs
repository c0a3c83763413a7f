//! Callers that wait for their item to be worked on, and the one among them who does it for all: many
//! callers share one append to the log and one sync.

use std::collections::HashMap;

use crate::sync::{Condvar, Mutex};

/// Items of type `I` on their way in, answers of type `A` on their way out.
pub(crate) struct Queue<I, A> {
    state: Mutex<State<I, A>>,
    /// Someone has an answer, or there is nobody who leads.
    changed: Condvar,
    limits: Limits<I>,
}

/// What is worked on at once.
pub(crate) struct Limits<I> {
    /// Most items.
    pub(crate) items: usize,
    /// Most weight, except that one item is always taken.
    pub(crate) weight: usize,
    /// The weight of an item.
    pub(crate) weigh: fn(&I) -> usize,
}

/// The first of the callers leads: it takes those that wait and works on them.
struct State<I, A> {
    next_ticket: u64,
    /// In order of arrival.
    waiting: Vec<(u64, I)>,
    answers: HashMap<u64, A>,
    is_led: bool,
}

/// The leader's duty: whatever happens, a panic in the work included, those whose items it took get an
/// answer, and the others a new leader.
struct Led<'a, I, A> {
    queue: &'a Queue<I, A>,
    tickets: Vec<u64>,
    answers: Vec<A>,
    unanswered: fn() -> A,
}

impl<I, A> Drop for Led<'_, I, A> {
    fn drop(&mut self) {
        self.answers
            .resize_with(self.tickets.len(), self.unanswered);
        let mut state = self.queue.state.lock();
        state
            .answers
            .extend(self.tickets.drain(..).zip(self.answers.drain(..)));
        state.is_led = false;
        self.queue.changed.notify_all();
    }
}

impl<I, A> Queue<I, A> {
    /// Nobody waits yet.
    pub(crate) fn new(limits: Limits<I>) -> Self {
        Self {
            state: Mutex::new(State {
                next_ticket: 0,
                waiting: Vec::new(),
                answers: HashMap::new(),
                is_led: false,
            }),
            changed: Condvar::new(),
            limits,
        }
    }

    /// Has an item worked on, by this caller or another, and returns its answer. `work` gets items in
    /// order of arrival and returns an answer for each; who gets none, because the work broke off, is
    /// told so with `unanswered`.
    pub(crate) fn submit(
        &self,
        item: I,
        mut work: impl FnMut(Vec<I>) -> Vec<A>,
        unanswered: fn() -> A,
    ) -> A {
        let mut state = self.state.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push((ticket, item));
        loop {
            if let Some(answer) = state.answers.remove(&ticket) {
                return answer;
            }
            if state.is_led {
                self.changed.wait(&mut state);
                continue;
            }
            state.is_led = true;
            let (tickets, items) = state.take(&self.limits);
            drop(state);
            let mut led = Led {
                queue: self,
                tickets,
                answers: Vec::new(),
                unanswered,
            };
            led.answers = work(items);
            drop(led);
            state = self.state.lock();
        }
    }
}

impl<I, A> State<I, A> {
    /// The items of the next round and the tickets of their callers.
    fn take(&mut self, limits: &Limits<I>) -> (Vec<u64>, Vec<I>) {
        let mut weight = 0usize;
        let fits = |(_, item): &&(u64, I)| {
            weight = weight.saturating_add((limits.weigh)(item));
            weight <= limits.weight
        };
        let waiting = self.waiting.iter().take(limits.items);
        let count = waiting.take_while(fits).count().max(1);
        self.waiting.drain(..count.min(self.waiting.len())).unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_take_those_who_came_first_and_are_bounded_by_items_and_weight() {
        let take = |weights: &[usize]| {
            let mut state = State::<usize, ()> {
                next_ticket: 0,
                waiting: (0..).zip(weights.iter().copied()).collect(),
                answers: HashMap::new(),
                is_led: true,
            };
            let limits = Limits {
                items: 3,
                weight: 10,
                weigh: |weight| *weight,
            };
            // Tickets are numbered in order of arrival.
            state.take(&limits).0
        };
        assert_eq!(take(&[1, 1, 1, 1]), [0, 1, 2]);
        assert_eq!(take(&[5, 5, 1]), [0, 1]);
        assert_eq!(take(&[99, 1]), [0]);
        assert!(take(&[]).is_empty());
    }
}
