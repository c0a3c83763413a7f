//! What maintenance did, or would do.

/// What a flush, a merge or a retention did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Parts that were made.
    pub parts: u64,
    /// Rows written to them.
    pub rows: u64,
    /// Rows that a retention dropped.
    pub dropped_rows: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Parts that a retention dropped whole.
    pub dropped_parts: u64,
    /// Parts that were left as they are because they are damaged.
    pub left_out: u64,
}

/// What a retention would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionPreview {
    /// Rows of the index.
    pub rows: u64,
    /// Those of them that would be dropped.
    pub dropped_rows: u64,
    /// Bytes of files that would go, in part estimated.
    pub dropped_bytes: u64,
    /// Parts that would be dropped whole.
    pub parts_dropped: u64,
    /// Parts that would be rewritten without the rows that go.
    pub parts_rewritten: u64,
    /// Parts that would stay as they are.
    pub parts_untouched: u64,
    /// Rows that would be written again for that.
    pub rows_rewritten: u64,
    /// Rows in memory, which a flush would write first.
    pub memory_rows: u64,
    /// Of the rows in memory, those that would be dropped.
    pub memory_dropped_rows: u64,
    /// Parts that cannot be judged, each with the reason.
    pub unreadable: Vec<String>,
}

/// What a copy holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Part files in the copy.
    pub files: u64,
    /// Those of them that share their bytes with the index.
    pub linked_files: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Writes that are in no part file yet.
    pub log_entries: u64,
    /// Files that are missing in the index, and so in the copy.
    pub missing_files: u64,
}

/// What a copy that was compared holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// It was there whole, and nothing was done; all else is 0 then.
    pub already_there: bool,
    /// Part files in the copy.
    pub files: u64,
    /// Those of them that an interrupted copy had brought.
    pub kept_files: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Bytes that were copied now.
    pub copied_bytes: u64,
    /// Writes that are in no part file yet.
    pub log_entries: u64,
}

/// What a branch began with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BranchReport {
    /// The epoch of the index that it was made of.
    pub epoch: u64,
    /// Parts, and files with dead rows, that both have.
    pub shared_files: u64,
    /// Writes that are in no part file yet.
    pub log_entries: u64,
}

/// A part that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedPart {
    /// Its name.
    pub part: String,
    /// What is wrong with it, first of all.
    pub reason: String,
}
