//! A disk in memory that loses power.
//!
//! It behaves like a POSIX file system and promises no more than that: bytes and sizes are on the
//! medium after a sync of their file, names after a sync of their directory. What was not synced is
//! undecided; when the power goes, each sector of 512 bytes, each size and each name takes, on its
//! own, one of the values that it had since then. A process that is killed takes nothing with it
//! but its locks.
//!
//! Every call is counted, and any of them can be made to be the last one before a crash, or to fail.
//! All that is left to chance comes from a seed. Clones of a disk go their own ways.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_host::storage::FileSystem;

mod content;
mod machine;
mod names;
mod room;

use content::Content;
use machine::Machine;
use names::Names;

/// How the life of a machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crash {
    /// The process is killed; what it handed to the operating system stays.
    Kill,
    /// The power goes; only what is on the medium stays, and chance decides about the rest.
    Power,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The medium does not answer. A sync that fails so loses what it was to bring to the medium,
    /// as on Linux: the next one succeeds without it.
    Io,
    /// No space is left. Calls that need none succeed.
    NoSpace,
    /// A write takes half of its bytes. When it lasts, later ones find no space.
    ShortWrite,
    /// Nothing can be changed. Calls that change nothing succeed.
    ReadOnly,
}

/// What is to happen at a call.
#[derive(Clone, Copy, Debug)]
enum Plan {
    /// The call is the last one; whether it comes about may be left to chance.
    Crash { comes_about: Option<bool> },
    /// The call fails; all later ones too if it lasts.
    Fail { fault: Fault, lasts: bool },
}

/// When something is to happen, counted from 1 after the last boot.
#[derive(Clone, Copy, Debug)]
enum At {
    Call(u64),
    Change(u64),
}

/// What a call does, as far as faults are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Changes nothing.
    Look,
    /// Takes space.
    Grow,
    /// Takes space, by writing.
    Write,
    /// Changes something and takes no space.
    Change,
    /// Brings something to the medium.
    Sync,
}

/// See the module.
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct State {
    random: SmallRng,
    files: BTreeMap<u64, Node>,
    next_file: u64,
    /// Counts changes; the time of the disk.
    clock: i64,
    calls: u64,
    /// Calls that were more than a look.
    changes: u64,
    plan: Option<(At, Plan)>,
    /// The call at which the plan came about first.
    struck: Option<u64>,
    crashed: bool,
    /// Handles of an earlier boot are dead.
    boot: u64,
    /// Files that are locked, with the handle that holds the lock.
    locks: BTreeMap<u64, u64>,
    next_handle: u64,
    /// Open handles of each file, which keep its bytes when its name goes.
    handles: BTreeMap<u64, u64>,
    /// Bytes that all files together may take; none without a limit.
    capacity: Option<u64>,
    /// How many files and directories there may be; none without a limit.
    most_files: Option<u64>,
    /// All calls, when they are recorded.
    journal: Option<Vec<String>>,
}

#[derive(Clone)]
struct Node {
    body: Body,
    modified: i64,
}

#[derive(Clone)]
enum Body {
    File(Content),
    Directory(Names),
}

/// The number of the uppermost directory.
const ROOT: u64 = 0;

