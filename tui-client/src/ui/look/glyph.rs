//! Signs that the client draws itself: rules, arrows, states, ellipses.
//!
//! Remote text is not changed by them. To add a sign, add a field with its value in each set. A test ensures that no
//! other file of the view draws characters beyond ASCII.

use std::borrow::Cow;

/// A set of signs. Each is one cell wide, except the ellipsis.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ui) struct Glyphs {
    /// A horizontal rule.
    pub(in crate::ui) rule: &'static str,
    /// A vertical rule, between panes and before code.
    pub(in crate::ui) bar: &'static str,
    /// Before a row of code that continues the row above.
    pub(in crate::ui) goes_on: &'static str,
    pub(in crate::ui) quote: &'static str,
    /// Before the draft.
    pub(in crate::ui) prompt: &'static str,
    /// The visible room.
    pub(in crate::ui) here: &'static str,
    /// An online member, or an open connection.
    pub(in crate::ui) online: &'static str,
    /// A connection attempt.
    pub(in crate::ui) connecting: &'static str,
    /// A connection that will be retried.
    pub(in crate::ui) waiting: &'static str,
    /// A final failure.
    pub(in crate::ui) failed: &'static str,
    /// A typing user.
    pub(in crate::ui) typing: &'static str,
    /// A name that looks like another one.
    pub(in crate::ui) doubt: &'static str,
    /// Queued messages.
    pub(in crate::ui) up: &'static str,
    /// Items below.
    pub(in crate::ui) down: &'static str,
    /// Separator between two parts of a line, and before an aside.
    pub(in crate::ui) dot: &'static str,
    /// Before facts about the message above.
    pub(in crate::ui) fact: &'static str,
    /// A queued message.
    pub(in crate::ui) queued: &'static str,
    /// A message that is sent and not known to be stored.
    pub(in crate::ui) sent: &'static str,
    /// A stored message.
    pub(in crate::ui) stored: &'static str,
    /// The end of a cut text.
    pub(in crate::ui) cut: &'static str,
    /// Work in progress: `loading…`.
    pub(in crate::ui) ellipsis: &'static str,
    /// Before users who left.
    pub(in crate::ui) minus: &'static str,
    /// Bars from low to high.
    pub(in crate::ui) levels: [&'static str; 8],
}

/// For nearly all terminals.
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
    doubt: "≈",
    up: "↑",
    down: "↓",
    dot: "·",
    fact: "└",
    queued: "…",
    sent: "…",
    stored: "✓",
    cut: "…",
    ellipsis: "…",
    minus: "−",
    levels: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
};

/// For terminals and fonts that show ASCII only.
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
    doubt: "?",
    up: "^",
    down: "v",
    dot: "-",
    fact: "=",
    queued: "~",
    sent: "~",
    stored: "+",
    cut: "~",
    ellipsis: "...",
    minus: "-",
    levels: ["_", ".", ",", "-", "=", "+", "*", "#"],
};

impl Glyphs {
    /// The bar for a fraction from 0 to 1.
    pub(in crate::ui) fn level(&self, much: f64) -> &'static str {
        let steps = self.levels.iter().zip(1_u8..);
        let reached = steps.take_while(|(_, step)| f64::from(*step - 1) / 8.0 < much);
        reached.last().map_or(self.levels[0], |(sign, _)| sign)
    }

    /// A sentence of the program's own in these signs: replaces `…`, `·`, `−` and `–`. Must not contain remote text.
    pub(in crate::ui) fn own<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if *self == UNICODE || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let text = text.replace('…', self.ellipsis).replace('·', self.dot);
        Cow::Owned(text.replace(['−', '–'], self.minus))
    }
}
