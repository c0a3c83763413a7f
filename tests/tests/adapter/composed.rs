//! One component of adapter and engine.

use std::sync::LazyLock;

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};
use wasmtime::Engine;
use wasmtime::component::Component;

const ADAPTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/adapter.wasm"));
const ENGINE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/engine.wasm"));

pub(super) mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package sidx:tests;
            /// Everything that a program could use.
            world served {
                include sidx:storage/storage@0.2.0;
                export sidx:engine/types@0.2.0;
                export sidx:engine/files@0.2.0;
                export sidx:engine/scan@0.2.0;
                export sidx:engine/limits@0.2.0;
                export sidx:adapter/session@0.2.0;
                export sidx:engine/index@0.2.0;
            }
        ",
        path: ["../wit/engine", "../wit/storage", "../wit/adapter"],
        world: "sidx:tests/served",
        with: {
            "sidx:storage/types@0.2.0": crate::storage::imports::bindings::sidx::storage::types,
            "sidx:storage/places@0.2.0": crate::storage::imports::bindings::sidx::storage::places,
            "sidx:storage/files@0.2.0": crate::storage::imports::bindings::sidx::storage::files,
            "sidx:storage/objects@0.2.0": crate::storage::imports::bindings::sidx::storage::objects,
            "sidx:storage/environment@0.2.0": crate::storage::imports::bindings::sidx::storage::environment,
        },
    });
}

/// The whole, compiled once for all tests.
pub(super) static COMPOSED: LazyLock<Component> =
    LazyLock::new(|| Component::new(&Engine::default(), compose()).unwrap());

/// Whether there is an adapter, without which tests are skipped, unless they must run.
pub(super) fn is_built() -> bool {
    let is_built = !ADAPTER.is_empty() && !ENGINE.is_empty();
    let is_required = std::env::var_os("SIDX_TEST_REQUIRED").is_some();
    let missing = "the adapter is not built: clang, or its target wasm32, is missing, or \
                   SIDX_COMPONENT_WASM names a finished component";
    assert!(is_built || !is_required, "{missing}");
    if !is_built {
        eprintln!("skipped: {missing}");
    }
    is_built
}

/// Adapter and engine in one, with the exports of both.
pub(super) fn compose() -> Vec<u8> {
    let mut graph = CompositionGraph::new();
    let mut register = |name: &str, bytes: &[u8]| {
        let package = Package::from_bytes(name, None, bytes.to_vec(), graph.types_mut()).unwrap();
        graph.register_package(package).unwrap()
    };
    let adapter = register("tests:adapter", ADAPTER);
    let engine = register("tests:engine", ENGINE);
    let imports: Vec<String> = {
        let world = &graph.types()[graph[engine].ty()];
        world.imports.keys().cloned().collect()
    };
    let adapter = graph.instantiate(adapter);
    let engine = graph.instantiate(engine);
    for import in &imports {
        let lent = graph.alias_instance_export(adapter, import).unwrap();
        graph
            .set_instantiation_argument(engine, import, lent)
            .unwrap();
    }
    for name in ["types", "files", "scan", "limits"] {
        let name = format!("sidx:engine/{name}@0.2.0");
        let lent = graph.alias_instance_export(adapter, &name).unwrap();
        graph.export(lent, &name).unwrap();
    }
    let session = "sidx:adapter/session@0.2.0";
    let lent = graph.alias_instance_export(adapter, session).unwrap();
    graph.export(lent, session).unwrap();
    let index = "sidx:engine/index@0.2.0";
    let lent = graph.alias_instance_export(engine, index).unwrap();
    graph.export(lent, index).unwrap();
    graph.encode(EncodeOptions::default()).unwrap()
}
