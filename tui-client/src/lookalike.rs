//! Names that look like others, by the rules of UTS 39 (Unicode Security Mechanisms).
//!
//! - A word mixes scripts if no writing system has all its letters. Latin beside Chinese, Japanese or Korean is no mixture
//!   ("Highly Restrictive"), and the words of a name may differ.
//! - Two names look alike if their skeletons are equal. A skeleton has a common letter in place of each letter that looks
//!   like it.
//!
//! A skeleton costs a search in a table for each letter, so it is computed once for each name.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use unicode_script::{Script, UnicodeScript};
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::{MixedScript, skeleton};

use crate::sanitize::{self, Line};

/// The look of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameShape {
    /// Hash of the skeleton. Equal hashes of other names mark a name without need, and do no harm.
    skeleton: u64,
    is_mixed: bool,
}

impl NameShape {
    pub(crate) fn of(name: &Line) -> Self {
        Self { skeleton: skeleton_hash(name), is_mixed: mixed_word(name).is_some() }
    }
}

fn skeleton_hash(name: &Line) -> u64 {
    let mut hasher = DefaultHasher::new();
    for c in skeleton(name.as_str()) {
        c.hash(&mut hasher);
    }
    hasher.finish()
}

/// Shapes of the members of a room. Names that mix scripts are marked for that, and do not cause a mark of the names that
/// they imitate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NameShapes {
    counts: HashMap<u64, u32>,
}

impl NameShapes {
    pub(crate) fn add(&mut self, shape: NameShape) {
        if !shape.is_mixed {
            *self.counts.entry(shape.skeleton).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, shape: NameShape) {
        if !shape.is_mixed
            && let Some(count) = self.counts.get_mut(&shape.skeleton)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&shape.skeleton);
            }
        }
    }

    /// Returns true if a name needs a mark: it mixes scripts, or looks like the name of another member.
    pub(crate) fn is_doubtful(&self, shape: NameShape, is_member: bool) -> bool {
        let others = self.counts.get(&shape.skeleton).copied().unwrap_or_default();
        shape.is_mixed || others > u32::from(is_member)
    }
}

/// Returns for each of the names the reason of its mark. `me` has none.
pub(crate) fn reasons(names: &[Line], me: Option<&Line>) -> Vec<Option<Line>> {
    let mixed: Vec<Option<Line>> = names.iter().map(mixed_word).collect();
    let mut alike: HashMap<u64, Vec<&Line>> = HashMap::new();
    for (name, _) in names.iter().zip(&mixed).filter(|(_, mixed)| mixed.is_none()) {
        alike.entry(skeleton_hash(name)).or_default().push(name);
    }
    let reason = |(name, mixed): (&Line, Option<Line>)| {
        if me == Some(name) {
            return None;
        }
        let others = mixed.is_none().then(|| alike.get(&skeleton_hash(name))).flatten();
        let other = others.and_then(|others| others.iter().find(|other| **other != name));
        mixed.or_else(|| other.map(|other| sanitize::line(&format!("looks like {other}"))))
    };
    names.iter().zip(mixed).map(reason).collect()
}

/// Returns a sentence about the first word of a name that mixes scripts.
fn mixed_word(name: &Line) -> Option<Line> {
    if name.as_str().is_ascii() {
        return None;
    }
    let is_end = |c: char| c.is_whitespace() || c.is_ascii_punctuation();
    let word = name.as_str().split(is_end).find(|word| mixes_scripts(word))?;
    let mut scripts: Vec<&str> = Vec::new();
    for script in word.chars().map(|c| c.script()).filter(|script| is_of_letters(*script)) {
        if !scripts.contains(&script.full_name()) {
            scripts.push(script.full_name());
        }
    }
    Some(sanitize::line(&format!("mixes {} letters", scripts.join(" and "))))
}

fn mixes_scripts(word: &str) -> bool {
    if word.is_ascii() || word.is_single_script() {
        return false;
    }
    let mut beside_latin = AugmentedScriptSet::default();
    for c in word.chars().filter(|c| c.script() != Script::Latin) {
        beside_latin.intersect_with(c.into());
    }
    !(beside_latin.hanb || beside_latin.jpan || beside_latin.kore)
}

