//! `wit/storage` over our own stores, checked by the conformance component, as a host in another language
//! would be; and hosts with a flaw each, which the component must find.

// Tests fail by panicking, and need no documentation beyond their names.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation here is a failed test"
)]

mod storage {
    mod checks;
    mod conformance;
    mod detection;
    mod flaws;
    mod handles;
    mod imports;
    mod lent;
}
