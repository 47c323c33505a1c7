//! Colours of each theme, as numbers of the 256 that nearly all terminals have.
//!
//! Numbers from 16 on are the same colours everywhere. Tests measure their contrast by WCAG 2 against common
//! backgrounds. The first sixteen are chosen by the user; the ones used here are readable with the usual values. No
//! palette sets a background. A style without a colour differs by a sign, bold, underline or reversal.
//!
//! To add a colour, add a field with a value in each palette; a test covers all fields.

use crate::app::Theme;
use crate::terminal::{Capabilities, Depth, Ground};

/// A number of the 256; `None`: the foreground.
pub(super) type Ink = Option<u8>;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Palette {
    /// For nicks. None of them is a warning colour.
    pub(super) nicks: &'static [u8],
    /// For rules, stamps and asides.
    pub(super) faint: Ink,
    pub(super) good: Ink,
    pub(super) busy: Ink,
    pub(super) bad: Ink,
    /// For mentions of the user.
    pub(super) you: Ink,
    pub(super) code: Ink,
    pub(super) quote: Ink,
    pub(super) link: Ink,
}

/// Contrast of 4.5 to 1 on backgrounds from black to dark grey-blue.
pub(super) static DARK: Palette = Palette {
    nicks: &[209, 215, 186, 150, 114, 79, 80, 117, 111, 147, 183, 217],
    faint: Some(247),
    good: Some(113),
    busy: Some(221),
    bad: Some(210),
    you: Some(213),
    code: Some(223),
    quote: Some(151),
    link: Some(75),
};

/// Contrast of 4.5 to 1 on backgrounds from white to cream.
pub(super) static LIGHT: Palette = Palette {
    nicks: &[88, 94, 58, 22, 23, 24, 25, 19, 62, 55, 90, 125],
    faint: Some(241),
    good: Some(22),
    busy: Some(94),
    bad: Some(124),
    you: Some(127),
    code: Some(95),
    quote: Some(23),
    link: Some(26),
};

/// For an unknown background: contrast of 4.5 to 1 on black and on white, which six of the 256 colours have.
pub(super) static EITHER: Palette = Palette {
    nicks: &[29, 63, 98],
    faint: Some(243),
    good: Some(29),
    busy: Some(131),
    bad: Some(131),
    you: Some(163),
    code: Some(98),
    quote: Some(29),
    link: Some(63),
};

/// The terminal's own colours on a dark background: no blue, magenta or grey, and the bright red and yellow.
pub(super) static SIXTEEN_DARK: Palette = Palette {
    nicks: &[2, 6, 14],
    faint: None,
    good: Some(2),
    busy: Some(11),
    bad: Some(9),
    you: Some(11),
    code: Some(6),
    quote: Some(2),
    link: Some(14),
};

/// The terminal's own colours on a light background: red, blue and magenta, none of them bright.
pub(super) static SIXTEEN_LIGHT: Palette = Palette {
    nicks: &[4],
    faint: None,
    good: Some(4),
    busy: Some(5),
    bad: Some(1),
    you: Some(5),
    code: Some(4),
    quote: Some(4),
    link: Some(4),
};

pub(super) static NONE: Palette = Palette {
    nicks: &[],
    faint: None,
    good: None,
    busy: None,
    bad: None,
    you: None,
    code: None,
    quote: None,
    link: None,
};

impl Palette {
    /// Palette of a theme on a terminal with these capabilities.
    pub(super) fn of(theme: Theme, capabilities: Capabilities) -> &'static Self {
        let Capabilities { depth, ground, .. } = capabilities;
        let ground = match theme {
            Theme::Dark => Some(Ground::Dark),
            Theme::Light => Some(Ground::Light),
            Theme::Auto | Theme::Sixteen | Theme::None => ground,
        };
        match (theme, depth) {
            (Theme::None, _) | (_, Depth::Two) => &NONE,
            (Theme::Sixteen, _) | (_, Depth::Sixteen) => match ground {
                Some(Ground::Light) => &SIXTEEN_LIGHT,
                Some(Ground::Dark) | None => &SIXTEEN_DARK,
            },
            (Theme::Auto | Theme::Dark | Theme::Light, Depth::Indexed | Depth::True) => match ground {
                Some(Ground::Dark) => &DARK,
                Some(Ground::Light) => &LIGHT,
                None => &EITHER,
            },
        }
    }
}
