//! The names in a source file: those that it defines, those that it imports, and the paths that its code uses.
//!
//! They are read from tokens, like the imports between modules, so that code in macros counts.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::super::imports::{Path, child, continues, is_test, item_len};
use super::super::rules::CrateRules;

/// Words before the name of an item.
const ITEM_WORDS: [&str; 9] = ["struct", "enum", "union", "trait", "type", "fn", "const", "static", "mod"];

/// A file and its names.
pub(super) struct Names {
    /// The file's path under `src`.
    pub(super) name: String,
    pub(super) module: Path,
    /// Items of the file, without modules in files of their own.
    pub(super) defined: HashSet<String>,
    pub(super) imports: Vec<Import>,
    /// Modules for tests in files of their own.
    pub(super) tests: Vec<Path>,
    /// Modules in files of their own.
    children: HashSet<String>,
    /// Paths in code, as written.
    code: BTreeSet<Path>,
    /// The crate's own name.
    own: String,
}

/// A name that a `use` binds.
pub(super) struct Import {
    /// The bound name. None: all names of a module.
    pub(super) name: Option<String>,
    /// The path from the crate's root. None: an item of another crate.
    pub(super) path: Option<Path>,
    /// Other files may import the name from here.
    is_public: bool,
}

impl Names {
    pub(super) fn read(file: &str, source: &str, own: &str) -> Self {
        let (_, module) = CrateRules::module(file);
        let mut names = Self {
            name: file.to_owned(),
            module: module.clone(),
            defined: HashSet::new(),
            imports: Vec::new(),
            tests: Vec::new(),
            children: HashSet::new(),
            code: BTreeSet::new(),
            own: own.to_owned(),
        };
        let tokens: Vec<_> = TokenStream::from_str(source).expect("Rust").into_iter().collect();
        names.children(&tokens, &module);
        names.tokens(&tokens, &module, true);
        names
    }

    /// The paths, from the crate's root, of everything that the file uses.
    pub(super) fn used(&self) -> BTreeSet<Path> {
        let imports = self.imports.iter().filter(|import| !import.is_public);
        let imported = imports.filter_map(|import| {
            let mut path = import.path.clone()?;
            // A glob names all items of the module.
            path.extend(import.name.is_none().then(|| "*".to_owned()));
            Some(path)
        });
        let code = self.code.iter().filter_map(|path| self.absolute(path, &self.module));
        imported.chain(code).collect()
    }

