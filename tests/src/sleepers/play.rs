//! A whole run: a cast on a stage, and the judgement when all have come to their end.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::storage::{BucketStore, MemoryStore, RequestLimits, Store as Backend};
use sidx_host::{ErrorKind, Store};

use super::actor::Actor;
use super::cast::{Cast, keys, options, options_of, rows};
use super::casting::{Locks, random_brancher, random_cast};
use super::director::{Chance, Script, Until};
use super::pins::Pins;
use super::record::{Fate, Record};
use super::stage::{Director, Stage};
use super::storage::{Died, Me, SleepyStore};
use super::task::{Part, Task};
use crate::service::{Faults, Service};
use crate::subject::NAME;
use crate::ungrowing::UngrowingStore;

/// Snapshots that may lie there beside those of openings that were not closed: the newest, those
/// that it replaced and whose removal somebody died over, and that of the judge.
const SPARE_SNAPSHOTS: u64 = 4;

/// How the log lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// In files that grow.
    Growing,
    /// In an object for each commit.
    Whole,
    /// The same in a bucket, of a service that loses answers and does things late.
    Bucket,
}

impl Log {
    /// All.
    pub const ALL: [Log; 3] = [Log::Growing, Log::Whole, Log::Bucket];

    /// An empty store in memory with such logs; from the seed come the faults of a service.
    pub fn store(self, seed: u64) -> Arc<dyn Backend> {
        let store = Arc::new(MemoryStore::new());
        match self {
            Log::Growing => store,
            Log::Whole => Arc::new(UngrowingStore(store)),
            Log::Bucket => Arc::new(bucket(seed)),
        }
    }
}

/// A store in a bucket. Every request is answered in the end.
fn bucket(seed: u64) -> BucketStore {
    let service = Service::new(seed);
    let client = service.client("all");
    let limits = RequestLimits {
        retry_delay: Duration::from_nanos(1),
        ..RequestLimits::default()
    };
    // Nobody is as slow as that.
    let lease = Duration::from_secs(600);
    let store = BucketStore::new(client, "s3://bucket", "", limits, lease).expect("a store");
    let faults = Faults::passing(0.004).with_late_after(1..=40);
    service.set_faults("all", faults);
    store
}

/// What came of a run.
pub struct Played {
    /// What was wrong.
    pub failure: Option<String>,
    /// Every step.
    pub trace: String,
    /// Steps of all, and of each actor.
    pub steps: u64,
    /// Steps of each actor.
    pub steps_of: Vec<u64>,
    /// Errors by their text.
    pub errors: BTreeMap<String, u64>,
    /// Batches that were acknowledged, refused, and of neither is known.
    pub batches: [u64; 3],
    /// Snapshots that lie there in the end, and openings that were not closed; each attempt of one
    /// that others came between counts.
    pub snapshots: (u64, u64),
    /// Calls that failed.
    pub failures: u64,
}

impl Played {
    /// Panics with the steps of a run that failed.
    #[track_caller]
    pub fn expect(self, what: &str) -> Played {
        if let Some(failure) = &self.failure {
            eprintln!("{}", self.trace);
            panic!("{what}: {failure}");
        }
        self
    }
}

/// Plays a random run. The same seed is the same run. In every third one calls fail.
pub fn play_random(seed: u64, locks: Locks) -> Played {
    let mut random = SmallRng::seed_from_u64(seed);
    let log = match (random.random_range(0..2), seed % 5) {
        (_, 0) => Log::Bucket,
        (0, _) => Log::Growing,
        _ => Log::Whole,
    };
    let is_made = random.random_bool(0.8);
    let mut cast = random_cast(&mut random, locks);
    // Numbers of their own, so that all else of a run is as it is without.
    let mut others = SmallRng::seed_from_u64(!seed);
    cast.extend(random_brancher(&mut others, locks));
    let chance = Chance::new(random.random(), cast.len(), seed % 3 == 2);
    let bits = random.random();
    // Renewed pins, where nobody has locks that end with their process.
    let renewed = locks == Locks::Some && seed % 4 == 1;
    let patience = renewed.then_some(2 + seed / 4 % 40);
    let mut played = play(log, is_made, &cast, Box::new(chance), (bits, patience));
    played
        .trace
        .insert_str(0, &format!("{log:?} log, made before: {is_made}\n"));
    played
}

