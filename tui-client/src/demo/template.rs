//! One line of a script: parsed once, then said in many ways.
//!
//! | written | said |
//! | --- | --- |
//! | `[yes\|of course]` | one of them; not nested |
//! | `{service}` | a value of that list of words, the same wherever it comes up again in a conversation |
//! | `{service2}` | another value of the same list |
//! | `{10-40}` | a number between the two, both included |
//! | `@a` … `@d` | whoever has that part in the conversation |
//! | `\n`, `\x` | a new line; `x` without its meaning |

use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::str::Chars;

/// Letters of the parts in a conversation.
const PARTS: &str = "abcd";

/// A line before it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Choice(Vec<Template>),
    Word { list: usize, which: char },
    Number(RangeInclusive<u32>),
    Part(usize),
}

/// A conversation: who has which part, and the words that have come up.
#[derive(Debug)]
pub(super) struct Context<'a> {
    parts: &'a [&'a str],
    words: Vec<(usize, char, String)>,
}

impl<'a> Context<'a> {
    /// A conversation of those people.
    pub(super) const fn new(parts: &'a [&'a str]) -> Self {
        Self { parts, words: Vec::new() }
    }
}

/// The index of the part with that letter.
pub(super) fn part(letter: char) -> Option<usize> {
    PARTS.find(letter)
}

impl Template {
    /// Reads a line that may use the words of `lists`. The error says what is wrong.
    pub(super) fn parse(text: &str, lists: &[&str]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let piece = match c {
                '[' => Piece::Choice(
                    alternatives(&mut rest)?
                        .iter()
                        .map(|alternative| Self::parse(alternative, lists))
                        .collect::<Result<_, _>>()?,
                ),
                ']' | '}' => return Err(format!("`{c}` closes nothing")),
                '{' => slot(&mut rest, lists)?,
                '@' => match mentioned(&rest) {
                    Some(part) => {
                        rest.next();
                        Piece::Part(part)
                    }
                    None => Piece::Text("@".to_owned()),
                },
                '\\' => Piece::Text(escaped(&mut rest)?.to_string()),
                c => Piece::Text(c.to_string()),
            };
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => pieces.push(piece),
            }
        }
        Ok(Self(pieces))
    }

    /// The number of the last part that is named, from 1; 0: none is.
    pub(super) fn parts(&self) -> usize {
        let parts = self.0.iter().map(|piece| match piece {
            Piece::Part(part) => part + 1,
            Piece::Choice(templates) => templates.iter().map(Self::parts).max().unwrap_or(0),
            Piece::Text(_) | Piece::Word { .. } | Piece::Number(_) => 0,
        });
        parts.max().unwrap_or(0)
    }

    /// Says it, with words of `lists`.
    pub(super) fn say(
        &self,
        lists: &[Vec<Self>],
        context: &mut Context<'_>,
        random: &mut fastrand::Rng,
    ) -> String {
        let mut said = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => said.push_str(text),
                Piece::Choice(templates) => {
                    if let Some(template) = random.choice(templates) {
                        said.push_str(&template.say(lists, context, random));
                    }
                }
                Piece::Word { list, which } => said.push_str(&word(*list, *which, lists, context, random)),
                Piece::Number(range) => said.push_str(&random.u32(range.clone()).to_string()),
                Piece::Part(part) => {
                    said.push('@');
                    said.push_str(context.parts.get(*part).copied().unwrap_or_default());
                }
            }
        }
        said
    }
}

/// The word that stands for this in the conversation, which has not come up for another one of its list.
fn word(
    list: usize,
    which: char,
    lists: &[Vec<Template>],
    context: &mut Context<'_>,
    random: &mut fastrand::Rng,
) -> String {
    /// More than enough for a few out of a handful; a repeat does no harm.
    const TRIES: usize = 16;
    if let Some((_, _, word)) = context.words.iter().find(|(l, w, _)| (*l, *w) == (list, which)) {
        return word.clone();
    }
    let mut word = String::new();
    for _ in 0..TRIES {
        word =
            random.choice(&lists[list]).map_or_else(String::new, |value| value.say(lists, context, random));
        if !context.words.iter().any(|(l, _, other)| *l == list && *other == word) {
            break;
        }
    }
    context.words.push((list, which, word.clone()));
    word
}

