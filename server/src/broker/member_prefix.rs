//! The beginning of user ids that a member search looks for, in upper or lower case.
//!
//! The ids are in the order of their bytes, so those that match are in several runs: `AL…`, `Al…`, `al…`. From an id
//! that does not match, [`MemberPrefix::place_of`] leads to the next place where a match may be. A search looks at the
//! matches, and at one id for each place that it passes over.

use std::fmt::Write as _;

use realtime_shared::name::NAME_CHARS;

/// Most places without a match that a search passes over. The answer is a part then.
pub(crate) const MAX_SKIPS: usize = 64;

/// The beginning of user ids, in upper or lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberPrefix {
    /// The forms of each character, in the order of their bytes.
    forms: Vec<Vec<char>>,
    /// False if no user id can begin with the prefix.
    is_possible: bool,
}

/// The relation of an id to a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The id begins with the prefix.
    Match,
    /// The id does not. The next one that may is at or after this text, which is after the id.
    Next(String),
    /// Neither the id nor a later one begins with the prefix.
    End,
}

impl MemberPrefix {
    pub(crate) fn new(prefix: &str) -> Self {
        let is_possible = prefix.chars().count() <= NAME_CHARS && !prefix.contains(char::is_control);
        let forms = if is_possible { prefix.chars().map(forms_of).collect() } else { Vec::new() };
        Self { forms, is_possible }
    }

    /// False if no user id can begin with the prefix.
    pub(super) fn is_possible(&self) -> bool {
        self.is_possible
    }

    /// The first text that begins with the prefix.
    pub(super) fn start(&self) -> String {
        self.first_from(0)
    }

    /// The forms of each character, one after the other.
    pub(super) fn forms(&self) -> impl ExactSizeIterator<Item = String> {
        self.forms.iter().map(|forms| {
            let mut text = String::new();
            for (index, form) in forms.iter().enumerate() {
                let _ = write!(text, "{}{form}", if index > 0 { "\n" } else { "" });
            }
            text
        })
    }

    /// The relation of an id to the prefix.
    pub(super) fn place_of(&self, id: &str) -> Place {
        let mut letters = id.char_indices();
        // The characters of the id that are at a place of the prefix, the last of which may be no form of it.
        let mut at = Vec::with_capacity(self.forms.len());
        for forms in &self.forms {
            let letter = letters.next();
            at.push(letter);
            if letter.is_none_or(|(_, letter)| !forms.contains(&letter)) {
                return self.place_after(id, &at);
            }
        }
        Place::Match
    }

    /// The place of an id with these characters, of which all but the last are forms of the prefix.
    fn place_after(&self, id: &str, at: &[Option<(usize, char)>]) -> Place {
        for (nth, letter) in at.iter().enumerate().rev() {
            let (offset, next) = match *letter {
                None => (id.len(), self.forms[nth].first().copied()),
                Some((offset, letter)) => {
                    (offset, self.forms[nth].iter().copied().find(|form| *form > letter))
                }
            };
            if let Some(next) = next {
                let mut text = id[..offset].to_owned();
                text.push(next);
                text.push_str(&self.first_from(nth + 1));
                return Place::Next(text);
            }
        }
        Place::End
    }

    /// The first forms of the characters from this one on.
    fn first_from(&self, nth: usize) -> String {
        self.forms[nth..].iter().map(|forms| forms[0]).collect()
    }
}

/// A character, and its upper- and lower-case forms that are one character each, in the order of their bytes.
fn forms_of(letter: char) -> Vec<char> {
    let (upper, lower) = (one(letter.to_uppercase(), letter), one(letter.to_lowercase(), letter));
    // The lower-case form of the upper-case one differs for `ς`, whose forms are `Σ` and `σ`.
    let mut forms =
        vec![letter, upper, lower, one(upper.to_lowercase(), upper), one(lower.to_uppercase(), lower)];
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// The only character of a case mapping, else the character that it maps.
fn one(mut mapping: impl Iterator<Item = char>, letter: char) -> char {
    match (mapping.next(), mapping.next()) {
        (Some(form), None) => form,
        (None | Some(_), _) => letter,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ops::Bound;

    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    /// The ids that a search finds by its places.
    fn found<'a>(prefix: &MemberPrefix, ids: &'a BTreeSet<String>) -> Vec<&'a str> {
        let mut found = Vec::new();
        let mut next = ids.range::<str, _>((Bound::Unbounded, Bound::Unbounded)).next();
        while let Some(id) = next {
            let start = match prefix.place_of(id) {
                Place::Match => {
                    found.push(id.as_str());
                    Bound::Excluded(id.clone())
                }
                Place::Next(start) => {
                    assert!(start > *id, "{start:?} after {id:?}");
                    Bound::Included(start)
                }
                Place::End => break,
            };
            next = ids.range::<str, _>((start.as_ref().map(String::as_str), Bound::Unbounded)).next();
        }
        found
    }

    /// Ids of a few letters, so that many begin alike.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![9 => "[aAbBäÄßzZσΣςǅ𐐀𐐨]{0,4}", 1 => "\\PC{0,6}"]
    }

    proptest! {
        #[test]
        fn places_lead_to_the_ids_with_the_prefix_and_to_no_others(
            prefix in text(),
            ids in btree_set(text(), 0..60),
        ) {
            let is_form = |letter: char, of: char| forms_of(of).contains(&letter);
            let begins = |id: &&str| {
                let mut letters = id.chars();
                prefix.chars().all(|of| letters.next().is_some_and(|letter| is_form(letter, of)))
            };
            let expected: Vec<_> = ids.iter().map(String::as_str).filter(begins).collect();
            prop_assert_eq!(found(&MemberPrefix::new(&prefix), &ids), expected);
        }
    }

    #[test]
    fn characters_match_their_forms_in_the_other_case() {
        for (letter, forms) in [
            ('a', vec!['A', 'a']),
            ('A', vec!['A', 'a']),
            ('Ä', vec!['Ä', 'ä']),
            ('ς', vec!['Σ', 'ς', 'σ']),
            // Their other forms are two characters.
            ('ß', vec!['ß']),
            ('İ', vec!['İ']),
            ('ǅ', vec!['Ǆ', 'ǅ', 'ǆ']),
            ('日', vec!['日']),
            ('7', vec!['7']),
        ] {
            assert_eq!(forms_of(letter), forms, "{letter}");
        }
    }

    #[test]
    fn the_next_place_passes_over_ids_without_a_match() {
        let prefix = MemberPrefix::new("al");
        assert_eq!(prefix.start(), "AL");
        let next = |text: &str| Place::Next(text.to_owned());
        for (id, place) in [
            ("", next("AL")),
            ("0", next("AL")),
            ("A", next("AL")),
            ("ALICE", Place::Match),
            ("AM", next("Al")),
            ("Al", Place::Match),
            ("Am", next("aL")),
            ("B", next("aL")),
            ("aM", next("al")),
            ("alice", Place::Match),
            ("am", Place::End),
            ("b", Place::End),
        ] {
            assert_eq!(prefix.place_of(id), place, "{id:?}");
        }
        assert_eq!(MemberPrefix::new("").place_of(""), Place::Match);
        assert_eq!(prefix.forms().collect::<Vec<_>>(), ["A\na", "L\nl"]);
    }

    #[test]
    fn no_id_begins_with_more_characters_than_an_id_has_or_with_a_control_character() {
        assert!(MemberPrefix::new(&"ä".repeat(64)).is_possible());
        assert!(!MemberPrefix::new(&"ä".repeat(65)).is_possible());
        assert!(!MemberPrefix::new("a\nb").is_possible());
    }
}