/// Plays a script on a new index; from the seed come the random bits of actors.
pub fn play_script(log: Log, cast: &[Part], script: Vec<(usize, Until)>, seed: u64) -> Played {
    play(log, true, cast, Box::new(Script::new(script)), (seed, None))
}

/// The same where pins are given up that were not renewed for so many steps.
pub fn play_script_with_pins(
    log: Log,
    cast: &[Part],
    script: Vec<(usize, Until)>,
    seed: u64,
    patience: u64,
) -> Played {
    let script = Box::new(Script::new(script));
    play(log, true, cast, script, (seed, Some(patience)))
}

/// Plays a cast on an index that was made before, or is made by who comes first, with random bits, and the
/// steps after which pins that were not renewed are given up, if they are.
pub fn play(
    log: Log,
    is_made: bool,
    parts: &[Part],
    director: Box<dyn Director>,
    (bits, patience): (u64, Option<u64>),
) -> Played {
    let store = log.store(bits);
    if is_made {
        let made = options(&alone(&store, bits)).create();
        drop(made.expect("nobody else is there"));
    }
    let names = parts.iter().map(|part| part.name.clone()).collect();
    let cast = Cast {
        store,
        stage: Arc::new(Stage::new(names, director, bits)),
        pins: Arc::new(Pins::given_up_after(patience)),
        record: Mutex::new(Record::default()),
        branches: Mutex::default(),
        may_be_missing: !is_made || parts.iter().any(|part| part.tasks.contains(&Task::Remove)),
    };
    perform(&cast, parts);
    let mut snapshots = 0;
    if cast.stage.failure().is_none() {
        let judged = judge_end(&cast, bits);
        match judged.and_then(|count| judge_branches(&cast, bits).map(|()| count)) {
            Ok(count) => snapshots = count,
            Err(what) => cast.stage.fail(format!("in the end: {what}")),
        }
    }
    let record = cast.record();
    Played {
        failure: cast.stage.failure(),
        trace: cast.stage.to_string(),
        steps: cast.stage.steps(),
        steps_of: (0..parts.len()).map(|at| cast.stage.steps_of(at)).collect(),
        errors: record.errors().clone(),
        batches: record.counts(),
        snapshots: (snapshots, record.unclean() + cast.stage.retries()),
        failures: cast.stage.failures(),
    }
}

/// The store for an actor that has the stage for itself, and random bits that can be repeated.
fn alone(store: &Arc<dyn Backend>, bits: u64) -> Store {
    let names = vec!["alone".to_owned()];
    let stage = Arc::new(Stage::new(names, Box::new(Script::new(Vec::new())), bits));
    stage.start();
    Store::with_backend(Arc::new(SleepyStore {
        inner: Arc::clone(store),
        me: Me::new(stage, Arc::default(), 0),
        takes_lock: false,
        forgets: false,
    }))
}

/// A thread for each actor.
fn perform(cast: &Cast, parts: &[Part]) {
    thread::scope(|scope| {
        for (number, part) in parts.iter().enumerate() {
            let name = &part.name;
            let run = move || {
                cast.stage.enter(number);
                let played =
                    catch_unwind(AssertUnwindSafe(|| Actor::new(cast, number, part).play()));
                match played {
                    Ok(Ok(())) => {}
                    Ok(Err(what)) => cast.stage.fail(format!("{name}: {what}")),
                    Err(panic) if panic.is::<Died>() => {}
                    Err(panic) => {
                        let text = panic.downcast_ref::<String>().cloned();
                        let text = text.unwrap_or_else(|| "a panic".to_owned());
                        cast.stage.fail(format!("{name}: {text}"));
                    }
                }
                cast.stage.leave(number);
            };
            let thread = thread::Builder::new().name(name.clone());
            thread.spawn_scoped(scope, run).expect("a thread");
        }
        cast.stage.start();
    });
}

