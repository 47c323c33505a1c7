//! Joins and leaves, folded into one line.

use crate::sanitize::Line;

/// Names that a line keeps; further ones are counted.
const NAMES: usize = 32;

/// The joins and leaves between two messages, as the difference between before and after. A user who joined and left
/// again, or left and joined again, is only counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresenceLine {
    joined: Vec<PresentName>,
    left: Vec<PresentName>,
    more_joined: u32,
    more_left: u32,
    joined_and_left: u32,
    left_and_joined: u32,
}

/// The name of a user that joined or left.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PresentName {
    nick: Line,
    /// It mixes scripts, or looks like another name.
    is_doubtful: bool,
}

/// Users that joined or left.
#[derive(Debug, Clone, Copy)]
pub enum Presences<'a> {
    /// One user.
    Named(&'a Line),
    /// One user, whose name mixes scripts or looks like that of another member.
    Doubtful(&'a Line),
    /// As many users.
    Unnamed(u32),
}

impl PresenceLine {
    /// Returns the line with as many names as fit: `+carol +dave −bob`, `+carol … (12 joined, 3 left)`. If no name
    /// fits, returns only the counts, even if they are too long. `minus`, `doubt` and `ellipsis` are the signs to use.
    #[must_use]
    pub fn text(&self, minus: &str, doubt: &str, ellipsis: &str, fits: impl Fn(&str) -> bool) -> String {
        let signed = |sign: &str, names: &[PresentName]| -> Vec<String> {
            let mark = |is_doubtful: bool| if is_doubtful { doubt } else { "" };
            names.iter().map(|name| format!("{sign}{}{}", name.nick, mark(name.is_doubtful))).collect()
        };
        let names = [signed("+", &self.joined), signed(minus, &self.left)].concat();
        let whole = join_words(&names, &self.counts(names.is_empty()));
        if self.more_joined + self.more_left == 0 && fits(&whole) {
            return whole;
        }
        let counts = self.counts(true);
        let with = |count: usize| join_words(&[&names[..count], &[ellipsis.to_owned()]].concat(), &counts);
        (1..=names.len())
            .rev()
            .map(with)
            .find(|text| fits(text))
            .unwrap_or_else(|| counts.trim_matches(['(', ')']).to_owned())
    }

    pub(super) fn add(&mut self, presences: Presences<'_>, joined: bool) {
        match presences {
            Presences::Named(nick) => self.add_named(nick, false, joined),
            Presences::Doubtful(nick) => self.add_named(nick, true, joined),
            Presences::Unnamed(count) => self.add_unnamed(count, joined),
        }
    }

    fn add_unnamed(&mut self, count: u32, joined: bool) {
        let more = if joined { &mut self.more_joined } else { &mut self.more_left };
        *more = more.saturating_add(count);
    }

    fn add_named(&mut self, nick: &Line, is_doubtful: bool, joined: bool) {
        let (to, from) =
            if joined { (&mut self.joined, &mut self.left) } else { (&mut self.left, &mut self.joined) };
        if let Some(mirrored) = from.iter().position(|other| other.nick == *nick) {
            from.remove(mirrored);
            let count = if joined { &mut self.left_and_joined } else { &mut self.joined_and_left };
            *count = count.saturating_add(1);
        } else if to.iter().any(|other| other.nick == *nick) {
            // The server reported it twice.
        } else if to.len() + from.len() < NAMES {
            to.push(PresentName { nick: nick.clone(), is_doubtful });
        } else {
            self.add_unnamed(1, joined);
        }
    }

    /// Returns the counts in brackets. Without `is_whole`, only those of users who are not named.
    fn counts(&self, is_whole: bool) -> String {
        let total = |names: &[PresentName], more: u32| {
            if is_whole { u32::try_from(names.len()).unwrap_or(u32::MAX).saturating_add(more) } else { 0 }
        };
        let counts: Vec<String> = [
            (total(&self.joined, self.more_joined), "joined"),
            (total(&self.left, self.more_left), "left"),
            (self.joined_and_left, "came and went"),
            (self.left_and_joined, "left and came back"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, verb)| format!("{count} {verb}"))
        .collect();
        if counts.is_empty() { String::new() } else { format!("({})", counts.join(", ")) }
    }
}

fn join_words(names: &[String], counts: &str) -> String {
    let mut text = names.join(" ");
    if !text.is_empty() && !counts.is_empty() {
        text.push(' ');
    }
    if names.is_empty() {
        text.push_str(counts.trim_matches(['(', ')']));
    } else {
        text.push_str(counts);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sanitize::line;

    /// Parses `+alice −bob`: joins and leaves in their order.
    fn presence(what: &str) -> PresenceLine {
        let mut presence = PresenceLine::default();
        for word in what.split(' ') {
            let nick = word.trim_start_matches(['+', '−']);
            presence.add_named(&line(nick.trim_end_matches('?')), nick.ends_with('?'), word.starts_with('+'));
        }
        presence
    }

    #[track_caller]
    fn shown(what: &str, width: usize, text: &str) {
        assert_eq!(presence(what).text("−", "≈", "…", |text| text.chars().count() <= width), text, "{what}");
    }

    #[test]
    fn the_line_shows_the_difference() {
        shown("+carol −bob +dave", 80, "+carol +dave −bob");
        shown("+erin +carol −erin", 80, "+carol (1 came and went)");
        shown("−bob +bob +erin −erin −erin", 80, "−erin (1 came and went, 1 left and came back)");
        shown("−bob +bob", 80, "1 left and came back");
        shown("+bob +bob", 80, "+bob");
    }

    #[test]
    fn doubtful_names_are_marked() {
        shown("+carol? −bob +dave", 80, "+carol≈ +dave −bob");
        shown("+carol +dave −bob?", 80, "+carol +dave −bob≈");
        shown("+carol? +dave −bob", 28, "+carol≈ +dave −bob");
    }

    #[test]
    fn names_that_do_not_fit_are_counted() {
        let many = "+alice +bob +carol +dave −erin −frank";
        shown(many, 37, many);
        shown(many, 36, "+alice +bob … (4 joined, 2 left)");
        shown(many, 31, "+alice … (4 joined, 2 left)");
        shown(many, 20, "4 joined, 2 left");
        shown(many, 3, "4 joined, 2 left");
    }

    #[test]
    fn names_beyond_the_limit_are_counted() {
        let crowd: Vec<String> = (0..NAMES + 8).map(|n| format!("+u{n}")).collect();
        let text = presence(&crowd.join(" ")).text("−", "≈", "…", |_| true);
        assert!(text.starts_with("+u0 ") && text.ends_with(" … (40 joined)"), "{text}");
        let crowd = format!("{} +v −w", crowd[..NAMES].join(" "));
        let text = presence(&crowd).text("−", "≈", "…", |_| true);
        assert!(text.ends_with(" … (33 joined, 1 left)"), "as many joined as left: {text}");
    }
}