    /// Returns true if the file defines an item or a module of that name, or binds the name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.defined.contains(name) || self.children.contains(name) || self.binds(name)
    }

    /// The path from the root of the crate for a path as written in `module`. None: its first name is not known here.
    fn absolute(&self, path: &[String], module: &[String]) -> Option<Path> {
        let (first, mut rest) = path.split_first()?;
        let mut root = match first.as_str() {
            "crate" => Path::new(),
            name if name == self.own => Path::new(),
            "self" if !rest.is_empty() => module.to_vec(),
            "super" => module[..module.len().saturating_sub(1)].to_vec(),
            name if self.children.contains(name) || self.binds(name) => {
                return Some(self.module.iter().chain(path).cloned().collect());
            }
            _ => return None,
        };
        while let [first, others @ ..] = rest
            && first == "super"
        {
            root.pop();
            rest = others;
        }
        root.extend_from_slice(rest);
        Some(root)
    }

    fn binds(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import.name.as_deref() == Some(name))
    }

    /// Collects the modules in files of their own. They come first: a `use` above them may begin with their names.
    fn children(&mut self, tokens: &[TokenTree], module: &[String]) {
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at..] {
                [TokenTree::Punct(hash), TokenTree::Group(attribute), rest @ ..]
                    if hash.as_char() == '#' && is_test(attribute) =>
                {
                    let item = &rest[..item_len(rest)];
                    if let [.., TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(_)] = item
                        && word == "mod"
                    {
                        self.tests.push(child(module, &name.to_string()));
                    }
                    at += 2 + item.len();
                }
                [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(end), ..]
                    if word == "mod" && end.as_char() == ';' =>
                {
                    self.children.insert(name.to_string());
                    at += 3;
                }
                _ => at += 1,
            }
        }
    }

    /// Reads items and code. `top`: the tokens are those of a module, whose items others can name.
    fn tokens(&mut self, tokens: &[TokenTree], module: &[String], top: bool) {
        let mut at = 0;
        while at < tokens.len() {
            at = self.token(tokens, at, module, top);
        }
    }

    /// Reads what begins at `at`, and returns where the next begins.
    fn token(&mut self, tokens: &[TokenTree], at: usize, module: &[String], top: bool) -> usize {
        match &tokens[at..] {
            [TokenTree::Punct(hash), TokenTree::Group(attribute), rest @ ..]
                if hash.as_char() == '#' && is_test(attribute) =>
            {
                at + 2 + item_len(rest)
            }
            [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Group(body), ..]
                if word == "mod" && body.delimiter() == Delimiter::Brace =>
            {
                if top {
                    self.defined.insert(name.to_string());
                }
                let body: Vec<_> = body.stream().into_iter().collect();
                self.tokens(&body, &child(module, &name.to_string()), false);
                at + 3
            }
            [TokenTree::Ident(word), TokenTree::Ident(_), TokenTree::Punct(end), ..]
                if word == "mod" && end.as_char() == ';' =>
            {
                at + 3
            }
            [TokenTree::Ident(word), rest @ ..] if word == "use" => {
                let len = item_len_of_use(rest);
                let is_public = is_public(&tokens[..at]);
                self.import(&rest[..len], &[], module, is_public);
                at + 1 + len
            }
            [TokenTree::Ident(word), TokenTree::Punct(mark), TokenTree::Ident(name), ..]
                if word == "macro_rules" && mark.as_char() == '!' =>
            {
                self.defined.insert(name.to_string());
                at + 3
            }
            [TokenTree::Ident(word), TokenTree::Ident(name), ..] if is_item_word(word, name) => {
                if top {
                    self.defined.insert(name.to_string());
                }
                at + 2
            }
            // A visibility such as `pub(crate)` names nothing.
            [TokenTree::Ident(word), TokenTree::Group(_), ..] if word == "pub" => at + 2,
            [TokenTree::Ident(_), ..] if !continues(tokens, at) && !is_label(tokens, at) => {
                let (path, end) = path_at(tokens, at);
                self.remember(path, module);
                end
            }
            [TokenTree::Group(group), ..] => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                self.tokens(&inner, module, false);
                at + 1
            }
            _ => at + 1,
        }
    }

    /// Adds a path of the code. A relative path of a nested module is made to begin at the root.
    fn remember(&mut self, path: Path, module: &[String]) {
        let relative = ["self", "super"].contains(&path[0].as_str()) && path.len() > 1;
        match relative.then(|| self.absolute(&path, module)).flatten() {
            Some(path) => {
                self.code.insert([vec!["crate".to_owned()], path].concat());
            }
            None => {
                self.code.insert(path);
            }
        }
    }

    /// Reads the tree of a `use`.
    fn import(&mut self, tree: &[TokenTree], before: &[String], module: &[String], is_public: bool) {
        let mut path = before.to_vec();
        let mut bound = None;
        let mut glob = false;
        let mut at = 0;
        while at < tree.len() {
            match &tree[at] {
                TokenTree::Ident(word) if word == "as" => {
                    bound = tree.get(at + 1).map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(name) => path.push(name.to_string()),
                TokenTree::Punct(star) if star.as_char() == '*' => glob = true,
                TokenTree::Group(group) => {
                    let tokens: Vec<_> = group.stream().into_iter().collect();
                    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',');
                    for branch in tokens.split(is_comma).filter(|branch| !branch.is_empty()) {
                        self.import(branch, &path, module, is_public);
                    }
                    return;
                }
                _ => {}
            }
            at += 1;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = if glob { None } else { bound.or_else(|| path.last().cloned()) };
        let path = self.absolute(&path, module);
        // A glob of another crate binds no known names.
        if name.is_some() || path.is_some() {
            self.imports.push(Import { name, path, is_public });
        }
    }
}

fn is_item_word(word: &proc_macro2::Ident, name: &proc_macro2::Ident) -> bool {
    ITEM_WORDS.iter().any(|item| word == item) && ITEM_WORDS.iter().all(|item| name != item)
}

/// The path that begins at `at`, and where it ends.
fn path_at(tokens: &[TokenTree], mut at: usize) -> (Path, usize) {
    let mut path = Path::new();
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        path.push(name.to_string());
        at += 1;
        match tokens.get(at..at + 3) {
            Some([TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Ident(_)])
                if one.as_char() == ':' && two.as_char() == ':' =>
            {
                at += 2;
            }
            _ => break,
        }
    }
    (path, at)
}

/// The length of a `use` after its first word, up to its `;`.
fn item_len_of_use(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| matches!(token, TokenTree::Punct(end) if end.as_char() == ';');
    tokens.iter().position(ends).map_or(tokens.len(), |last| last + 1)
}

/// Returns true if the tokens before an item end with `pub` or `pub(…)`.
fn is_public(before: &[TokenTree]) -> bool {
    matches!(before, [.., TokenTree::Ident(word)] | [.., TokenTree::Ident(word), TokenTree::Group(_)] if word == "pub")
}

/// Returns true if the word at `at` names a field, a method or a parameter.
fn is_label(tokens: &[TokenTree], at: usize) -> bool {
    let punct =
        |at: usize, mark| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == mark);
    let member = at > 0 && punct(at - 1, '.') && !(at > 1 && punct(at - 2, '.'));
    member || (punct(at + 1, ':') && !punct(at + 2, ':'))
}