/// What branches show when all have come to their end, and whether everything can be dropped then.
fn judge_branches(cast: &Cast, bits: u64) -> Result<(), String> {
    let store = alone(&cast.store, bits.rotate_left(1));
    let branches = || cast.branches.lock().unwrap();
    let count = branches().all.len();
    for number in (0..count).rev() {
        let (name, there) = {
            let branches = branches();
            let branch = &branches.all[number];
            (branch.name.clone(), branch.there)
        };
        let told = |error: sidx_host::Error| format!("{name}: {error}");
        for opens in [false, true, false] {
            let opened = match opens {
                true => options_of(&store, &name).open(),
                false => options_of(&store, &name).read_only(),
            };
            let index = match (opened, there) {
                (Err(error), Fate::Unknown | Fate::Refused)
                    if error.kind() == ErrorKind::NotFound =>
                {
                    break;
                }
                (Ok(_), Fate::Refused) => return Err(format!("{name} is there")),
                (opened, _) => opened.map_err(told)?,
            };
            let found = rows(&index).map_err(told)?;
            branches().judge(&mut cast.record(), number, &found, true)?;
            let report = index.verify().map_err(told)?;
            if report["ok"] != true {
                return Err(format!("{name}: {report:#}"));
            }
        }
    }
    let names = branches()
        .all
        .iter()
        .map(|it| it.name.clone())
        .rev()
        .collect::<Vec<_>>();
    for name in names
        .iter()
        .map(String::as_str)
        .chain([NAME])
        .filter(|_| count > 0)
    {
        match options_of(&store, name).remove() {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Who made a branch died before it had a place.
            Err(error) if error.message().contains("holds no index") => {}
            Err(error) => {
                // In a bucket a reader may have died, or the answer to its going was lost.
                let mut left = names.iter().map(|name| pinned_places(&cast.store, name));
                if !left.any(|pinned| pinned > 0) {
                    return Err(format!("drop {name}: {error}"));
                }
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// In how many places of a name readers are at work, or may be.
fn pinned_places(store: &Arc<dyn Backend>, name: &str) -> usize {
    let below = store.places_below(name).unwrap_or_default();
    let pinned = below.iter().filter(|below| {
        let place = store.open_index(&format!("{name}/{below}"), false);
        place.is_ok_and(|place| place.pinned_epochs().is_ok_and(|epochs| !epochs.is_empty()))
    });
    pinned.count()
}

/// What is there when all have come to their end, for a reader, for a writer, and for a reader
/// after that. Returns how many snapshots are there.
fn judge_end(cast: &Cast, bits: u64) -> Result<u64, String> {
    let store = alone(&cast.store, !bits);
    if cast.may_be_missing
        && !store
            .index_names()
            .is_ok_and(|it| it.contains(&NAME.to_owned()))
    {
        let nothing: [_; 0] = [];
        return cast.record().judge_end(&nothing).map(|()| 0);
    }
    for round in 0..3 {
        let (who, opened) = match round {
            1 => ("a writer", options(&store).open()),
            _ => ("a reader", options(&store).read_only()),
        };
        let told = |error: sidx_host::Error| format!("{who}: {error}");
        let index = match opened {
            // Who dropped it did not come as far as to note that where names are listed.
            Err(error) if cast.may_be_missing && error.kind() == ErrorKind::NotFound => {
                return cast.record().judge_end(&[]).map(|()| 0);
            }
            opened => opened.map_err(told)?,
        };
        let found = rows(&index).map_err(told)?;
        let judged = cast.record().judge_end(&found);
        judged.map_err(|what| format!("{who} sees {:?}: {what}", keys(&found)))?;
        let report = index.verify().map_err(told)?;
        if report["ok"] != true {
            return Err(format!("{who}: {report:#}"));
        }
    }
    let storage = cast.store.open_index(NAME, false);
    let names = storage.and_then(|storage| storage.list_objects(""));
    let names = names.map_err(|error| error.to_string())?;
    let count = names.iter().filter(|name| name.ends_with(".snapshot"));
    let (count, unclean) = (
        count.count() as u64,
        cast.record().unclean() + cast.stage.retries(),
    );
    if count > unclean + SPARE_SNAPSHOTS {
        return Err(format!(
            "{count} snapshots after {unclean} attempts to open that were not closed"
        ));
    }
    Ok(count)
}
