//! What actors do: open the index as any program would, change it, read it, leave it.

use std::sync::Arc;

use sidx_host::{Durability, Error, ErrorKind, Index, Retention, Staleness, Store};

use super::brancher::{Brancher, Trouble};
use super::cast::{Cast, LOOKS, keys, options, rows};
use super::record::{Fate, Horizon, Ticket, fate_of};
use super::removals::Answer;
use super::stage::Verb;
use super::storage::Me;
use super::task::{Part, Task};
use crate::subject::{NAME, batch};

/// An index that an actor has open.
struct Opened {
    index: Index,
    horizon: Horizon,
    own: Vec<Ticket>,
    /// Which opening for writing it is.
    opening: Option<u64>,
    /// It reads what is newest.
    follows: bool,
    has_failed: bool,
    /// Whoever was taking the index over slept for longer than a reader waits, and was taken for dead: rows
    /// of the writer before, of which nobody was told that they are written, may be shown and go.
    has_given_up: bool,
}

/// An actor at work.
pub struct Actor<'a> {
    cast: &'a Cast,
    me: Me,
    part: &'a Part,
    brancher: Brancher<'a>,
    opened: Option<Opened>,
    /// Tasks that it still goes on with after an error.
    patience: u32,
    /// Calls of it that had failed when it began to open the index.
    failures_before: u64,
}

/// What is wrong with an index, or nothing.
type Verdict = Result<(), String>;

impl<'a> Actor<'a> {
    /// The actor of this number.
    pub fn new(cast: &'a Cast, number: usize, part: &'a Part) -> Self {
        Self {
            cast,
            me: Me::new(Arc::clone(&cast.stage), Arc::clone(&cast.pins), number),
            part,
            brancher: Brancher::new(cast, number, part),
            opened: None,
            patience: part.patience,
            failures_before: 0,
        }
    }

    /// Does all of its tasks.
    pub fn play(&mut self) -> Verdict {
        self.me.pause(Verb::Begin);
        for task in &self.part.tasks {
            if self.opened.is_none() && !task.begins() {
                continue;
            }
            self.note(format!("{task:?}"));
            self.carry_out(*task)?;
            let has_failed = |it: &Opened| it.has_failed;
            if self.opened.as_ref().is_some_and(has_failed) {
                match self.patience.checked_sub(1) {
                    Some(left) => self.patience = left,
                    None => self.leave()?,
                }
            }
        }
        self.leave()
    }

    fn carry_out(&mut self, task: Task) -> Verdict {
        match task {
            Task::Create | Task::Open => self.open_writer(task),
            Task::OpenReader => self.open_reader(Staleness::Opened),
            Task::OpenFollower => self.open_reader(Staleness::Latest),
            Task::Write(count, durability) => self.write(count, durability),
            Task::Flush => self.change(task, |index| index.flush().map(drop)),
            Task::Merge => self.change(task, |index| index.merge().map(drop)),
            Task::MergeAll => self.change(task, |index| index.merge_all().map(drop)),
            Task::Drop(hundredths) => self.drop_rows(hundredths),
            Task::Read => self.read(),
            Task::Verify => self.verify(),
            Task::Backup => self.back_up(),
            Task::Leave => self.leave(),
            Task::Close => {
                self.change(task, |index| index.flush().map(drop))?;
                self.leave()
            }
            Task::Repair => self.repair(),
            Task::Remove => self.remove(),
            Task::Lose => self.lose(),
            Task::Branch => {
                let branched = self.brancher.branch();
                self.judge_branched(branched)
            }
            Task::OnBranch(deed) => {
                let done = self.brancher.carry_out(deed);
                self.judge_branched(done)
            }
            Task::Pause => {
                self.me.pause(Verb::Pause);
                Ok(())
            }
        }
    }

    fn note(&self, text: String) {
        self.me.stage().note(self.me.number(), text);
    }

    /// Whether its process has ended: what it would learn now, nobody learns.
    fn is_dead(&self) -> bool {
        self.me.stage().is_dead(self.me.number())
    }

    fn store(&self, forgets: bool) -> Store {
        self.cast.store_of(&self.me, self.part, forgets)
    }

    fn judge_branched(&mut self, done: Result<(), Trouble>) -> Verdict {
        match done {
            Ok(()) => Ok(()),
            Err(Trouble::Wrong(what)) => Err(what),
            Err(Trouble::Failed(task, error)) => self.judge_error(&task, &error),
        }
    }