/// What stands up to `]`, at each `|`, still to be parsed.
fn alternatives(rest: &mut Peekable<Chars<'_>>) -> Result<Vec<String>, String> {
    let mut alternatives = vec![String::new()];
    let mut push = |c, next: bool| {
        if next {
            alternatives.push(String::new());
        } else if let Some(last) = alternatives.last_mut() {
            last.push(c);
        }
    };
    loop {
        match rest.next() {
            Some(']') => return Ok(alternatives),
            Some('|') => push('|', true),
            Some('[') => return Err("`[` within `[…]`".to_owned()),
            Some('\\') => {
                push('\\', false);
                push(rest.next().ok_or("`\\` at the end")?, false);
            }
            Some(c) => push(c, false),
            None => return Err("`[` without `]`".to_owned()),
        }
    }
}

/// What stands up to `}`.
fn slot(rest: &mut Peekable<Chars<'_>>, lists: &[&str]) -> Result<Piece, String> {
    let mut slot = String::new();
    loop {
        match rest.next() {
            Some('}') => break,
            Some(c) => slot.push(c),
            None => return Err("`{` without `}`".to_owned()),
        }
    }
    if let Some((low, high)) = slot.split_once('-')
        && let (Ok(low), Ok(high)) = (low.parse(), high.parse())
    {
        return if low < high { Ok(Piece::Number(low..=high)) } else { Err(format!("{{{slot}}} is empty")) };
    }
    let name = slot.trim_end_matches(|c: char| c.is_ascii_digit());
    let list =
        lists.iter().position(|list| *list == name).ok_or_else(|| format!("no words for {{{slot}}}"))?;
    Ok(Piece::Word { list, which: slot[name.len()..].chars().next().unwrap_or('1') })
}

/// The part that is named after an `@`.
fn mentioned(rest: &Peekable<Chars<'_>>) -> Option<usize> {
    let mut rest = rest.clone();
    let part = part(rest.next()?)?;
    (!rest.next().is_some_and(char::is_alphanumeric)).then_some(part)
}

fn escaped(rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    match rest.next() {
        Some('n') => Ok('\n'),
        Some(c) => Ok(c),
        None => Err("`\\` at the end".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &[&str] = &["tool", "code"];

    fn words() -> Vec<Vec<Template>> {
        let list = |values: &[&str]| values.iter().map(|value| parse(value)).collect();
        vec![list(&["saw", "axe", "file-{1-9}"]), list(&["if a \\{\\n\\}"])]
    }

    #[track_caller]
    fn parse(text: &str) -> Template {
        Template::parse(text, LISTS).expect("a template")
    }

    fn say(text: &str, seed: u64) -> String {
        let mut random = fastrand::Rng::with_seed(seed);
        parse(text).say(&words(), &mut Context::new(&["ann", "bob"]), &mut random)
    }

    #[test]
    fn text_is_said_as_it_is() {
        assert_eq!(say("a: 日本語 @you, @all, a@", 1), "a: 日本語 @you, @all, a@");
        assert_eq!(say(r"\[x\] \{y\} \\ a\nb", 1), "[x] {y} \\ a\nb");
        assert_eq!(say("{code}", 1), "if a {\n}");
    }

    #[test]
    fn every_alternative_comes_up_and_nothing_else() {
        let said: std::collections::BTreeSet<_> = (0..200).map(|seed| say(r"[a|b\|c|]{2-3}", seed)).collect();
        let expected = ["2", "3", "a2", "a3", "b|c2", "b|c3"].map(str::to_owned);
        assert!(said.iter().eq(&expected), "{said:?}");
    }

    #[test]
    fn a_word_stays_and_another_one_differs() {
        for seed in 0..100 {
            let said = say("{tool} {tool2} [{tool}|{tool1}]", seed);
            let words: Vec<_> = said.split(' ').collect();
            assert_eq!(words[0], words[2], "{said}");
            assert_ne!(words[0], words[1], "{said}");
        }
    }

    #[test]
    fn parts_are_people() {
        assert_eq!(say("hi @a, @b: [@a]", 1), "hi @ann, @bob: @ann");
        assert_eq!(parse("hi").parts(), 0);
        assert_eq!(parse("hi @a [x|@c]").parts(), 3);
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("[a", "`[` without `]`"),
            ("a]", "`]` closes nothing"),
            ("[a[b]]", "`[` within `[…]`"),
            ("{saw}", "no words for {saw}"),
            ("{tool", "`{` without `}`"),
            ("{3-2}", "{3-2} is empty"),
            ("a\\", "`\\` at the end"),
        ] {
            assert_eq!(Template::parse(text, LISTS), Err(fault.to_owned()), "{text}");
        }
    }
}
