//! The arrows of the architecture, read from the sources: nothing imports against them.
//!
//! A module may import what can be reached from it along arrows, and what everybody may. To add a module: a row in the
//! table of its crate. Within a crate no files form a circle either; see [`circles`].

mod circles;
mod imports;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path as FilePath;

use self::imports::{Path, read};

/// The arrows of a crate.
struct House {
    /// Its name in code.
    name: &'static str,
    /// Each module of the crate's root, and to which others its arrows go. `lib` and `main` are the roots themselves.
    arrows: &'static [(&'static str, &'static [&'static str])],
    /// The modules of the binary.
    binary: &'static [&'static str],
    /// What every module with an arrow may import.
    common: &'static [&'static str],
    /// Arrows to the face of a module, what it shows itself, and not to its insides. They lead no further.
    faces: &'static [(&'static str, &'static str)],
    /// Other crates of the house, and who may import them.
    outside: &'static [(&'static str, &'static [&'static str])],
}

const SERVER: House = House {
    name: "realtime_server",
    arrows: &[
        ("main", &["lib", "cli", "listen", "logging", "process"]),
        ("cli", &["lib", "listen", "logging"]),
        ("listen", &[]),
        ("logging", &[]),
        ("process", &[]),
        ("lib", &["http", "lifecycle"]),
        ("lifecycle", &[]),
        ("http", &["connection", "framing"]),
        ("connection", &["socket", "session", "room", "framing"]),
        ("socket", &["framing"]),
        ("session", &["auth", "broker"]),
        ("auth", &[]),
        ("room", &["broker", "framing"]),
        ("broker", &["store", "redis_endpoint"]),
        ("store", &[]),
        ("redis_endpoint", &[]),
        ("framing", &[]),
        ("config", &["secret", "clock"]),
        ("clock", &[]),
        ("metrics", &[]),
        ("secret", &[]),
        ("faults", &[]),
    ],
    binary: &["cli", "listen", "logging", "process"],
    common: &["config", "clock", "metrics", "secret", "faults"],
    faces: &[],
    outside: &[("realtime_tui", &[]), ("realtime_client", &[])],
};

const CLIENT: House = House {
    name: "realtime_tui",
    arrows: &[
        ("main", &["lib"]),
        ("lib", &["runtime", "pipe", "cli", "config", "demo"]),
        ("pipe", &["runtime", "net", "app", "config", "cli"]),
        ("runtime", &["net", "app", "ui", "terminal", "demo", "config", "state"]),
        ("demo", &["net", "app"]),
        ("ui", &["app", "markup", "terminal"]),
        ("app", &["markup"]),
        ("markup", &[]),
        ("net", &[]),
        ("terminal", &[]),
        ("state", &[]),
        ("config", &["cli", "state", "settings"]),
        ("settings", &["app"]),
        ("cli", &["app"]),
        ("sanitize", &[]),
    ],
    binary: &[],
    common: &["sanitize"],
    faces: &[("app", "net"), ("config", "net"), ("settings", "net")],
    outside: &[("realtime_server", &["demo"]), ("realtime_client", &["lib"])],
};

const CLIENT_LIBRARY: House = House {
    name: "realtime_client",
    arrows: &[
        ("lib", &["client"]),
        ("client", &["task"]),
        ("task", &["session", "link", "claims"]),
        ("session", &["rooms", "outbox", "pacer", "event", "command", "config"]),
        ("link", &["event", "tls"]),
        ("command", &[]),
        ("event", &["trace"]),
        ("config", &["backoff"]),
        ("trace", &[]),
        ("rooms", &[]),
        ("outbox", &[]),
        ("pacer", &[]),
        ("backoff", &[]),
        ("claims", &[]),
        ("tls", &[]),
    ],
    binary: &[],
    common: &[],
    faces: &[],
    outside: &[("realtime_server", &[]), ("realtime_tui", &[])],
};

/// A file: its path under `src`, and what is in it.
type Source = (String, String);

impl House {
    fn arrows_of(&self, module: &str) -> Option<&'static [&'static str]> {
        self.arrows.iter().find(|(name, _)| *name == module).map(|(_, arrows)| *arrows)
    }

    /// What can be reached from a module.
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

    /// The module of the root that a file belongs to, and its path from the root.
    fn module(file: &str) -> (String, Path) {
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

    /// Everything that is against the arrows, a line each.
    fn violations(&self, sources: &[Source]) -> BTreeSet<String> {
        let others: Vec<_> = self.outside.iter().map(|(name, _)| *name).collect();
        let read_one = |(file, source): &Source| {
            let (module, path) = Self::module(file);
            let imports = read(source, &path, self.name, &others);
            (file.clone(), module, path, imports)
        };
        let files: Vec<_> = sources.iter().map(read_one).collect();
        let tests: HashSet<_> = files.iter().flat_map(|(.., imports)| imports.tests.clone()).collect();
        let is_test = |path: &Path| (0..=path.len()).any(|len| tests.contains(&path[..len]));
        // Of each module its own modules that are files: its insides.
        let mut insides: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for (.., path, _) in &files {
            if let [module, inside, ..] = &path[..] {
                insides.entry(module.clone()).or_default().insert(inside.clone());
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
                let is_face = self.faces.contains(&(module.as_str(), to))
                    && !import
                        .get(1)
                        .is_some_and(|name| insides.get(to).is_some_and(|all| all.contains(name)));
                if to != module && !reachable.contains(to) && !is_face {
                    violations.insert(format!("{file}: {module} → {to} ({})", import.join("::")));
                }
            }
            for import in &imports.outside {
                let allowed =
                    self.outside.iter().any(|(name, who)| *name == import[0] && who.contains(&&**module));
                if !allowed {
                    violations.insert(format!("{file}: {module} → {}", import.join("::")));
                }
            }
        }
        violations
    }

    /// The module that a path from the root leads to. What is no module there is the root's own.
    fn target<'a>(&self, from: &str, import: &'a Path) -> &'a str {
        match import.first() {
            Some(first) if self.arrows_of(first).is_some() => first,
            _ if from == "main" || self.binary.contains(&from) => "main",
            _ => "lib",
        }
    }
}

