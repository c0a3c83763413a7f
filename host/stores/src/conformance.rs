//! What every backend must keep to, as functions that a backend's own tests call.
//!
//! ```
//! use std::sync::Arc;
//! use sidx_stores::{MemoryStorage, MemoryStore, conformance};
//!
//! conformance::check_all(|| Arc::new(MemoryStorage::new("delays"))).unwrap();
//! conformance::check_store(|| Arc::new(MemoryStore::new())).unwrap();
//! ```
//!
//! Each check works on one empty storage and returns the first broken rule as a sentence. What a
//! power loss leaves can't be checked from inside a process and is not.

use std::fmt::Debug;
use std::sync::Arc;

use super::{Storage, Store};
use crate::error::{ErrorKind, Result};

mod files;
mod growing;
mod names;
mod objects;
mod readers;
mod stores;

pub use files::{
    check_abandoned_files, check_lists, check_moves, check_new_files, check_reads, check_removal,
};
pub use growing::{check_append_files, check_lock, check_size};
pub use names::check_names;
pub use objects::{
    check_equal_objects, check_object_lists, check_object_races, check_object_swaps, check_objects,
    check_swap_races,
};
pub use readers::{check_links, check_pins};
pub use stores::check_store;

/// The first broken rule.
pub type Verdict = Result<(), String>;

/// One check of a storage that was empty before.
pub type Check = fn(&Arc<dyn Storage>) -> Verdict;

/// All checks of a storage with their names, for a test runner that wants them one by one.
pub const CHECKS: &[(&str, Check)] = &[
    ("names", check_names),
    ("new files", check_new_files),
    ("abandoned files", check_abandoned_files),
    ("reads", check_reads),
    ("lists", check_lists),
    ("removal", check_removal),
    ("moves", check_moves),
    ("objects", check_objects),
    ("equal objects", check_equal_objects),
    ("object lists", check_object_lists),
    ("object swaps", check_object_swaps),
    ("object races", check_object_races),
    ("swap races", check_swap_races),
    ("append files", check_append_files),
    ("lock", check_lock),
    ("pins", check_pins),
    ("links", check_links),
    ("size", check_size),
];

/// Runs every check, each on a new empty storage from `make`, and returns the first broken rule.
pub fn check_all(make: impl Fn() -> Arc<dyn Storage>) -> Verdict {
    for (name, check) in CHECKS {
        check(&make()).map_err(|rule| format!("{name}: {rule}"))?;
    }
    Ok(())
}

/// Fails with the rule unless it holds.
fn ensure(holds: bool, rule: impl Into<String>) -> Verdict {
    if holds { Ok(()) } else { Err(rule.into()) }
}

/// Fails unless both are equal.
fn same<T: PartialEq + Debug>(found: &T, wanted: &T, what: &str) -> Verdict {
    ensure(
        found == wanted,
        format!("{what}: {wanted:?} expected, found {found:?}"),
    )
}

/// Fails unless the call succeeded.
fn works<T>(result: Result<T>, what: &str) -> Result<T, String> {
    result.map_err(|error| format!("{what} must succeed, but failed with {error}"))
}

/// Fails unless the call failed with that kind and a message.
fn fails<T>(result: Result<T>, kind: ErrorKind, what: &str) -> Verdict {
    let wanted = kind.name();
    match result {
        Ok(_) => Err(format!("{what} must fail with {wanted}, but succeeded")),
        Err(error) if error.kind() != kind => Err(format!(
            "{what} must fail with {wanted}, but failed with {error}"
        )),
        Err(error) => ensure(
            !error.message().is_empty(),
            format!("{what}: the error says nothing"),
        ),
    }
}

/// Writes a whole file.
fn write_file(storage: &Arc<dyn Storage>, path: &str, pieces: &[&[u8]]) -> Verdict {
    let mut file = works(storage.create(path), &format!("creating {path}"))?;
    for piece in pieces {
        works(file.append(piece), &format!("appending to {path}"))?;
    }
    works(file.finish(), &format!("finishing {path}"))
}

/// Reads a whole file.
fn read_file(storage: &Arc<dyn Storage>, path: &str) -> Result<Vec<u8>, String> {
    let file = works(storage.open(path), &format!("opening {path}"))?;
    let mut bytes = vec![0; usize::try_from(file.size()).unwrap_or(0)];
    works(file.read_at(0, &mut bytes), &format!("reading {path}"))?;
    Ok(bytes)
}