impl SimulatedDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        let root = Node {
            body: Body::Directory(Names::default()),
            modified: 0,
        };
        let state = State {
            random: SmallRng::seed_from_u64(seed),
            files: BTreeMap::from([(ROOT, root)]),
            next_file: ROOT + 1,
            clock: 1,
            calls: 0,
            changes: 0,
            plan: None,
            struck: None,
            crashed: false,
            boot: 0,
            locks: BTreeMap::new(),
            next_handle: 0,
            handles: BTreeMap::new(),
            capacity: None,
            most_files: None,
            journal: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The same disk with the same past and another future, under the same machine or none.
    pub fn fork(&self, seed: u64) -> Self {
        let mut state = self.lock().clone();
        state.random = SmallRng::seed_from_u64(seed);
        state.locks.clear();
        state.handles.clear();
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The file system as the machine that runs now sees it.
    pub fn mount(&self) -> Arc<dyn FileSystem> {
        let boot = self.lock().boot;
        Arc::new(Machine::new(Arc::clone(&self.state), boot))
    }

    /// Calls since the last boot.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Starts to record calls, for messages.
    pub fn record(&self) {
        self.lock().journal.get_or_insert_default();
    }

    /// Adds a line to the record, if there is one.
    pub fn note(&self, text: impl FnOnce() -> String) {
        if let Some(journal) = &mut self.lock().journal {
            journal.push(text());
        }
    }

    /// All calls so far, if they are recorded.
    pub fn journal(&self) -> Vec<String> {
        self.lock().journal.clone().unwrap_or_default()
    }

    /// Lets the machine die at a call, counted from 1 after the last boot. Chance decides whether
    /// that call still comes about. All later calls fail until [`reboot`](Self::reboot).
    pub fn crash_at(&self, call: u64) {
        let plan = Plan::Crash { comes_about: None };
        self.lock().plan = Some((At::Call(call), plan));
    }

    /// Lets the machine die at a call that is more than a look, counted from 1 after the last boot,
    /// and says whether that call still comes about. A death at a look leaves what a death at the
    /// next change leaves that does not come about.
    pub fn crash_at_change(&self, change: u64, comes_about: bool) {
        let comes_about = Some(comes_about);
        self.lock().plan = Some((At::Change(change), Plan::Crash { comes_about }));
    }

    /// Forgets what was planned.
    pub fn calm(&self) {
        self.lock().plan = None;
    }

    /// Lets a call fail, counted from 1 after the last boot, and all that follow too if it `lasts`. A
    /// call that the fault can't concern passes it on to the next one that it can.
    pub fn fail_at(&self, call: u64, fault: Fault, lasts: bool) {
        self.lock().plan = Some((At::Call(call), Plan::Fail { fault, lasts }));
    }

    /// The call at which what was planned came about first.
    pub fn struck(&self) -> Option<u64> {
        self.lock().struck
    }

    /// Whether the machine is dead.
    pub fn is_crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Ends the machine, if it still runs, and starts the next one with what is left.
    pub fn reboot(&self, crash: Crash) {
        let mut state = self.lock();
        if crash == Crash::Power {
            state.lose_power();
        }
        state.calls = 0;
        state.changes = 0;
        state.plan = None;
        state.struck = None;
        state.crashed = false;
        state.boot += 1;
        state.locks.clear();
        state.handles.clear();
        if let Some(journal) = &mut state.journal {
            journal.push(format!("---- {crash:?} ----"));
        }
    }

    /// Lets the disk hold so many bytes and no more, from now on; files take whole blocks of 4 KiB. It stays
    /// full until something is removed.
    pub fn limit(&self, bytes: u64) {
        self.lock().capacity = Some(bytes);
    }

    /// Lets the disk hold so many files and directories and no more, from now on.
    pub fn limit_files(&self, files: u64) {
        self.lock().most_files = Some(files);
    }

    /// Bytes that may still be written; none without a limit.
    pub fn free_bytes(&self) -> Option<u64> {
        self.lock().free_bytes()
    }

    /// Files and directories that may still be made; none without a limit.
    pub fn free_files(&self) -> Option<u64> {
        self.lock().free_files()
    }

    /// Paths and sizes of all files, and of directories with a slash behind them, for comparison.
    pub fn tree(&self) -> BTreeMap<String, u64> {
        let all = self.contents().into_iter();
        all.map(|(path, bytes)| (path, bytes.len() as u64))
            .collect()
    }

    /// The same with the bytes.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.lock();
        let mut found = BTreeMap::new();
        let mut rest = vec![(String::new(), ROOT)];
        while let Some((path, number)) = rest.pop() {
            match &state.files[&number].body {
                Body::File(content) => {
                    found.insert(path, content.bytes().to_vec());
                }
                Body::Directory(names) => {
                    let below = names
                        .iter()
                        .map(|(name, file)| (format!("{path}/{name}"), file));
                    rest.extend(below);
                    found.insert(format!("{path}/"), Vec::new());
                }
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Counts a call and says what comes of it: an error, or what it must do in place of what was
    /// asked for.
    fn begin(
        &mut self,
        boot: u64,
        call: Call,
        text: impl FnOnce() -> String,
    ) -> io::Result<Course> {
        if self.crashed || boot != self.boot {
            return Err(off());
        }
        self.calls += 1;
        self.changes += u64::from(call != Call::Look);
        if let Some(journal) = &mut self.journal {
            journal.push(format!("{}: {}", self.calls, text()));
        }
        let Some((at, plan)) = self.plan else {
            return Ok(Course::Normal);
        };
        let is_due = match at {
            At::Call(at) => self.calls >= at,
            At::Change(at) => self.changes >= at,
        };
        if !is_due {
            return Ok(Course::Normal);
        }
        match plan {
            Plan::Crash { comes_about } => {
                self.struck = Some(self.calls);
                self.crashed = true;
                let comes_about = comes_about.unwrap_or_else(|| self.random.random());
                if comes_about && call != Call::Look {
                    Ok(Course::Last)
                } else {
                    Err(off())
                }
            }
            Plan::Fail { fault, lasts } => {
                let again = self.struck.is_some();
                if !fault.concerns(call) || (again && !lasts) {
                    return Ok(Course::Normal);
                }
                self.struck.get_or_insert(self.calls);
                match (fault, call) {
                    (Fault::Io, Call::Sync) => Ok(Course::LostSync),
                    (Fault::ShortWrite, Call::Write) if !again => Ok(Course::Short),
                    (Fault::ShortWrite | Fault::NoSpace, _) => {
                        Err(io::Error::from_raw_os_error(28))
                    }
                    (Fault::ReadOnly, _) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
                    (Fault::Io, _) => Err(io::Error::from_raw_os_error(5)),
                }
            }
        }
    }

    /// Lets chance decide about everything that is not on the medium.
    fn lose_power(&mut self) {
        let luck = Luck::draw(&mut self.random);
        for node in self.files.values_mut() {
            match &mut node.body {
                Body::File(content) => content.lose_power(&mut self.random, luck),
                Body::Directory(names) => names.lose_power(&mut self.random, luck),
            }
        }
        self.remove_unreachable();
    }

    /// What a check of the file system does at boot: files without a name go, and a directory that
    /// a lost move left under two names keeps one.
    fn remove_unreachable(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut rest = vec![ROOT];
        while let Some(directory) = rest.pop() {
            let Body::Directory(names) = &self.files[&directory].body else {
                continue;
            };
            let mut names = names.clone();
            names.retain(|file| {
                let is_new = reached.insert(file);
                let is_directory = self.files[&file].is_directory();
                if is_new && is_directory {
                    rest.push(file);
                }
                is_new || !is_directory
            });
            self.files.get_mut(&directory).unwrap().body = Body::Directory(names);
        }
        self.files.retain(|file, _| reached.contains(file));
    }

    fn touch(&mut self, file: u64) {
        self.clock += 1;
        let clock = self.clock;
        if let Some(node) = self.files.get_mut(&file) {
            node.modified = clock;
        }
    }
}

impl Node {
    fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    /// What was asked for.
    Normal,
    /// What was asked for, or a part of it, but nobody is told.
    Last,
    /// Half of a write.
    Short,
    /// It fails, and what it was to sync is lost.
    LostSync,
}

/// What a power loss does with what is undecided. Extremes find other bugs than the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    /// Nothing of it was on the medium.
    None,
    /// All of it was.
    All,
    /// Each piece on its own.
    Mixed,
}

impl Luck {
    fn draw(random: &mut SmallRng) -> Self {
        match random.random_range(0..6) {
            0 => Self::None,
            1 => Self::All,
            _ => Self::Mixed,
        }
    }

    /// One of `0..count`, from the value on the medium to the newest.
    fn pick(self, random: &mut SmallRng, count: usize) -> usize {
        match self {
            Self::None => 0,
            Self::All => count - 1,
            Self::Mixed => random.random_range(0..count),
        }
    }
}

impl Fault {
    fn concerns(self, call: Call) -> bool {
        match self {
            Self::Io => true,
            Self::NoSpace => matches!(call, Call::Grow | Call::Write),
            Self::ShortWrite => call == Call::Write || call == Call::Grow,
            Self::ReadOnly => call != Call::Look,
        }
    }
}

fn off() -> io::Error {
    io::Error::other("the machine is off")
}
