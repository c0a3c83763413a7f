//! What actors do with branches: each has its own, and makes sure that they stay as they are.

use std::sync::Arc;

use sidx_host::{Error, ErrorKind, Index, IndexBuilder};

use super::branches::Number;
use super::cast::{Cast, LOOKS, keys, options_of, rows};
use super::record::{Fate, fate_of};
use super::storage::Me;
use super::task::{Deed, Part};
use crate::subject::{NAME, batch};

/// The branch that an actor made last.
struct OwnBranch {
    number: Number,
    name: String,
    index: Option<Index>,
}

/// What an actor does with branches.
pub struct Brancher<'a> {
    cast: &'a Cast,
    me: Me,
    part: &'a Part,
    branch: Option<OwnBranch>,
    /// How many it made.
    count: u32,
}

/// What came in the way.
pub enum Trouble {
    /// A branch is not as it should be.
    Wrong(String),
    /// A task failed.
    Failed(String, Error),
}

type Done = Result<(), Trouble>;

impl<'a> Brancher<'a> {
    /// What the actor of this number does.
    pub fn new(cast: &'a Cast, number: usize, part: &'a Part) -> Self {
        Self {
            cast,
            me: Me::new(Arc::clone(&cast.stage), Arc::clone(&cast.pins), number),
            part,
            branch: None,
            count: 0,
        }
    }

    fn options(&self, name: &str, forgets: bool) -> IndexBuilder {
        let store = self.cast.store_of(&self.me, self.part, forgets);
        options_of(&store, name).one_file_parts(self.me.number() % 2 == 1)
    }

    fn is_dead(&self) -> bool {
        self.me.stage().is_dead(self.me.number())
    }

    fn note(&self, text: String) {
        self.me.stage().note(self.me.number(), text);
    }

    fn looks(&self) -> u64 {
        self.me.stage().looks_of(self.me.number())
    }

    /// Makes a branch of the index, and lets go of the one that it has.
    pub fn branch(&mut self) -> Done {
        self.branch = None;
        self.make(None)
    }

    /// Makes a branch of the index, or of the branch that it has.
    fn make(&mut self, of: Option<OwnBranch>) -> Done {
        let name = format!("branch{}-{}", self.me.number(), self.count);
        self.count += 1;
        let source = of.as_ref().map_or(NAME, |of| &of.name).to_owned();
        let parent = of.as_ref().map(|of| of.number);
        let number = {
            let mut branches = self.cast.branches.lock().unwrap();
            branches.begin(&mut self.cast.record(), name.clone(), parent)
        };
        let looks = self.looks();
        let made = self.options(&source, true).branch(&name);
        // A reader that has given up on who takes the index over may have seen what goes again.
        let is_sure = self.looks() - looks < LOOKS;
        if self.is_dead() {
            return Ok(());
        }
        let fate = match &made {
            Ok(_) => Fate::Acknowledged,
            Err(error) if matches!(error.kind(), ErrorKind::Io | ErrorKind::Unknown) => {
                Fate::Unknown
            }
            Err(_) => Fate::Refused,
        };
        {
            let mut branches = self.cast.branches.lock().unwrap();
            branches.end(&mut self.cast.record(), number, fate);
        }
        match made {
            Ok(report) => {
                self.note(format!(
                    "branched {source} at epoch {} to {name}",
                    report.epoch
                ));
                self.branch = Some(OwnBranch {
                    number,
                    name,
                    index: None,
                });
                self.read_branch(is_sure)
            }
            Err(error) => {
                self.branch = of;
                Err(Trouble::Failed("branch".to_owned(), error))
            }
        }
    }

