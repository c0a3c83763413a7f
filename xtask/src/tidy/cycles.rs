//! No cycle between modules: siblings, each taken with everything below it, never need one another in a
//! circle. A module and what is in it may use each other.
//!
//! Only names are followed. A method that another module adds to a type is not seen where it is called.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

use super::crates::Crate;
use super::modules::{self, Module, ReadFile};
use super::paths;

/// Where a module uses another: file and line.
type Place = (String, usize);
/// Siblings that use siblings, by the number of both, with the first place where they do.
type Uses = BTreeMap<(usize, usize), Place>;

/// Faults of crates: each cycle, with the shortest way round.
pub(super) fn check(crates: &[Crate], files: &ReadFile<'_>, faults: &mut Vec<String>) {
    for each in crates {
        let modules = match modules::read(Path::new(&each.root), files) {
            Ok(modules) => modules,
            Err(problem) => {
                faults.push(problem.to_string());
                continue;
            }
        };
        let root = &each.root;
        let told = knots(&modules, &each.package).into_iter();
        faults.extend(told.map(|knot| format!("{root}: modules in a cycle: {knot}")));
    }
}

/// Modules that need each other, by name, and the shortest way round, an arrow on each line.
fn knots(modules: &[Module], package: &str) -> Vec<String> {
    let uses = uses(modules, package);
    let mut knots = Vec::new();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let next = following(&uses);
    let reach: BTreeMap<usize, BTreeSet<usize>> = next
        .keys()
        .map(|from| (*from, reachable(&next, *from)))
        .collect();
    for (from, all) in &reach {
        if !all.contains(from) || done.contains(from) {
            continue;
        }
        let back = |to: &&usize| reach.get(to).is_some_and(|all| all.contains(from));
        let members: BTreeSet<usize> = all.iter().filter(back).copied().collect();
        done.extend(&members);
        let name = |id: &usize| modules::names(modules, *id).join("::");
        let names: BTreeSet<String> = members.iter().map(name).collect();
        let names: Vec<String> = names.into_iter().collect();
        let way = tell(modules, &uses, &shortest(&next, &members));
        knots.push(names.join(", ") + &way);
    }
    knots
}

/// Which siblings use which. Files of another package, which a `#[path]` brings in, are that one's concern.
fn uses(modules: &[Module], package: &str) -> Uses {
    let mut uses = Uses::new();
    let own = |module: &Module| Path::new(&module.file).starts_with(package);
    let all = modules.iter().enumerate();
    for (id, module) in all.filter(|(_, module)| own(module)) {
        let imports = module.imports.iter();
        let imports = imports.map(|import| (paths::import(modules, id, import), import.line));
        let used = module.uses.iter();
        let used = used.map(|(path, line)| (paths::used(modules, id, path), *line));
        for (meaning, line) in imports.chain(used) {
            let Some(meaning) = meaning else { continue };
            let Some(pair) = siblings(modules, id, meaning.module()) else {
                continue;
            };
            let place = (module.file.clone(), line);
            let first = uses.entry(pair).or_insert_with(|| place.clone());
            if place < *first {
                *first = place;
            }
        }
    }
    uses
}

/// The siblings of which one contains `from` and the other `to`; none when one of the two is in the other.
fn siblings(modules: &[Module], from: usize, to: usize) -> Option<(usize, usize)> {
    let (from, to) = (modules::chain(modules, from), modules::chain(modules, to));
    let mut pairs = from.into_iter().zip(to);
    pairs.find(|(from, to)| from != to)
}

type Following = BTreeMap<usize, Vec<usize>>;

fn following(uses: &Uses) -> Following {
    let mut next = Following::new();
    for (from, to) in uses.keys() {
        next.entry(*from).or_default().push(*to);
    }
    next
}

fn reachable(next: &Following, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for to in next.get(&at).into_iter().flatten() {
            if reached.insert(*to) {
                open.push(*to);
            }
        }
    }
    reached
}

/// The shortest way from one of `members` back to itself, that one first and last.
fn shortest(next: &Following, members: &BTreeSet<usize>) -> Vec<usize> {
    let ways = members.iter().filter_map(|start| way_back(next, *start));
    ways.min_by_key(Vec::len).unwrap_or_default()
}

fn way_back(next: &Following, start: usize) -> Option<Vec<usize>> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for to in next.get(&at).into_iter().flatten() {
            if before.contains_key(to) {
                continue;
            }
            before.insert(*to, at);
            if *to == start {
                let mut way = vec![start];
                let mut at = at;
                while at != start {
                    way.push(at);
                    at = *before.get(&at)?;
                }
                way.push(start);
                way.reverse();
                return Some(way);
            }
            open.push_back(*to);
        }
    }
    None
}

fn tell(modules: &[Module], uses: &Uses, way: &[usize]) -> String {
    let mut told = String::new();
    for (from, to) in way.iter().zip(way.iter().skip(1)) {
        let name = |id: usize| modules::names(modules, id).join("::");
        let (file, line) = &uses[&(*from, *to)];
        let _ = write!(
            told,
            "\n  {} uses {}: {file}:{line}",
            name(*from),
            name(*to)
        );
    }
    told
}

#[cfg(test)]
mod tests;
