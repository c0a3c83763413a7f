//! What the component asks of its host and gives to it, read back from the artefact itself.

use std::collections::BTreeSet;

use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldItem, WorldKey};

struct Boundary {
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

fn boundary() -> Boundary {
    let decoded = wit_component::decode(sidx_host::COMPONENT).unwrap();
    let DecodedWasm::Component(resolve, world) = decoded else {
        panic!("the artefact is not a component");
    };
    let world = &resolve.worlds[world];
    let names = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
        items.map(|(key, _)| name(&resolve, key)).collect()
    };
    Boundary {
        imports: names(&mut world.imports.iter()),
        exports: names(&mut world.exports.iter()),
    }
}

fn name(resolve: &Resolve, key: &WorldKey) -> String {
    match key {
        WorldKey::Name(name) => name.clone(),
        WorldKey::Interface(id) => resolve
            .id_of(*id)
            .expect("interfaces of packages have names"),
    }
}

#[test]
fn the_component_imports_the_engine_package_and_nothing_else() {
    let imports = boundary().imports;
    for name in &imports {
        assert!(
            name.starts_with("sidx:engine/"),
            "the component imports {name}"
        );
        assert!(name.ends_with("@0.2.0"), "{name} is of another version");
    }
    for needed in ["files", "objects", "log", "scan", "limits"] {
        let needed = format!("sidx:engine/{needed}@0.2.0");
        assert!(
            imports.contains(&needed),
            "{needed} is not among {imports:?}"
        );
    }
}

#[test]
fn the_component_exports_the_index() {
    let exports = boundary().exports;
    assert!(exports.contains("sidx:engine/index@0.2.0"), "{exports:?}");
    assert!(
        exports.iter().all(|name| name.starts_with("sidx:engine/")),
        "{exports:?}"
    );
}

/// The component as if it were made for another version of the boundary, of as many bytes.
fn component_of(version: &[u8; 5]) -> Vec<u8> {
    let mut component = sidx_host::COMPONENT.to_vec();
    let named: Vec<usize> = component
        .windows(6)
        .enumerate()
        .filter_map(|(at, window)| (window == b"@0.2.0").then_some(at + 1))
        .collect();
    for at in named {
        component[at..at + version.len()].copy_from_slice(version);
    }
    component
}

#[test]
fn a_component_of_another_version_is_refused_with_both_versions() {
    for version in [b"0.1.0", b"0.3.0"] {
        let index = sidx_host::Store::memory().index("x");
        let created = index.component(component_of(version)).create();
        let error = created.map(drop).unwrap_err();
        assert_eq!(error.kind(), sidx_host::ErrorKind::InvalidArgument);
        let version = String::from_utf8_lossy(version);
        let message = error.message();
        for named in [&*version, "0.2.0"] {
            let named = format!("sidx:engine {named}");
            assert!(message.contains(&named), "{message}");
        }
    }
}

/// A module inside that imports more would have to be satisfied by the component itself.
#[test]
fn the_component_needs_no_system_interface() {
    let text: Vec<u8> = sidx_host::COMPONENT.to_vec();
    let holds = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    for needle in ["wasi:", "wasi_snapshot_preview1", "wasi_unstable"] {
        assert!(!holds(needle.as_bytes()), "{needle} occurs in the artefact");
    }
}