fn is_of_letters(script: Script) -> bool {
    !matches!(script, Script::Common | Script::Inherited | Script::Unknown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(names: &[&str]) -> Vec<Line> {
        names.iter().map(|name| sanitize::line(name)).collect()
    }

    fn reasons_of(names: &[&str]) -> Vec<String> {
        let reasons = reasons(&lines(names), Some(&sanitize::line("me"))).into_iter();
        reasons.map(|reason| reason.map(|reason| reason.to_string()).unwrap_or_default()).collect()
    }

    #[test]
    fn a_word_of_several_scripts_is_mixed() {
        for (name, scripts) in [
            ("\u{430}lice", "Cyrillic and Latin"),
            ("p\u{430}yp\u{430}l", "Latin and Cyrillic"),
            ("\u{3a1}aul", "Greek and Latin"),
            ("a\u{301}\u{43b}ice", "Latin and Cyrillic"),
            ("bob \u{430}lice", "Cyrillic and Latin"),
            ("bob_\u{430}lice7", "Cyrillic and Latin"),
            ("日本\u{430}", "Han and Cyrillic"),
            ("おはよ안녕", "Hiragana and Hangul"),
            ("alice\u{939}", "Latin and Devanagari"),
            ("\u{13aa}lice", "Cherokee and Latin"),
        ] {
            assert_eq!(reasons_of(&[name]), [format!("mixes {scripts} letters")], "{name}");
        }
    }

    #[test]
    fn words_as_people_write_them_are_not_mixed() {
        for name in [
            "alice",
            "Zoë",
            "Jörg_2",
            "иван",
            "иван2",
            "Ivan Иван",
            "λ-calculus",
            "花子",
            "花子さん",
            "小林ケン2",
            "alice花子さん",
            "Kim김민준",
            "注音ㄅㄆ",
            "中文abc",
            "العربية",
            "नमस्ते",
            "ภาษาไทย",
            "mae 🚀",
            "👩\u{200d}🚀",
            "x²",
            "µTorrent",
            "№1",
            "",
        ] {
            assert_eq!(reasons_of(&[name]), [""], "{name}");
        }
    }

    #[test]
    fn names_that_look_alike_name_each_other() {
        for [one, other] in [
            ["coco", "\u{441}\u{43e}\u{441}\u{43e}"],
            ["bill", "biIl"],
            ["user1", "userl"],
            ["alice", "\u{1d41a}lice"],
            ["alice", "\u{251}lice"],
        ] {
            assert_eq!(
                reasons_of(&["bob", one, other]),
                ["", &format!("looks like {other}"), &format!("looks like {one}")]
            );
        }
        assert_eq!(reasons_of(&["alice", "Alice", "alice2", "bob"]), ["", "", "", ""]);
    }

    #[test]
    fn a_mixed_name_marks_neither_the_imitated_name_nor_the_user() {
        assert_eq!(reasons_of(&["alice", "\u{430}lice"])[0], "");
        assert_eq!(reasons_of(&["me", "rne"]), ["", "looks like me"]);
    }

    #[test]
    fn the_shapes_of_a_room_agree_with_the_reasons() {
        let names = lines(&["alice", "\u{430}lice", "coco", "\u{441}\u{43e}\u{441}\u{43e}", "bob"]);
        let all: Vec<NameShape> = names.iter().map(NameShape::of).collect();
        let mut shapes = NameShapes::default();
        for shape in &all {
            shapes.add(*shape);
        }
        let doubtful = |shapes: &NameShapes, is_member| -> Vec<bool> {
            all.iter().map(|shape| shapes.is_doubtful(*shape, is_member)).collect()
        };
        assert_eq!(doubtful(&shapes, true), [false, true, true, true, false]);
        let expected: Vec<bool> = reasons(&names, None).iter().map(Option::is_some).collect();
        assert_eq!(doubtful(&shapes, true), expected);
        assert_eq!(doubtful(&shapes, false), [true, true, true, true, true], "a name of somebody else");
        shapes.remove(all[2]);
        assert_eq!(doubtful(&shapes, true), [false, true, false, false, false]);
        for shape in &all {
            shapes.remove(*shape);
        }
        assert!(shapes.counts.len() <= 1, "{shapes:?}");
    }

    proptest! {
        #[test]
        fn any_names_have_reasons(names in proptest::collection::vec(any::<String>(), 0..5)) {
            let names: Vec<Line> = names.iter().map(|name| sanitize::line(name)).collect();
            let mut shapes = NameShapes::default();
            for name in &names {
                shapes.add(NameShape::of(name));
            }
            let marked = names.iter().map(|name| shapes.is_doubtful(NameShape::of(name), true));
            let reasons = reasons(&names, None);
            for (is_marked, reason) in marked.zip(reasons) {
                prop_assert!(is_marked || reason.is_none());
            }
        }
    }
}
