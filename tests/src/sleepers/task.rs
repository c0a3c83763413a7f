//! What an actor is told to do.

use sidx_host::Durability;

/// One thing after another that an actor does. After an error of a change it leaves the index; what
/// follows up to the next opening is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Opens for writing, and creates what does not exist.
    Create,
    /// Opens for writing.
    Open,
    /// Opens for reading.
    OpenReader,
    /// The same, and each reading sees what was acknowledged before it.
    OpenFollower,
    /// Writes a batch of so many rows.
    Write(i64, Durability),
    /// Flushes.
    Flush,
    /// Merges what is similar.
    Merge,
    /// Merges everything.
    MergeAll,
    /// Drops about so many hundredths of all keys, the smallest.
    Drop(i64),
    /// Reads everything.
    Read,
    /// Checks everything.
    Verify,
    /// Copies the index to another store, and reads the copy.
    Backup,
    /// Lets go of the index without a flush.
    Leave,
    /// Flushes and lets go.
    Close,
    /// Repairs the index, which is not damaged, but may have [lost](Self::Lose) its `index.json`.
    Repair,
    /// Drops the index.
    Remove,
    /// Loses `index.json`, as damage at rest does.
    Lose,
    /// Makes a branch of the index.
    Branch,
    /// Does something with the branch that it made last.
    OnBranch(Deed),
    /// Sleeps.
    Pause,
}

/// What is done with a branch, by who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Writes a batch of so many rows.
    Write(i64),
    /// Flushes.
    Flush,
    /// Merges everything.
    MergeAll,
    /// Reads everything as another process would, and checks it.
    Read,
    /// Lets go of it; the next deed opens it again.
    Leave,
    /// Makes a branch of it, and goes on with that one.
    Branch,
    /// Drops it.
    Remove,
}

/// An actor of a run.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name, which begins with what it is.
    pub name: String,
    /// What it does.
    pub tasks: Vec<Task>,
    /// Tasks that it goes on with after an error.
    pub patience: u32,
    /// Whether it takes the lock of a writer, as programs on one machine do.
    pub takes_lock: bool,
}

impl Task {
    /// Whether it is done by who has no index open.
    pub fn begins(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Open
                | Self::OpenReader
                | Self::OpenFollower
                | Self::Repair
                | Self::Remove
                | Self::Lose
                | Self::Branch
                | Self::OnBranch(_)
                | Self::Pause
        )
    }
}
