//! Which version of the boundary a component is made for.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::imports::{PACKAGE, VERSION};

/// Refuses a component that is made for another version of the boundary than the one that is spoken here.
/// Without this the first interface that is missing would be named, and no version.
pub(super) fn check(engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    let component = component.component_type();
    let imports = component.imports(engine).map(|(name, _)| name);
    let exports = component.exports(engine).map(|(name, _)| name);
    let mut versions = imports.chain(exports).filter_map(version_of);
    match versions.find(|version| *version != VERSION) {
        None => Ok(()),
        Some(other) => Err(wasmtime::Error::msg(format!(
            "it is made for {PACKAGE} {other}, and this host speaks {PACKAGE} {VERSION}; take a component \
             and a host of one version of sidx"
        ))),
    }
}

/// The version in the name of an interface of the boundary.
fn version_of(interface: &str) -> Option<&str> {
    let (package, name) = interface.split_once('/')?;
    let (_, version) = name.split_once('@')?;
    (package == PACKAGE).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_boundary_has_a_version_that_matters() {
        assert_eq!(version_of("sidx:engine/files@0.1.0"), Some("0.1.0"));
        assert_eq!(version_of("sidx:engine/files"), None);
        assert_eq!(version_of("sidx:storage/files@0.1.0"), None);
        assert_eq!(version_of("files"), None);
    }
}