    /// Notes an error. Damage is never one of them, as nothing was damaged, nor a fault of ours.
    fn judge_error(&mut self, task: &str, error: &Error) -> Verdict {
        if self.is_dead() {
            return Ok(());
        }
        self.note(format!("{task}: {error}"));
        let role = self
            .part
            .name
            .trim_end_matches(|sign: char| sign.is_ascii_digit());
        let task = format!("{}: {task}", role.trim_end());
        self.cast.record().note_error(&task, error);
        let is_wrong = match error.kind() {
            ErrorKind::Corrupt | ErrorKind::Other | ErrorKind::InvalidArgument => true,
            ErrorKind::NotFound => !self.cast.may_be_missing,
            // Nothing fails and nothing is full unless a call of its own was since it opened the index.
            ErrorKind::Io | ErrorKind::ResourceExhausted => {
                let is_told = error.message().contains("vanishes each time");
                self.failures() == self.failures_before && !is_told
            }
            _ => error.message().contains("corrupt: "),
        };
        match is_wrong {
            true => Err(format!("{task}: {error}")),
            false => Ok(()),
        }
    }

    fn open_writer(&mut self, task: Task) -> Verdict {
        self.leave()?;
        let (opening, horizon) = {
            let mut record = self.cast.record();
            (record.open(), record.horizon())
        };
        // Of two writers one makes folders and one files.
        let options = options(&self.store(false)).one_file_parts(self.me.number() % 2 == 1);
        let (stage, number) = (self.me.stage(), self.me.number());
        stage.set_opening(number, true);
        let opened = match task {
            Task::Create => options.create(),
            _ => options.open(),
        };
        stage.set_opening(number, false);
        let mut horizon = horizon;
        self.cast.record().settle(&mut horizon);
        match opened {
            Ok(index) => {
                self.opened = Some(Opened {
                    index,
                    horizon,
                    own: Vec::new(),
                    opening: Some(opening),
                    follows: false,
                    has_failed: false,
                    has_given_up: false,
                });
                Ok(())
            }
            Err(error) => self.judge_error("open", &error),
        }
    }

    /// How many of its calls have failed so far.
    fn failures(&self) -> u64 {
        self.me.stage().failures_of(self.me.number())
    }

    fn looks(&self) -> u64 {
        self.me.stage().looks_of(self.me.number())
    }

    fn open_reader(&mut self, staleness: Staleness) -> Verdict {
        self.leave()?;
        let mut horizon = self.cast.record().horizon();
        let looks = self.looks();
        let options = options(&self.store(true)).staleness(staleness);
        let opened = options.read_only();
        self.cast.record().settle(&mut horizon);
        match opened {
            Ok(index) => {
                self.opened = Some(Opened {
                    has_given_up: self.looks() - looks >= LOOKS,
                    index,
                    horizon,
                    own: Vec::new(),
                    opening: None,
                    follows: staleness == Staleness::Latest,
                    has_failed: false,
                });
                Ok(())
            }
            Err(error) => self.judge_error("open", &error),
        }
    }

    /// A change that is no write.
    fn change(
        &mut self,
        task: Task,
        call: impl FnOnce(&Index) -> sidx_host::Result<()>,
    ) -> Verdict {
        let Some(opened) = self.opened.as_mut().filter(|it| it.opening.is_some()) else {
            return Ok(());
        };
        match call(&opened.index) {
            Ok(()) => Ok(()),
            Err(error) => {
                opened.has_failed = true;
                self.judge_error(&format!("{task:?}"), &error)
            }
        }
    }

    fn write(&mut self, count: i64, durability: Durability) -> Verdict {
        let Some(opened) = self.opened.as_mut().filter(|it| it.opening.is_some()) else {
            return Ok(());
        };
        let (ticket, rows) = {
            let mut record = self.cast.record();
            record.submit(&self.part.name, count, &opened.horizon)
        };
        let has_ended = self.cast.record().check_open(&opened.horizon);
        let written = opened.index.write_with(batch(&rows).unwrap(), durability);
        let is_dead = self.cast.stage.is_dead(self.me.number());
        match written {
            _ if is_dead => Ok(()),
            Ok(_) => {
                has_ended?;
                opened.own.push(ticket);
                self.cast.record().answer(ticket, Fate::Acknowledged)?;
                let keys: Vec<i64> = rows.iter().map(|row| row.key).collect();
                self.note(format!("acknowledged {keys:?}"));
                Ok(())
            }
            Err(error) => {
                opened.has_failed = true;
                self.cast.record().answer(ticket, fate_of(&error))?;
                self.judge_error("write", &error)
            }
        }
    }

    fn drop_rows(&mut self, hundredths: i64) -> Verdict {
        let Some(opened) = self.opened.as_mut().filter(|it| it.opening.is_some()) else {
            return Ok(());
        };
        let (below, dropping) = {
            let mut record = self.cast.record();
            let below = record.next_key() * hundredths / 100;
            (below, record.begin_drop(below, &opened.own))
        };
        let rule = Retention {
            drop_below: Some(below),
            ..Retention::default()
        };
        let dropped = opened.index.retain(rule);
        let is_dead = self.cast.stage.is_dead(self.me.number());
        match dropped {
            _ if is_dead => Ok(()),
            Ok(_) => {
                self.cast.record().end_drop(dropping);
                opened.horizon.note_drop(dropping);
                self.note(format!("dropped below {below}"));
                Ok(())
            }
            Err(error) => {
                opened.has_failed = true;
                self.judge_error("drop", &error)
            }
        }
    }

