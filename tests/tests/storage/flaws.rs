//! What an implementation may get wrong.

/// One thing that a host does wrong, all else being right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A put replaces what is there.
    PutReplaces,
    /// A swap replaces whatever version there is.
    SwapIgnoresVersion,
    /// The version of an object is made of its bytes alone.
    VersionOfBytes,
    /// Objects are cut at a megabyte.
    ObjectsCut,
    /// A list of objects begins behind its start.
    ListsBehindStart,
    /// Lists come backwards.
    ListsBackwards,
    /// Lists end with the first page of a thousand names.
    ListsOnePage,
    /// Paths are tidied instead of refused.
    TidiesPaths,
    /// Components of more than 200 bytes are refused.
    ShortNames,
    /// Names are those of a medium on which upper and lower case do not differ.
    FoldsCase,
    /// Bytes pass through text.
    BytesAsText,
    /// The last range comes without its last byte.
    ReadsShort,
    /// Ranges come in the order in which they lie in the files.
    ReadsSorted,
    /// What is behind the end reads as nothing.
    ReadsClamped,
    /// Each read opens the file by its name.
    ReadsByName,
    /// A file that is closed unfinished gets its name.
    AbandonedStays,
    /// The last to finish a file wins.
    FinishReplaces,
    /// A growing file that is opened again is emptied.
    GrowEmpties,
    /// Files grow where the host says that none do.
    GrowsAllTheSame,
    /// A write goes to the end, whatever its offset.
    WriteAppends,
    /// Removal takes all names that begin with the one to be removed.
    RemovesByPrefix,
    /// A move replaces what is there.
    MoveReplaces,
    /// No directory can be synced.
    RefusesSyncs,
    /// A removed place stays.
    PlacesStay,
    /// Nothing is measured.
    SizesNothing,
    /// A place is made when it is first named.
    PlacesOnDemand,
    /// A place is removed though it is locked.
    RemovesLocked,
    /// The lock is given to everybody.
    LocksTwice,
    /// A handle lives on after it was closed.
    HandlesStay,
    /// Random bits that are not.
    RandomRepeats,
    /// The clock goes back.
    ClockGoesBack,
}
