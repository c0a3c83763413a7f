//! Which module a path means, as the compiler would find it: through imports, re-exports and globs.

use super::modules::{Import, Module, ROOT};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Module(usize),
    /// Something that is defined in a module, or made there by a macro.
    In(usize),
}

impl Meaning {
    /// The module in which the text is that a path leads to.
    pub(super) fn module(self) -> usize {
        match self {
            Meaning::Module(id) | Meaning::In(id) => id,
        }
    }
}

/// What a name stands for where several things have it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Something that further names can follow.
    Module,
    /// A type, a function, a value; a module when there is none.
    Item,
}

/// Names being looked for; what leads back to one of them leads nowhere.
type Asked = Vec<(usize, String)>;

/// What an import brings in; none for other crates.
pub(super) fn import(modules: &[Module], module: usize, import: &Import) -> Option<Meaning> {
    path(modules, module, &import.path, Wanted::Item, &mut Vec::new())
}

/// What a path in the code of `module` leads to; none for other crates, and for names of no item.
pub(super) fn used(modules: &[Module], module: usize, names: &[String]) -> Option<Meaning> {
    let found = path(modules, module, names, Wanted::Item, &mut Vec::new());
    // A lone name is never a module's: what looks like it is a variable of the same name.
    found.filter(|found| names.len() > 1 || matches!(found, Meaning::In(_)))
}

fn path(
    modules: &[Module],
    module: usize,
    names: &[String],
    last: Wanted,
    asked: &mut Asked,
) -> Option<Meaning> {
    let (first, mut rest) = names.split_first()?;
    let wanted = |rest: &[String]| {
        if rest.is_empty() {
            last
        } else {
            Wanted::Module
        }
    };
    let mut at = match first.as_str() {
        "crate" => Meaning::Module(ROOT),
        "self" => Meaning::Module(module),
        "super" => Meaning::Module(modules[module].parent?),
        name => find(modules, module, name, module, wanted(rest), asked)?,
    };
    while let (Meaning::Module(id), Some((name, after))) = (at, rest.split_first()) {
        at = match name.as_str() {
            "super" => Meaning::Module(modules[id].parent?),
            name => {
                find(modules, id, name, module, wanted(after), asked).unwrap_or(Meaning::In(id))
            }
        };
        rest = after;
    }
    Some(at)
}

/// What `name` is in a module, as code in `from` sees it.
fn find(
    modules: &[Module],
    module: usize,
    name: &str,
    from: usize,
    wanted: Wanted,
    asked: &mut Asked,
) -> Option<Meaning> {
    let question = (module, name.to_owned());
    if asked.contains(&question) {
        return None;
    }
    asked.push(question);
    let found = own(modules, module, name, from, wanted)
        .or_else(|| imported(modules, module, name, from, wanted, asked));
    asked.pop();
    found
}

/// What a module itself defines.
fn own(
    modules: &[Module],
    module: usize,
    name: &str,
    from: usize,
    wanted: Wanted,
) -> Option<Meaning> {
    let here = &modules[module];
    let child = here.children.get(name).copied();
    let child = child.filter(|child| sees(modules, from, modules[*child].visible));
    let item = here.items.get(name);
    let item = item.is_some_and(|visible| sees(modules, from, *visible));
    let (child, item) = (
        child.map(Meaning::Module),
        item.then_some(Meaning::In(module)),
    );
    match wanted {
        Wanted::Module => child.or(item),
        Wanted::Item => item.or(child),
    }
}

/// What a module has by the imports that `from` may use: first those by name.
fn imported(
    modules: &[Module],
    module: usize,
    name: &str,
    from: usize,
    wanted: Wanted,
    asked: &mut Asked,
) -> Option<Meaning> {
    let imports = modules[module].imports.iter();
    let imports = imports.filter(|import| sees(modules, from, import.visible));
    let (globs, named): (Vec<&Import>, Vec<&Import>) =
        imports.partition(|import| import.name.is_none());
    let same = named
        .iter()
        .filter(|import| import.name.as_deref() == Some(name));
    for import in same {
        if let Some(found) = path(modules, module, &import.path, wanted, asked) {
            return Some(found);
        }
    }
    for import in globs {
        let within = path(modules, module, &import.path, Wanted::Module, asked);
        if let Some(Meaning::Module(within)) = within
            && let Some(found) = find(modules, within, name, module, wanted, asked)
        {
            return Some(found);
        }
    }
    None
}

/// Whether code in `from` sees what is visible inside of `within`.
fn sees(modules: &[Module], from: usize, within: usize) -> bool {
    let mut at = Some(from);
    while let Some(id) = at {
        if id == within {
            return true;
        }
        at = modules[id].parent;
    }
    false
}
