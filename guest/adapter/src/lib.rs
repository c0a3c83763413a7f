//! The adapter component: `wit-bindgen` glue between `wit/storage`, which it imports, and the imports of
//! `wit/engine` and the `session` of `wit/adapter`, which it exports.
//!
//! One instance serves one index at a time; [`served`] has it. [`store`] hands the functions of the host to
//! the session, [`files`], [`objects`], [`log`], [`scan`], [`filters`] and [`session`] hand those of the
//! session out, [`convert`] turns the records of the two sides into each other. No decision is made here.

// What `wit-bindgen` generates below is unsafe; nothing that is written here may be.
#[forbid(unsafe_code)]
mod convert;
#[forbid(unsafe_code)]
mod files;
#[forbid(unsafe_code)]
mod filters;
#[forbid(unsafe_code)]
mod log;
#[forbid(unsafe_code)]
mod objects;
#[forbid(unsafe_code)]
mod scan;
#[forbid(unsafe_code)]
mod served;
#[forbid(unsafe_code)]
mod session;
#[forbid(unsafe_code)]
mod store;

/// What `wit-bindgen` makes of `wit/adapter`.
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
        path: ["../../wit/engine", "../../wit/storage", "../../wit/adapter"],
        world: "sidx:adapter/adapter",
        generate_all,
        pub_export_macro: false,
    });
}

bindings::export!(Component with_types_in bindings);

/// The type that the export macro hangs everything on.
struct Component;
