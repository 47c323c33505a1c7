//! Colours and emphasis.
//!
//! Colours are of the 256 that nearly all terminals have, chosen to be read on dark and on light. Without colour
//! (`NO_COLOR`) everything that matters is still told apart by a sign, by bold or by reverse.

use ratatui::style::{Color, Modifier, Style};

/// For nicks: each has a contrast of at least 4 to 1 with black and with white.
const NICKS: [u8; 12] = [130, 64, 28, 29, 30, 31, 27, 63, 98, 129, 163, 161];

const GOOD: u8 = 28;
const BUSY: u8 = 130;
const BAD: u8 = 161;
const CODE: u8 = 30;
const QUOTE: u8 = 64;
const LINK: u8 = 27;

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    color: bool,
}

impl Look {
    /// With colours, or without.
    #[must_use]
    pub const fn new(color: bool) -> Self {
        Self { color }
    }

    const fn fg(self, index: u8) -> Style {
        if self.color { Style::new().fg(Color::Indexed(index)) } else { Style::new() }
    }

    pub(super) const fn plain() -> Style {
        Style::new()
    }

    pub(super) const fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Rules, stamps, what is said besides.
    pub(super) const fn faint() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) const fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The letters that were looked for.
    pub(super) const fn matched(self) -> Style {
        self.fg(LINK).add_modifier(Modifier::BOLD).add_modifier(Modifier::UNDERLINED)
    }

    pub(super) const fn good(self) -> Style {
        self.fg(GOOD)
    }

    pub(super) const fn busy(self) -> Style {
        self.fg(BUSY)
    }

    pub(super) const fn bad(self) -> Style {
        self.fg(BAD).add_modifier(Modifier::BOLD)
    }

    /// Names the user, or is addressed to them.
    pub(super) const fn for_you(self) -> Style {
        self.fg(163).add_modifier(Modifier::BOLD)
    }

    /// The user's name in what somebody says.
    pub(super) const fn mention(self) -> Style {
        self.for_you().add_modifier(Modifier::REVERSED)
    }

    /// Code: without colour it is faint, as nothing else in a text is.
    pub(super) const fn code(self) -> Style {
        if self.color { self.fg(CODE) } else { Self::faint() }
    }

    /// What somebody else said, beside the rule that says so.
    pub(super) const fn quote(self) -> Style {
        self.fg(QUOTE)
    }

    pub(super) const fn link(self) -> Style {
        self.fg(LINK).add_modifier(Modifier::UNDERLINED)
    }

    /// The same for the same nick, always: FNV-1a over its bytes.
    pub(super) fn nick(self, nick: &str) -> Style {
        let hash = nick.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let index = (hash ^ (hash >> 32)) % NICKS.len() as u64;
        self.fg(NICKS[usize::try_from(index).unwrap_or(0)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of one of the 216 colours of the cube (WCAG 2).
    fn luminance(index: u8) -> f64 {
        let level = |step: u8| f64::from([0, 95, 135, 175, 215, 255][usize::from(step)]) / 255.0;
        let linear = |c: f64| if c <= 0.03928 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        let cube = index - 16;
        let [r, g, b] = [cube / 36, cube / 6 % 6, cube % 6].map(|step| linear(level(step)));
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    #[test]
    fn colours_can_be_read_on_black_and_on_white() {
        for index in NICKS.into_iter().chain([GOOD, BUSY, BAD, CODE, QUOTE, LINK]) {
            let luminance = luminance(index) + 0.05;
            assert!(luminance / 0.05 >= 4.0 && 1.05 / luminance >= 4.0, "{index}");
        }
    }

    #[test]
    fn nicks_keep_their_colour_and_use_all() {
        let look = Look::new(true);
        assert_eq!(look.nick("alice"), look.nick("alice"));
        let used: std::collections::HashSet<_> =
            (0..200).filter_map(|n| look.nick(&format!("user{n}")).fg).collect();
        assert_eq!(used.len(), NICKS.len());
        assert_eq!(Look::new(false).nick("alice"), Style::new());
    }
}
