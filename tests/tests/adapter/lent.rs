//! The host of `examples/host`, which has nothing of ours but the interface.

use crate::storage::imports::bindings;

#[path = "../../../examples/host/storage.rs"]
#[allow(unreachable_pub, reason = "the example is for programs of their own")]
mod storage;

pub(super) use storage::{Lent, Tree};
