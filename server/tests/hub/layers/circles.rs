//! Circles of files within a crate: sets of files that name each other's items.
//!
//! An edge goes from a file to the file that defines an item which the first one names, in a `use` or in a path.
//! Re-exports are followed to the definition. `mod x;` and a `pub use` whose name the file itself does not use are no
//! edges. Code for tests (`#[cfg(test)]`) is left out.

mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use self::names::Names;
use super::imports::Path;

/// Limit on the re-exports that are followed. Imports can form a circle themselves.
const MAX_HOPS: usize = 16;

/// A set of files that reach each other along edges.
pub(super) struct Circle {
    pub(super) files: BTreeSet<String>,
    /// The edges within the circle, each with the names that cause it.
    edges: BTreeMap<(String, String), BTreeSet<String>>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.files.iter().map(String::as_str).collect();
        writeln!(f, "circle of {} files: {}", files.len(), files.join(", "))?;
        for ((from, to), names) in &self.edges {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            writeln!(f, "  {from} → {to} ({})", names.join(", "))?;
        }
        Ok(())
    }
}

/// The circles of a crate. `name` is the crate's own name, by which its binary imports the library; `binary` lists
/// the root modules of the binary.
pub(super) fn circles(sources: &[(String, String)], name: &str, binary: &[&str]) -> Vec<Circle> {
    let files: Vec<_> = sources.iter().map(|(file, source)| Names::read(file, source, name)).collect();
    let sources = Crate::new(files, binary);
    let edges = sources.edges();
    let mut successors: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges.keys() {
        successors.entry(from).or_default().insert(to);
    }
    let mut circles: Vec<Circle> = Vec::new();
    for file in successors.keys() {
        if circles.iter().any(|circle| circle.files.contains(*file)) {
            continue;
        }
        let ahead = reached(file, &successors);
        let files: BTreeSet<_> = ahead
            .iter()
            .filter(|other| reached(other, &successors).contains(file))
            .map(|&file| file.to_owned())
            .collect();
        if files.len() > 1 {
            let within = |(from, to): &(String, String)| files.contains(from) && files.contains(to);
            let edges = edges.iter().filter(|(edge, _)| within(edge));
            let edges = edges.map(|(edge, names)| (edge.clone(), names.clone())).collect();
            circles.push(Circle { files, edges });
        }
    }
    circles
}

/// The files that can be reached from `start` in one step or more.
fn reached<'a>(start: &str, successors: &BTreeMap<&str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = successors.get(start).into_iter().flatten().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(successors.get(file).into_iter().flatten());
        }
    }
    reached
}

/// The files of a crate, tests left out.
struct Crate<'a> {
    files: Vec<Names>,
    modules: HashMap<Path, usize>,
    binary: &'a [&'a str],
}

/// The target of a path.
enum Target {
    /// A module. Its name makes no edge: only the items that are named through it do.
    Module,
    /// An item of a file, and its name there.
    Item(usize, String),
}

impl<'a> Crate<'a> {
    fn new(files: Vec<Names>, binary: &'a [&'a str]) -> Self {
        let tests: Vec<_> = files.iter().flat_map(|file| file.tests.clone()).collect();
        let files: Vec<_> = files
            .into_iter()
            .filter(|file| !tests.iter().any(|test| file.module.starts_with(test)))
            .collect();
        let named = files.iter().enumerate().filter(|(_, file)| !file.module.is_empty());
        let modules = named.map(|(at, file)| (file.module.clone(), at)).collect();
        Self { files, modules, binary }
    }

    /// All edges, each with the names that cause it.
    fn edges(&self) -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut edges: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (from, file) in self.files.iter().enumerate() {
            for path in file.used() {
                let Some(Target::Item(to, item)) = self.resolve(from, &path, 0) else { continue };
                if to != from {
                    let edge = (file.name.clone(), self.files[to].name.clone());
                    edges.entry(edge).or_default().insert(item);
                }
            }
        }
        edges
    }

    /// The root at which a path in `from` begins. A module of the binary has two: its own root, and the library's.
    fn root(&self, from: usize, name: Option<&String>) -> Option<usize> {
        let first = self.files[from].name.split(['/', '.']).next().unwrap_or_default();
        let find = |root| self.files.iter().position(|file| file.name == root);
        let of_binary = || {
            let main = find("main.rs")?;
            name.is_some_and(|name| self.files[main].has(name)).then_some(main)
        };
        let is_binary = first == "main" || self.binary.contains(&first);
        is_binary.then(of_binary).flatten().or_else(|| find("lib.rs"))
    }

    /// Follows a path from the root of the crate to the file with its item.
    fn resolve(&self, from: usize, path: &[String], hops: usize) -> Option<Target> {
        if hops > MAX_HOPS {
            return None;
        }
        let deepest = (1..=path.len()).rev().find(|len| self.modules.contains_key(&path[..*len]));
        let (at, rest) = match deepest {
            Some(len) => (self.modules[&path[..len]], &path[len..]),
            None => (self.root(from, path.first())?, path),
        };
        let Some((name, rest)) = rest.split_first() else { return Some(Target::Module) };
        let file = &self.files[at];
        if file.defined.contains(name) {
            return Some(Target::Item(at, name.clone()));
        }
        if let Some(import) = file.imports.iter().find(|import| import.name.as_ref() == Some(name)) {
            // An item of another crate, named through this file.
            let Some(path) = &import.path else { return Some(Target::Item(at, name.clone())) };
            let path: Vec<_> = path.iter().chain(rest).cloned().collect();
            return self.resolve(at, &path, hops + 1);
        }
        let globs = file.imports.iter().filter(|import| import.name.is_none());
        for path in globs.filter_map(|import| import.path.as_ref()) {
            let path: Vec<_> = path.iter().chain([name]).chain(rest).cloned().collect();
            if let Some(Target::Item(to, item)) = self.resolve(at, &path, hops + 1)
                && self.files[to].defined.contains(&item)
            {
                return Some(Target::Item(to, item));
            }
        }
        Some(Target::Item(at, name.clone()))
    }
}
