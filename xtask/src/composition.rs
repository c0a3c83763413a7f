//! Components made of components: each takes what it imports from those below it.

use anyhow::{Context, Result, bail};
use wac_graph::{CompositionGraph, EncodeOptions, types::Package};

/// A component that is to be part of another.
pub(crate) struct Piece<'a> {
    /// For messages.
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// One component of several, which come from the lowest to the uppermost. There is one instance of each. An
/// import is taken from the nearest piece below that exports an interface of that name; what none exports
/// remains an import of the whole. The whole exports what the uppermost does.
pub(crate) fn compose(pieces: &[Piece<'_>]) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let mut below = Vec::new();
    for piece in pieces {
        let name = format!("sidx:{}", piece.name);
        let package = Package::from_bytes(&name, None, piece.bytes.to_vec(), graph.types_mut())
            .with_context(|| format!("{} is not a component", piece.name))?;
        let package = graph
            .register_package(package)
            .with_context(|| format!("{} cannot be a part", piece.name))?;
        let instance = graph.instantiate(package);
        let world = &graph.types()[graph[package].ty()];
        let imports: Vec<String> = world.imports.keys().cloned().collect();
        let exports: Vec<String> = world.exports.keys().cloned().collect();
        for import in &imports {
            let has_it = |(_, exports): &&(_, Vec<String>)| exports.contains(import);
            let Some((source, _)) = below.iter().rev().find(has_it) else {
                continue;
            };
            let taken = graph
                .alias_instance_export(*source, import)
                .with_context(|| format!("{} takes {import}", piece.name))?;
            graph
                .set_instantiation_argument(instance, import, taken)
                .with_context(|| format!("{} takes {import}, which does not fit", piece.name))?;
        }
        below.push((instance, exports));
    }
    let Some((uppermost, exports)) = below.pop() else {
        bail!("there is nothing to compose");
    };
    for export in &exports {
        let export_of = graph
            .alias_instance_export(uppermost, export)
            .with_context(|| format!("the whole has {export}"))?;
        graph
            .export(export_of, export)
            .with_context(|| format!("the whole exports {export}"))?;
    }
    graph
        .encode(EncodeOptions::default())
        .context("the pieces do not fit")
}
