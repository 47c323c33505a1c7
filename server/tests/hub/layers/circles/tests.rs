//! The check for circles, on example sources.

use super::circles;

/// The circles among files of a crate called `made_up`, whose binary has the module `tool`: the files and the edges
/// of each.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<_> =
        files.iter().map(|(file, source)| ((*file).to_owned(), (*source).to_owned())).collect();
    circles(&sources, "made_up", &["tool"]).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_none(files: &[(&str, &str)]) {
    assert_eq!(found(files), [""; 0], "{files:?}");
}

#[track_caller]
fn assert_circle(files: &[(&str, &str)], circle: &[&str]) {
    let found = found(files);
    assert_eq!(found.len(), 1, "{files:?}: {found:?}");
    let head = format!("circle of {} files: {}\n", circle.len(), circle.join(", "));
    assert!(found[0].starts_with(&head), "{files:?}: {}", found[0]);
}

#[test]
fn files_that_import_in_one_direction_form_no_circle() {
    assert_none(&[
        ("lib.rs", "mod top; mod bottom; pub use top::Top;"),
        ("top.rs", "use crate::bottom::Bottom; pub struct Top(Bottom);"),
        ("bottom.rs", "pub struct Bottom;"),
    ]);
}

#[test]
fn two_files_that_import_each_other_form_a_circle() {
    let files = |b: &'static str| [("a.rs", "use crate::b::B; pub struct A(B);"), ("b.rs", b)];
    for b in [
        "use crate::a::A; pub struct B;",
        "use super::a::A; pub struct B;",
        "use crate::{a::{A as Other}}; pub struct B;",
        "use super::a; pub struct B; fn f(a: a::A) {}",
        "use crate::a::*; pub struct B;",
        "pub struct B; fn f(a: &crate::a::A) {}",
        "pub struct B; fn f() { println!(\"{}\", crate::a::A); }",
        "pub struct B; mod inner { use super::super::a::A; }",
        "pub struct B; mod inner { fn f() { super::super::a::A } }",
        "pub struct B; fn f() { use crate::a::A; }",
        "pub(crate) use crate::a::A; pub struct B(A);",
        "#[cfg(not(test))] use crate::a::A; pub struct B;",
    ] {
        assert_circle(&files(b), &["a.rs", "b.rs"]);
    }
}

#[test]
fn a_circle_names_its_files_and_the_imports_that_close_it() {
    let found = found(&[
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c; pub struct B; fn f() { c::g(); c::h(); }"),
        ("c.rs", "use crate::a::A; use crate::d::D; pub fn g() {} pub fn h() {}"),
        ("d.rs", "pub struct D;"),
        ("e.rs", "use crate::a::A;"),
    ]);
    let circle = "circle of 3 files: a.rs, b.rs, c.rs\n  \
                  a.rs → b.rs (B)\n  b.rs → c.rs (g, h)\n  c.rs → a.rs (A)\n";
    assert_eq!(found, [circle]);
}

#[test]
fn a_parent_and_a_child_that_use_each_other_form_a_circle() {
    let child = ("a/child.rs", "use super::A; pub(super) fn f(a: &A) {}");
    for parent in [
        "mod child; use self::child::f; pub struct A;",
        "mod child; use child::f; pub struct A;",
        "mod child; pub struct A; fn g() { child::f(&A) }",
        "mod child; pub(crate) use self::child::f; pub struct A; fn g() { f(&A) }",
    ] {
        assert_circle(&[("a/mod.rs", parent), child], &["a/child.rs", "a/mod.rs"]);
    }
}

