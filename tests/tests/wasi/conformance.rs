//! What the conformance component says of the store over WASI.

use wit_component::DecodedWasm;

use super::probe::{INSIDE, PROBE, Probe, said};

#[test]
fn the_store_over_wasi_passes() {
    let Some(probe) = Probe::new("the conformance checks") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    // Twice: what one leaves must not hinder the next. The store is made by the first.
    let inside = format!("{INSIDE}/deep/store");
    for _ in 0..2 {
        let said = said(&mut probe.command(directory.path(), &[&inside, "check"]));
        let broken: Vec<&String> = said
            .lines
            .iter()
            .filter(|line| !line.starts_with("ok "))
            .collect();
        assert!(said.is_good, "{broken:#?}");
        assert!(said.lines.len() > 20, "{said:?}");
    }
    let left = directory.path().join("deep/store").read_dir().unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn a_broken_rule_fails_the_command() {
    let Some(probe) = Probe::new("a check that does not exist") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let said = said(&mut probe.command(directory.path(), &[INSIDE, "check", "no such"]));
    assert!(!said.is_good, "{said:?}");
    assert!(said.lines[0].contains("there is no check"), "{said:?}");
}

/// No more of WASI than it needs, so that many runtimes can run it.
#[test]
fn the_whole_imports_wasi_and_nothing_else() {
    let decoded = wit_component::decode(PROBE).unwrap();
    let DecodedWasm::Component(resolve, world) = decoded else {
        panic!("the probe is not a component");
    };
    let imports = resolve.worlds[world].imports.keys();
    let mut names: Vec<String> = imports.map(|key| resolve.name_world_key(key)).collect();
    for name in &mut names {
        let (package, _version) = name.split_once('@').unwrap();
        *name = package.to_owned();
    }
    names.sort();
    // Those of `wasi:cli` are the command's.
    let wanted = [
        "wasi:cli/environment",
        "wasi:cli/stdin",
        "wasi:cli/stdout",
        "wasi:clocks/monotonic-clock",
        "wasi:clocks/wall-clock",
        "wasi:filesystem/preopens",
        "wasi:filesystem/types",
        "wasi:io/error",
        "wasi:io/streams",
        "wasi:random/random",
    ];
    assert_eq!(names, wanted);
}
