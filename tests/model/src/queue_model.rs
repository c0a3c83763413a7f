//! Group commit: every caller gets its own answer, exactly once, whatever the order in which they come,
//! lead and wake.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use loom::sync::{Mutex, MutexGuard};
use loom::thread;

use crate::queue::{Caller, Limits, Queue};

/// What the work saw, in order.
type Seen = Arc<Mutex<Vec<Vec<u32>>>>;

fn queue(items: usize) -> Arc<Queue<u32, Result<u32, ()>>> {
    Arc::new(Queue::new(Limits {
        items,
        weights: [100, 100],
        weigh: |_| [1, 1],
    }))
}

/// A caller that waits until it is told, or looks so often whether to wait and then gives up. Its work needs
/// the lock of what was seen.
struct Model<'s> {
    seen: &'s Seen,
    looks: Option<Cell<u32>>,
    panics: bool,
}

/// The caller gave up.
#[derive(Debug, PartialEq)]
struct GaveUp;

impl<'s> Caller<u32, Result<u32, ()>> for Model<'s> {
    type Stop = GaveUp;
    type Ready = MutexGuard<'s, Vec<Vec<u32>>>;

    fn check(&self) -> Result<(), GaveUp> {
        match &self.looks {
            Some(looks) if looks.get() == 0 => Err(GaveUp),
            Some(looks) => {
                looks.set(looks.get() - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn patience(&self) -> Option<Duration> {
        self.looks.as_ref().map(|_| Duration::ZERO)
    }

    fn prepare(&self) -> Result<Self::Ready, GaveUp> {
        self.check()?;
        Ok(self.seen.lock().unwrap())
    }

    fn work(&mut self, mut seen: Self::Ready, items: Vec<u32>) -> Vec<Result<u32, ()>> {
        if self.panics {
            drop(seen);
            panic!("the storage panics");
        }
        seen.push(items.clone());
        items.into_iter().map(|item| Ok(item * 10)).collect()
    }

    fn unanswered() -> Result<u32, ()> {
        Err(())
    }
}

fn patient(seen: &Seen) -> Model<'_> {
    Model {
        seen,
        looks: None,
        panics: false,
    }
}

fn impatient(seen: &Seen, looks: u32) -> Model<'_> {
    Model {
        looks: Some(Cell::new(looks)),
        ..patient(seen)
    }
}

/// Two items of each of several threads, in rounds of at most `items`.
fn explore(threads: u32, each: u32, items: usize) {
    loom::model(move || {
        let (queue, seen) = (queue(items), Seen::default());
        let submit = move |queue: &Queue<_, _>, seen: &Seen, thread: u32| {
            for at in 0..each {
                let item = thread * 10 + at;
                let answer = queue.submit(item, patient(seen));
                assert_eq!(answer, Ok(Ok(item * 10)), "the answer of another, or none");
            }
        };
        let others: Vec<_> = (1..threads)
            .map(|thread| {
                let (queue, seen) = (Arc::clone(&queue), Arc::clone(&seen));
                thread::spawn(move || submit(&queue, &seen, thread))
            })
            .collect();
        submit(&queue, &seen, 0);
        others.into_iter().for_each(|other| other.join().unwrap());
        let seen = seen.lock().unwrap();
        assert!(seen.iter().all(|round| (1..=items).contains(&round.len())));
        let mut all: Vec<u32> = seen.concat();
        for thread in 0..threads {
            let own: Vec<u32> = all.iter().copied().filter(|it| it / 10 == thread).collect();
            assert!(own.is_sorted(), "a caller's items changed places: {own:?}");
        }
        all.sort_unstable();
        let expected: Vec<u32> = (0..threads)
            .flat_map(|thread| (0..each).map(move |at| thread * 10 + at))
            .collect();
        assert_eq!(all, expected, "an item was worked on twice or never");
    });
}

/// Two callers, two items each, any number of items in a round.
pub fn two_callers_with_two_items_each_are_answered() {
    explore(2, 2, 10);
}

/// The same, one item in a round: the lead changes hands.
pub fn two_callers_are_answered_when_a_round_takes_one() {
    explore(2, 2, 1);
}

/// Three callers, of whom one waits for the second round.
pub fn three_callers_are_answered_when_a_round_takes_two() {
    explore(3, 1, 2);
}

/// A caller's items are worked on in their order, whoever leads. (That a round takes those who came first is
/// tested beside the queue: from outside nobody sees when another arrived.)
pub fn rounds_keep_the_order_of_arrival() {
    loom::model(|| {
        let (queue, seen) = (queue(1), Seen::default());
        let other = {
            let (queue, seen) = (Arc::clone(&queue), Arc::clone(&seen));
            thread::spawn(move || {
                let _ = queue.submit(1, patient(&seen));
            })
        };
        // The leader of the first round takes the items that came meanwhile in their order.
        let _ = queue.submit(2, patient(&seen));
        let _ = queue.submit(3, patient(&seen));
        other.join().unwrap();
        let order: Vec<u32> = seen.lock().unwrap().concat();
        let at = |item| order.iter().position(|it| *it == item).unwrap();
        assert!(at(2) < at(3));
    });
}

/// A leader whose work panics: those whose items it took are told, the others go on without it.
pub fn a_panic_of_the_leader_leaves_nobody_waiting() {
    std::panic::set_hook(Box::new(|_| {}));
    loom::model(|| {
        let (queue, seen) = (queue(10), Seen::default());
        let others: Vec<_> = [1, 2]
            .into_iter()
            .map(|item| {
                let (queue, seen) = (Arc::clone(&queue), Arc::clone(&seen));
                thread::spawn(move || {
                    let answer = queue.submit(item, patient(&seen));
                    assert!(answer == Ok(Ok(item * 10)) || answer == Ok(Err(())));
                })
            })
            .collect();
        // It panics only when it leads; otherwise another one answers.
        let led = catch_unwind(AssertUnwindSafe(|| {
            let panicking = Model {
                panics: true,
                ..patient(&seen)
            };
            queue.submit(0, panicking)
        }));
        if let Ok(answer) = led {
            assert_eq!(answer, Ok(Ok(0)));
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        // And the queue still works.
        let answer = queue.submit(9, patient(&seen));
        assert_eq!(answer, Ok(Ok(90)));
    });
}

/// Callers of whom some give up after so many looks: who gave up finds its item untouched, who did not has
/// its answer, and nobody waits for ever, whoever was to lead.
fn explore_giving_up(looks: &'static [Option<u32>], items: usize) {
    let mut builder = loom::model::Builder::new();
    // All interleavings with at most three interruptions, which spares hours.
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let (queue, seen) = (queue(items), Seen::default());
        let submit = |queue: &Queue<_, _>, seen: &Seen, item: u32, looks: Option<u32>| {
            let caller = looks.map_or(patient(seen), |looks| impatient(seen, looks));
            match queue.submit(item, caller) {
                Ok(answer) => {
                    assert_eq!(answer, Ok(item * 10));
                    true
                }
                Err(GaveUp) => {
                    assert!(looks.is_some(), "a patient caller gave up");
                    false
                }
            }
        };
        let others: Vec<_> = (1..)
            .zip(&looks[1..])
            .map(|(item, looks)| {
                let (queue, seen, looks) = (Arc::clone(&queue), Arc::clone(&seen), *looks);
                thread::spawn(move || submit(&queue, &seen, item, looks))
            })
            .collect();
        let mut done = vec![submit(&queue, &seen, 0, looks[0])];
        done.extend(others.into_iter().map(|other| other.join().unwrap()));
        let mut worked: Vec<u32> = seen.lock().unwrap().concat();
        worked.sort_unstable();
        let answered = (0..).zip(done).filter(|(_, done)| *done);
        let answered: Vec<u32> = answered.map(|(item, _)| item).collect();
        assert_eq!(
            worked, answered,
            "an item that was taken back was worked on, or one that was not was lost"
        );
        // And the queue still works.
        assert_eq!(queue.submit(9, patient(&seen)), Ok(Ok(90)));
    });
}

/// One caller gives up at some moment: before it leads, while it waits to lead, or never.
pub fn a_caller_that_gives_up_takes_its_item_back_or_gets_its_answer() {
    for looks in [
        &[None, Some(0)],
        &[None, Some(1)],
        &[None, Some(2)],
        &[None, Some(3)],
    ] {
        explore_giving_up(looks, 10);
    }
}

/// All callers give up, the one that leads among them.
pub fn a_leader_that_gives_up_leaves_nobody_waiting() {
    explore_giving_up(&[Some(1), Some(2)], 10);
    explore_giving_up(&[Some(1), None, Some(1)], 10);
    explore_giving_up(&[Some(1), None, Some(2)], 1);
}
