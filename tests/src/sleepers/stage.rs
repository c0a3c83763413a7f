//! Threads of which one runs at a time, and what each of them did.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::ErrorKind;

use super::failure::Failure;

/// More steps than any run that comes to an end.
const MAX_STEPS: u64 = 60_000;

/// What an actor is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Its first step.
    Begin,
    /// Nothing, between two of its tasks.
    Pause,
    /// The end of its last task, after which it does nothing.
    End,
    /// A call of the storage of this name.
    Lock,
    /// `get` of an object.
    Get,
    /// `put_if_absent`.
    Put,
    /// `compare_and_swap`.
    Swap,
    /// `list_objects`.
    ListObjects,
    /// `remove_object`.
    RemoveObject,
    /// `create` of an immutable file.
    Create,
    /// `finish` of an immutable file.
    Finish,
    /// `open` of a file.
    Open,
    /// `read_at` of a file of the log.
    Read,
    /// `list` of a directory.
    List,
    /// `remove` of a file or directory.
    Remove,
    /// `rename`.
    Rename,
    /// `sync` of a directory.
    SyncNames,
    /// `append_file`.
    Grow,
    /// `append` to a growing file.
    Append,
    /// `sync` of a growing file.
    Sync,
    /// `truncate` of a growing file.
    Truncate,
    /// `unfinished`.
    Unfinished,
    /// `clear_unfinished`.
    Clear,
    /// `pin` of an epoch.
    Pin,
    /// `pinned_epochs`.
    Pinned,
}

impl Verb {
    /// Whether others can see what the call does.
    pub fn changes(self) -> bool {
        use Verb as V;
        matches!(
            self,
            V::Put
                | V::Swap
                | V::RemoveObject
                | V::Finish
                | V::Remove
                | V::Rename
                | V::Grow
                | V::Append
                | V::Truncate
                | V::Pin
        )
    }

    /// How a call can fail. What the contract of a storage leaves open after an error is left open
    /// here: a growing file may have taken a part, a directory may be removed in part. A file that
    /// was finished may be there although the answer was lost, as in a bucket. A medium that was
    /// full has no new object, and no new file that is made whole.
    pub fn failures(self) -> &'static [Failure] {
        use Failure::{Done, Full, HalfDone, HalfFull, Undone};
        use Verb as V;
        match self {
            V::Begin | V::Pause | V::End => &[],
            V::Lock | V::Get | V::ListObjects | V::Open | V::Read | V::List => &[Undone],
            V::Unfinished | V::Clear | V::Pin | V::Pinned => &[Undone],
            V::Put | V::Swap | V::Finish | V::Grow => &[Undone, Done, Full],
            V::Create | V::SyncNames => &[Undone, Full],
            V::RemoveObject | V::Rename | V::Truncate => &[Undone, Done],
            V::Remove => &[Undone, Done, HalfDone],
            V::Append => &[Undone, Done, HalfDone, Full, HalfFull],
            // What was appended stays: the power is not lost.
            V::Sync => &[Undone, Full],
        }
    }
}

/// A step of an actor.
#[derive(Clone, Debug)]
pub struct Step {
    /// Who.
    pub actor: usize,
    /// How many steps it has made with this one.
    pub number: u64,
    /// What.
    pub verb: Verb,
    /// Where.
    pub path: String,
}

/// What becomes of an actor at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Lives,
    /// Its process ends before the call.
    Dies,
    /// Its process ends in the middle of the call, if that can be.
    DiesWithin,
    /// The call fails, and it goes on with the error.
    Fails(Failure),
}

/// Decides about every step.
pub trait Director: Send {
    /// Who has the next turn, of those who have not come to their end; `step` is what the actor
    /// whose turn it was is about to do.
    fn next(&mut self, step: Option<&Step>, awake: &[usize]) -> usize;

    /// What becomes of the actor whose turn it is.
    fn fate(&mut self, step: &Step) -> Fate;
}

enum Line {
    Step(Step, Option<Failure>, Option<Option<ErrorKind>>),
    Note(usize, String),
}

