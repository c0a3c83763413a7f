//! Random casts.

use rand::Rng;
use rand::rngs::SmallRng;
use sidx_host::Durability;

use super::task::{Deed, Part, Task};

/// Who takes the lock of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// Everybody: there is never more than one writer.
    All,
    /// Nobody, or some.
    Some,
}

/// A cast of random actors, of whom the first writes.
pub fn random_cast(random: &mut SmallRng, locks: Locks) -> Vec<Part> {
    let count = random.random_range(2..=4);
    let have_locks = random.random_bool(0.3);
    let mut cast = Vec::new();
    for number in 0..count {
        let role = match number {
            0 => 0,
            _ => random.random_range(0..20),
        };
        let (role, tasks) = match role {
            0..8 => ("writer", random_writer(random)),
            8..11 => ("opener", random_opener(random)),
            11..17 => ("reader", random_reader(random)),
            17 => ("repairer", vec![Task::Pause, Task::Repair]),
            18 => (
                "copier",
                vec![Task::Pause, Task::OpenReader, Task::Backup, Task::Backup],
            ),
            _ => (
                "checker",
                vec![Task::Pause, Task::OpenReader, Task::Verify, Task::Verify],
            ),
        };
        cast.push(Part {
            name: format!("{role} {number}"),
            tasks,
            patience: random.random_range(0..3),
            takes_lock: locks == Locks::All || (have_locks && random.random()),
        });
    }
    if random.random_bool(0.15) {
        let tasks = [Task::Pause, Task::Remove].repeat(random.random_range(1..3));
        cast.push(Part {
            name: "dropper".to_owned(),
            tasks,
            patience: 1,
            takes_lock: locks == Locks::All,
        });
    }
    cast
}

/// Whoever makes branches in a run, if anybody does.
pub fn random_brancher(random: &mut SmallRng, locks: Locks) -> Option<Part> {
    if !random.random_bool(0.3) {
        return None;
    }
    let mut tasks = vec![Task::Pause];
    for _ in 0..random.random_range(1..3) {
        tasks.push(Task::Branch);
        for _ in 0..random.random_range(1..9) {
            tasks.push(match random.random_range(0..100) {
                0..22 => Task::OnBranch(Deed::Write(random.random_range(1..4))),
                22..40 => Task::OnBranch(Deed::Flush),
                40..55 => Task::OnBranch(Deed::MergeAll),
                55..72 => Task::OnBranch(Deed::Read),
                72..82 => Task::OnBranch(Deed::Leave),
                82..88 => Task::OnBranch(Deed::Branch),
                88..92 => Task::OnBranch(Deed::Remove),
                _ => Task::Pause,
            });
        }
    }
    Some(Part {
        name: "brancher".to_owned(),
        tasks,
        patience: 3,
        takes_lock: locks == Locks::All,
    })
}

fn random_write(random: &mut SmallRng) -> Task {
    let durability = match random.random_bool(0.4) {
        true => Durability::Sync,
        false => Durability::Os,
    };
    Task::Write(random.random_range(1..4), durability)
}

fn random_writer(random: &mut SmallRng) -> Vec<Task> {
    let mut tasks = Vec::new();
    for _ in 0..random.random_range(1..4) {
        tasks.push(Task::Create);
        for _ in 0..random.random_range(1..9) {
            tasks.push(match random.random_range(0..100) {
                0..46 => random_write(random),
                46..65 => Task::Flush,
                65..73 => Task::MergeAll,
                73..76 => Task::Merge,
                76..80 => Task::Drop(random.random_range(0..110)),
                80..90 => Task::Read,
                90..95 => Task::Pause,
                95..98 => Task::Verify,
                _ => Task::Backup,
            });
        }
        tasks.push(match random.random_bool(0.7) {
            true => Task::Leave,
            false => Task::Close,
        });
    }
    tasks
}

fn random_opener(random: &mut SmallRng) -> Vec<Task> {
    let mut tasks = vec![Task::Pause];
    for _ in 0..random.random_range(1..4) {
        tasks.extend([Task::Create, random_write(random), Task::Leave, Task::Pause]);
    }
    tasks
}

fn random_reader(random: &mut SmallRng) -> Vec<Task> {
    let mut tasks = vec![Task::Pause];
    for _ in 0..random.random_range(1..5) {
        tasks.push(match random.random_bool(0.5) {
            true => Task::OpenReader,
            false => Task::OpenFollower,
        });
        tasks.push(Task::Read);
        if random.random_bool(0.5) {
            tasks.extend([Task::Pause, Task::Read]);
        }
        tasks.extend([Task::Leave, Task::Pause]);
    }
    tasks
}
