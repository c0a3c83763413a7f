//! Views and those who read them: no part that a reader may still read is removed.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;
use sidx_engine::{FlushNeed, View};

use crate::views::Views;

fn view(version: u64) -> View {
    View {
        version,
        epoch: 0,
        bytes: Vec::new(),
        flush_need: FlushNeed::default(),
    }
}

/// Part `n` is in the views of version `n` and no other: each change replaces the only part.
#[derive(Default)]
struct Parts {
    removed: Mutex<Vec<u64>>,
}

impl Parts {
    /// Opens the part of a view, which must be there.
    fn read(&self, version: u64) {
        let removed = self.removed.lock().unwrap();
        assert!(!removed.contains(&version), "part {version} is gone");
    }

    /// As the introducer does: removes the parts that left the list at a version that every reader, of
    /// now and later, has reached.
    fn remove_dead(&self, views: &Views, dead: &mut Vec<u64>) {
        let oldest = views.oldest_or_newest();
        dead.retain(|part| {
            let since = part + 1;
            if since > oldest {
                return true;
            }
            self.removed.lock().unwrap().push(*part);
            false
        });
    }
}

fn explore(readers: usize, reads: usize, changes: u64, preemptions: Option<usize>) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        let (views, parts) = (Views::new(), Arc::new(Parts::default()));
        views.publish(view(1), None).unwrap();
        let readers: Vec<_> = (0..readers)
            .map(|_| {
                let (views, parts) = (Arc::clone(&views), Arc::clone(&parts));
                thread::spawn(move || {
                    let mut last = 0;
                    for _ in 0..reads {
                        let pin = views.pin();
                        let version = pin.view().version;
                        assert!(version >= last, "a reader went back in time");
                        last = version;
                        parts.read(version);
                        thread::yield_now();
                        parts.read(version);
                    }
                })
            })
            .collect();
        let mut dead = Vec::new();
        for version in 2..2 + changes {
            // A change first removes what earlier ones left behind, then takes its own part out.
            parts.remove_dead(&views, &mut dead);
            dead.push(version - 1);
            parts.remove_dead(&views, &mut dead);
            views.publish(view(version), None).unwrap();
        }
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
        parts.remove_dead(&views, &mut dead);
        assert!(dead.is_empty(), "parts that nobody reads stayed: {dead:?}");
    });
}

/// One reader that comes twice, and two changes.
pub fn a_reader_keeps_the_parts_of_its_view_through_changes() {
    explore(1, 2, 2, None);
}

/// Two readers, and two changes; a thread is interrupted at most twice, which spares hours.
pub fn two_readers_keep_the_parts_of_their_views_through_a_change() {
    explore(2, 1, 2, Some(2));
}
