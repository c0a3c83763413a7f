//! The scan kernels inside WebAssembly, with its vector instructions, against their oracles.

use wasmtime::{Engine, Instance, Module, Store};

const CHECKS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.wasm"));

#[test]
fn kernels_match_their_oracles_inside_webassembly() {
    assert!(
        !CHECKS.is_empty(),
        "the checks are not built where SIDX_COMPONENT_WASM names a finished component"
    );
    let engine = Engine::default();
    let module = Module::new(&engine, CHECKS).unwrap();
    let mut store = Store::new(&engine, ());
    // The module asks for nothing, as the component's kernels do.
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let mut call = |name: &str| {
        let function = instance.get_typed_func::<(), u32>(&mut store, name);
        function.unwrap().call(&mut store, ()).unwrap()
    };
    assert_eq!(
        call("implementations"),
        2,
        "vector kernels and portable ones"
    );
    for check in ["check_packed", "check_deltas", "check_floats_and_bitmaps"] {
        let failure = call(check);
        assert_eq!(
            failure,
            0,
            "{check}: what {}, width {}, count {}",
            failure >> 24,
            failure >> 16 & 0xff,
            failure & 0xffff
        );
    }
}
