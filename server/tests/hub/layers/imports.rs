//! Imports of a source file: all paths in it that lead out of its module, however they are written.
//!
//! They are read from the tokens, so that paths in code, in macros and in nested groups of a `use` are treated alike.
//! Items for tests (`#[cfg(test)]`) are left out: a test may import anything.

use std::collections::HashSet;
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path from the root of a crate.
pub(super) type Path = Vec<String>;

/// The imports of a file.
#[derive(Default)]
pub(super) struct Imports {
    /// Paths from the root of its own crate. The root is the empty path.
    pub(super) inside: Vec<Path>,
    /// Paths into other crates of the workspace. The first name is the crate's.
    pub(super) outside: Vec<Path>,
    /// Test modules in files of their own.
    pub(super) tests: HashSet<Path>,
}

/// Reads the file of `module`. `own` is the name by which the crate's binary imports its library. `others` are the
/// other crates of the workspace.
pub(super) fn read(source: &str, module: &[String], own: &str, others: &[&str]) -> Imports {
    let tokens = TokenStream::from_str(source).expect("Rust");
    let mut reader = Reader { own, others, imports: Imports::default() };
    reader.items(tokens, module);
    reader.imports
}

struct Reader<'a> {
    own: &'a str,
    others: &'a [&'a str],
    imports: Imports,
}

impl Reader<'_> {
    fn items(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.item(&tokens, at, module);
        }
    }

    /// Reads the item at `at`, and returns the index of the next one.
    fn item(&mut self, tokens: &[TokenTree], at: usize, module: &[String]) -> usize {
        match &tokens[at..] {
            [TokenTree::Punct(hash), TokenTree::Group(attribute), rest @ ..]
                if hash.as_char() == '#' && is_test(attribute) =>
            {
                self.test_file(rest, module);
                at + 2 + item_len(rest)
            }
            [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
                if word == "mod" && body.delimiter() == Delimiter::Brace =>
            {
                self.items(body.stream(), &child(module, &name.to_string()));
                at + 3
            }
            // A visibility such as `pub(crate)` imports nothing.
            [TokenTree::Ident(word), TokenTree::Group(_), ..] if word == "pub" => at + 2,
            [TokenTree::Ident(word), ..] if self.is_head(&word.to_string()) && !continues(tokens, at) => {
                self.path(tokens, at, &[], module)
            }
            [TokenTree::Group(group), ..] => {
                self.items(group.stream(), module);
                at + 1
            }
            _ => at + 1,
        }
    }

    fn is_head(&self, word: &str) -> bool {
        ["crate", "self", "super", self.own].contains(&word) || self.others.contains(&word)
    }

    /// Reads the path at `at`, which continues `before`, with all branches of its groups. Returns the index of its
    /// end.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, before: &[String], module: &[String]) -> usize {
        let mut path = before.to_vec();
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(name)) => path.push(name.to_string()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.branches(group, &path, module);
                    return at + 1;
                }
                _ => break,
            }
            at += 1;
            let colons = matches!(tokens.get(at..at + 2), Some([TokenTree::Punct(one), TokenTree::Punct(two)])
                if one.as_char() == ':' && two.as_char() == ':');
            if !colons {
                break;
            }
            at += 2;
        }
        self.found(&path, module);
        at
    }

    fn branches(&mut self, group: &Group, before: &[String], module: &[String]) {
        let tokens: Vec<_> = group.stream().into_iter().collect();
        let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',');
        for branch in tokens.split(is_comma).filter(|branch| !branch.is_empty()) {
            self.path(branch, 0, before, module);
        }
    }

    fn found(&mut self, path: &[String], module: &[String]) {
        // The value `self` is no path. A `self` in a group is the prefix of the group.
        let path = match path {
            [only] if only == "self" => return,
            [prefix @ .., last] if last == "self" => prefix,
            _ => path,
        };
        let mut target = module.to_vec();
        let mut rest = path;
        while let [first, others @ ..] = rest {
            match first.as_str() {
                "crate" => target.clear(),
                "super" => drop(target.pop()),
                "self" => {}
                name if name == self.own && rest.len() == path.len() => target.clear(),
                name if self.others.contains(&name) && rest.len() == path.len() => {
                    return self.imports.outside.push(path.to_vec());
                }
                _ => break,
            }
            rest = others;
        }
        target.extend_from_slice(rest);
        self.imports.inside.push(target);
    }

    /// Records a test module that is a file.
    fn test_file(&mut self, item: &[TokenTree], module: &[String]) {
        let word = item.iter().position(|token| matches!(token, TokenTree::Ident(word) if word == "mod"));
        if let Some([TokenTree::Ident(name), TokenTree::Punct(_)]) =
            word.and_then(|at| item[..item_len(item)].get(at + 1..))
        {
            self.imports.tests.insert(child(module, &name.to_string()));
        }
    }
}

pub(super) fn child(module: &[String], name: &str) -> Path {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// Returns true for the attribute `[cfg(test)]`.
pub(super) fn is_test(attribute: &Group) -> bool {
    attribute.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// The number of tokens up to the end of the first item: its `;` or its body.
pub(super) fn item_len(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    tokens.iter().position(ends).map_or(tokens.len(), |last| last + 1)
}

/// Returns true if the word at `at` continues a path. A `::name` at the start of a path is the crate of that name.
pub(super) fn continues(tokens: &[TokenTree], at: usize) -> bool {
    let before = &tokens[at.saturating_sub(3)..at];
    matches!(before, [TokenTree::Ident(word), TokenTree::Punct(one), TokenTree::Punct(two)]
        if word != "use" && one.as_char() == ':' && two.as_char() == ':')
}
