//! Several writers in random order: the entries of whoever opened the log last count, and no others.

use super::fencing::reader;
use super::{Medium, Random, content, on_both_forms, replay, seals_on, writing, writing_alone};
use crate::{Durability, Error, Form, Log};

on_both_forms! {
    whatever_the_order_the_entries_of_the_newest_writer_count
}

/// Runs of the random test: of the normal one, or as many as the variable says.
fn runs() -> u64 {
    let given = std::env::var("SIDX_LOG_RUNS").ok();
    given.map_or(2_000, |runs| runs.parse().expect("a number"))
}

/// An entry that counts, and where it lies.
type Kept = (u64, (Vec<u8>, Vec<u8>));

/// Several writers on one medium, in the order of their openings.
struct Race<M: Medium> {
    medium: M,
    writers: Vec<Log<M>>,
    kept: Vec<Kept>,
    /// Up to where the newest writer has given up entries.
    needed: u64,
    end: u64,
    appended: u64,
    /// How many openings made seals.
    sealed: usize,
    /// Reads all the time, and has come up to its end.
    follower: Log<M>,
}

impl<M: Medium> Race<M> {
    fn open(&mut self, random: &mut Random) {
        let access = match random.below(3) {
            0 => {
                // Nobody may be at work.
                self.writers.clear();
                writing_alone()
            }
            _ => writing(),
        };
        if self.medium.form() == Form::Whole && access.seals() {
            self.sealed += 1;
        }
        let mut log = Log::open_from(self.medium.clone(), access, self.needed).expect("sound");
        assert_eq!(log.end(), self.end, "an opening differs");
        log.limit_segments([1, 150, 300, 1 << 20][random.below(4) as usize]);
        self.writers.push(log);
    }

    fn append(&mut self, random: &mut Random) {
        let newest = self.writers.len() - 1;
        let at = match random.below(3) {
            0 => random.below(newest as u64 + 1) as usize,
            _ => newest,
        };
        let entries: Vec<_> = (0..1 + random.below(3))
            .map(|i| content(self.appended + i))
            .collect();
        self.appended += entries.len() as u64;
        let slices: Vec<(&[u8], &[u8])> = entries.iter().map(|(h, b)| (&h[..], &b[..])).collect();
        let durability = [Durability::Os, Durability::Sync][random.below(2) as usize];
        let result = self.writers[at].append(&slices, durability);
        if at < newest {
            // Whatever the others have given up meanwhile.
            let is_told = matches!(result, Err(Error::Overtaken(_) | Error::Failed(_)));
            assert_eq!(is_told, self.medium.form() == Form::Whole);
            return;
        }
        assert!(result.is_ok(), "{:?}", result.err());
        for entry in entries {
            let bytes = (24 + entry.0.len() + entry.1.len()) as u64;
            self.kept.push((self.end, entry));
            self.end += bytes;
        }
        assert_eq!(self.writers[newest].end(), self.end);
    }

    /// The follower sees what came since, or says that it is to be opened anew.
    fn follow(&mut self, what: &str) {
        // What was given up may still be there.
        let seen = self.follower.end().max(self.needed);
        if !self.follower.follow().expect("looked") {
            self.follower = reader(&self.medium, self.needed);
            return;
        }
        assert_eq!(self.follower.end(), self.end, "{what}: followed");
        let later = self.kept.iter().filter(|(position, _)| *position >= seen);
        let wanted: Vec<_> = later.map(|(_, entry)| entry.clone()).collect();
        assert!(
            replay(&mut self.follower, seen) == wanted,
            "{what}: followed"
        );
    }

    fn drop_before(&mut self, random: &mut Random) {
        // It keeps what it has not seen, where that must be asked for by name.
        if self.medium.form() == Form::Whole {
            self.follow("before entries are given up");
        }
        let Some(newest) = self.writers.last_mut() else {
            return;
        };
        let ends = [self.end, self.end + 1 + random.below(50)];
        let positions: Vec<u64> = { self.kept.iter() }
            .map(|(position, _)| *position)
            .chain(ends.into_iter().take(1 + random.below(2) as usize))
            .collect();
        let position = positions[random.below(positions.len() as u64) as usize];
        newest.drop_before(position).expect("given up");
        self.needed = self.needed.max(position);
        self.end = self.end.max(position);
        self.kept.retain(|(at, _)| *at >= position);
    }

    fn check(&self, what: &str) {
        assert_eq!(seals_on(&self.medium), self.sealed, "{what}: seals");
        let mut log = reader(&self.medium, self.needed);
        assert_eq!(log.end(), self.end, "{what}");
        let wanted: Vec<_> = self.kept.iter().map(|(_, entry)| entry.clone()).collect();
        assert!(
            replay(&mut log, self.needed) == wanted,
            "{what}: other entries"
        );
        let report = log.needed().check(&self.medium).expect("checked");
        assert_eq!(report.damage, Vec::<String>::new(), "{what}");
        assert_eq!(report.entries, wanted.len() as u64, "{what}");
    }
}

fn whatever_the_order_the_entries_of_the_newest_writer_count<M: Medium>() {
    for seed in 0..runs() {
        let random = &mut Random(seed);
        let medium = M::new();
        let mut race = Race {
            follower: reader(&medium, 0),
            medium,
            writers: Vec::new(),
            kept: Vec::new(),
            needed: 0,
            end: 0,
            appended: 0,
            sealed: 0,
        };
        race.open(random);
        for step in 0..3 + random.below(25) {
            let what = match random.below(10) {
                0..=1 => {
                    race.open(random);
                    "opened"
                }
                2 => {
                    race.drop_before(random);
                    "dropped"
                }
                _ => {
                    race.append(random);
                    "appended"
                }
            };
            let what = format!("seed {seed}, step {step}: {what}");
            race.check(&what);
            if random.below(3) == 0 {
                race.follow(&what);
            }
        }
    }
}
