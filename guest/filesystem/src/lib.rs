//! `wit/storage` over `wasi:filesystem`, as a component: the store in a directory that the runtime maps.
//!
//! What lies where, and what is synced when, is decided by the directory backend of `sidx-stores`, the same
//! code that the native host runs, over the file system in [`file_system`]. [`root`] finds the mapped
//! directory that the program names; [`state`] has what is open; [`places`], [`files`], [`objects`] and
//! [`environment`] answer the calls. Nothing of a caller is believed: paths and handles are checked before
//! anything is touched.

#[forbid(unsafe_code)]
mod code;
#[forbid(unsafe_code)]
mod environment;
#[forbid(unsafe_code)]
mod file;
#[forbid(unsafe_code)]
mod file_system;
#[forbid(unsafe_code)]
mod files;
#[forbid(unsafe_code)]
mod mapped;
#[forbid(unsafe_code)]
mod objects;
#[forbid(unsafe_code)]
mod places;
#[forbid(unsafe_code)]
mod root;
#[forbid(unsafe_code)]
mod state;

/// What `wit-bindgen` makes of `wit/filesystem`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "generated"
)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/storage", "../../wit/filesystem"],
        world: "sidx:filesystem/filesystem",
        generate_all,
        pub_export_macro: false,
    });
}

bindings::export!(Component with_types_in bindings);

/// The type that the export macro hangs the interfaces on.
struct Component;
