//! The host of `examples/host`, which has nothing of ours but the interface.

use std::sync::{Arc, Mutex};

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store};

use super::checks::CHECKS;
use super::imports::bindings;

#[path = "../../../examples/host/storage.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the example is a program of its own"
)]
mod storage;

use storage::{Lent, Tree};

#[test]
fn the_host_of_the_example_passes() {
    let engine = Engine::default();
    let checks = Component::new(&engine, CHECKS).unwrap();
    let mut linker = Linker::<Lent>::new(&engine);
    bindings::Conformance::add_to_linker::<_, HasSelf<_>>(&mut linker, |lent| lent).unwrap();
    let tree = Arc::new(Mutex::new(Tree::default()));
    for _ in 0..2 {
        let mut store = Store::new(&engine, Lent::new(&tree));
        let instance = bindings::Conformance::instantiate(&mut store, &checks, &linker).unwrap();
        let checks = instance.sidx_storage_checks();
        for name in checks.call_names(&mut store).unwrap() {
            if let Err(rule) = checks.call_run(&mut store, &name).unwrap() {
                panic!("{name}: {rule}");
            }
        }
    }
}