/// The files under a crate's `src`.
fn sources(of: &str) -> Vec<Source> {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of).join("src");
    let mut sources = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file =
                    path.strip_prefix(&root).expect("under it").to_str().expect("UTF-8").replace('\\', "/");
                sources.push((file, fs::read_to_string(&path).expect("a source")));
            }
        }
    }
    sources
}

#[track_caller]
fn keeps_to_its_arrows(house: &House, directory: &str) {
    let sources = sources(directory);
    assert!(sources.len() > 5, "{directory} is not where it was");
    let violations = house.violations(&sources);
    let lines: Vec<_> = violations.iter().map(String::as_str).collect();
    assert!(lines.is_empty(), "imports against the arrows of {}:\n{}", house.name, lines.join("\n"));
}

#[test]
fn the_server_keeps_to_its_arrows() {
    keeps_to_its_arrows(&SERVER, "server");
}

#[test]
fn the_client_keeps_to_its_arrows() {
    keeps_to_its_arrows(&CLIENT, "tui-client");
}

#[test]
fn the_client_library_keeps_to_its_arrows() {
    keeps_to_its_arrows(&CLIENT_LIBRARY, "tui-client/net");
}

/// Folders and files whose circles are still to be resolved: crate directory, path under `src`.
const CIRCLES_LEFT: &[(&str, &str)] = &[
    ("tui-client", "config"),
    ("tui-client", "demo"),
    ("tui-client", "markup"),
    ("tui-client", "pipe/"),
    ("tui-client", "runtime"),
    ("tui-client", "state/"),
    ("tui-client", "ui/"),
];

