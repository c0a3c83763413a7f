//! Callers that wait for their item to be worked on, and the one among them who does it for all: many
//! callers share one append to the log and one sync.

use std::collections::HashMap;
use std::time::Duration;

use crate::sync::{Condvar, Mutex};

/// What a caller brings along: how long it waits, and how it works on items when it is its turn to lead.
pub(crate) trait Caller<I, A> {
    /// Why it waits no longer.
    type Stop;
    /// What it must hold to work on items.
    type Ready;

    /// Whether it still waits.
    fn check(&self) -> Result<(), Self::Stop>;

    /// How long it may wait before it asks [`check`](Self::check) again; none when it waits until it is
    /// told.
    fn patience(&self) -> Option<Duration>;

    /// Waits for what the work needs. No item is taken before that, so that the caller may give up.
    fn prepare(&self) -> Result<Self::Ready, Self::Stop>;

    /// Works on items, which come in order of arrival, and returns an answer for each.
    fn work(&mut self, ready: Self::Ready, items: Vec<I>) -> Vec<A>;

    /// The answer of those who get none, because the work broke off.
    fn unanswered() -> A;
}

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
    /// Most of either weight, except that one item is always taken.
    pub(crate) weights: [usize; 2],
    /// The weights of an item.
    pub(crate) weigh: fn(&I) -> [usize; 2],
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

    /// Has an item worked on, by this caller or another, and returns its answer. A caller that waits no
    /// longer takes its item back, as long as nobody has begun with it: then nothing came of it. Once it was
    /// taken, the answer is waited for however long it takes.
    pub(crate) fn submit<C: Caller<I, A>>(&self, item: I, mut caller: C) -> Result<A, C::Stop> {
        let mut state = self.state.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push((ticket, item));
        loop {
            if let Some(answer) = state.answers.remove(&ticket) {
                return Ok(answer);
            }
            let is_waiting = state.is_waiting(ticket);
            if is_waiting && let Err(stop) = caller.check() {
                state.withdraw(ticket);
                return Err(stop);
            }
            if state.is_led {
                match caller.patience() {
                    Some(time) if is_waiting => self.changed.wait_for(&mut state, time),
                    _ => self.changed.wait(&mut state),
                }
                continue;
            }
            state.is_led = true;
            drop(state);
            self.lead(ticket, &mut caller)?;
            state = self.state.lock();
        }
    }

    /// Works on those who came first, once there is what that needs. The caller's own item may be among
    /// them or not; it is taken back when the caller gives up before that.
    fn lead<C: Caller<I, A>>(&self, ticket: u64, caller: &mut C) -> Result<(), C::Stop> {
        let mut led = Led {
            queue: self,
            tickets: Vec::new(),
            answers: Vec::new(),
            unanswered: C::unanswered,
        };
        let ready = caller.prepare().inspect_err(|_| {
            // Before another one leads, who could take it.
            self.state.lock().withdraw(ticket);
        })?;
        let (tickets, items) = self.state.lock().take(&self.limits);
        led.tickets = tickets;
        led.answers = caller.work(ready, items);
        Ok(())
    }
}

impl<I, A> State<I, A> {
    /// Where an item waits; tickets are in order.
    fn place(&self, ticket: u64) -> Option<usize> {
        let found = self.waiting.binary_search_by_key(&ticket, |(own, _)| *own);
        found.ok()
    }

    /// Whether nobody has begun with an item.
    fn is_waiting(&self, ticket: u64) -> bool {
        self.place(ticket).is_some()
    }

    /// Takes an item back that waits.
    fn withdraw(&mut self, ticket: u64) {
        if let Some(at) = self.place(ticket) {
            self.waiting.remove(at);
        }
    }

    /// The items of the next round and the tickets of their callers.
    fn take(&mut self, limits: &Limits<I>) -> (Vec<u64>, Vec<I>) {
        let mut taken = [0usize; 2];
        let fits = |(_, item): &&(u64, I)| {
            for (taken, weight) in taken.iter_mut().zip((limits.weigh)(item)) {
                *taken = taken.saturating_add(weight);
            }
            { taken.iter().zip(&limits.weights) }.all(|(taken, most)| taken <= most)
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
        let take = |weights: &[[usize; 2]]| {
            let mut state = State::<[usize; 2], ()> {
                next_ticket: 0,
                waiting: (0..).zip(weights.iter().copied()).collect(),
                answers: HashMap::new(),
                is_led: true,
            };
            let limits = Limits {
                items: 3,
                weights: [10, 20],
                weigh: |weights| *weights,
            };
            // Tickets are numbered in order of arrival.
            state.take(&limits).0
        };
        assert_eq!(take(&[[1, 1]; 4]), [0, 1, 2]);
        assert_eq!(take(&[[5, 1], [5, 1], [1, 1]]), [0, 1]);
        assert_eq!(take(&[[1, 10], [1, 10], [1, 1]]), [0, 1]);
        assert_eq!(take(&[[99, 1], [1, 1]]), [0]);
        assert_eq!(take(&[[1, 99], [1, 1]]), [0]);
        assert!(take(&[]).is_empty());
    }
}
