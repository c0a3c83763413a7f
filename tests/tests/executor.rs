//! The executors inside WebAssembly, over pages in memory and with its vector instructions, against what a
//! few lines without any page say.

use wasmtime::{Engine, Instance, Module, Store};

const CHECKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/executor.wasm"));

#[test]
fn executors_match_their_oracles_inside_webassembly() {
    assert!(
        !CHECKS.is_empty(),
        "the checks are not built where SIDX_COMPONENT_WASM names a finished component"
    );
    let engine = Engine::default();
    let module = Module::new(&engine, CHECKS).unwrap();
    let mut store = Store::new(&engine, ());
    // The module asks for nothing, as the executors do.
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let mut call = |name: &str| {
        let function = instance.get_typed_func::<(), u32>(&mut store, name);
        function.unwrap().call(&mut store, ()).unwrap()
    };
    for check in ["check_select", "check_top", "check_gather", "check_written"] {
        let failed = call(check);
        assert_eq!(
            failed, 0,
            "{check}: case {failed}; the tests of sidx-executor tell what is wrong with it"
        );
    }
}
