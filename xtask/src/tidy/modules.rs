//! The modules of a crate as its sources have them: what each defines, what it imports and which paths it
//! uses. Code that exists only in tests is passed over.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use syn::visit::Visit as _;
use syn::{Attribute, Ident, Item, ItemMod, Visibility};

use super::code::{self, Code};

/// The module that everything else is in.
pub(super) const ROOT: usize = 0;

/// The text of a file; none when there is no such file.
pub(super) type ReadFile<'a> = dyn Fn(&Path) -> Option<String> + 'a;

/// A module. Modules are numbered in the order in which they are met, from [`ROOT`].
pub(super) struct Module {
    pub(super) name: String,
    pub(super) parent: Option<usize>,
    pub(super) file: String,
    /// The module inside of which this one is visible.
    pub(super) visible: usize,
    pub(super) children: BTreeMap<String, usize>,
    /// Everything else that has a name here, with the module inside of which it is visible.
    pub(super) items: BTreeMap<String, usize>,
    pub(super) imports: Vec<Import>,
    /// Paths in the code, each with its line.
    pub(super) uses: Vec<(Vec<String>, usize)>,
}

/// A `use` in a module.
pub(super) struct Import {
    pub(super) path: Vec<String>,
    /// How it is called here; none for `*`.
    pub(super) name: Option<String>,
    /// The module inside of which it is visible.
    pub(super) visible: usize,
    pub(super) line: usize,
}

/// Reads the crate whose first file is `root`.
pub(super) fn read(root: &Path, files: &ReadFile<'_>) -> Result<Vec<Module>> {
    let folder = root.parent().unwrap_or(Path::new("")).to_owned();
    let mut tree = Tree {
        files,
        modules: Vec::new(),
    };
    let place = Place {
        file: root.to_owned(),
        children: folder.clone(),
        named: folder,
    };
    let id = tree.begin("crate".to_owned(), None, ROOT, &place);
    let items = tree.parse(&place.file)?;
    tree.fill(id, &items, &place)?;
    Ok(tree.modules)
}

/// Where the source of a module is.
#[derive(Clone)]
struct Place {
    file: PathBuf,
    /// Folder of the files of its modules.
    children: PathBuf,
    /// Folder from which a `#[path]` goes on.
    named: PathBuf,
}

impl Place {
    /// A module with a body of its own.
    fn inline(&self, name: &str, path: Option<String>) -> Place {
        let folder = match path {
            Some(path) => clean(&self.named.join(path)),
            None => self.children.join(name),
        };
        Place {
            file: self.file.clone(),
            children: folder.clone(),
            named: folder,
        }
    }

    /// A module in the first of its possible files that exists.
    fn in_file(&self, name: &str, path: Option<String>, files: &ReadFile<'_>) -> Option<Place> {
        let beside = self.children.join(format!("{name}.rs"));
        let within = self.children.join(name).join("mod.rs");
        let own_folder = self.children.join(name);
        let candidates = match path {
            Some(path) => {
                let file = clean(&self.named.join(path));
                let folder = file.parent().unwrap_or(Path::new("")).to_owned();
                vec![(file, folder)]
            }
            None => vec![(beside, own_folder.clone()), (within, own_folder)],
        };
        let mut found = candidates
            .into_iter()
            .filter(|(file, _)| files(file).is_some());
        let (file, children) = found.next()?;
        let named = file.parent().unwrap_or(Path::new("")).to_owned();
        Some(Place {
            file,
            children,
            named,
        })
    }
}

/// Without `..`, so that one file has one name.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::CurDir => {}
            other => cleaned.push(other),
        }
    }
    cleaned
}

struct Tree<'a> {
    files: &'a ReadFile<'a>,
    modules: Vec<Module>,
}

