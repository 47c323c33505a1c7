//! Who came and went, folded to one line.

use crate::sanitize::Line;

/// Names that one line keeps; the rest are counted.
const NAMES: usize = 32;

/// Who came and went while nothing was said: what is different from before. Who came and left again, or the other way
/// round, is counted only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    came: Vec<Line>,
    left: Vec<Line>,
    more_came: u32,
    more_left: u32,
    came_and_left: u32,
    left_and_came: u32,
}

impl Presence {
    /// The line, with as many names as let it fit: `+carol +dave −bob`, `+carol … (12 joined, 3 left)`. Where not even
    /// the numbers fit they are what is returned. `minus` and `ellipsis` are the signs for it.
    #[must_use]
    pub fn text(&self, minus: &str, ellipsis: &str, fits: impl Fn(&str) -> bool) -> String {
        let signed = |sign: &str, nicks: &[Line]| -> Vec<String> {
            nicks.iter().map(|nick| format!("{sign}{nick}")).collect()
        };
        let names = [signed("+", &self.came), signed(minus, &self.left)].concat();
        let whole = joined(&names, &self.counts(names.is_empty()));
        if self.more_came + self.more_left == 0 && fits(&whole) {
            return whole;
        }
        let counts = self.counts(true);
        let with = |count: usize| joined(&[&names[..count], &[ellipsis.to_owned()]].concat(), &counts);
        (1..=names.len())
            .rev()
            .map(with)
            .find(|text| fits(text))
            .unwrap_or_else(|| counts.trim_matches(['(', ')']).to_owned())
    }

    pub(super) fn add(&mut self, nick: &Line, came: bool) {
        let (to, from) =
            if came { (&mut self.came, &mut self.left) } else { (&mut self.left, &mut self.came) };
        if let Some(mirrored) = from.iter().position(|other| other == nick) {
            from.remove(mirrored);
            let count = if came { &mut self.left_and_came } else { &mut self.came_and_left };
            *count = count.saturating_add(1);
        } else if to.contains(nick) {
            // It was told twice.
        } else if to.len() + from.len() < NAMES {
            to.push(nick.clone());
        } else {
            let more = if came { &mut self.more_came } else { &mut self.more_left };
            *more = more.saturating_add(1);
        }
    }

    /// The numbers, in brackets; without `is_whole` those that names do not tell.
    fn counts(&self, is_whole: bool) -> String {
        let total = |names: &[Line], more: u32| {
            if is_whole { u32::try_from(names.len()).unwrap_or(u32::MAX).saturating_add(more) } else { 0 }
        };
        let counts: Vec<String> = [
            (total(&self.came, self.more_came), "joined"),
            (total(&self.left, self.more_left), "left"),
            (self.came_and_left, "came and went"),
            (self.left_and_came, "went and came back"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, verb)| format!("{count} {verb}"))
        .collect();
        if counts.is_empty() { String::new() } else { format!("({})", counts.join(", ")) }
    }
}

fn joined(names: &[String], counts: &str) -> String {
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

    /// `+alice −bob` in the order it happened.
    fn presence(what: &str) -> Presence {
        let mut presence = Presence::default();
        for word in what.split(' ') {
            let nick = word.trim_start_matches(['+', '−']);
            presence.add(&line(nick), word.starts_with('+'));
        }
        presence
    }

    #[track_caller]
    fn shown(what: &str, width: usize, text: &str) {
        assert_eq!(presence(what).text("−", "…", |text| text.chars().count() <= width), text, "{what}");
    }

    #[test]
    fn who_is_there_now_is_told() {
        shown("+carol −bob +dave", 80, "+carol +dave −bob");
        shown("+erin +carol −erin", 80, "+carol (1 came and went)");
        shown("−bob +bob +erin −erin −erin", 80, "−erin (1 came and went, 1 went and came back)");
        shown("−bob +bob", 80, "1 went and came back");
        shown("+bob +bob", 80, "+bob");
    }

    #[test]
    fn where_names_do_not_fit_they_are_counted() {
        let many = "+alice +bob +carol +dave −erin −frank";
        shown(many, 37, many);
        shown(many, 36, "+alice +bob … (4 joined, 2 left)");
        shown(many, 31, "+alice … (4 joined, 2 left)");
        shown(many, 20, "4 joined, 2 left");
        shown(many, 3, "4 joined, 2 left");
    }

    #[test]
    fn a_crowd_is_counted() {
        let crowd: Vec<String> = (0..NAMES + 8).map(|n| format!("+u{n}")).collect();
        let text = presence(&crowd.join(" ")).text("−", "…", |_| true);
        assert!(text.starts_with("+u0 ") && text.ends_with(" … (40 joined)"), "{text}");
    }
}
