//! Who goes on, and who dies.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::failure::Failure;
use super::stage::{Director, Fate, Step, Verb};

/// Chances by a seed: some actors sleep for long, some die, calls of some fail.
pub struct Chance {
    random: SmallRng,
    now: u64,
    /// Before this step of all nobody wakes the actor, unless all sleep.
    asleep_until: Vec<u64>,
    /// The actor dies at this step of its own.
    dies_at: Vec<Option<u64>>,
    /// How likely an actor falls asleep before a step that others can see, and before another.
    falls_asleep: (f64, f64),
    /// How likely the turn goes to another without that.
    switches: f64,
    failures: Option<Failures>,
}

/// Chances of failing calls. They have random numbers of their own: a run is the same without them up
/// to the first failure.
struct Failures {
    random: SmallRng,
    /// How likely a call fails.
    begin: f64,
    /// How likely the next call of an actor fails after one that did.
    goes_on: f64,
    /// How the last call of each actor failed, if it did.
    last: Vec<Option<Failure>>,
}

impl Failures {
    fn new(seed: u64, actors: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        Self {
            begin: [0.002, 0.01, 0.05][random.random_range(0..3)],
            goes_on: [0.0, 0.3, 0.9][random.random_range(0..3)],
            last: vec![None; actors],
            random,
        }
    }

    /// How a call fails, if it does. A medium that was full has not more room for the next one.
    fn next(&mut self, step: &Step) -> Option<Failure> {
        let all = step.verb.failures();
        if all.is_empty() {
            return None;
        }
        let last = self.last[step.actor];
        let chance = last.map_or(self.begin, |_| self.goes_on);
        let failure = self.random.random_bool(chance).then(|| match last {
            Some(last) if last.is_full() => all.iter().copied().find(|it| it.is_full()),
            _ => Some(all[self.random.random_range(0..all.len())]),
        });
        let needs_room = all.iter().any(|it| it.is_full());
        if !last.is_some_and(Failure::is_full) || needs_room {
            self.last[step.actor] = failure.flatten();
        }
        failure.flatten()
    }
}

/// Longer than any run.
const FOR_EVER: u64 = 1 << 40;

impl Chance {
    /// Chances for so many actors.
    pub fn new(seed: u64, actors: usize, fails: bool) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let falls_asleep = [0.0, 0.02, 0.08, 0.25][random.random_range(0..4)];
        let dies_at = (0..actors)
            .map(|_| {
                // Small distances are as likely as large ones: they hit the first steps of an
                // opening.
                let most = 1_u64 << random.random_range(2..10);
                random
                    .random_bool(0.3)
                    .then(|| random.random_range(1..=most))
            })
            .collect();
        Self {
            now: 0,
            asleep_until: vec![0; actors],
            dies_at,
            falls_asleep: (falls_asleep, falls_asleep / 8.0),
            switches: [0.0, 0.01, 0.1, 0.5][random.random_range(0..4)],
            failures: fails.then(|| Failures::new(seed, actors)),
            random,
        }
    }

    /// Steps of others that an actor sleeps: few, many or all there are.
    fn long_sleep(&mut self) -> u64 {
        let mean = [3.0, 20.0, 100.0, 400.0, FOR_EVER as f64][self.random.random_range(0..5)];
        if mean > 1e6 {
            return FOR_EVER;
        }
        let uniform: f64 = self.random.random_range(1e-9..1.0);
        1 + (-uniform.ln() * mean) as u64
    }
}

impl Director for Chance {
    fn next(&mut self, step: Option<&Step>, awake: &[usize]) -> usize {
        self.now += 1;
        let current = step.filter(|step| step.verb != Verb::End);
        if let Some(step) = current {
            let (seen, unseen) = self.falls_asleep;
            let chance = if step.verb.changes() { seen } else { unseen };
            if self.random.random_bool(chance) {
                self.asleep_until[step.actor] = self.now.saturating_add(self.long_sleep());
            }
        }
        let (now, until) = (self.now, &self.asleep_until);
        let mut ready: Vec<usize> = awake.to_vec();
        ready.retain(|actor| until[*actor] <= now);
        if ready.is_empty() {
            // The one who sleeps for the shortest time; of those who sleep for ever any.
            let least = awake.iter().map(|actor| until[*actor]).min().unwrap_or(0);
            let limit = least.max(FOR_EVER.min(least.saturating_mul(2)));
            ready = awake.to_vec();
            ready.retain(|actor| until[*actor] <= limit);
            let woken = ready[self.random.random_range(0..ready.len())];
            self.asleep_until[woken] = 0;
            return woken;
        }
        match current {
            Some(step)
                if ready.contains(&step.actor) && !self.random.random_bool(self.switches) =>
            {
                step.actor
            }
            _ => ready[self.random.random_range(0..ready.len())],
        }
    }

