//! The same with many processes on one index in a bucket, see the head of `rivals.rs`.

use std::thread;
use std::time::{Duration, Instant};

use sidx_host::Index;

use super::random_stops::number;
use super::real_bucket::Real;
use super::{Arena, Ground, INDEX, run};

const WRITERS: u64 = 16;
/// Longer than any lease that somebody died with.
const PATIENCE: Duration = Duration::from_secs(60);
/// What others keep beside the index; none of it ends as the lock does.
const FOREIGN: [&str; 4] = [
    "readme.foreign",
    "j/index.foreign",
    "ii/parts/x.foreign",
    "i.foreign",
];

impl Arena {
    pub(super) fn is_bucket(&self) -> bool {
        matches!(self.ground, Ground::Bucket(_))
    }

    /// Opens the index for writing when nobody is left who does.
    pub(super) fn open_in_the_end(&self) -> Index {
        let begun = Instant::now();
        let builder = self.options();
        loop {
            match builder.clone().open() {
                Err(error) if error.message().contains("lease") && begun.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(50));
                }
                opened => return opened.expect("it opens"),
            }
        }
    }
}

#[test]
fn sixteen_processes_that_race_in_a_bucket_lose_nothing() {
    let Some(real) = Real::find("race") else {
        return;
    };
    let seed = number("SIDX_RIVALS_SEED", 1);
    println!("SIDX_RIVALS_SEED={seed}");
    for name in FOREIGN {
        real.put(name, &format!("{name} of others"));
    }
    let before = real.objects(".foreign");
    assert_eq!(before.len(), FOREIGN.len());
    let seconds = number("SIDX_RACE_SECONDS", 60);
    let arena = Arena::new(Ground::Bucket(real), seconds);
    run(&arena, WRITERS, seed);
    let Ground::Bucket(real) = &arena.ground else {
        return;
    };
    assert_eq!(real.objects(".foreign"), before);
    let names = real.store().index_names().expect("names");
    assert_eq!(names, [INDEX]);
}
