//! What the components of a package are made of: their imports and exports, the memory that they may take,
//! and their size. Whatever changes one of these changes what hosts must have, so it is to be seen here.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use wit_component::DecodedWasm;

/// The snapshot: for each file what it imports and exports, and for each of its memories the pages that it
/// begins with, rounded up to 64, and those that it may have at most.
const KNOWN: &str = include_str!("artefacts.txt");
/// The most bytes of each, some room included: what grows beyond is to be looked into, and then stated here.
const SIZES_MAX: [(&str, u64); 5] = [
    ("filesystem.wasm", 500_000),
    ("adapter.wasm", 4_600_000),
    ("engine.wasm", 4_000_000),
    ("program.wasm", 2_500_000),
    ("sidx.wasm", 11_500_000),
];

/// Where the components are; none where they were not made, which is told.
fn package() -> Option<PathBuf> {
    let whole = env::var_os("SIDX_WASM").filter(|value| !value.is_empty());
    if whole.is_none() {
        let line = "SIDX_WASM does not name what `cargo xtask compose` has made";
        let is_required = env::var_os("SIDX_TEST_REQUIRED").is_some();
        assert!(!is_required, "SIDX_TEST_REQUIRED is set, and {line}");
        let _ = writeln!(std::io::stderr(), "skipped: {line}");
    }
    Some(Path::new(&whole?).parent().unwrap().to_owned())
}

/// The memories of all modules of a component, in order.
fn memories(component: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        if let wasmparser::Payload::MemorySection(section) = payload.unwrap() {
            for memory in section {
                let memory = memory.unwrap();
                let most = memory.maximum.unwrap_or(1 << 16);
                let first = memory.initial.next_multiple_of(64);
                found.push(format!("  memory {first} to {most} pages"));
            }
        }
    }
    found
}

fn described(name: &str, component: &[u8]) -> String {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).unwrap() else {
        panic!("{name} is no component");
    };
    let world = &resolve.worlds[world];
    let lines = |what: &str, keys: Vec<_>| {
        let keys = keys.into_iter();
        let mut lines: Vec<String> = keys
            .map(|key| format!("  {what} {}", resolve.name_world_key(key)))
            .collect();
        lines.sort();
        lines
    };
    let imports = lines("import", world.imports.keys().collect());
    let exports = lines("export", world.exports.keys().collect());
    let all = [vec![name.to_owned()], imports, exports, memories(component)];
    all.concat().join("\n")
}

#[test]
fn components_import_and_export_what_is_known() {
    let Some(package) = package() else {
        return;
    };
    let mut found = String::new();
    for (name, size_bytes_max) in SIZES_MAX {
        let component = fs::read(package.join(name)).unwrap();
        let size_bytes = component.len() as u64;
        let is_known = (size_bytes_max / 3..=size_bytes_max).contains(&size_bytes);
        assert!(is_known, "{name}: {size_bytes} bytes");
        found.push_str(&described(name, &component));
        found.push('\n');
    }
    assert!(found == KNOWN, "{found}");
}
