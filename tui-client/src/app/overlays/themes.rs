//! The list of themes. The selected theme is applied at once, until the user confirms or cancels.

use super::next_step::NextStep;
use super::overlay::Overlay;
use crate::app::keys::Action;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::theme::Theme;

/// Sets a theme, or opens the list.
pub(in crate::app) fn choose(model: &mut Model, theme: Option<Theme>) -> Vec<Effect> {
    match theme {
        Some(theme) => model.theme = theme,
        None => model.overlay = Some(Overlay::Themes { before: model.theme }),
    }
    Vec::new()
}

/// Applies the theme at `index` of [`Theme::ALL`], or the last one.
pub(in crate::app) fn try_out(model: &mut Model, index: usize) {
    model.theme = Theme::ALL[index.min(Theme::ALL.len() - 1)].0;
}

/// Handles an action in the list.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> NextStep {
    let Some(Overlay::Themes { before }) = model.overlay else { return NextStep::Pass };
    let at = model.theme.index();
    match action {
        Action::Redraw | Action::Suspend => return NextStep::Pass,
        Action::Up => try_out(model, at.saturating_sub(1)),
        Action::Down => try_out(model, at + 1),
        Action::Home => try_out(model, 0),
        Action::End => try_out(model, usize::MAX),
        Action::Submit => model.overlay = None,
        _ => {
            model.theme = before;
            model.overlay = None;
            return if action == Action::Close { NextStep::nothing() } else { NextStep::Pass };
        }
    }
    NextStep::nothing()
}

#[cfg(test)]
mod tests {
    use crate::terminal_input::KeyCode;

    use super::*;
    use crate::app::testing::Client;

    #[test]
    fn a_theme_is_set_by_its_name() {
        let mut client = Client::online(&["chat"]);
        client.enter("/theme light");
        assert_eq!((client.model.theme, &client.model.overlay), (Theme::Light, &None));
        client.enter("/theme beige");
        assert_eq!(client.model.theme, Theme::Light);
        let hint = client.model.hint.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(hint.contains("beige") && hint.contains("auto, dark, light, 16, none"), "{hint}");
    }

    #[test]
    fn a_theme_is_tried_and_then_kept_or_undone() {
        let mut client = Client::online(&["chat"]);
        client.enter("/theme");
        client.press(KeyCode::Down);
        client.press(KeyCode::Down);
        assert_eq!(client.model.theme, Theme::Light, "applied at once");
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