#[test]
fn no_files_of_a_crate_form_a_circle() {
    let crates: [(&str, &str, &[&str]); 4] = [
        ("server", SERVER.name, SERVER.binary),
        ("shared", "realtime_shared", &[]),
        ("tui-client", CLIENT.name, CLIENT.binary),
        ("tui-client/net", CLIENT_LIBRARY.name, CLIENT_LIBRARY.binary),
    ];
    let mut wrong = Vec::new();
    for (directory, name, binary) in crates {
        let sources = sources(directory);
        assert!(sources.len() > 5, "{directory} is not where it was");
        for circle in circles::circles(&sources, name, binary) {
            let left = |file: &String| {
                CIRCLES_LEFT.iter().any(|(of, path)| *of == directory && file.starts_with(path))
            };
            if circle.files.iter().all(left) {
                println!("{directory}, still to be resolved: {circle}");
            } else {
                wrong.push(format!("{directory}: {circle}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// A house of four rooms: `top → middle → bottom`, and `side`, to whose face `top` has an arrow.
const MADE_UP: House = House {
    name: "made_up",
    arrows: &[
        ("main", &["lib", "tool"]),
        ("tool", &[]),
        ("lib", &["top", "side"]),
        ("top", &["middle"]),
        ("middle", &["bottom"]),
        ("bottom", &[]),
        ("side", &[]),
        ("leaf", &[]),
    ],
    binary: &["tool"],
    common: &["leaf"],
    faces: &[("top", "side")],
    outside: &[("other_crate", &["side"])],
};

/// What is wrong with one file, in a house whose other files are empty.
fn wrong_with(file: &str, source: &str) -> Vec<String> {
    let usual =
        ["lib.rs", "top/mod.rs", "top/inside.rs", "middle.rs", "bottom.rs", "side/mod.rs", "side/inside.rs"];
    let others =
        usual.iter().filter(|other| **other != file).map(|other| ((*other).to_owned(), String::new()));
    let sources: Vec<_> = others.chain([(file.to_owned(), source.to_owned())]).collect();
    MADE_UP.violations(&sources).into_iter().collect()
}

#[test]
fn along_the_arrows_everything_is_fine() {
    for (file, source) in [
        ("lib.rs", "mod top; use crate::top::inside::X; use crate::bottom::Y;"),
        (
            "main.rs",
            "mod tool; use made_up::top::X; use made_up::Server; fn f() { tool::g(); crate::tool::g() }",
        ),
        (
            "top/mod.rs",
            "use crate::middle::X; use crate::bottom::{Y, Z}; use crate::leaf; use std::io::{self, Read};",
        ),
        ("top/inside.rs", "use super::super::middle; use super::X; use self::deeper::Y; use crate::top::Z;"),
        ("top/mod.rs", "use crate::side; use crate::side::{self, Face}; fn f() { crate::side::face() }"),
        ("side/mod.rs", "use other_crate::Thing;"),
        ("middle.rs", "pub(crate) struct A; pub(in crate::middle) fn f(&self) -> Self { self.a; Self::b() }"),
        (
            "bottom.rs",
            "//! [`crate::top`]\n/// `crate::top::X`\nconst A: &str = \"crate::top::X\"; // crate::top",
        ),
        ("bottom.rs", "#[cfg(test)] mod tests { use crate::top::X; } fn f() {}"),
        ("bottom.rs", "#[cfg(test)] use crate::top::X;"),
        ("leaf.rs", "use std::fmt;"),
    ] {
        assert_eq!(wrong_with(file, source), [""; 0], "{file}: {source}");
    }
}

#[test]
fn against_the_arrows_nothing_is() {
    let up = ["bottom.rs: bottom → top (top::X)"];
    for source in [
        "use crate::top::X;",
        "pub(crate) use crate::top::X as Y;",
        "use crate::{leaf, top::X};",
        "use crate::{leaf::{self, A}, middle_ages, top::{X}};",
        "use super::top::X;",
        "use super::{top::{X}};",
        "use self::super::top::X;",
        "fn f() { let _ = crate::top::X; }",
        "fn f(x: &crate::top::X) {}",
        "impl<T: Into<super::top::X>> A for B<T> {}",
        "fn f() { println!(\"{}\", crate::top::X); }",
        "macro_rules! m { () => { $crate::top::X }; }",
        "#[derive(Debug)] struct A { x: Vec<crate::top::X> }",
        "mod nested { use super::super::top::X; }",
        "mod nested { mod deeper { fn f() { crate::top::X } } }",
        "fn f() { #[cfg(test)] g(); crate::top::X }",
        "#[cfg(not(test))] use crate::top::X;",
        "#[cfg(test)] mod tests { } use crate::top::X;",
    ] {
        let wrong: Vec<_> =
            wrong_with("bottom.rs", source).into_iter().filter(|line| line.contains("top")).collect();
        assert_eq!(wrong, up, "{source}");
    }
}

#[test]
fn the_roots_are_not_to_be_imported() {
    for source in [
        "use crate::Server;",
        "use crate as root;",
        "use super as up;",
        "use crate::*;",
        "use crate::{self as r};",
    ] {
        let wrong = wrong_with("middle.rs", source);
        assert_eq!(wrong.len(), 1, "{source}");
        assert!(wrong[0].starts_with("middle.rs: middle → lib ("), "{wrong:?}");
    }
    assert_eq!(wrong_with("lib.rs", "use crate::tool::X;"), ["lib.rs: lib → tool (tool::X)"]);
    assert_eq!(wrong_with("tool.rs", "use made_up::top::X;"), ["tool.rs: tool → top (top::X)"]);
}

#[test]
fn a_face_is_not_the_insides() {
    let wrong = ["top/mod.rs: top → side (side::inside::X)"];
    for source in
        ["use crate::side::inside::X;", "use crate::side::{self, inside::X};", "use super::side::inside::X;"]
    {
        assert_eq!(wrong_with("top/mod.rs", source), wrong, "{source}");
    }
    assert_eq!(wrong_with("middle.rs", "use crate::side;"), ["middle.rs: middle → side (side)"]);
    assert_eq!(wrong_with("side/mod.rs", "use crate::top;"), ["side/mod.rs: side → top (top)"]);
}

#[test]
fn leaves_and_other_crates_have_their_rules_too() {
    assert_eq!(wrong_with("leaf.rs", "use crate::bottom;"), ["leaf.rs: leaf → bottom (bottom)"]);
    let wrong = ["top/mod.rs: top → other_crate::Thing"];
    for source in ["use other_crate::Thing;", "use ::other_crate::Thing;", "fn f() { other_crate::Thing }"] {
        assert_eq!(wrong_with("top/mod.rs", source), wrong, "{source}");
    }
}

#[test]
fn files_for_tests_are_left_out_and_new_modules_are_not() {
    let sources = |declared: &str| {
        vec![
            ("bottom.rs".to_owned(), format!("{declared} mod tests;")),
            ("bottom/tests.rs".to_owned(), "use crate::top::X; mod more;".to_owned()),
            ("bottom/tests/more.rs".to_owned(), "use crate::top::X;".to_owned()),
        ]
    };
    assert_eq!(MADE_UP.violations(&sources("#[cfg(test)]")).len(), 0);
    assert_eq!(MADE_UP.violations(&sources("")).len(), 2);
    let wrong = wrong_with("attic/box.rs", "");
    assert_eq!(wrong, ["attic/box.rs: `attic` has no row in the table of its crate's arrows"]);
}
