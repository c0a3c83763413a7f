//! Group commit: every caller gets its own answer, exactly once, whatever the order in which they come,
//! lead and wake.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;

use crate::queue::{Limits, Queue};

/// What the work saw, in order.
type Seen = Arc<Mutex<Vec<Vec<u32>>>>;

fn queue(items: usize) -> Arc<Queue<u32, Result<u32, ()>>> {
    Arc::new(Queue::new(Limits {
        items,
        weight: 100,
        weigh: |_| 1,
    }))
}

fn work(seen: &Seen, items: Vec<u32>) -> Vec<Result<u32, ()>> {
    seen.lock().unwrap().push(items.clone());
    items.into_iter().map(|item| Ok(item * 10)).collect()
}

/// Two items of each of several threads, in rounds of at most `items`.
fn explore(threads: u32, each: u32, items: usize) {
    loom::model(move || {
        let (queue, seen) = (queue(items), Seen::default());
        let submit = move |queue: &Queue<_, _>, seen: &Seen, thread: u32| {
            for at in 0..each {
                let item = thread * 10 + at;
                let answer = queue.submit(item, |items| work(seen, items), || Err(()));
                assert_eq!(answer, Ok(item * 10), "the answer of another, or none");
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
                let _ = queue.submit(1, |items| work(&seen, items), || Err(()));
            })
        };
        // The leader of the first round takes the items that came meanwhile in their order.
        let _ = queue.submit(2, |items| work(&seen, items), || Err(()));
        let _ = queue.submit(3, |items| work(&seen, items), || Err(()));
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
                    let answer = queue.submit(item, |items| work(&seen, items), || Err(()));
                    assert!(answer == Ok(item * 10) || answer == Err(()));
                })
            })
            .collect();
        // It panics only when it leads; otherwise another one answers.
        let led = catch_unwind(AssertUnwindSafe(|| {
            queue.submit(0, |_| panic!("the storage panics"), || Err(()))
        }));
        if let Ok(answer) = led {
            assert_eq!(answer, Ok(0));
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        // And the queue still works.
        let answer = queue.submit(9, |items| work(&seen, items), || Err(()));
        assert_eq!(answer, Ok(90));
    });
}
