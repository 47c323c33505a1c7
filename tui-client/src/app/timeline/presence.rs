//! Who came and went, folded to one line.

use crate::sanitize::{self, Line};

/// Names that one line keeps; the rest are counted.
const NAMES: usize = 20;

/// Who came and went while nothing was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    who: Vec<(Line, Change)>,
    more: u32,
    text: Line,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Came,
    Left,
    CameAndLeft,
    LeftAndCame,
}

impl Change {
    const fn then(self, came: bool) -> Self {
        match (self, came) {
            (Self::Came | Self::CameAndLeft, false) => Self::CameAndLeft,
            (Self::Left | Self::LeftAndCame, true) => Self::LeftAndCame,
            (Self::Came | Self::CameAndLeft, true) => Self::Came,
            (Self::Left | Self::LeftAndCame, false) => Self::Left,
        }
    }
}

impl Presence {
    /// The line: `carol, dave joined · bob left · erin came and went`.
    #[must_use]
    pub const fn text(&self) -> &Line {
        &self.text
    }

    pub(super) fn add(&mut self, nick: &Line, came: bool) {
        if let Some((_, change)) = self.who.iter_mut().find(|(who, _)| who == nick) {
            *change = change.then(came);
        } else if self.who.len() < NAMES {
            self.who.push((nick.clone(), if came { Change::Came } else { Change::Left }));
        } else {
            self.more = self.more.saturating_add(1);
        }
        self.text = self.write();
    }

    fn write(&self) -> Line {
        let mut parts = Vec::new();
        for (change, verb) in [
            (Change::Came, "joined"),
            (Change::Left, "left"),
            (Change::CameAndLeft, "came and went"),
            (Change::LeftAndCame, "went and came back"),
        ] {
            let names: Vec<&str> =
                self.who.iter().filter(|(_, c)| *c == change).map(|(nick, _)| nick.as_str()).collect();
            if !names.is_empty() {
                parts.push(format!("{} {verb}", names.join(", ")));
            }
        }
        if self.more > 0 {
            parts.push(format!("{} more came or went", self.more));
        }
        sanitize::line(&parts.join(" · "))
    }
}
