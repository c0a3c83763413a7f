//! What the program asks of the components that it is composed with.

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
mod generated {
    wit_bindgen::generate!({
        path: ["../../wit/storage", "../../wit/engine", "../../wit/adapter", "../../wit/filesystem"],
        inline: "
            package sidx:program@0.2.0;
            world program {
                import sidx:engine/index@0.2.0;
                import sidx:engine/limits@0.2.0;
                import sidx:adapter/session@0.2.0;
                import sidx:storage/places@0.2.0;
                import sidx:storage/objects@0.2.0;
                import sidx:storage/files@0.2.0;
                import sidx:storage/environment@0.2.0;
                import sidx:filesystem/root@0.2.0;
            }
        ",
        world: "sidx:program/program",
        generate_all,
    });
}

pub(crate) use generated::sidx::adapter::session;
pub(crate) use generated::sidx::engine::{files as engine_files, index, limits, scan, types};
pub(crate) use generated::sidx::filesystem::root;
pub(crate) use generated::sidx::storage::{environment, files, objects, places, types as storage};