    fn fate(&mut self, step: &Step) -> Fate {
        match self.dies_at[step.actor] {
            Some(at) if step.number >= at && self.random.random() => Fate::DiesWithin,
            Some(at) if step.number >= at => Fate::Dies,
            _ => {
                let failures = self.failures.as_mut();
                let failure = failures.and_then(|failures| failures.next(step));
                failure.map_or(Fate::Lives, Fate::Fails)
            }
        }
    }
}

/// Up to which step an actor goes on.
pub enum Until {
    /// To its end.
    End,
    /// Until it is about to make a step that this is true of.
    About(Box<dyn FnMut(&Step) -> bool + Send>),
    /// It dies at its next step.
    Death,
    /// Past the next calls that can fail so, as many as that, which do.
    Failure(Failure, u64),
}

impl Until {
    /// Until it is about to make its step of this number.
    pub fn step(number: u64) -> Until {
        Until::About(Box::new(move |step| step.number >= number))
    }

    /// Until the call of this kind, on a path that ends so, for the `nth` time from here on.
    pub fn call(verb: Verb, ending: &str, nth: u32) -> Until {
        let ending = ending.to_owned();
        let mut left = nth;
        Until::About(Box::new(move |step| {
            if step.verb != verb || !step.path.ends_with(&ending) {
                return false;
            }
            left -= 1;
            left == 0
        }))
    }

    /// Until the call that can fail so, for the `nth` time from here on.
    pub fn can_fail(failure: Failure, nth: u64) -> Until {
        let mut left = nth;
        Until::About(Box::new(move |step| {
            left -= u64::from(step.verb.failures().contains(&failure));
            left == 0
        }))
    }

    /// Until its next pause.
    pub fn pause() -> Until {
        Until::call(Verb::Pause, "", 1)
    }
}

/// A fixed order: each line is an actor, and up to where it goes on. Whoever is left at the end
/// goes on to its own end.
pub struct Script {
    lines: std::vec::IntoIter<(usize, Until)>,
    current: Option<(usize, Until)>,
}

impl Script {
    /// The script of these lines.
    pub fn new(lines: Vec<(usize, Until)>) -> Self {
        Self {
            lines: lines.into_iter(),
            current: None,
        }
    }
}

impl Director for Script {
    fn next(&mut self, step: Option<&Step>, awake: &[usize]) -> usize {
        if let (Some(step), Some((actor, until))) = (step, &mut self.current)
            && step.actor == *actor
            && step.verb != Verb::End
        {
            let is_here = match until {
                Until::About(is_here) => is_here(step),
                Until::End | Until::Death | Until::Failure(..) => false,
            };
            if !is_here {
                return step.actor;
            }
        }
        loop {
            self.current = self.lines.next();
            match &self.current {
                Some((actor, _)) if awake.contains(actor) => return *actor,
                Some(_) => {}
                None => {
                    let unfinished = step.filter(|step| step.verb != Verb::End);
                    let unfinished = unfinished.map(|step| step.actor);
                    return unfinished
                        .filter(|it| awake.contains(it))
                        .unwrap_or(awake[0]);
                }
            }
        }
    }

    fn fate(&mut self, step: &Step) -> Fate {
        match &mut self.current {
            Some((actor, Until::Death)) if *actor == step.actor => Fate::Dies,
            Some((actor, Until::Failure(failure, left)))
                if *actor == step.actor && step.verb.failures().contains(failure) =>
            {
                let fate = Fate::Fails(*failure);
                *left -= 1;
                if *left == 0 {
                    self.current = None;
                }
                fate
            }
            _ => Fate::Lives,
        }
    }
}
