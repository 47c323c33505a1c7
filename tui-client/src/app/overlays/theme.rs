//! Themes by name, and the list in which one is tried before it is taken.
//!
//! What they look like is `ui::look`'s to know. A new theme: a variant of [`Theme`], a row in [`Theme::ALL`] and its
//! palette there.

use crate::app::keys::Action;
use crate::app::{Effect, Model, Overlay};

/// How the screen is to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the terminal has it: light or dark, and as many colours as there are.
    #[default]
    Auto,
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
    /// The terminal's own sixteen colours.
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

    fn index(self) -> usize {
        Self::ALL.iter().position(|(theme, _)| *theme == self).unwrap_or(0)
    }
}

/// Takes a theme, or shows the list of them.
pub(in crate::app) fn choose(model: &mut Model, theme: Option<Theme>) -> Vec<Effect> {
    match theme {
        Some(theme) => model.theme = theme,
        None => model.overlay = Some(Overlay::Themes { before: model.theme }),
    }
    Vec::new()
}

/// Tries the theme at `index` of [`Theme::ALL`], or the last one.
pub(in crate::app) fn try_out(model: &mut Model, index: usize) {
    model.theme = Theme::ALL[index.min(Theme::ALL.len() - 1)].0;
}

/// What a key does to the list; `None` where it is closed, and the key is for what is below. The chosen theme is what the
/// screen has meanwhile.
pub(in crate::app) fn on_list(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    let Some(Overlay::Themes { before }) = model.overlay else { return None };
    let at = model.theme.index();
    match action {
        Action::Redraw | Action::Suspend => return None,
        Action::Up => try_out(model, at.saturating_sub(1)),
        Action::Down => try_out(model, at + 1),
        Action::Home => try_out(model, 0),
        Action::End => try_out(model, usize::MAX),
        Action::Submit => model.overlay = None,
        _ => {
            model.theme = before;
            model.overlay = None;
            return (action == Action::Close).then(Vec::new);
        }
    }
    Some(Vec::new())
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyCode;

    use super::*;
    use crate::app::testing::Client;

    #[test]
    fn themes_have_names() {
        for (theme, _) in Theme::ALL {
            assert_eq!(Theme::named(theme.name()), Some(theme));
        }
        assert_eq!(Theme::named("solarized"), None);
    }

    #[test]
    fn a_theme_is_taken_by_its_name() {
        let mut client = Client::online(&["chat"]);
        client.enter("/theme light");
        assert_eq!((client.model.theme, &client.model.overlay), (Theme::Light, &None));
        client.enter("/theme beige");
        assert_eq!(client.model.theme, Theme::Light);
        let hint = client.model.hint.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(hint.contains("beige") && hint.contains("auto, dark, light, 16, none"), "{hint}");
    }

    #[test]
    fn a_theme_is_tried_and_taken_or_not() {
        let mut client = Client::online(&["chat"]);
        client.enter("/theme");
        client.press(KeyCode::Down);
        client.press(KeyCode::Down);
        assert_eq!(client.model.theme, Theme::Light, "at once");
        client.press(KeyCode::Esc);
        assert_eq!((client.model.theme, &client.model.overlay), (Theme::Auto, &None));
        client.enter("/theme");
        client.press(KeyCode::End);
        client.press(KeyCode::Down);
        client.press(KeyCode::Enter);
        assert_eq!((client.model.theme, &client.model.overlay), (Theme::None, &None));
        client.enter("/theme");
        client.press(KeyCode::Up);
        client.press(KeyCode::Char('x'));
        assert_eq!((client.model.theme, &client.model.overlay), (Theme::None, &None));
        assert_eq!(client.model.pane().composer.editor.text(), "x", "the key is not lost");
    }
}