impl Tree<'_> {
    fn parse(&self, file: &Path) -> Result<Vec<Item>> {
        let text =
            (self.files)(file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let parsed = syn::parse_file(&text).map_err(|error| {
            let line = error.span().start().line;
            anyhow!("{}:{line}: {error}", file.display())
        })?;
        Ok(parsed.items)
    }

    fn begin(
        &mut self,
        name: String,
        parent: Option<usize>,
        visible: usize,
        place: &Place,
    ) -> usize {
        self.modules.push(Module {
            name,
            parent,
            file: place.file.display().to_string(),
            visible,
            children: BTreeMap::new(),
            items: BTreeMap::new(),
            imports: Vec::new(),
            uses: Vec::new(),
        });
        self.modules.len() - 1
    }

    fn fill(&mut self, id: usize, items: &[Item], place: &Place) -> Result<()> {
        for item in items {
            if code::attributes(item).iter().any(code::is_for_tests) {
                continue;
            }
            if let Item::Mod(module) = item {
                self.descend(id, module, place)?;
                continue;
            }
            if let Some((name, visibility)) = code::definition(item) {
                let visible = self.reach(id, visibility);
                self.modules[id].items.insert(name, visible);
            }
            if let Item::Macro(made) = item
                && made
                    .attrs
                    .iter()
                    .any(|attribute| attribute.path().is_ident("macro_export"))
                && let Some(name) = &made.ident
            {
                self.export(id, name);
            }
            let mut code = Code::default();
            code.visit_item(item);
            self.keep(id, code);
        }
        Ok(())
    }

    fn descend(&mut self, id: usize, module: &ItemMod, outer: &Place) -> Result<()> {
        let name = code::plain(&module.ident);
        let path = module.attrs.iter().find_map(named_file);
        let read;
        let (place, items) = if let Some((_, items)) = &module.content {
            (outer.inline(&name, path), items)
        } else {
            let place = outer.in_file(&name, path, self.files);
            let place = place
                .with_context(|| format!("{}: module {name} has no file", outer.file.display()))?;
            read = self.parse(&place.file)?;
            (place, &read)
        };
        let visible = self.reach(id, &module.vis);
        let child = self.begin(name.clone(), Some(id), visible, &place);
        self.modules[id].children.insert(name, child);
        self.fill(child, items, &place)
    }

    /// A macro that is exported has its name in the root, wherever it stands.
    fn export(&mut self, id: usize, name: &Ident) {
        let mut path = vec!["crate".to_owned()];
        path.extend(names(&self.modules, id));
        path.push(code::plain(name));
        self.modules[ROOT].imports.push(Import {
            path,
            name: Some(code::plain(name)),
            visible: ROOT,
            line: name.span().start().line,
        });
    }

    /// The module inside of which something with this visibility in `id` can be seen.
    fn reach(&self, id: usize, visibility: &Visibility) -> usize {
        match visibility {
            Visibility::Inherited => id,
            Visibility::Restricted(within) if within.path.is_ident("super") => {
                self.modules[id].parent.unwrap_or(ROOT)
            }
            Visibility::Restricted(within) if within.path.is_ident("self") => id,
            _ => ROOT,
        }
    }

    /// Takes over what the code of a module imports and uses.
    fn keep(&mut self, id: usize, code: Code) {
        for import in code.imports {
            let visible = self.reach(id, &import.visibility);
            self.modules[id].imports.push(Import {
                path: import.path,
                name: import.name,
                visible,
                line: import.line,
            });
        }
        self.modules[id].uses.extend(code.uses);
    }
}

/// Where a module stands, from the root on, which itself has no name here.
pub(super) fn names(modules: &[Module], id: usize) -> Vec<String> {
    let chain = chain(modules, id).into_iter().skip(1);
    chain.map(|at| modules[at].name.clone()).collect()
}

/// A module and all that it is in, from the root on.
pub(super) fn chain(modules: &[Module], id: usize) -> Vec<usize> {
    let mut chain = vec![id];
    let mut at = id;
    while let Some(parent) = modules[at].parent {
        chain.push(parent);
        at = parent;
    }
    chain.reverse();
    chain
}

/// What a `#[path]` says.
fn named_file(attribute: &Attribute) -> Option<String> {
    if !attribute.path().is_ident("path") {
        return None;
    }
    let Ok(value) = attribute.meta.require_name_value() else {
        return None;
    };
    match &value.value {
        syn::Expr::Lit(literal) => match &literal.lit {
            syn::Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
