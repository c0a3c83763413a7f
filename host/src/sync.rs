//! The locks of the code that a model checker explores: `tests/model` compiles the same files over
//! another module of this name.

pub(crate) use parking_lot::{Condvar, Mutex};
