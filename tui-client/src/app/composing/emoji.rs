//! Names of emoji: `:tada:` becomes 🎉 when its closing colon is typed. Undo brings the name back.

use std::ops::Range;

use super::draft::edit;
use crate::app::message::Effect;
use crate::app::model::Model;

/// Replaces the name before the cursor, whose closing colon was just typed.
pub(in crate::app) fn replace_name(model: &mut Model) -> Vec<Effect> {
    let editor = &model.pane().composer.editor;
    let Some((range, emoji)) = named(&editor.text()[..editor.cursor()]) else { return Vec::new() };
    edit(model, |model| {
        // The text fits: an emoji is shorter than its name.
        let _fits = model.pane_mut().composer.editor.replace(range, emoji);
    })
}

/// Finds a name with both colons at the end of `before`, outside of code, addresses and commands.
fn named(before: &str) -> Option<(Range<usize>, &'static str)> {
    let open = before.strip_suffix(':')?;
    let start = open.rfind(':')?;
    let name = &open[start + 1..];
    let (text, _) = before.split_at(start);
    let is_command = text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/me ");
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_free = !text.ends_with(|c: char| c.is_alphanumeric() || c == ':') && !word.contains("://");
    if name.is_empty() || !name.chars().all(is_name_char) || is_command || !is_free || is_in_code(text) {
        return None;
    }
    emojis::get_by_shortcode(name).map(|emoji| (start..before.len(), emoji.as_str()))
}

/// Returns true for the characters of emoji names.
const fn is_name_char(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '_' | '+' | '-')
}

/// Returns true if text behind `before` belongs to code: a block is open, or an unclosed mark is in the line.
fn is_in_code(before: &str) -> bool {
    let fences = before.lines().filter(|line| line.trim_start().starts_with("```")).count();
    if fences % 2 == 1 {
        return true;
    }
    let line = before.rsplit('\n').next().unwrap_or_default();
    let mut open = None;
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let marks = rest[at..].len() - rest[at..].trim_start_matches('`').len();
        open = match open {
            None => Some(marks),
            Some(opened) if opened == marks => None,
            still => still,
        };
        rest = &rest[at + marks..];
    }
    open.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_is_found() {
        for (before, emoji) in [
            (":tada:", "🎉"),
            ("so (:+1:", "👍"),
            ("`a` :tada:", "🎉"),
            ("a\n:tada:", "🎉"),
            ("/me :tada:", "🎉"),
        ] {
            assert_eq!(named(before).map(|(_, emoji)| emoji), Some(emoji), "{before}");
        }
        assert_eq!(named("日本:tada:"), None, "a letter before it");
        assert_eq!(named("日本 :tada:").map(|(range, _)| range), Some(7..13));
    }

    #[test]
    fn other_colons_stay() {
        for before in [
            "tada:",
            ":tada",
            "::",
            "a:tada:",
            "10:10:",
            ":no-such-emoji:",
            "https://a.example/:tada:",
            "`:tada:",
            "`` a ` :tada:",
            "```\n:tada:",
            "```\na\n```\n```\n:tada:",
            "/join :tada:",
            ":TADA:",
            "::tada:",
        ] {
            assert_eq!(named(before), None, "{before}");
        }
    }
}
