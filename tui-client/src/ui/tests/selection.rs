//! Selection of text with the mouse, and what is copied.

use super::mouse::{DRAG, PRESS, RELEASE, place_of};
use super::*;
use crate::app::testing::at;
use realtime_shared::{Resync, SystemEvent};

const CHAT: &str = "chat";

/// A screen with these messages of bob, and 30 of alice above them.
fn screen_with(size: (u16, u16), texts: &[&str]) -> TestScreen {
    let mut client = Client::online(&[CHAT]);
    for number in 0..30 {
        client.receive(CHAT, "alice", &format!("message {number}"));
    }
    for text in texts {
        client.receive(CHAT, "bob", text);
    }
    TestScreen::new(client, size)
}

fn copied(effects: &[Effect]) -> &str {
    match effects {
        [Effect::Copy(text)] => text,
        other => panic!("not copied: {other:?}"),
    }
}

/// Selects from the first column of one text to the last column of another, and holds the button.
fn select(screen: &mut TestScreen, from: &str, to: &str) {
    let from = place_of(screen, from);
    let (column, row) = place_of(screen, to);
    screen.mouse(PRESS, from);
    let last = u16::try_from(crate::width::of(to)).expect("short") - 1;
    screen.mouse(DRAG, (column + last, row));
}

fn release(screen: &mut TestScreen) -> String {
    let effects = screen.mouse(RELEASE, (0, 0));
    copied(&effects).to_owned()
}

/// Text of the cells that are marked as selected.
fn marked(screen: &TestScreen) -> String {
    use ratatui::style::Modifier;
    let cells = screen.terminal.backend().buffer().content.iter();
    cells
        .filter(|cell| cell.modifier.contains(Modifier::REVERSED))
        .map(ratatui::buffer::Cell::symbol)
        .collect()
}

#[test]
fn messages_that_arrive_do_not_change_the_selection() {
    for size in SIZES {
        let mut screen = screen_with(size, &["the first", "the second"]);
        select(&mut screen, "first", "second");
        for number in 0..4 {
            screen.client.receive(CHAT, "carol", &format!("meanwhile {number}"));
            screen.draw();
        }
        assert!(marked(&screen).starts_with("first") && marked(&screen).ends_with("second"));
        assert_eq!(release(&mut screen), "first\nthe second", "{size:?}");
        assert!(screen.text().contains("meanwhile 3"), "the view follows new messages again");
    }
}

#[test]
fn a_press_is_for_the_text_that_was_drawn() {
    let mut screen = screen_with(SIZES[1], &["drawn"]);
    let (column, row) = place_of(&mut screen, "drawn");
    // This message is not drawn yet.
    screen.client.receive(CHAT, "carol", "not yet");
    screen.mouse(PRESS, (column, row));
    screen.mouse(DRAG, (column + 4, row - 1));
    assert_eq!(release(&mut screen), "drawn");
}

#[test]
fn a_selection_survives_scrolling_and_grows_with_it() {
    let mut screen = screen_with(SIZES[1], &["the last"]);
    let at = place_of(&mut screen, "message 29");
    screen.mouse(PRESS, (at.0 + 9, at.1));
    screen.mouse(DRAG, (at.0, at.1 - 1));
    screen.mouse(MouseEventKind::ScrollUp, (at.0, at.1 - 1));
    // The pointer is three rows further up in the text.
    let text = release(&mut screen);
    assert!(text.starts_with("message 25\nmessage 26\n") && text.ends_with("\nmessage 29"), "{text:?}");
    let at = place_of(&mut screen, "message 20");
    screen.mouse(PRESS, at);
    screen.mouse(DRAG, (at.0 + 9, at.1));
    for key in [KeyCode::PageUp, KeyCode::PageDown, KeyCode::PageUp] {
        screen.press(key);
        screen.draw();
    }
    let text = release(&mut screen);
    assert!(text.contains("message 19") && text.ends_with("\nm"), "a key that scrolls keeps it: {text:?}");
}

