//! The check of imports, on the sources of an example.

use super::rules::CrateRules;

/// A crate with `top → middle → bottom`, and `side`, whose interface `top` may import.
const EXAMPLE: CrateRules = CrateRules {
    name: "made_up",
    directory: "",
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
    interfaces: &[("top", "side")],
    outside: &[("other_crate", &["side"])],
};

/// The violations of one file in the example, whose other files are empty.
fn violations_of(file: &str, source: &str) -> Vec<String> {
    let usual =
        ["lib.rs", "top/mod.rs", "top/inside.rs", "middle.rs", "bottom.rs", "side/mod.rs", "side/inside.rs"];
    let others =
        usual.iter().filter(|other| **other != file).map(|other| ((*other).to_owned(), String::new()));
    let sources: Vec<_> = others.chain([(file.to_owned(), source.to_owned())]).collect();
    EXAMPLE.violations(&sources).into_iter().collect()
}

#[test]
fn imports_along_the_arrows_are_no_violations() {
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
        assert_eq!(violations_of(file, source), [""; 0], "{file}: {source}");
    }
}

#[test]
fn imports_against_the_arrows_are_violations() {
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
            violations_of("bottom.rs", source).into_iter().filter(|line| line.contains("top")).collect();
        assert_eq!(wrong, up, "{source}");
    }
}

#[test]
fn modules_may_not_import_the_roots() {
    for source in [
        "use crate::Server;",
        "use crate as root;",
        "use super as up;",
        "use crate::*;",
        "use crate::{self as r};",
    ] {
        let wrong = violations_of("middle.rs", source);
        assert_eq!(wrong.len(), 1, "{source}");
        assert!(wrong[0].starts_with("middle.rs: middle → lib ("), "{wrong:?}");
    }
    assert_eq!(violations_of("lib.rs", "use crate::tool::X;"), ["lib.rs: lib → tool (tool::X)"]);
    assert_eq!(violations_of("tool.rs", "use made_up::top::X;"), ["tool.rs: tool → top (top::X)"]);
}

#[test]
fn an_interface_does_not_include_submodules() {
    let wrong = ["top/mod.rs: top → side (side::inside::X)"];
    for source in
        ["use crate::side::inside::X;", "use crate::side::{self, inside::X};", "use super::side::inside::X;"]
    {
        assert_eq!(violations_of("top/mod.rs", source), wrong, "{source}");
    }
    assert_eq!(violations_of("middle.rs", "use crate::side;"), ["middle.rs: middle → side (side)"]);
    assert_eq!(violations_of("side/mod.rs", "use crate::top;"), ["side/mod.rs: side → top (top)"]);
}

#[test]
fn common_modules_and_other_crates_are_checked() {
    assert_eq!(violations_of("leaf.rs", "use crate::bottom;"), ["leaf.rs: leaf → bottom (bottom)"]);
    let wrong = ["top/mod.rs: top → other_crate::Thing"];
    for source in ["use other_crate::Thing;", "use ::other_crate::Thing;", "fn f() { other_crate::Thing }"] {
        assert_eq!(violations_of("top/mod.rs", source), wrong, "{source}");
    }
}

#[test]
fn test_files_are_exempt_and_new_modules_are_not() {
    let sources = |declared: &str| {
        vec![
            ("bottom.rs".to_owned(), format!("{declared} mod tests;")),
            ("bottom/tests.rs".to_owned(), "use crate::top::X; mod more;".to_owned()),
            ("bottom/tests/more.rs".to_owned(), "use crate::top::X;".to_owned()),
        ]
    };
    assert_eq!(EXAMPLE.violations(&sources("#[cfg(test)]")).len(), 0);
    assert_eq!(EXAMPLE.violations(&sources("")).len(), 2);
    let wrong = violations_of("attic/box.rs", "");
    assert_eq!(wrong, ["attic/box.rs: `attic` has no row in the table of its crate's arrows"]);
}
