//! What the output of a job takes in the store, at most.

use crate::host::Form;

/// Bytes that a column takes in a part, however few values it has: three files, in blocks of the medium, and
/// what the manifest says of them.
const COLUMN_BYTES: u64 = 16 << 10;
/// Files that a column takes in a part: data, metadata, filters.
const COLUMN_FILES: u64 = 3;
/// What it takes of one file: headers and metadata of its sections, and what the manifest says of them,
/// with names of the greatest length.
const SECTION_BYTES: u64 = 4 << 10;

/// What the rows of parts in memory take in a file part, at most: the membership filters and postings that
/// they lack, and no smaller form where values have none.
pub(crate) fn output_bytes(memory_bytes: u64) -> u64 {
    memory_bytes.saturating_add(memory_bytes / 4)
}

/// Bytes that the output of a job may take, at most: that of its inputs, and room for the membership
/// filters that parts in memory lack.
pub(crate) fn space_bytes(input_bytes: u64) -> u64 {
    output_bytes(input_bytes).saturating_add(64 << 10)
}

/// The files of so many columns in a part.
pub(crate) fn column_files(columns: u64, form: Form) -> u64 {
    match form {
        Form::Folder => columns.saturating_mul(COLUMN_FILES),
        Form::File => 0,
    }
}

/// What so many columns take in a part beside their values.
pub(crate) fn column_bytes(columns: u64, form: Form) -> u64 {
    columns.saturating_mul(match form {
        Form::Folder => COLUMN_BYTES,
        Form::File => SECTION_BYTES,
    })
}
