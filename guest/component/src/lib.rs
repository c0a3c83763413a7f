//! The sidx component: `wit-bindgen` glue between the interfaces of `wit/engine` and the engine.
//!
//! One instance holds one index. [`exports`] serves the `index` interface, [`imports`] hands the
//! host's functions to the engine, [`to_engine`] and [`from_engine`] convert the records of the two
//! sides into each other. No decision is made here.

// What `wit-bindgen` generates below is unsafe; nothing that is written here may be.
#[forbid(unsafe_code)]
mod exports;
#[forbid(unsafe_code)]
mod from_engine;
#[forbid(unsafe_code)]
mod imports;
#[forbid(unsafe_code)]
mod to_engine;

/// What `wit-bindgen` makes of `wit/engine`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing
)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/engine",
        world: "engine",
        generate_all,
        // Parameters of imports are slices, so that a selection is not copied to be sent.
        ownership: Borrowing { duplicate_if_necessary: true },
        pub_export_macro: false,
    });
}

bindings::export!(Component with_types_in bindings);

/// The type that the export macro hangs the index on.
struct Component;

/// The index that an instance has.
fn index() -> sidx_engine::Index<imports::Imports> {
    sidx_engine::Index::new(imports::Imports)
}
