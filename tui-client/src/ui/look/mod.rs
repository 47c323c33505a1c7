//! Look of the screen: colours, emphasis and signs.
//!
//! A [`Look`] combines a theme with the capabilities of the terminal. The panes take each style and sign from it and
//! know no colours. Dimmed text is not used, because terminals dim differently and the contrast is unknown. Without
//! colours, signs, bold, underline or reversal show the differences that matter.

mod glyph;
mod palette;

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};

use crate::app::Theme;
use crate::terminal::{Capabilities, Depth};
pub(super) use glyph::Glyphs;
use palette::{Ink, Palette};

/// Styles and signs of a theme on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    palette: &'static Palette,
    glyphs: &'static Glyphs,
    has_true_color: bool,
}

impl Look {
    /// The look of a theme, on a terminal with these capabilities.
    pub(super) fn new(theme: Theme, capabilities: Capabilities) -> Self {
        Self {
            palette: Palette::of(theme, capabilities),
            glyphs: if capabilities.has_signs { &glyph::UNICODE } else { &glyph::ASCII },
            has_true_color: capabilities.depth == Depth::True,
        }
    }

    pub(super) const fn glyph(self) -> &'static Glyphs {
        self.glyphs
    }

    /// A sentence of the program's own, in these signs.
    pub(super) fn own(self, text: &str) -> Cow<'_, str> {
        self.glyphs.own(text)
    }

    /// The longest start of `text` that fits into `cells`, with a sign at its end if it is cut.
    pub(super) fn cut(self, text: &str, cells: usize) -> String {
        super::text::cut(text, cells, self.glyphs.cut)
    }

    fn has_colors(self) -> bool {
        !self.palette.nicks.is_empty()
    }

    /// Uses the value of a colour from 16 on if the terminal has 24 bits: some users redefine the 256 colours.
    fn ink(self, ink: Ink) -> Style {
        match ink {
            None => Style::new(),
            Some(index) if index >= 16 && self.has_true_color => {
                let [red, green, blue] = rgb(index);
                Style::new().fg(Color::Rgb(red, green, blue))
            }
            Some(index) => Style::new().fg(Color::Indexed(index)),
        }
    }

    pub(super) fn plain(self) -> Style {
        self.ink(None)
    }

    pub(super) fn strong(self) -> Style {
        self.plain().add_modifier(Modifier::BOLD)
    }

    /// Titles of screens and lists.
    pub(super) fn title(self) -> Style {
        self.strong()
    }

    /// Rules, stamps, asides.
    pub(super) fn faint(self) -> Style {
        self.ink(self.palette.faint)
    }

    /// The chosen line of a list.
    pub(super) fn selected(self) -> Style {
        self.plain().add_modifier(Modifier::REVERSED)
    }

    /// Letters that match a query.
    pub(super) fn matched(self) -> Style {
        self.link().add_modifier(Modifier::BOLD)
    }

    /// A match of a search, over the style of its text. The current match is reversed, the others are not.
    pub(super) fn found(self, is_current: bool) -> Style {
        if is_current {
            let marks = Modifier::REVERSED | Modifier::BOLD | Modifier::UNDERLINED;
            Style::new().add_modifier(marks).remove_modifier(Modifier::DIM)
        } else {
            self.matched().remove_modifier(Modifier::REVERSED | Modifier::DIM)
        }
    }

    pub(super) fn good(self) -> Style {
        self.ink(self.palette.good)
    }

    pub(super) fn busy(self) -> Style {
        self.ink(self.palette.busy)
    }

    pub(super) fn bad(self) -> Style {
        self.ink(self.palette.bad).add_modifier(Modifier::BOLD)
    }

    /// Mentions of the user, and texts addressed to them.
    pub(super) fn for_you(self) -> Style {
        self.ink(self.palette.you).add_modifier(Modifier::BOLD)
    }

    /// The user's name in a message, and the nick of its author.
    pub(super) fn mention(self) -> Style {
        self.for_you().add_modifier(Modifier::REVERSED)
    }

    /// Code within a text. Without colours it is reversed and, unlike a mention, not bold.
    pub(super) fn code(self) -> Style {
        if self.has_colors() { self.ink(self.palette.code) } else { self.selected() }
    }

    pub(super) fn code_block(self) -> Style {
        self.ink(self.palette.code)
    }

    pub(super) fn quote(self) -> Style {
        self.ink(self.palette.quote)
    }

    pub(super) fn link(self) -> Style {
        self.ink(self.palette.link).add_modifier(Modifier::UNDERLINED)
    }

    /// Italics. Terminals without colours have none and underline instead.
    pub(super) fn italic(self) -> Modifier {
        if self.has_colors() { Modifier::ITALIC } else { Modifier::UNDERLINED }
    }

    /// Colour of a nick, by FNV-1a over its bytes: the same nick always has the same colour.
    pub(super) fn nick(self, nick: &str) -> Style {
        let hash = nick.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let count = self.palette.nicks.len().max(1) as u64;
        let index = usize::try_from((hash ^ (hash >> 32)) % count).unwrap_or(0);
        self.ink(self.palette.nicks.get(index).copied())
    }
}

/// Value of a colour from 16 on: a cube of six levels per component, then 24 greys.
fn rgb(index: u8) -> [u8; 3] {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match index.checked_sub(16) {
        Some(grey @ 216..) => [8 + 10 * (grey - 216); 3],
        cube => {
            let cube = cube.unwrap_or(0);
            [cube / 36, cube / 6 % 6, cube % 6].map(|level| LEVELS[usize::from(level)])
        }
    }
}

#[cfg(test)]
mod tests;
