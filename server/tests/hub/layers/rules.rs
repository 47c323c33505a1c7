//! Rules for the imports of a crate, and the check of its sources against them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::imports::{Path, read};

/// Rules for the imports of a crate.
pub(super) struct CrateRules {
    /// The crate's name in code.
    pub(super) name: &'static str,
    /// The crate's directory in the workspace.
    pub(super) directory: &'static str,
    /// Each root module, and the modules to which its arrows go. `lib` and `main` are the roots themselves.
    pub(super) arrows: &'static [(&'static str, &'static [&'static str])],
    /// The modules of the binary.
    pub(super) binary: &'static [&'static str],
    /// Modules that every module with an arrow may import.
    pub(super) common: &'static [&'static str],
    /// Arrows to the items that a module exports itself, and not to its submodules. They are not transitive.
    pub(super) interfaces: &'static [(&'static str, &'static str)],
    /// Other crates of the workspace, each with the modules that may import it.
    pub(super) outside: &'static [(&'static str, &'static [&'static str])],
}

/// A file: its path under `src`, and its text.
pub(super) type Source = (String, String);

impl CrateRules {
    fn arrows_of(&self, module: &str) -> Option<&'static [&'static str]> {
        self.arrows.iter().find(|(name, _)| *name == module).map(|(_, arrows)| *arrows)
    }

    /// The modules that a module reaches along arrows.
    fn reachable(&self, module: &str) -> HashSet<&'static str> {
        let mut reached = HashSet::new();
        let mut next: Vec<_> = self.arrows_of(module).unwrap_or_default().to_vec();
        if !self.common.contains(&module) {
            next.extend(self.common);
        }
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(self.arrows_of(module).unwrap_or_default());
            }
        }
        reached
    }

    /// The root module of a file, and the path of the file's module.
    pub(super) fn module(file: &str) -> (String, Path) {
        let names = file.trim_end_matches(".rs").split('/').map(str::to_owned);
        let mut path: Path = names.collect();
        if path.len() > 1 && path.last().is_some_and(|last| last == "mod") {
            path.pop();
        }
        let first = path[0].clone();
        if path.len() == 1 && ["lib", "main"].contains(&first.as_str()) {
            path.clear();
        }
        (first, path)
    }

    /// All imports against the rules, one line each.
    pub(super) fn violations(&self, sources: &[Source]) -> BTreeSet<String> {
        let others: Vec<_> = self.outside.iter().map(|(name, _)| *name).collect();
        let read_file = |(file, source): &Source| {
            let (module, path) = Self::module(file);
            let imports = read(source, &path, self.name, &others);
            (file.clone(), module, path, imports)
        };
        let files: Vec<_> = sources.iter().map(read_file).collect();
        let tests: HashSet<_> = files.iter().flat_map(|(.., imports)| imports.tests.clone()).collect();
        let is_test = |path: &Path| (0..=path.len()).any(|len| tests.contains(&path[..len]));
        // The submodules of each root module that are files.
        let mut submodules: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for (.., path, _) in &files {
            if let [module, submodule, ..] = &path[..] {
                submodules.entry(module.clone()).or_default().insert(submodule.clone());
            }
        }

        let mut violations = BTreeSet::new();
        for (file, module, path, imports) in &files {
            if is_test(path) {
                continue;
            }
            if self.arrows_of(module).is_none() {
                violations
                    .insert(format!("{file}: `{module}` has no row in the table of its crate's arrows"));
            }
            let reachable = self.reachable(module);
            for import in &imports.inside {
                let to = self.target(module, import);
                let is_interface = self.interfaces.contains(&(module.as_str(), to))
                    && !import
                        .get(1)
                        .is_some_and(|name| submodules.get(to).is_some_and(|all| all.contains(name)));
                if to != module && !reachable.contains(to) && !is_interface {
                    violations.insert(format!("{file}: {module} → {to} ({})", import.join("::")));
                }
            }
            for import in &imports.outside {
                let allowed = self
                    .outside
                    .iter()
                    .any(|(name, modules)| *name == import[0] && modules.contains(&&**module));
                if !allowed {
                    violations.insert(format!("{file}: {module} → {}", import.join("::")));
                }
            }
        }
        violations
    }

    /// The root module that a path leads to. A first name that is not a module is an item of the root.
    fn target<'a>(&self, from: &str, import: &'a Path) -> &'a str {
        match import.first() {
            Some(first) if self.arrows_of(first).is_some() => first,
            _ if from == "main" || self.binary.contains(&from) => "main",
            _ => "lib",
        }
    }
}
