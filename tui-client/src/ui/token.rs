//! Lines of the prompt for a token, and the mask over a token in the composer.

use super::layout::OverlayLine;
use super::look::Look;
use super::text::wrap;
use crate::app::{Editor, TokenPrompt, is_token_command};

/// Text above the prompt.
const EXPLANATION: &str = "Paste or type your new token. It is not shown and not stored.";
/// Most signs in place of characters.
const MASK: usize = 24;

pub(super) fn lines(prompt: &TokenPrompt, look: Look, cells: usize) -> Vec<OverlayLine> {
    let room = cells.saturating_sub(2).max(1);
    let row = |text: &str, style| vec![(1, text.to_owned(), style)];
    let mut lines: Vec<OverlayLine> =
        wrap(EXPLANATION, room).into_iter().map(|line| row(line, look.plain())).collect();
    lines.push(Vec::new());
    let sign = look.glyph().prompt;
    lines.push(match prompt.chars() {
        0 => row(sign, look.strong()),
        count => row(
            &look.cut(&format!("{sign} {} {count} characters", "*".repeat(count.min(MASK))), room),
            look.strong(),
        ),
    });
    if let Some(problem) = prompt.problem() {
        lines.push(Vec::new());
        lines.extend(wrap(problem.as_str(), room).into_iter().map(|line| row(line, look.bad())));
    }
    lines
}

/// The draft with a mask over the token; `None` if the draft has none.
pub(super) fn masked(draft: &Editor) -> Option<Editor> {
    let text = draft.text();
    if !is_token_command(text) {
        return None;
    }
    let name = text.len() - text.trim_start().len() + "/token".len();
    let mask = |text: &str| {
        text.char_indices()
            .map(|(at, c)| if at < name || c.is_whitespace() { c } else { '*' })
            .collect::<String>()
    };
    let cursor = mask(&text[..draft.cursor()]).len();
    let mut masked = Editor::default();
    masked.set(mask(text));
    masked.go_to(cursor);
    Some(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_covers_the_argument_and_keeps_the_cursor() {
        let mut draft = Editor::default();
        draft.set(" /token eyJé x".to_owned());
        draft.go_to(" /token eyJé".len());
        let masked = masked(&draft).expect("masked");
        assert_eq!((masked.text(), masked.cursor()), (" /token **** *", " /token ****".len()));
        draft.set("/tokens eyJ".to_owned());
        assert!(super::masked(&draft).is_none());
    }
}