#[test]
fn declaring_and_re_exporting_a_child_makes_no_edge() {
    for parent in [
        "mod child; pub struct A;",
        "mod child; pub use self::child::f; pub struct A;",
        "mod child; pub(crate) use child::{f, g as h}; pub struct A;",
        "mod child; pub use self::child::*; pub struct A;",
        "mod child; pub use self::child::f; pub struct A { f: u8 } fn g(a: A) { a.f; a.f() }",
    ] {
        assert_none(&[
            ("a/mod.rs", parent),
            ("a/child.rs", "use super::A; pub fn f(a: &A) {} pub fn g() {}"),
        ]);
    }
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_item() {
    let definer = ("a/inner.rs", "use crate::b::B; pub struct Inner;");
    for parent in [
        "mod inner; pub use self::inner::Inner;",
        "mod inner; pub use self::inner::*;",
        "mod inner; pub use self::inner::Inner as Other; pub use Other as Inner;",
    ] {
        let files = [("a/mod.rs", parent), definer, ("b.rs", "use crate::a::Inner; pub struct B;")];
        assert_circle(&files, &["a/inner.rs", "b.rs"]);
        let files = [("a/mod.rs", parent), definer, ("b.rs", "use crate::a; pub struct B(a::Inner);")];
        assert_circle(&files, &["a/inner.rs", "b.rs"]);
    }
}

#[test]
fn siblings_that_share_a_re_exported_item_form_no_circle() {
    assert_none(&[
        ("a/mod.rs", "mod one; mod two; pub use self::one::One; pub use self::two::Two;"),
        ("a/one.rs", "pub struct One;"),
        ("a/two.rs", "use super::One; pub struct Two(One);"),
    ]);
}

#[test]
fn a_private_import_of_the_parent_leads_to_the_definition_too() {
    assert_none(&[
        ("a/mod.rs", "mod one; mod two; use self::one::One; use self::two::Two; struct A(One, Two);"),
        ("a/one.rs", "pub struct One;"),
        ("a/two.rs", "use super::One; pub struct Two(One);"),
    ]);
}

#[test]
fn code_for_tests_makes_no_edge() {
    assert_none(&[
        ("a.rs", "use crate::b::B; pub struct A; #[cfg(test)] mod tests;"),
        ("a/tests.rs", "use super::A; use crate::b::B;"),
        ("b.rs", "pub struct B; #[cfg(test)] use crate::a::A; #[cfg(test)] mod tests { use crate::a::A; }"),
    ]);
}

#[test]
fn comments_and_strings_make_no_edge() {
    assert_none(&[
        ("a.rs", "use crate::b::B; pub struct A;"),
        (
            "b.rs",
            "//! [`crate::a::A`]\n/// [A](crate::a::A)\npub struct B; const C: &str = \"crate::a::A\"; // crate::a::A",
        ),
    ]);
}

#[test]
fn a_local_variable_with_the_name_of_a_module_makes_no_edge() {
    assert_none(&[
        ("a/mod.rs", "mod log; pub struct A; fn f() { let log = 1; g(log); self.log; }"),
        ("a/log.rs", "use super::A;"),
    ]);
}

#[test]
fn the_roots_of_library_and_binary_are_distinct() {
    assert_circle(
        &[("lib.rs", "mod a; pub struct Server(a::A);"), ("a.rs", "use crate::Server; pub struct A;")],
        &["a.rs", "lib.rs"],
    );
    assert_none(&[
        ("lib.rs", "mod a; pub struct Server(a::A);"),
        ("a.rs", "pub struct A;"),
        ("main.rs", "mod tool; use made_up::a::A; fn main() { tool::run() } pub struct Usage;"),
        ("tool.rs", "use made_up::Server; pub fn run() {}"),
    ]);
    assert_circle(
        &[
            ("lib.rs", ""),
            ("main.rs", "mod tool; fn main() { tool::run() } pub struct Usage;"),
            ("tool.rs", "use crate::Usage; pub fn run() {}"),
        ],
        &["main.rs", "tool.rs"],
    );
}

#[test]
fn circular_re_exports_are_given_up() {
    assert_none(&[
        ("a.rs", "pub use crate::b::X; fn f(x: X) {}"),
        ("b.rs", "pub use crate::a::X; fn f(x: X) {}"),
    ]);
}
