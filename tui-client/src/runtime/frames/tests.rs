//! Frames on terminals whose widths differ from the client's.

mod emulator;

use proptest::prelude::*;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::Widget;
use unicode_segmentation::UnicodeSegmentation;

use self::emulator::Emulator;
use super::*;

const COLUMNS: u16 = 14;
const ROWS: u16 = 3;

/// Graphemes of all kinds of width. The last ones are newer than the tables of most terminals.
const GRAPHEMES: &[&str] = &[
    "a",
    "b",
    " ",
    "─",
    "é",
    "e\u{301}",
    "日",
    "ก",
    "ที่",
    "বা",
    "কো",
    "क्ष",
    "각",
    "ה",
    "🇪",
    "🇩🇪",
    "👍🏽",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦",
    "🚀",
    "🫨",
    "\u{1FAC7}",
];

/// A row: text from its left edge, some of it in a style.
type Row = Vec<(usize, bool)>;

fn row() -> impl Strategy<Value = Row> {
    prop::collection::vec((0..GRAPHEMES.len(), any::<bool>()), 0..10)
}

fn screens() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let screen = prop::collection::vec(row(), usize::from(ROWS));
    prop::collection::vec(screen, 1..8)
}

fn new() -> Frames {
    Frames::new(|| Ok((COLUMNS, ROWS)))
}

fn draw(buffer: &mut Buffer, screen: &[Row]) {
    for (y, row) in (0..).zip(screen) {
        let mut x = 0;
        for (index, is_strong) in row {
            let cells = u16::try_from(width::of_grapheme(GRAPHEMES[*index])).expect("few");
            if x + cells > COLUMNS {
                break;
            }
            let strong = Style::new().fg(Color::Indexed(9)).add_modifier(Modifier::REVERSED | Modifier::BOLD);
            let style = if *is_strong { strong } else { Style::new() };
            buffer[(x, y)].set_symbol(GRAPHEMES[*index]).set_style(style);
            x += cells;
        }
    }
}

/// Applies the frame of a screen to a terminal.
fn show(frames: &mut Frames, terminal: &mut Emulator, screen: &[Row]) {
    let frame = frames.next(|frame| draw(frame.buffer_mut(), screen)).expect("drawn");
    if let Some(frame) = frame {
        terminal.write(std::str::from_utf8(frame).expect("UTF-8"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Each seed is a terminal that judges widths in its own way.
    #[test]
    fn a_screen_is_the_same_as_after_a_fresh_redraw(screens in screens(), seed in 0..64_u32) {
        let mut frames = new();
        let mut terminal = Emulator::new((COLUMNS, ROWS), seed);
        for screen in &screens {
            show(&mut frames, &mut terminal, screen);
            let mut fresh = Emulator::new((COLUMNS, ROWS), seed);
            show(&mut new(), &mut fresh, screen);
            prop_assert_eq!(terminal.rows(), fresh.rows());
        }
        let before = terminal.rows();
        frames.forget();
        show(&mut frames, &mut terminal, screens.last().expect("a screen"));
        prop_assert_eq!(terminal.rows(), before);
    }

    /// With the widths of the client, the terminal shows what was drawn.
    #[test]
    fn a_terminal_that_agrees_shows_the_graphemes(screens in screens()) {
        let mut frames = new();
        let mut terminal = Emulator::agreeing((COLUMNS, ROWS));
        for screen in &screens {
            show(&mut frames, &mut terminal, screen);
        }
        let mut buffer = Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS));
        draw(&mut buffer, screens.last().expect("a screen"));
        for (y, row) in (0..ROWS).zip(terminal.rows()) {
            let mut drawn = String::new();
            let mut x = 0;
            while x < COLUMNS {
                drawn.push_str(buffer[(x, y)].symbol());
                x += u16::try_from(width::of(buffer[(x, y)].symbol())).expect("few");
            }
            let shown: String = row.graphemes(true).collect();
            prop_assert_eq!(shown, drawn);
        }
    }
}

#[test]
fn an_unchanged_screen_writes_no_frame() {
    let mut frames = Frames::new(|| Ok((20, 2)));
    let mut has_next = |text: &str, cursor: Option<(u16, u16)>| {
        let draw = |frame: &mut Frame<'_>| {
            text.render(frame.area(), frame.buffer_mut());
            if let Some(place) = cursor {
                frame.set_cursor_position(place);
            }
        };
        frames.next(draw).expect("drawn").is_some()
    };
    for (text, cursor, is_next) in [
        ("hello", Some((5, 0)), true),
        ("hello", Some((5, 0)), false),
        ("hello", Some((0, 0)), true),
        ("hello", Some((0, 0)), false),
        ("hallo", Some((0, 0)), true),
        ("hallo", Some((0, 0)), false),
        ("hello", Some((0, 0)), true),
        ("hello", None, true),
        ("hello", None, false),
    ] {
        assert_eq!(has_next(text, cursor), is_next, "{text} {cursor:?}");
    }
}

#[test]
fn a_row_of_certain_graphemes_is_written_where_it_changed() {
    let mut frames = new();
    let mut written = |text: &'static str| {
        let frame = frames.next(|frame| text.render(frame.area(), frame.buffer_mut())).expect("drawn");
        String::from_utf8(frame.expect("a frame").to_vec()).expect("UTF-8")
    };
    written("ab─c");
    let changed = written("ax─c");
    assert!(changed.starts_with("\x1b[1;2Hx\x1b["), "{changed:?}");
    let uncertain = written("a日c");
    assert!(uncertain.starts_with("\x1b[1;1Ha  \x1b[1;2H日\x1b[1;4Hc"), "{uncertain:?}");
}

/// An overlay's edge may lie on the second cell of a wide letter.
#[test]
fn a_wide_letter_with_something_over_its_end_is_blank() {
    let mut frames = new();
    let frame = frames.next(|frame| {
        "日本".render(frame.area(), frame.buffer_mut());
        frame.buffer_mut()[(1, 0)].set_symbol("│");
    });
    let frame = String::from_utf8(frame.expect("drawn").expect("a frame").to_vec()).expect("UTF-8");
    let mut terminal = Emulator::agreeing((COLUMNS, ROWS));
    terminal.write(&frame);
    assert_eq!(terminal.rows()[0].trim_end(), " │本");
}
