//! Search: its line in place of the composer, its key hints, and the marks of matches.
//!
//! A match is a range of a line as shown, before it is broken into rows. It may continue in the next row and the next
//! span. [`Look::found`](super::Look) is its style.

use ratatui::layout::{Position, Rect};

use super::frame::Frame;
use super::layout::{Breaks, lay_out};
use super::look::Look;
use super::pen::Pen;
use super::text::width;
use crate::app::{Action, Model, Room, Search, SearchResult};

/// Least width at which there is room for words.
const WORDS: u16 = 60;

/// Draws the line at the bottom of `area`, and sets the cursor while the query is edited. Returns the remaining area.
pub(super) fn line(model: &Model, search: &Search, look: Look, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let sign = look.glyph().prompt;
    let rest = Rect { height: area.height.saturating_sub(1), ..area };
    let place = Rect { y: area.y + rest.height, height: area.height.min(1), ..area };
    let prompt = if area.width < WORDS {
        format!("find {sign} ")
    } else {
        format!(" find in {} {sign} ", look.cut(model.pane().title.as_str(), usize::from(area.width / 3)))
    };
    let count = count(model.pane().search_result());
    let mut pen = Pen::new(frame.buffer_mut(), place);
    let prompt = look.cut(&prompt, pen.width().saturating_sub(width(&count) + 2));
    let column = pen.write(0, 0, &prompt, look.strong());
    let room = pen.width().saturating_sub(column + width(&count)).max(1);
    let layout = lay_out(search.query.line(), room, Breaks::Cells);
    pen.write(column, 0, layout.rows.get(layout.row).map_or("", String::as_str), look.plain());
    pen.write_right(0, &count, look.strong());
    if search.is_typing {
        let x = u16::try_from(column + layout.column).unwrap_or(0).min(place.width.saturating_sub(1));
        frame.set_cursor_position(Position { x: place.x + x, y: place.y });
    }
    rest
}

fn count(found: SearchResult) -> String {
    match found {
        SearchResult::Idle => String::new(),
        SearchResult::None { .. } => " none ".to_owned(),
        SearchResult::Some { at: Some(at), of } => format!(" {at} of {of} "),
        SearchResult::Some { at: None, of } => format!(" {of} "),
    }
}

/// Hints for the keys, or the result of the last key, in at most `cells`.
pub(super) fn words(model: &Model, search: &Search, look: Look, cells: usize) -> String {
    let glyph = look.glyph();
    let has_room = cells >= usize::from(WORDS);
    if model.room().is_some_and(Room::is_searching_older) {
        return format!("loading older messages{}", glyph.ellipsis);
    }
    if let SearchResult::None { among } = model.pane().search_result() {
        let nothing = if has_room {
            format!("nothing found in {among} loaded messages")
        } else {
            format!("not in {among} loaded")
        };
        let key = model.keymap.key(Action::PageUp).filter(|_| model.pane().can_search_older());
        return key
            .map_or_else(|| nothing.clone(), |key| format!("{nothing} {} {key} loads older", glyph.dot));
    }
    keys(model, search, look, cells)
}

fn keys(model: &Model, search: &Search, look: Look, cells: usize) -> String {
    let between = format!(" {} ", look.glyph().dot);
    let key = |action| model.keymap.key(action).map(|key| key.to_string());
    let (older, newer) = if search.is_typing {
        (key(Action::Up), key(Action::Down))
    } else {
        (Some("n".to_owned()), Some("N".to_owned()))
    };
    let stays = key(Action::Submit).filter(|_| search.is_typing);
    let all = [(older, "older"), (newer, "newer"), (stays, "stays"), (key(Action::Close), "back")];
    // If space is short, hints that are easily guessed are omitted.
    let hints = |left_out: &[&str]| -> String {
        let kept = all.iter().filter(|(_, does)| !left_out.contains(does));
        let hints = kept.filter_map(|(key, does)| Some(format!("{} {does}", key.as_ref()?)));
        hints.collect::<Vec<_>>().join(&between)
    };
    let shorter = [&[][..], &["stays"]].map(hints);
    shorter.into_iter().find(|text| width(text) <= cells).unwrap_or_else(|| hints(&["stays", "newer"]))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::super::marks::{Marker, Piece};
    use super::super::prose::{self, WrappedRow};
    use super::*;
    use crate::app::Theme;
    use crate::markup::tests::typed;
    use crate::markup::{Markup, Pattern};
    use crate::sanitize::block;
    use crate::ui::tests::TERMINAL;

    static LOOK: LazyLock<Look> = LazyLock::new(|| Look::new(Theme::Auto, TERMINAL));

    /// Rows of a text, with matches in brackets.
    fn marked(text: &str, query: &str, room: usize) -> Vec<String> {
        let pattern = Pattern::new(query).expect("something to look for");
        let marker = Marker { pattern: &pattern, style: LOOK.found(false) };
        let text = block(text);
        let shown = |piece: &Piece| {
            let (open, close) = if piece.is_hit { ("[", "]") } else { ("", "") };
            format!("{open}{}{close}", piece.text)
        };
        let rows = prose::rows(&Markup::parse(&text), room, *LOOK, Some(&marker));
        rows.iter().map(|row| row.pieces().map(shown).collect::<String>().replace("][", "")).collect()
    }

    #[test]
    fn matches_are_marked_in_every_kind_of_text() {
        assert_eq!(marked("the Fix is out", "fix is", 7), ["the [Fix]", "[is] out"]);
        assert_eq!(marked("abcdefgh", "cdef", 4), ["ab[cd]", "[ef]gh"]);
        assert_eq!(marked("a **bold** word", "d w", 20), ["a bol[d w]ord"]);
        assert_eq!(marked("> 日本語 日本", "日本", 20), ["▌ [日本]語 [日本]"]);
        assert_eq!(marked("```sh\nfind  .  sh\n```", "sh", 10), ["│ [sh]", "│ find  . ", "┆  [sh]"]);
        assert_eq!(marked("see https://example.org/a", "org/a", 30), ["see https://example.[org/a]"]);
    }

    proptest! {
        #[test]
        fn marks_of_matches_change_only_styles(text in typed(), query in "[a-c日 *_`>]{1,2}", room in 1..60_usize) {
            let Some(pattern) = Pattern::new(&query) else { return Ok(()) };
            let marker = Marker { pattern: &pattern, style: LOOK.found(true) };
            let text = block(&text);
            let markup = Markup::parse(&text);
            let texts = |rows: &[WrappedRow]| -> Vec<String> {
                rows.iter().map(|row| row.pieces().map(|piece| piece.text.as_str()).collect()).collect()
            };
            let rows = prose::rows(&markup, room, *LOOK, Some(&marker));
            prop_assert_eq!(texts(&rows), texts(&prose::rows(&markup, room, *LOOK, None)));
            let is_marked = rows.iter().flat_map(WrappedRow::pieces).any(|piece| piece.is_hit);
            prop_assert_eq!(is_marked, pattern.is_in(&text), "a match is visible");
        }
    }
}
