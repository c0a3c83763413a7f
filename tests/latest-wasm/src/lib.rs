//! The component of sidx with a further facet, that of `tests/latest`: the glue of the shipped one, compiled
//! once more around an engine that has it.

// It is built for WebAssembly only.
#![cfg(target_arch = "wasm32")]

#[forbid(unsafe_code)]
#[path = "../../../guest/component/src/exports.rs"]
mod exports;
#[forbid(unsafe_code)]
#[path = "../../../guest/component/src/from_engine.rs"]
mod from_engine;
#[forbid(unsafe_code)]
#[path = "../../../guest/component/src/imports.rs"]
mod imports;
#[forbid(unsafe_code)]
#[path = "../../../guest/component/src/to_engine.rs"]
mod to_engine;

/// What `wit-bindgen` makes of `wit/engine`, as in `guest/component`.
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
        ownership: Borrowing { duplicate_if_necessary: true },
        pub_export_macro: false,
    });
}

bindings::export!(Component with_types_in bindings);

/// The type that the export macro hangs the index on.
struct Component;

/// The index that an instance has.
fn index() -> sidx_engine::Index<imports::Imports> {
    use sidx_engine::facet::FacetSet;
    sidx_engine::Index::with_facets(imports::Imports, sidx_latest::Set::facets())
}
