//! Themes: their names and explanations.
//!
//! To add a theme: a variant of [`Theme`], a row in [`Theme::ALL`], a name in [`Theme::name`], and its colours in
//! `ui/look/palette.rs`.

use serde::Deserialize;

/// A theme of the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// Light or dark, like the terminal, with the colours that it supports.
    #[default]
    Auto,
    Dark,
    Light,
    /// The 16 colours that the terminal defines.
    #[serde(rename = "16")]
    Sixteen,
    /// No colours; bold, underline and reverse instead.
    None,
}

impl Theme {
    /// All themes in the order of the list, each with its explanation.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Auto, "light or dark, like the terminal, with the colours that it supports"),
        (Self::Dark, "for a dark background"),
        (Self::Light, "for a light background"),
        (Self::Sixteen, "the 16 colours that the terminal defines"),
        (Self::None, "no colours: bold, underlined and reversed"),
    ];

    /// Returns the name, as in the configuration.
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

    /// Finds a theme by its name.
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
    fn each_theme_is_found_by_its_name() {
        for (theme, _) in Theme::ALL {
            assert_eq!(Theme::named(theme.name()), Some(theme));
        }
        assert_eq!(Theme::named("solarized"), None);
    }
}
