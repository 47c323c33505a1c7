//! The signs that the client draws itself: rules, arrows, states, ellipses.
//!
//! What others wrote is not changed by them. A new sign: a field here, with its value in each set; no other
//! file of the screen draws a character beyond ASCII of its own, which a test holds.

use std::borrow::Cow;

/// A set of signs. Each is one cell wide but for the ellipsis.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ui) struct Glyphs {
    /// A rule across.
    pub(in crate::ui) rule: &'static str,
    /// A rule down, between panes and before code.
    pub(in crate::ui) bar: &'static str,
    /// Before a row of code that goes on from the one above.
    pub(in crate::ui) goes_on: &'static str,
    /// Before a quote.
    pub(in crate::ui) quote: &'static str,
    /// Before what is written.
    pub(in crate::ui) prompt: &'static str,
    /// The room that is looked at.
    pub(in crate::ui) here: &'static str,
    /// Somebody who is here; also a connection that is there.
    pub(in crate::ui) online: &'static str,
    /// A connection that is being made.
    pub(in crate::ui) connecting: &'static str,
    /// A connection that is tried again later.
    pub(in crate::ui) waiting: &'static str,
    /// What failed, and does not go on by itself.
    pub(in crate::ui) failed: &'static str,
    /// Who is typing.
    pub(in crate::ui) typing: &'static str,
    /// What waits to go out.
    pub(in crate::ui) up: &'static str,
    /// What is below.
    pub(in crate::ui) down: &'static str,
    /// Between two things of one line, and before what is said besides.
    pub(in crate::ui) dot: &'static str,
    /// A message that waits to be sent.
    pub(in crate::ui) queued: &'static str,
    /// A message that is sent, and not known to be stored.
    pub(in crate::ui) sent: &'static str,
    /// A message that is stored.
    pub(in crate::ui) stored: &'static str,
    /// Where the rest of a text had no room.
    pub(in crate::ui) cut: &'static str,
    /// Something goes on: `loading…`.
    pub(in crate::ui) ellipsis: &'static str,
    /// Before who left.
    pub(in crate::ui) minus: &'static str,
    /// From little to much.
    pub(in crate::ui) levels: [&'static str; 8],
}

/// As nearly all terminals show them.
pub(super) static UNICODE: Glyphs = Glyphs {
    rule: "─",
    bar: "│",
    goes_on: "┆",
    quote: "▌",
    prompt: "›",
    here: "▸",
    online: "●",
    connecting: "◐",
    waiting: "○",
    failed: "✗",
    typing: "✎",
    up: "↑",
    down: "↓",
    dot: "·",
    queued: "…",
    sent: "…",
    stored: "✓",
    cut: "…",
    ellipsis: "…",
    minus: "−",
    levels: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
};

/// For terminals and fonts that have nothing else.
pub(super) static ASCII: Glyphs = Glyphs {
    rule: "-",
    bar: "|",
    goes_on: ":",
    quote: ">",
    prompt: ">",
    here: ">",
    online: "*",
    connecting: "~",
    waiting: "o",
    failed: "x",
    typing: "/",
    up: "^",
    down: "v",
    dot: "-",
    queued: "~",
    sent: "~",
    stored: "+",
    cut: "~",
    ellipsis: "...",
    minus: "-",
    levels: ["_", ".", ",", "-", "=", "+", "*", "#"],
};

impl Glyphs {
    /// The sign of so much, from 0 to 1.
    pub(in crate::ui) fn level(&self, much: f64) -> &'static str {
        let steps = self.levels.iter().zip(1_u8..);
        let reached = steps.take_while(|(_, step)| f64::from(*step - 1) / 8.0 < much);
        reached.last().map_or(self.levels[0], |(sign, _)| sign)
    }

    /// A sentence of the program's own in these signs. The rest of the program writes `…`, `·`, `−` and `–`; there is
    /// nothing in it that somebody else wrote.
    pub(in crate::ui) fn own<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if *self == UNICODE || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let text = text.replace('…', self.ellipsis).replace('·', self.dot);
        Cow::Owned(text.replace(['−', '–'], self.minus))
    }
}
