//! Colours, emphasis and signs: how everything looks that the screen shows.
//!
//! A [`Look`] is made of a theme and of what the terminal can show; the panes ask it for each style and each sign, and
//! know no colour themselves. Dimmed text is nowhere: terminals dim as they like, and what is left of the contrast is
//! not known. Without colour everything that matters is told apart by a sign, by bold, underlined or reversed.

mod glyph;
mod palette;

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};

use crate::app::Theme;
use crate::terminal::{Capabilities, Depth};
pub(super) use glyph::Glyphs;
use palette::{Ink, Palette};

/// How things look.
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

    /// The signs.
    pub(super) const fn glyph(self) -> &'static Glyphs {
        self.glyphs
    }

    /// A sentence of the program's own, in these signs.
    pub(super) fn own(self, text: &str) -> Cow<'_, str> {
        self.glyphs.own(text)
    }

    /// The longest start of `text` that fits into `cells`, with a sign at its end where something is missing.
    pub(super) fn cut(self, text: &str, cells: usize) -> String {
        super::text::cut(text, cells, self.glyphs.cut)
    }

    fn has_colors(self) -> bool {
        !self.palette.nicks.is_empty()
    }

    /// Colours from 16 on are given by their value where that can be said: some users change the 256.
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

    /// What a screen or a list is called.
    pub(super) fn title(self) -> Style {
        self.strong()
    }

    /// Rules, stamps, what is said besides.
    pub(super) fn faint(self) -> Style {
        self.ink(self.palette.faint)
    }

    /// The one that is chosen of several.
    pub(super) fn selected(self) -> Style {
        self.plain().add_modifier(Modifier::REVERSED)
    }

    /// The letters that were looked for.
    pub(super) fn matched(self) -> Style {
        self.link().add_modifier(Modifier::BOLD)
    }

    /// What a search found in a room, laid over how it looks: the match that one is at is reversed, the others are not.
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

    /// Names the user, or is addressed to them.
    pub(super) fn for_you(self) -> Style {
        self.ink(self.palette.you).add_modifier(Modifier::BOLD)
    }

    /// The user's name in what somebody says, and the nick of who says it.
    pub(super) fn mention(self) -> Style {
        self.for_you().add_modifier(Modifier::REVERSED)
    }

    /// Code in the middle of a text: without colour it is reversed, and unlike a mention not bold.
    pub(super) fn code(self) -> Style {
        if self.has_colors() { self.ink(self.palette.code) } else { self.selected() }
    }

    /// Code beside its rule.
    pub(super) fn code_block(self) -> Style {
        self.ink(self.palette.code)
    }

    /// What somebody else said, beside its rule.
    pub(super) fn quote(self) -> Style {
        self.ink(self.palette.quote)
    }

    pub(super) fn link(self) -> Style {
        self.ink(self.palette.link).add_modifier(Modifier::UNDERLINED)
    }

    /// Stressed a little: in italics, which terminals without colours do not have.
    pub(super) fn italic(self) -> Modifier {
        if self.has_colors() { Modifier::ITALIC } else { Modifier::UNDERLINED }
    }

    /// The same for the same nick, always: FNV-1a over its bytes.
    pub(super) fn nick(self, nick: &str) -> Style {
        let hash = nick.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let count = self.palette.nicks.len().max(1) as u64;
        let index = usize::try_from((hash ^ (hash >> 32)) % count).unwrap_or(0);
        self.ink(self.palette.nicks.get(index).copied())
    }
}

/// The value of a colour from 16 on: a cube of six levels for each part, then 24 greys.
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
