//! What an instance may change: nothing while it serves a query, new files while it does a merge. Only
//! the introducer removes, publishes and writes the log.
//!
//! An engine that works asks for nothing else. One that does not cannot take away, from a query or a
//! merge, what was acknowledged.

use std::sync::atomic::Ordering;

use sidx_engine::host::Medium;
use sidx_engine::{BranchPin, Error, INDEX_OBJECT, Result};

use super::Session;
use crate::storage::check_path;
use crate::storage::log::DIRECTORY as LOG_DIRECTORY;

/// Where files of medium `memory` lie, and no others: a file in memory must not stand in for one in the
/// store.
const MEMORY_DIRECTORY: &str = "memory";

/// What an instance is there for at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Role {
    /// Answers queries: changes nothing.
    Reader,
    /// Does a merge: makes files.
    Builder,
    /// Changes the index.
    Introducer,
    /// Opens it: may also move the end of the log behind what a power loss took from it.
    Opener,
}

impl Role {
    /// The role that an instance begins with.
    pub(super) fn initial(introducer: bool) -> Self {
        if introducer {
            Self::Introducer
        } else {
            Self::Reader
        }
    }
}

impl Session {
    /// Gives the instance another role until the next call of this.
    pub(crate) fn set_role(&self, role: Role) {
        self.role.store(role as u8, Ordering::Relaxed);
    }

    fn is_at_least(&self, role: Role) -> bool {
        self.role.load(Ordering::Relaxed) >= role as u8
    }

    /// Whether the index is being opened or repaired.
    pub(super) fn is_opener(&self) -> bool {
        self.is_at_least(Role::Opener)
    }

    fn require(&self, deed: &str, role: Role) -> Result<()> {
        if self.is_at_least(role) {
            return Ok(());
        }
        let why = match role {
            Role::Builder => "a query makes no files",
            _ => "only the writer of the index changes what is there",
        };
        Err(Error::invalid(format!("{deed} is refused: {why}")))
    }

    /// Whether a store that is only read would be changed.
    fn check_store(&self, deed: &str) -> Result<()> {
        if self.shared.read_only {
            let text = format!("{deed} is refused: the index was opened read-only");
            return Err(Error::invalid(text));
        }
        Ok(())
    }

    /// Whether the instance may work on files under construction.
    pub(super) fn check_build(&self, deed: &str) -> Result<()> {
        self.require(deed, Role::Builder)
    }

    /// Whether it may make a file.
    pub(super) fn check_create(&self, deed: &str, path: &str, medium: Medium) -> Result<()> {
        self.require(deed, Role::Builder)?;
        let in_memory = path.split('/').next() == Some(MEMORY_DIRECTORY);
        if in_memory != (medium == Medium::Memory) {
            let text = format!(
                "path `{path}`: files in memory, and only those, lie below {MEMORY_DIRECTORY}/"
            );
            return Err(Error::invalid(text));
        }
        match medium {
            Medium::Memory => Ok(()),
            Medium::Durable => self.check_store(deed),
        }
    }

    /// Whether it may remove files.
    pub(super) fn check_remove(&self, deed: &str, medium: Medium) -> Result<()> {
        self.require(deed, Role::Introducer)?;
        match medium {
            Medium::Memory => Ok(()),
            Medium::Durable => self.check_store(deed),
        }
    }

    /// Whether it may change what is in the store already.
    pub(super) fn check_change(&self, deed: &str) -> Result<()> {
        self.require(deed, Role::Introducer)?;
        self.check_store(deed)
    }

    /// As [`check_change`](Self::check_change); what makes a place an index stays in any case.
    pub(super) fn check_object_removal(&self, name: &str) -> Result<()> {
        self.check_change("objects.remove")?;
        if name == INDEX_OBJECT {
            let text = format!("objects.remove is refused: without {name} there is no index");
            return Err(Error::invalid(text));
        }
        Ok(())
    }

    /// Whether it may take the log to be damaged.
    pub(super) fn check_salvage(&self) -> Result<()> {
        self.require("log.salvage", Role::Opener)?;
        self.check_store("log.salvage")
    }

    /// Whether it may open the log to read it.
    pub(super) fn check_log_opening(&self) -> Result<()> {
        self.require("log.open", Role::Opener)
    }

    /// Whether it may read on in the log.
    pub(super) fn check_log_following(&self) -> Result<()> {
        self.require("log.follow", Role::Introducer)
    }

    /// Whether it may end the log of others: while the index is being opened, or later if it was not done
    /// then.
    pub(super) fn check_takeover(&self, position: u64) -> Result<()> {
        self.check_change("log.take-over")?;
        let log = &self.shared.log;
        if self.is_opener() || (!log.is_written() && position <= log.reached()) {
            return Ok(());
        }
        let text = "log.take-over is refused: the log of an open index was taken over, or ends before that";
        Err(Error::invalid(text))
    }

    /// Whether it may say which epoch the index reads.
    pub(super) fn check_pin(&self) -> Result<()> {
        self.require("limits.pin-epoch", Role::Introducer)
    }

    /// Whether the log may be given up before a position: of an open index not beyond its end.
    pub(super) fn check_drop(&self, position: u64) -> Result<()> {
        self.check_change("log.drop-before")?;
        if self.is_at_least(Role::Opener) {
            return Ok(());
        }
        let end = self.shared.log.end()?;
        if position > end {
            let text = format!(
                "log.drop-before {position} is refused: the log of an open index ends at {end}"
            );
            return Err(Error::invalid(text));
        }
        Ok(())
    }
}

/// Checks a path that the engine names: a valid path that is not in the log, which has imports of its own.
pub(crate) fn check_engine_path(path: &str) -> Result<()> {
    check_path(path)?;
    if path.split('/').next() == Some(LOG_DIRECTORY) {
        return Err(Error::invalid(format!(
            "path `{path}`: the log is reached by its own imports"
        )));
    }
    Ok(())
}

/// As [`check_engine_path`], for what is made, moved or removed: it lies in a directory, because the
/// names beside the directories are those of objects.
pub(super) fn check_file_path(path: &str) -> Result<()> {
    check_engine_path(path)?;
    if !path.contains('/') {
        return Err(Error::invalid(format!(
            "path `{path}`: files lie in directories; the names above them belong to objects"
        )));
    }
    Ok(())
}

/// Checks the name of an object that is changed: not that of the log's directory, nor of one that keeps a
/// branch and its lenders together. The storage checks the rest.
pub(super) fn check_engine_object(name: &str) -> Result<()> {
    if BranchPin::is_of_branches(name) {
        let text = format!("object name `{name}`: what branches share is noted by the host");
        return Err(Error::invalid(text));
    }
    if name == LOG_DIRECTORY {
        let text = format!("object name `{name}` is that of the log");
        return Err(Error::invalid(text));
    }
    Ok(())
}
