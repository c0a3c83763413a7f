//! What actors do with branches: each has its own, and makes sure that they stay as they are.

use sidx_host::{Error, ErrorKind, Index, IndexBuilder};

use super::actor::{Actor, Verdict, keys, rows};
use super::branches::Number;
use super::record::Fate;
use super::task::Deed;
use crate::subject::{NAME, batch};

/// The branch that an actor made last.
pub struct OwnBranch {
    number: Number,
    name: String,
    index: Option<Index>,
}

impl Actor<'_> {
    fn branch_options(&self, name: &str, forgets: bool) -> IndexBuilder {
        super::actor::options_of(&self.store(forgets), name)
            .one_file_parts(self.me.number() % 2 == 1)
    }

    /// Makes a branch of the index, or of the branch that it has.
    pub(super) fn make_branch(&mut self, of: Option<OwnBranch>) -> Verdict {
        let name = format!("branch{}-{}", self.me.number(), self.branches);
        self.branches += 1;
        let source = of.as_ref().map_or(NAME, |of| &of.name).to_owned();
        let parent = of.as_ref().map(|of| of.number);
        let number = self.cast.record().begin_branch(name.clone(), parent);
        let looks = self.looks();
        let made = self.branch_options(&source, true).branch(&name);
        // A reader that has given up on who takes the index over may have seen what goes again.
        let is_sure = self.looks() - looks < super::actor::LOOKS;
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
        self.cast.record().end_branch(number, fate);
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
                self.judge_error("branch", &error)
            }
        }
    }

    pub(super) fn on_branch(&mut self, deed: Deed) -> Verdict {
        let Some(mut branch) = self.branch.take() else {
            return Ok(());
        };
        match deed {
            Deed::Branch => {
                branch.index = None;
                return self.make_branch(Some(branch));
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
                self.judge_error(&format!("branch {deed:?}"), &error)
            }
        }
    }

    fn open_branch(&mut self) -> Verdict {
        let Some(branch) = &self.branch else {
            return Ok(());
        };
        match self.branch_options(&branch.name, false).open() {
            Ok(index) => {
                if let Some(branch) = &mut self.branch {
                    branch.index = Some(index);
                }
                Ok(())
            }
            Err(error) => self.judge_error("open a branch", &error),
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
            record.branches[number].own.push((keys, Fate::Unknown));
            rows
        };
        let written = index.write(batch(&rows).unwrap());
        if self.is_dead() {
            return Ok(());
        }
        let fate = match &written {
            Ok(_) => Fate::Acknowledged,
            Err(error) => super::record::fate_of(error),
        };
        let mut record = self.cast.record();
        if let Some((_, of_batch)) = record.branches[number].own.last_mut() {
            *of_batch = fate;
        }
        written.map(drop)
    }

    fn read_branch(&mut self, is_sure: bool) -> Verdict {
        let Some(branch) = &self.branch else {
            return Ok(());
        };
        let (number, name) = (branch.number, branch.name.clone());
        let read = self.branch_options(&name, true).read_only();
        let read = read.and_then(|index| Ok((rows(&index)?, index.verify()?)));
        match read {
            _ if self.is_dead() => Ok(()),
            Ok((_, report)) if report["ok"] != true => Err(format!("{name}: {report:#}")),
            Ok((found, _)) => {
                self.note(format!("sees {:?} in {name}", keys(&found)));
                self.cast.record().judge_branch(number, &found, is_sure)
            }
            Err(error) => self.judge_error("read a branch", &error),
        }
    }

    fn remove_branch(&mut self, branch: &OwnBranch) -> Verdict {
        self.cast.record().branches[branch.number].there = Fate::Unknown;
        let removed = self.branch_options(&branch.name, false).remove();
        if self.is_dead() {
            return Ok(());
        }
        match removed {
            Ok(_) => {
                self.cast.record().branches[branch.number].there = Fate::Refused;
                Ok(())
            }
            Err(error) => self.judge_error("remove a branch", &error),
        }
    }
}