struct Actor {
    name: String,
    steps: u64,
    /// How often it has listed the log.
    looks: u64,
    /// How many calls of it have failed.
    failures: u64,
    is_over: bool,
    is_dead: bool,
    /// Epochs that it has published in the opening that it is at.
    published: Option<u64>,
}

struct State {
    turn: Option<usize>,
    actors: Vec<Actor>,
    director: Box<dyn Director>,
    steps: u64,
    lines: Vec<Line>,
    failure: Option<String>,
    /// Where the random bits of actors come from.
    bits: SmallRng,
    /// Files that were begun.
    begun: u64,
    /// Who cleared away what was under construction, and up to which file.
    clearings: Vec<(usize, u64)>,
    /// Epochs that openings have published beyond their first, because others came between.
    retries: u64,
}

/// See the module.
pub struct Stage {
    state: Mutex<State>,
    woken: Vec<Condvar>,
}

impl Stage {
    /// Actors of these names, none of whom has begun.
    pub fn new(names: Vec<String>, director: Box<dyn Director>, seed: u64) -> Self {
        let woken = names.iter().map(|_| Condvar::new()).collect();
        let actor = |name| Actor {
            name,
            steps: 0,
            looks: 0,
            failures: 0,
            is_over: false,
            is_dead: false,
            published: None,
        };
        let state = State {
            turn: None,
            actors: names.into_iter().map(actor).collect(),
            director,
            steps: 0,
            lines: Vec::new(),
            failure: None,
            bits: SmallRng::seed_from_u64(seed),
            begun: 0,
            clearings: Vec::new(),
            retries: 0,
        };
        Self {
            state: Mutex::new(state),
            woken,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Gives the first turn.
    pub fn start(&self) {
        let mut state = self.state();
        self.pass(&mut state, None);
    }

    /// Waits for the first turn of an actor.
    pub fn enter(&self, actor: usize) {
        drop(self.wait_for_turn(self.state(), actor));
    }

    /// An actor has come to its end.
    pub fn leave(&self, actor: usize) {
        let mut state = self.state();
        state.actors[actor].is_over = true;
        let step = state.step_of(actor, Verb::End, "");
        self.pass(&mut state, Some(step));
    }

    /// Sleeps before a step. The caller makes it on return if it [lives](Fate::Lives), or lets it
    /// [fail](Fate::Fails); else it makes no other one.
    pub fn sleep(&self, actor: usize, verb: Verb, path: &str) -> Fate {
        let mut state = self.state();
        if state.actors[actor].is_dead {
            return Fate::Dies;
        }
        state.steps += 1;
        state.actors[actor].steps += 1;
        state.actors[actor].looks += u64::from(verb == Verb::List && path == "log");
        if state.steps == MAX_STEPS {
            state.fail(format!("no end after {MAX_STEPS} steps"));
        }
        let step = state.step_of(actor, verb, path);
        self.pass(&mut state, Some(step.clone()));
        let mut state = self.wait_for_turn(state, actor);
        let mut fate = state.director.fate(&step);
        if state.failure.is_some() {
            fate = Fate::Dies;
        }
        let failure = match fate {
            Fate::Fails(failure) => Some(failure),
            _ => None,
        };
        state.lines.push(Line::Step(step, failure, None));
        state.actors[actor].failures += u64::from(failure.is_some());
        if matches!(fate, Fate::Dies | Fate::DiesWithin) {
            state.actors[actor].is_dead = true;
            state.lines.push(Line::Note(actor, format!("{fate:?}")));
        }
        fate
    }

    /// Notes what came of the step that was begun last.
    pub fn answered(&self, error: Option<ErrorKind>) {
        let mut state = self.state();
        let Some(Line::Step(step, _, answer)) = state.lines.last_mut() else {
            return;
        };
        *answer = Some(error);
        let is_epoch = step.verb == Verb::Put && step.path.ends_with(".snapshot");
        let actor = step.actor;
        if let (true, None, Some(published)) = (is_epoch, error, &mut state.actors[actor].published)
        {
            *published += 1;
            let is_retry = *published > 1;
            state.retries += u64::from(is_retry);
        }
    }

    /// An actor begins to open the index for writing, or has ended that.
    pub fn set_opening(&self, actor: usize, is_opening: bool) {
        self.state().actors[actor].published = is_opening.then_some(0);
    }

    /// Epochs that openings have published beyond their first.
    pub fn retries(&self) -> u64 {
        self.state().retries
    }

    /// Notes what an actor does.
    pub fn note(&self, actor: usize, text: String) {
        self.state().lines.push(Line::Note(actor, text));
    }

    /// Whether the process of an actor has ended.
    pub fn is_dead(&self, actor: usize) -> bool {
        self.state().actors[actor].is_dead
    }

    /// 128 bits that are others each time, and the same in each repetition of a run.
    pub fn nonce(&self) -> u128 {
        self.state().bits.random()
    }

    /// A file is begun. Returns which it is.
    pub fn begin_file(&self) -> u64 {
        let mut state = self.state();
        state.begun += 1;
        state.begun
    }

    /// The file that was begun last.
    pub fn last_file(&self) -> u64 {
        self.state().begun
    }

    /// An actor clears away what others have under construction, up to a file.
    pub fn clear_unfinished(&self, actor: usize, last: u64) {
        self.state().clearings.push((actor, last));
    }

    /// Whether a file that an actor began is gone.
    pub fn is_cleared(&self, actor: usize, file: u64) -> bool {
        let state = self.state();
        let is_hit = |(other, last): &(usize, u64)| *other != actor && file <= *last;
        state.clearings.iter().any(is_hit)
    }

    /// Steps that were made by all.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Steps that an actor has made.
    pub fn steps_of(&self, actor: usize) -> u64 {
        self.state().actors[actor].steps
    }

    /// How often an actor has listed the log.
    pub fn looks_of(&self, actor: usize) -> u64 {
        self.state().actors[actor].looks
    }

    /// How many calls of an actor have failed.
    pub fn failures_of(&self, actor: usize) -> u64 {
        self.state().actors[actor].failures
    }

    /// How many calls have failed.
    pub fn failures(&self) -> u64 {
        self.state().actors.iter().map(|actor| actor.failures).sum()
    }

    /// Something is wrong: no actor makes another step.
    pub fn fail(&self, what: String) {
        self.state().fail(what);
    }

    /// What was wrong first.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Gives the turn to whom the director chooses.
    fn pass(&self, state: &mut State, step: Option<Step>) {
        let all = state.actors.iter().enumerate();
        let awake: Vec<usize> = all
            .filter(|(_, actor)| !actor.is_over)
            .map(|(at, _)| at)
            .collect();
        state.turn = match (awake.as_slice(), &state.failure) {
            ([], _) => None,
            // All come to their end, one after the other.
            ([first, ..], Some(_)) => Some(step.map_or(*first, |step| match step.verb {
                Verb::End => *first,
                _ => step.actor,
            })),
            (awake, None) => Some(state.director.next(step.as_ref(), awake)),
        };
        if let Some(next) = state.turn {
            self.woken[next].notify_one();
        }
    }

    fn wait_for_turn<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        actor: usize,
    ) -> MutexGuard<'a, State> {
        while state.turn != Some(actor) {
            state = self.woken[actor].wait(state).unwrap();
        }
        state
    }
}

impl State {
    fn step_of(&self, actor: usize, verb: Verb, path: &str) -> Step {
        Step {
            actor,
            number: self.actors[actor].steps,
            verb,
            path: path.to_owned(),
        }
    }

    fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }
}

/// Every step and note, a line each.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        for line in &state.lines {
            match line {
                Line::Note(actor, text) => {
                    writeln!(f, "{:<10} -- {text}", state.actors[*actor].name)?;
                }
                Line::Step(step, failure, answer) => {
                    let Step {
                        actor,
                        number,
                        verb,
                        path,
                    } = step;
                    let name = &state.actors[*actor].name;
                    write!(f, "{name:<10} {number:>4} {verb:?} {path}")?;
                    if let Some(Some(kind)) = answer {
                        write!(f, ": {}", kind.name())?;
                    }
                    match failure {
                        Some(failure) => writeln!(f, " ({failure:?})")?,
                        None => writeln!(f)?,
                    }
                }
            }
        }
        Ok(())
    }
}
