//! Cycles between modules that are there and must go.

use super::cycles::Known;

/// What is in no cycle any more must be taken out. When nothing is left, this file goes.
pub(super) const KNOWN: &[Known] = &[
    Known {
        root: "host/cli/src/main.rs",
        members: &["arguments", "ingest", "place"],
    },
    Known {
        root: "host/cli/src/main.rs",
        members: &["ingest::json", "ingest::text"],
    },
];