    /// Does something with the branch that it has.
    pub fn carry_out(&mut self, deed: Deed) -> Done {
        let Some(mut branch) = self.branch.take() else {
            return Ok(());
        };
        match deed {
            Deed::Branch => {
                branch.index = None;
                return self.make(Some(branch));
            }
            Deed::Remove => {
                drop(branch.index.take());
                return self.remove_branch(&branch);
            }
            Deed::Leave | Deed::Read => branch.index = None,
            _ => {}
        }
        let is_open = branch.index.is_some();
        self.branch = Some(branch);
        match deed {
            Deed::Leave => return Ok(()),
            Deed::Read => return self.read_branch(true),
            _ if !is_open => self.open_branch()?,
            _ => {}
        }
        let Some(index) = self.branch.as_mut().and_then(|branch| branch.index.take()) else {
            return Ok(());
        };
        let done = match deed {
            Deed::Write(count) => self.write_branch(&index, count),
            Deed::Flush => index.flush().map(drop),
            _ => index.merge_all().map(drop),
        };
        match done {
            _ if self.is_dead() => Ok(()),
            Ok(()) => {
                if let Some(branch) = &mut self.branch {
                    branch.index = Some(index);
                }
                Ok(())
            }
            Err(error) => {
                drop(index);
                Err(Trouble::Failed(format!("branch {deed:?}"), error))
            }
        }
    }

    fn open_branch(&mut self) -> Done {
        let Some(branch) = &self.branch else {
            return Ok(());
        };
        match self.options(&branch.name, false).open() {
            Ok(index) => {
                if let Some(branch) = &mut self.branch {
                    branch.index = Some(index);
                }
                Ok(())
            }
            Err(error) => Err(Trouble::Failed("open a branch".to_owned(), error)),
        }
    }

    /// No row of it may show in the index: there it counts as refused.
    fn write_branch(&self, index: &Index, count: i64) -> Result<(), Error> {
        let number = self.branch.as_ref().map_or(0, |branch| branch.number);
        let rows = {
            let mut record = self.cast.record();
            let now = record.horizon();
            let (ticket, rows) = record.submit(&self.part.name, count, &now);
            record.answer(ticket, Fate::Refused).expect("it is new");
            let keys = rows[0].key..rows[0].key + count;
            let mut branches = self.cast.branches.lock().unwrap();
            branches.all[number].own.push((keys, Fate::Unknown));
            rows
        };
        let written = index.write(batch(&rows).unwrap());
        if self.is_dead() {
            return Ok(());
        }
        let fate = match &written {
            Ok(_) => Fate::Acknowledged,
            Err(error) => fate_of(error),
        };
        let mut branches = self.cast.branches.lock().unwrap();
        if let Some((_, of_batch)) = branches.all[number].own.last_mut() {
            *of_batch = fate;
        }
        written.map(drop)
    }

    fn read_branch(&mut self, is_sure: bool) -> Done {
        let Some(branch) = &self.branch else {
            return Ok(());
        };
        let (number, name) = (branch.number, branch.name.clone());
        let read = self.options(&name, true).read_only();
        let read = read.and_then(|index| Ok((rows(&index)?, index.verify()?)));
        match read {
            _ if self.is_dead() => Ok(()),
            Ok((_, report)) if report["ok"] != true => {
                Err(Trouble::Wrong(format!("{name}: {report:#}")))
            }
            Ok((found, _)) => {
                self.note(format!("sees {:?} in {name}", keys(&found)));
                let mut branches = self.cast.branches.lock().unwrap();
                let judged = branches.judge(&mut self.cast.record(), number, &found, is_sure);
                judged.map_err(Trouble::Wrong)
            }
            Err(error) => Err(Trouble::Failed("read a branch".to_owned(), error)),
        }
    }

    fn remove_branch(&mut self, branch: &OwnBranch) -> Done {
        self.cast.branches.lock().unwrap().all[branch.number].there = Fate::Unknown;
        let removed = self.options(&branch.name, false).remove();
        if self.is_dead() {
            return Ok(());
        }
        match removed {
            Ok(_) => {
                self.cast.branches.lock().unwrap().all[branch.number].there = Fate::Refused;
                Ok(())
            }
            Err(error) => Err(Trouble::Failed("remove a branch".to_owned(), error)),
        }
    }
}