    fn read(&mut self) -> Verdict {
        let looks = self.looks();
        let Some(opened) = &mut self.opened else {
            return Ok(());
        };
        let mut fresh = self.cast.record().horizon_of_follower(&opened.horizon);
        let found = rows(&opened.index);
        self.cast.record().settle(&mut fresh);
        let stage = &self.cast.stage;
        opened.has_given_up |= stage.looks_of(self.me.number()) - looks >= LOOKS;
        match found {
            _ if stage.is_dead(self.me.number()) => Ok(()),
            Ok(found) => {
                stage.note(self.me.number(), format!("sees {:?}", keys(&found)));
                let horizon = match opened.follows {
                    true => &fresh,
                    false => &opened.horizon,
                };
                let mut record = self.cast.record();
                record.judge(horizon, &opened.own, &found, !opened.has_given_up)
            }
            Err(error) => self.judge_error("read", &error),
        }
    }

    fn verify(&mut self) -> Verdict {
        let Some(opened) = &self.opened else {
            return Ok(());
        };
        match opened.index.verify() {
            _ if self.is_dead() => Ok(()),
            Ok(report) if report["ok"] == true => Ok(()),
            Ok(report) => Err(format!("verify: {report:#}")),
            Err(error) => self.judge_error("verify", &error),
        }
    }

    fn back_up(&mut self) -> Verdict {
        let Some(opened) = &self.opened else {
            return Ok(());
        };
        // Beside a writer the copy is one of the index as it is now.
        let mut fresh = self.cast.record().horizon();
        let target = Store::memory();
        let looks = self.looks();
        let copied = opened.index.backup(&target, NAME);
        let is_sure = self.looks() - looks < LOOKS;
        self.cast.record().settle(&mut fresh);
        let horizon = match opened.opening {
            Some(_) => &opened.horizon,
            None => &fresh,
        };
        match copied {
            _ if self.is_dead() => return Ok(()),
            Err(error) => return self.judge_error("backup", &error),
            Ok(_) => {}
        }
        let found = options(&target).read_only().and_then(|copy| rows(&copy));
        let found = found.map_err(|error| format!("the copy: {error}"))?;
        self.note(format!("copied {:?}", keys(&found)));
        let mut record = self.cast.record();
        record
            .judge(horizon, &opened.own, &found, is_sure)
            .map_err(|text| format!("the copy: {text}"))
    }

    fn repair(&mut self) -> Verdict {
        self.leave()?;
        self.cast.record().open();
        self.me.stage().set_opening(self.me.number(), true);
        let repaired = options(&self.store(false)).repair(false);
        self.me.stage().set_opening(self.me.number(), false);
        match repaired {
            _ if self.is_dead() => Ok(()),
            Ok(report) if report["ok"] == true => Ok(()),
            // Who died while it made the index left one that is not whole.
            Ok(report) if self.cast.may_be_missing && report["rows"] == 0 => Ok(()),
            // Lost, or not made yet by who sleeps over it.
            Ok(report) if is_of_settings(&report) => Ok(()),
            Ok(report) => Err(format!("repair: {report:#}")),
            Err(error) => self.judge_error("repair", &error),
        }
    }

    fn remove(&mut self) -> Verdict {
        self.leave()?;
        let removal = {
            let mut record = self.cast.record();
            record.open();
            record.begin_removal()
        };
        self.me.stage().set_opening(self.me.number(), true);
        let removed = options(&self.store(false)).remove();
        self.me.stage().set_opening(self.me.number(), false);
        if self.is_dead() {
            return Ok(());
        }
        let answer = match &removed {
            Ok(_) => Answer::Dropped,
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::Conflict => Answer::Refused,
                _ => Answer::Unknown,
            },
        };
        self.note(format!("{answer:?}"));
        self.cast.record().end_removal(removal, answer);
        match removed {
            Ok(_) => Ok(()),
            Err(error) => self.judge_error("remove", &error),
        }
    }

    fn lose(&self) -> Verdict {
        let storage = self.cast.store.open_index(NAME, false);
        let lost = storage.and_then(|it| it.remove_object("index.json"));
        lost.map_err(|error| error.to_string())
    }

    fn leave(&mut self) -> Verdict {
        let failures = self.failures();
        self.failures_before = failures;
        let Some(opened) = self.opened.take() else {
            return Ok(());
        };
        drop(opened.index);
        // A close that fails may leave no mark.
        if let Some(opening) = opened.opening
            && !opened.has_failed
            && failures == self.failures()
            && !self.is_dead()
        {
            self.cast.record().close(opening);
        }
        Ok(())
    }
}

/// Whether a repair found no other damage than that of `index.json`.
fn is_of_settings(report: &serde_json::Value) -> bool {
    let damage = report["damage"].as_array();
    damage.is_some_and(|all| all.iter().all(|found| found["what"] == "index.json"))
}
