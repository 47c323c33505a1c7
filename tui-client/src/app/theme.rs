//! Themes by name.
//!
//! To add a theme: a variant of [`Theme`], a row in [`Theme::ALL`], a name in [`Theme::name`], and its colours in
//! `ui/look/palette.rs`.

use serde::Deserialize;

/// How the screen is to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the terminal has it: light or dark, and as many colours as there are.
    #[default]
    Auto,
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
    /// The terminal's own sixteen colours.
    #[serde(rename = "16")]
    Sixteen,
    /// No colours.
    None,
}

impl Theme {
    /// All of them, in the order in which they are listed, with what each is for.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Auto, "light or dark as the terminal is, with the colours that it has"),
        (Self::Dark, "for a dark background"),
        (Self::Light, "for a light background"),
        (Self::Sixteen, "the sixteen colours that the terminal calls its own"),
        (Self::None, "no colours: bold, underlined and reversed"),
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Sixteen => "16",
            Self::None => "none",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().map(|(theme, _)| theme).find(|theme| theme.name() == name)
    }

    pub(super) fn index(self) -> usize {
        Self::ALL.iter().position(|(theme, _)| *theme == self).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn themes_have_names() {
        for (theme, _) in Theme::ALL {
            assert_eq!(Theme::named(theme.name()), Some(theme));
        }
        assert_eq!(Theme::named("solarized"), None);
    }
}
