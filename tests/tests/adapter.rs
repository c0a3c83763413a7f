//! The engine over the adapter over `wit/storage`, composed into one component, over our own stores.

// Tests fail by panicking, and need no documentation beyond their names.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed expectation here is a failed test, and a skipped one is told"
)]

#[path = "storage"]
mod storage {
    /// What an implementation of `wit/storage` may get wrong; nothing, here.
    #[allow(dead_code, reason = "each flaw is one of other tests")]
    pub(crate) mod flaws;
    pub(crate) mod imports;
}

mod adapter {
    mod composed;
    mod lent;
    mod lives;
    mod property;
    mod subject;
}
