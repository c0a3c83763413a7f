//! Cycles between modules that are there and must go.

use super::cycles::Known;

/// What is in no cycle any more must be taken out. When nothing is left, this file goes.
pub(super) const KNOWN: &[Known] = &[
    Known {
        root: "benches/peers/src/lib.rs",
        members: &[
            "fjall",
            "key_value",
            "lmdb",
            "redb",
            "rocksdb",
            "sqlite",
            "store",
        ],
    },
    Known {
        root: "host/runtime/src/lib.rs",
        members: &[
            "background",
            "backup",
            "batch",
            "cursor",
            "damage",
            "dump",
            "health",
            "imports",
            "index",
            "instance",
            "labels",
            "maintenance",
            "parallel",
            "pool",
            "query",
            "repair",
            "rows",
            "runtime",
            "salvage",
            "scrub",
            "session",
            "store",
            "work",
            "write",
            "writer",
        ],
    },
    Known {
        root: "host/runtime/src/lib.rs",
        members: &["imports::dictionary", "imports::scan"],
    },
    Known {
        root: "host/runtime/src/lib.rs",
        members: &[
            "session::cached_page",
            "session::handles",
            "session::memory_files",
            "session::source",
        ],
    },
];
