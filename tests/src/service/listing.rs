//! Pages of listings, in the order of the bytes of keys.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::state::Object;

/// Which page of which listing.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// Empty, or ends with a slash.
    pub(super) prefix: String,
    /// Whether what lies deeper is told as prefixes.
    pub(super) is_flat: bool,
    pub(super) from: From,
}

/// Where a page begins.
#[derive(Clone, Debug)]
pub(super) enum From {
    Start,
    /// Behind this key.
    Behind(String),
    /// With this key, or behind it.
    At(String),
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(super) struct Page<'a> {
    pub(super) objects: Vec<(&'a str, &'a Object)>,
    /// Each ends with a slash.
    pub(super) prefixes: Vec<String>,
    /// Where the next page begins; none if there is none.
    pub(super) next: Option<From>,
}

/// The page that `ask` is for, with so many entries at most.
pub(super) fn page<'a>(objects: &'a BTreeMap<String, Object>, ask: &Ask, most: usize) -> Page<'a> {
    let mut page = Page::default();
    let mut from = first(ask);
    loop {
        let next = objects
            .range::<str, _>((bound(&from), Bound::Unbounded))
            .next();
        let Some((key, object)) = next.filter(|(key, _)| key.starts_with(&ask.prefix)) else {
            return page;
        };
        if page.objects.len() + page.prefixes.len() >= most.max(1) {
            page.next = Some(from);
            return page;
        }
        match deeper(ask, key) {
            Some(prefix) => {
                from = From::At(behind_prefix(&prefix));
                page.prefixes.push(prefix);
            }
            None => {
                from = From::Behind(key.clone());
                page.objects.push((key, object));
            }
        }
    }
}

/// Where to look first: not before the prefix, even if the page is to begin there.
fn first(ask: &Ask) -> From {
    match &ask.from {
        From::Behind(key) | From::At(key) if *key >= ask.prefix => ask.from.clone(),
        _ => From::At(ask.prefix.clone()),
    }
}

fn bound(from: &From) -> Bound<&str> {
    match from {
        From::Start => Bound::Unbounded,
        From::Behind(key) => Bound::Excluded(key),
        From::At(key) => Bound::Included(key),
    }
}

/// The prefix as which a key is told that lies deeper.
fn deeper(ask: &Ask, key: &str) -> Option<String> {
    let rest = key.strip_prefix(&ask.prefix).filter(|_| ask.is_flat)?;
    let (name, _) = rest.split_once('/')?;
    Some(format!("{}{name}/", ask.prefix))
}

/// The first key that can be behind all keys of a prefix. The character behind the slash is the zero.
fn behind_prefix(prefix: &str) -> String {
    format!("{}0", prefix.strip_suffix('/').unwrap_or(prefix))
}