#[test]
fn a_selection_survives_a_resize() {
    let long = "words that are wrapped at the edge of every window, wherever that is, and one more";
    let mut screen = screen_with(SIZES[1], &[long]);
    select(&mut screen, "words", "one more");
    for (width, height) in [SIZES[2], SIZES[0], (25, 30)] {
        screen.terminal.backend_mut().resize(width, height);
        screen.client.input(Input::Resize);
        screen.draw();
    }
    assert_eq!(release(&mut screen), long);
}

#[test]
fn dropped_messages_are_left_out() {
    let mut screen = screen_with(SIZES[0], &["the end"]);
    select(&mut screen, "message 10", "the end");
    screen.client.model.rooms[0].pane.timeline.drop_rows(29);
    screen.draw();
    assert_eq!(release(&mut screen), "message 29\nthe end");

    let mut screen = screen_with(SIZES[0], &["the end"]);
    select(&mut screen, "message 10", "message 12");
    screen.client.model.rooms[0].pane.timeline.drop_rows(29);
    screen.draw();
    assert_eq!(screen.mouse(RELEASE, (0, 0)), [], "all of it was dropped");
}

#[test]
fn another_log_ends_the_selection() {
    let mut screen = screen_with(SIZES[0], &["the end"]);
    select(&mut screen, "message 10", "the end");
    screen.client.server(ServerEvent::System(SystemEvent::Resync(Resync {
        message: String::new(),
        room: crate::app::testing::room(CHAT),
        position: at(0),
        recovery: Recovery::Reset { replayed: 0 },
    })));
    for seq in 1..40 {
        let message = screen.client.message(CHAT, "carol", "of another log", seq);
        screen.client.deliver(message, true);
    }
    screen.draw();
    assert_eq!(screen.mouse(RELEASE, (0, 0)), []);
}

#[test]
fn an_own_message_stays_selected_when_it_is_stored() {
    let mut screen = screen_with(SIZES[1], &[]);
    let id = screen.client.send("my own words");
    select(&mut screen, "my own", "words");
    screen.client.deliver_copy(CHAT, &id, "my own words");
    screen.draw();
    assert_eq!(release(&mut screen), "my own words");
}

#[test]
fn tabs_are_copied_as_tabs() {
    let text = "a\tb\n```make\nall:\n\tcc -o x \\\n\t\tx.c\n\nclean:\n\trm x\n```\nend";
    for size in [SIZES[0], SIZES[1], (30, 30)] {
        let mut screen = screen_with(size, &[text]);
        let at = place_of(&mut screen, "a    b");
        screen.mouse(PRESS, at);
        let (column, row) = place_of(&mut screen, "end");
        screen.mouse(DRAG, (column + 2, row));
        let code = "a\tb\nall:\n\tcc -o x \\\n\t\tx.c\n\nclean:\n\trm x\nend";
        assert_eq!(release(&mut screen), code, "{size:?}");
        // Each cell of a tab selects all of it.
        screen.mouse(PRESS, at);
        screen.mouse(DRAG, (at.0 + 2, at.1));
        assert_eq!(marked(&screen), "a    ");
        assert_eq!(release(&mut screen), "a\t");
    }
}

#[test]
fn code_is_copied_as_it_was_written() {
    let code = "fn main() {\n    let words = \"more than one row of a narrow window, which breaks it\";\n\n    // 日本語\n}";
    for size in [SIZES[0], SIZES[1], (40, 30)] {
        let mut screen = screen_with(size, &[&format!("```rust\n{code}\n```"), "after"]);
        select(&mut screen, "fn main", "after");
        assert_eq!(release(&mut screen), format!("{code}\nafter"), "{size:?}");
        // From the title to the rule of the last row: the title is not code.
        let title = place_of(&mut screen, "rust");
        let (column, row) = place_of(&mut screen, "after");
        screen.mouse(PRESS, title);
        screen.mouse(DRAG, (column.saturating_sub(2), row));
        assert_eq!(release(&mut screen), code, "{size:?}");
    }
}

