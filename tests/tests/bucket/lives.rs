//! Random lives of an index in a bucket whose service loses, delays, repeats and refuses, and whose writers
//! die in the middle of a request or fall asleep and wake when others write.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::storage::{BucketStore, RequestLimits};
use sidx_host::{Engine, Store};
use sidx_tests::service::{Fault, Faults, Gate, Hook, Quirks, Request, Service, Step};

use super::life::{Life, World, random_step};
use super::place::PREFIX;

/// Turns of a life, each with a fate of its writer.
const TURNS: u32 = 6;
/// Steps of a turn.
const STEPS: u32 = 16;
const LEASE: Duration = Duration::from_millis(100);

/// A service whose requests fail.
struct Stormy {
    service: Service,
    faults: Faults,
    is_calm: Cell<bool>,
    names: RefCell<Vec<String>>,
}

impl Stormy {
    fn new(seed: u64, random: &mut SmallRng) -> Self {
        let service = Service::new(seed);
        service.set_quirks(Quirks {
            bare_etags: random.random_bool(0.2),
            refuses_suffixes: random.random_bool(0.2),
            keys_per_page: [3, 1000][random.random_range(0..2)],
            remembers_completed: random.random(),
            ..Quirks::default()
        });
        let chance = [0.0, 0.002, 0.01, 0.03][random.random_range(0..4)];
        let denied = [0.0, 0.0, 0.003][random.random_range(0..3)];
        let faults = Faults::passing(chance)
            .with(Fault::Denied, denied)
            .with_late_after(1..=40);
        Self {
            service,
            faults,
            is_calm: Cell::new(true),
            names: RefCell::default(),
        }
    }

    /// Whether requests of a client fail as all do.
    fn set(&self, name: &str) {
        let faults = match self.is_calm.get() {
            true => Faults::none(),
            false => self.faults.clone(),
        };
        self.service.set_faults(name, faults);
    }
}

impl World for Stormy {
    fn store(&self, process: &str) -> Store {
        self.names.borrow_mut().push(process.to_owned());
        self.set(process);
        let limits = RequestLimits {
            retry_timeout: Duration::from_millis(60),
            retry_delay: Duration::from_micros(200),
            ..RequestLimits::default()
        };
        let client = self.service.client(process);
        let store = BucketStore::new(client, "s3://bucket/a", PREFIX, limits, LEASE);
        Store::with_backend(Arc::new(store.unwrap()))
    }

    fn calm(&self, is_calm: bool) {
        self.is_calm.set(is_calm);
        for name in self.names.borrow().iter() {
            self.set(name);
        }
    }
}

/// The process dies with one of its next requests, of which nobody knows whether it was carried out.
fn death(random: &mut SmallRng) -> Hook {
    let most = 1 << random.random_range(0..8);
    let requests = random.random_range(0..most);
    let left = AtomicI64::new(requests);
    let last = [Fault::LostBefore, Fault::LostAfter, Fault::Late][random.random_range(0..3)];
    Arc::new(
        move |_: &Request| match left.fetch_sub(1, Ordering::SeqCst) {
            1.. => Step::Pass,
            0 => Step::Fault(last),
            _ => Step::Fault(Fault::LostBefore),
        },
    )
}

fn live(seed: u64, engine: Engine) {
    let told = Told(seed, engine);
    let mut random = SmallRng::seed_from_u64(seed);
    let world = Stormy::new(seed, &mut random);
    let mut life = Life::begin(&world, engine, &mut random);
    for _ in 0..TURNS {
        let fate = random.random_range(0..4);
        if fate == 0 {
            let hook = death(&mut random);
            world.service.set_hook(&life.process(), Some(hook));
        }
        for _ in 0..random.random_range(1..STEPS) {
            life.step(random_step(&mut random), &mut random);
        }
        if fate == 1 {
            // Falls asleep before a request, and wakes when another has taken over.
            let gate = Gate::closed();
            let process = life.process();
            world.service.set_hook(&process, Some(gate.hook()));
            let sleeper = life.leave();
            life.reopen(&mut random);
            for _ in 0..random.random_range(0..STEPS) {
                life.step(random_step(&mut random), &mut random);
            }
            gate.open();
            life.write_in_vain(&sleeper.unwrap(), &mut random);
        }
    }
    life.end(&mut random);
    drop(told);
}

/// Names the seed of a failed life.
struct Told(u64, Engine);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Told(seed, engine) = self;
            eprintln!("SIDX_BUCKET_SEED={seed} repeats this life of the {engine:?} engine");
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn live_often(engine: Engine, runs: u64) {
    if let Some(seed) = variable("SIDX_BUCKET_SEED") {
        live(seed, engine);
        return;
    }
    for seed in 1..=runs {
        live(seed, engine);
    }
    println!("{runs} lives of the {engine:?} engine");
}

#[test]
fn no_life_in_a_bucket_loses_what_was_promised() {
    live_often(Engine::Native, variable("SIDX_BUCKET_RUNS").unwrap_or(30));
}

#[test]
fn no_life_in_a_bucket_loses_what_was_promised_through_the_component() {
    let runs = variable("SIDX_BUCKET_RUNS").map_or(6, |runs| (runs / 5).max(6));
    live_often(Engine::Component, runs);
}
