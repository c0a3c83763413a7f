//! What the fuzz targets of this crate do with hostile bytes. A panic here is a finding.
//!
//! The targets in `fuzz/` call these functions with the bytes that libFuzzer makes up; the tests
//! below replay the kept ones on every run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a finding"
)]

use std::sync::Arc;

use sidx_columns::{Bitmap, log_columns};

use crate::membership::{self, Membership};
use crate::page::Page;
use crate::string::SharedDictionary;

mod meaning;
mod page;
mod program;
#[cfg(test)]
mod tests;

use meaning::image;
pub use page::page;
pub use program::program;

/// A shared dictionary as stored, and a page that may refer to it.
pub fn dictionary(data: &[u8]) {
    let Some((cut, rest)) = data.split_first() else {
        return;
    };
    let (stored, page) = rest.split_at((rest.len() * usize::from(*cut)) >> 8);
    let Ok(dictionary) = SharedDictionary::open(stored.to_vec().into()) else {
        return;
    };
    let dictionary = Arc::new(dictionary);
    for code in 0..dictionary.len() as u32 {
        let value = dictionary.get(code).expect("every code has an entry");
        let found = dictionary.find(value).expect("an entry is found");
        assert_eq!(dictionary.get(found), Some(value));
    }
    let again = dictionary.write(&Bitmap::ones(dictionary.len()));
    let again = SharedDictionary::open(again.into()).expect("what was written opens");
    assert!((0..again.len() as u32).all(|code| again.get(code) == dictionary.get(code)));
    if let Ok(opened) = Page::open_with(page.to_vec().into(), Some(&dictionary)) {
        let rows: Vec<u32> = (0..opened.rows().min(1_000)).collect();
        let column = page::collect(&opened, &rows);
        assert_eq!(column.rows(), rows.len());
    }
}

/// Columns of a log entry: what is read is written again as it was, and survives a page.
pub fn columns(data: &[u8]) {
    let Ok(read) = log_columns::read(data) else {
        return;
    };
    let mut written = Vec::new();
    log_columns::write(&read.iter().collect::<Vec<_>>(), &mut written);
    let again = log_columns::read(&written).expect("columns that were just written");
    assert_eq!(read.len(), again.len());
    for (one, other) in read.iter().zip(&again) {
        assert_eq!(image(one), image(other));
        if one.rows() <= page::VALUES_MAX && one.values().len() <= page::VALUES_MAX {
            page::check_encoding(one);
        }
    }
}

/// A membership page: any bytes are refused or answer, and one made of hashes holds them.
pub fn membership(data: &[u8]) {
    let (words, _) = data.as_chunks::<8>();
    let hashes: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    if let Ok(opened) = Membership::open(data) {
        let _ = hashes.iter().filter(|hash| opened.contains(**hash)).count();
        let _ = (opened.members(), opened.memory_bytes());
    }
    let built = membership::build(hashes.clone()).expect("a seed works");
    let built = Membership::open(&built).expect("a page that was just built");
    assert!(hashes.iter().all(|hash| built.contains(*hash)));
}