#[test]
fn a_drag_that_starts_in_the_nick_column_selects() {
    for size in SIZES {
        let mut screen = screen_with(size, &["one", "two"]);
        let (column, row) = place_of(&mut screen, "one");
        let from = (column - 4, row);
        let to = place_of(&mut screen, "two");
        screen.mouse(PRESS, from);
        screen.mouse(DRAG, (to.0 + 2, to.1));
        assert_eq!(release(&mut screen), "one\ntwo", "{size:?}");
        // Upwards into the column of the nicks.
        screen.mouse(PRESS, (to.0 + 1, to.1));
        screen.mouse(DRAG, from);
        assert_eq!(release(&mut screen), "one\ntw", "{size:?}");
    }
}

#[test]
fn wide_letters_are_selected_as_a_whole() {
    let mut screen = screen_with(SIZES[1], &["a日本👩\u{200d}🚀z"]);
    let (column, row) = place_of(&mut screen, "日本");
    for from in [column, column + 1] {
        screen.mouse(PRESS, (from, row));
        screen.mouse(DRAG, (column + 4, row));
        assert_eq!(release(&mut screen), "日本👩\u{200d}🚀");
        screen.mouse(PRESS, (column + 4, row));
        screen.mouse(DRAG, (from, row));
        assert_eq!(release(&mut screen), "日本👩\u{200d}🚀", "backwards");
    }
}

#[test]
fn rows_of_the_program_are_not_copied() {
    let mut screen = screen_with(SIZES[1], &["before"]);
    screen.client.member_joins(CHAT, "dave");
    screen.client.pass(86_400_000);
    screen.client.receive(CHAT, "bob", "after");
    let refused = screen.client.send("mine");
    screen.client.state(&refused, SendState::Refused("no".to_owned()));
    select(&mut screen, "before", "not sent");
    assert_eq!(release(&mut screen), "before\nafter\nmine");
    // A drag that begins at a rule begins at the text below it.
    let (column, row) = place_of(&mut screen, "after");
    screen.mouse(PRESS, (column, row - 1));
    screen.mouse(DRAG, (column + 1, row));
    assert_eq!(release(&mut screen), "af");
}

#[test]
fn a_pointer_outside_of_the_timeline_selects_up_to_its_edge() {
    for size in SIZES {
        let mut screen = screen_with(size, &["one two", "three"]);
        let (column, row) = place_of(&mut screen, "two");
        screen.mouse(PRESS, (column, row));
        screen.mouse(DRAG, (u16::MAX, u16::MAX));
        assert_eq!(release(&mut screen), "two\nthree", "{size:?}");
        screen.mouse(PRESS, (column + 2, row));
        screen.mouse(DRAG, (0, 0));
        assert!(release(&mut screen).ends_with("\none two"), "{size:?}");
    }
}

#[test]
fn a_pointer_beyond_an_edge_scrolls() {
    let mut screen = screen_with(SIZES[2], &["the end"]);
    let at = place_of(&mut screen, "the end");
    assert_eq!(screen.state.edge_scroll(), None);
    screen.mouse(PRESS, (at.0 + 6, at.1));
    screen.mouse(DRAG, (at.0, 0));
    let mut steps = 0;
    while let Some(wheel) = screen.state.edge_scroll() {
        assert_eq!(wheel, Input::Wheel { up: true });
        let effects = screen.client.input(wheel);
        screen.run(effects);
        screen.draw();
        steps += 1;
        assert!(steps < 60, "it ends at the top");
    }
    screen.mouse(DRAG, (at.0, 9));
    assert_eq!(screen.state.edge_scroll(), Some(Input::Wheel { up: false }));
    screen.mouse(DRAG, (at.0, 0));
    let text = release(&mut screen);
    assert!(text.starts_with("message 0\n") && text.ends_with("\nthe end"), "{text}");
    assert_eq!(screen.state.edge_scroll(), None, "the button is released");
}

