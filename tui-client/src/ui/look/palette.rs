//! The colours of each theme, as numbers of the 256 that nearly all terminals have.
//!
//! Numbers from 16 on are the same colours everywhere; tests measure their contrast by WCAG 2 against backgrounds that
//! people have. The first sixteen are the user's own: what is taken of them is what can be read with the usual values.
//! No palette sets a background. What has no colour here is told apart by a sign, or by bold, underlined or reversed.
//!
//! A new colour: a field, with a value in each palette; a test goes over all of them.

use crate::app::Theme;
use crate::terminal::{Capabilities, Depth, Ground};

/// A number of the 256, or the foreground.
pub(super) type Ink = Option<u8>;

/// The colours of a theme.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Palette {
    /// For nicks; none of them is another field's that warns.
    pub(super) nicks: &'static [u8],
    /// Rules, stamps, what is said besides.
    pub(super) faint: Ink,
    pub(super) good: Ink,
    pub(super) busy: Ink,
    pub(super) bad: Ink,
    /// What names the user, or is addressed to them.
    pub(super) you: Ink,
    pub(super) code: Ink,
    pub(super) quote: Ink,
    pub(super) link: Ink,
}

/// 4.5 to 1 on backgrounds from black to dark grey-blue.
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

/// 4.5 to 1 on backgrounds from white to cream.
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

/// Where the background is not known: 4.5 to 1 on black and on white, which six of the 256 have.
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

/// The terminal's own on a dark background: no blue, no magenta and no grey, and red and yellow as they are bright.
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

/// The terminal's own on a light background: red, blue and magenta, and no bright ones.
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

/// No colours.
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
    /// That of a theme, on a terminal with these capabilities.
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
