//! What a piece of code imports, and which paths it uses.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, ImplItem, Item, Meta, Token, UseTree, Visibility};

/// One name of a `use`, or all names of a module.
pub(super) struct Import {
    pub(super) path: Vec<String>,
    /// How it is called here; none for `*`.
    pub(super) name: Option<String>,
    pub(super) visibility: Visibility,
    pub(super) line: usize,
}

/// Collects from the items that it visits.
#[derive(Default)]
pub(super) struct Code {
    pub(super) imports: Vec<Import>,
    /// Paths, each with its line.
    pub(super) uses: Vec<(Vec<String>, usize)>,
}

impl Code {
    fn import(&mut self, tree: &UseTree, before: &[String], visibility: &Visibility) {
        let mut path = before.to_vec();
        match tree {
            UseTree::Path(within) => {
                path.push(plain(&within.ident));
                self.import(&within.tree, &path, visibility);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, &path, visibility);
                }
            }
            UseTree::Name(name) => self.name(path, &name.ident, &name.ident, visibility),
            UseTree::Rename(name) => self.name(path, &name.ident, &name.rename, visibility),
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                self.add(path, None, line, visibility);
            }
        }
    }

    /// `use before::what as name`, where `what` may be `self`.
    fn name(&mut self, before: Vec<String>, what: &Ident, name: &Ident, visibility: &Visibility) {
        let line = what.span().start().line;
        let mut path = before;
        let mut name = plain(name);
        if what == "self" && !path.is_empty() {
            if name == "self" {
                name = path.last().cloned().unwrap_or_default();
            }
        } else {
            path.push(plain(what));
        }
        self.add(path, Some(name), line, visibility);
    }

    fn add(
        &mut self,
        path: Vec<String>,
        name: Option<String>,
        line: usize,
        visibility: &Visibility,
    ) {
        self.imports.push(Import {
            path,
            name,
            visibility: visibility.clone(),
            line,
        });
    }

    /// The paths in the arguments of a macro, whose grammar nobody knows: names that stand behind one another
    /// with `::` between them.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons, mut dot) = (0, 0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 || path.is_empty() {
                        self.end(&mut path, line);
                        line = name.span().start().line;
                    }
                    if !dot {
                        path.push(plain(&name));
                    }
                    (colons, dot) = (0, false);
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.end(&mut path, line);
                    colons = 0;
                    dot = matches!(&other, TokenTree::Punct(mark) if mark.as_char() == '.');
                    if let TokenTree::Group(group) = other {
                        self.scan(group.stream());
                    }
                }
            }
        }
        self.end(&mut path, line);
    }

    fn end(&mut self, path: &mut Vec<String>, line: usize) {
        if !path.is_empty() {
            self.uses.push((std::mem::take(path), line));
        }
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[], &item.vis);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first()
            && path.leading_colon.is_none()
        {
            let names = path.segments.iter().map(|segment| plain(&segment.ident));
            self.uses
                .push((names.collect(), first.ident.span().start().line));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, made: &'ast syn::Macro) {
        self.visit_path(&made.path);
        self.scan(made.tokens.clone());
    }

    /// Names nothing that the code needs.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    /// Names macros of other crates.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// A name without the `r#` that lets it be a word of the language.
pub(super) fn plain(name: &Ident) -> String {
    name.unraw().to_string()
}

/// Whether something is there in tests only.
pub(super) fn is_for_tests(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("test") {
        return true;
    }
    attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(|meta| wants_test(&meta))
}

fn wants_test(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => {
            let all = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            all.is_ok_and(|all| all.iter().any(wants_test))
        }
        _ => false,
    }
}

/// The attributes of an item.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// What an item that is no module calls itself, and who sees it.
pub(super) fn definition(item: &Item) -> Option<(String, &Visibility)> {
    let (name, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Macro(item) => (item.ident.as_ref()?, &Visibility::Inherited),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::TraitAlias(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Union(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    Some((plain(name), visibility))
}