#[test]
fn an_overlay_ends_the_selection() {
    let mut screen = screen_with(SIZES[1], &["one two"]);
    select(&mut screen, "one", "two");
    let effects = screen.client.input(Input::Click(crate::app::Hit::Room(0)));
    screen.run(effects);
    screen.client.press(KeyCode::F(1));
    screen.draw();
    assert_eq!(screen.mouse(DRAG, (30, 5)), []);
    assert_eq!(screen.mouse(RELEASE, (30, 5)), []);
    screen.press(KeyCode::Esc);
    screen.draw();
    assert!(!marked(&screen).contains("one"));
}

#[test]
fn a_click_on_a_link_opens_it() {
    let address = "https://example.org/an/address/that/is/broken/at/the/edge";
    for size in SIZES {
        let mut screen = screen_with(size, &[&format!("see {address} there")]);
        let (column, row) = place_of(&mut screen, "see");
        screen.mouse(PRESS, (column, row));
        assert_eq!(screen.mouse(RELEASE, (column, row)), [], "no link");
        let (column, row) = place_of(&mut screen, "https://");
        screen.mouse(PRESS, (column + 3, row));
        let target = crate::markup::Target::new(address).expect("an address");
        assert_eq!(screen.mouse(RELEASE, (column + 3, row)), [Effect::Open(target)]);
        assert!(screen.client.hint().starts_with("opening https://example.org"));
        // A drag selects the address.
        screen.mouse(PRESS, (column, row));
        screen.mouse(DRAG, (column + 4, row));
        assert_eq!(release(&mut screen), "https");
        screen.client.model.opens_links = false;
        screen.mouse(PRESS, (column, row));
        let effects = screen.mouse(RELEASE, (column, row));
        assert_eq!(copied(&effects), address, "over ssh");
        assert!(screen.client.hint().starts_with("copied"));
    }
}

#[test]
fn a_note_is_copied_as_it_is_shown() {
    let mut screen = screen_with(SIZES[1], &[]);
    screen.state.capabilities.has_signs = false;
    screen.client.joined(CHAT, Some(Recovery::Complete { replayed: 0 }), Some(Duration::from_secs(12)));
    select(&mut screen, "offline", "missed");
    let text = release(&mut screen);
    assert!(
        text.starts_with("offline 12 s ") && text.ends_with(" nothing missed") && text.is_ascii(),
        "{text}"
    );
}

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::markup::Markup;
    use crate::markup::tests::typed;
    use crate::sanitize::block;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A text that is selected as a whole is copied as it was written, without marks, at every width.
        #[test]
        fn a_whole_text_is_copied_at_every_width(text in typed(), width in 12..130_u16) {
            let mut client = Client::online(&[CHAT]);
            let Ok(wire) = realtime_shared::Text::new(&text) else { return Ok(()) };
            client.receive(CHAT, "bob", wire.as_str());
            let mut screen = TestScreen::new(client, (width, 200));
            screen.draw();
            let (area, rows) = (screen.state.areas.timeline, screen.state.areas.rows.len());
            screen.mouse(PRESS, (area.x, area.y));
            screen.mouse(DRAG, (area.x + 1, area.y + u16::try_from(rows).expect("few") + 1));
            let effects = screen.mouse(RELEASE, (0, 0));
            let shown = block(wire.as_str());
            let lines: Vec<String> = Markup::parse(&shown)
                .lines()
                .map(|(_, pieces)| pieces.into_iter().map(|(_, piece)| piece).collect())
                .collect();
            let whole = lines.join("\n");
            let wanted = whole.trim_matches('\n');
            match effects.as_slice() {
                [Effect::Copy(text)] => prop_assert_eq!(text.replace('\t', "    "), wanted),
                _ => prop_assert!(wanted.trim().is_empty(), "not copied: {:?}", wanted),
            }
        }
    }
}
