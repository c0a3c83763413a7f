//! The one integration binary: every behaviour of the library, natively and through the component.
//!
//! `SIDX_PROPERTY_CASES=N` runs more random cases, `SIDX_PROPERTY_SEED=N` other ones.

// Tests fail by panicking, and need no documentation beyond their names.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation here is a failed test"
)]

mod suite {
    mod acceptance_filters;
    mod acceptance_iteration;
    mod acceptance_merge;
    mod acceptance_overlap;
    mod acceptance_query;
    mod acceptance_write;
    mod any_order;
    mod background;
    mod backup;
    mod bad_input;
    mod bad_places;
    mod boundary;
    mod branch_damage;
    mod branches;
    mod budgets;
    mod concurrency;
    mod copies;
    mod damaged_parts;
    mod explain;
    mod fencing;
    mod following;
    mod format_bytes;
    mod format_document;
    mod full_medium;
    mod garbage;
    mod golden;
    mod group_commit;
    mod health;
    mod incarnations;
    mod interrupted_copies;
    mod large_values;
    mod log_states;
    mod manual;
    mod one_file;
    mod opening;
    mod partial;
    mod prepared;
    mod pressure;
    mod property;
    mod query_limits;
    mod readers;
    mod reopen;
    mod repair;
    mod retention;
    mod retention_jobs;
    mod retention_preview;
    mod salvage;
    mod scrub;
    mod shared_dictionary;
    mod sharing;
    mod small_batches;
    mod stopping;
    mod store_damage;
    mod top_rows;
    mod without_room;
    mod write_limits;
}

/// A file that is not listed above would be silently left out.
#[test]
fn every_file_of_the_suite_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite");
    let listed = include_str!("suite.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(path.extension().unwrap(), "rs", "{}", path.display());
        assert!(
            listed.contains(&format!("\n    mod {name};\n")),
            "{name} is not listed"
        );
    }
}
