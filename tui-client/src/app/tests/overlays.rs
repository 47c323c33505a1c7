//! Keys and the mouse in overlays: help, links, pickers, themes and the inspector.

use crate::terminal_input::KeyCode;

use super::super::testing::Client;
use super::super::{Hit, Input, Overlay, Scroll, Theme};
use super::{Effect, commands};
use crate::net::{Command, Direction, Event, Frame, Totals, Traced};

fn selected(client: &Client) -> usize {
    match &client.model.overlay {
        Some(Overlay::Links { selected, .. }) => *selected,
        Some(Overlay::Rooms { picker, .. } | Overlay::Palette(picker)) => picker.selected(),
        other => panic!("no list: {other:?}"),
    }
}

/// Keys that scroll.
const SCROLL_KEYS: [(KeyCode, Scroll); 6] = [
    (KeyCode::Up, Scroll::LineUp),
    (KeyCode::Down, Scroll::LineDown),
    (KeyCode::PageUp, Scroll::PageUp),
    (KeyCode::PageDown, Scroll::PageDown),
    (KeyCode::Home, Scroll::Top),
    (KeyCode::End, Scroll::Bottom),
];

#[test]
fn keys_scroll_an_overlay_of_text() {
    let mut client = Client::online(&["chat"]);
    client.press(KeyCode::F(1));
    for (key, scroll) in SCROLL_KEYS {
        assert_eq!(client.press(key), [Effect::Scroll(scroll)], "{key:?}");
        assert_eq!(help_query(&client), Some(""));
    }
    assert_eq!(client.ctrl('l'), [Effect::Redraw]);
    assert_eq!(help_query(&client), Some(""), "a redraw keeps the overlay");
}

/// The query of the help; `None` if the help is closed.
fn help_query(client: &Client) -> Option<&str> {
    match &client.model.overlay {
        Some(Overlay::Help(query)) => Some(query.text()),
        _ => None,
    }
}

#[test]
fn typing_in_the_help_searches_it_and_esc_clears_before_it_closes() {
    let mut client = Client::online(&["chat"]);
    client.write("draft");
    client.press(KeyCode::F(1));
    let top = [Effect::Scroll(Scroll::Top)];
    for c in ["r", "ö", " "] {
        assert_eq!(client.write(c), top);
    }
    client.press(KeyCode::Backspace);
    assert_eq!(help_query(&client), Some("rö"));
    assert_eq!(client.input(Input::Paste(" om\nx\n".to_owned())), top);
    assert_eq!(help_query(&client), Some("röom x"));
    client.press(KeyCode::Left);
    client.ctrl('w');
    assert_eq!(help_query(&client), Some("röx"[..].trim_start_matches("rö")), "the word before the cursor");
    assert_eq!(client.press(KeyCode::Esc), top);
    assert_eq!(help_query(&client), Some(""));
    client.press(KeyCode::Esc);
    assert_eq!((help_query(&client), client.draft()), (None, "draft"));
    for key in [KeyCode::F(1), KeyCode::Enter] {
        client.press(KeyCode::F(1));
        client.write("x");
        client.press(key);
        assert_eq!((help_query(&client), client.draft()), (None, "draft"), "{key:?}");
    }
    client.press(KeyCode::F(1));
    client.press(KeyCode::F(2));
    assert!(matches!(client.model.overlay, Some(Overlay::Rooms { .. })), "another key acts below the help");
}

#[test]
fn the_wheel_over_an_overlay_loads_no_older_messages() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "one");
    client.enter("/clear");
    client.press(KeyCode::F(1));
    assert_eq!(client.input(Input::Wheel { up: true }), [Effect::Scroll(Scroll::WheelUp)]);
    let room = client.model.room().expect("a room");
    assert_eq!(room.pane.timeline.first_not_cleared(), 1, "the rows stay cleared");
}

#[test]
fn a_selection_above_the_limit_of_terminals_is_not_copied() {
    let mut client = Client::online(&["chat"]);
    let longest = "x".repeat(74_000);
    assert_eq!(client.input(Input::Selected(longest.clone())), [Effect::Copy(longest.clone())]);
    assert!(client.input(Input::Selected(longest + "x")).is_empty());
    assert_eq!(client.hint(), "the selection is too long to copy");
}

#[test]
fn keys_move_in_the_list_of_links() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "https://a.example https://b.example https://c.example");
    let visible = client.viewed(0, 0);
    client.input(visible);
    client.alt('o');
    for (key, at) in
        [(KeyCode::End, 2), (KeyCode::Up, 1), (KeyCode::Home, 0), (KeyCode::Up, 0), (KeyCode::Down, 1)]
    {
        client.press(key);
        assert_eq!(selected(&client), at, "{key:?}");
    }
    assert_eq!(client.ctrl('l'), [Effect::Redraw]);
    assert_eq!(selected(&client), 1, "a redraw keeps the list");
    client.alt('o');
    assert_eq!(client.model.overlay, None, "its key closes it");
    client.alt('o');
    client.press(KeyCode::Esc);
    assert_eq!(client.model.overlay, None);
}

#[test]
fn keys_move_in_a_picker() {
    let mut client = Client::online(&["chat"]);
    client.ctrl('p');
    client.press(KeyCode::End);
    let last = selected(&client);
    assert!(last > 25, "{last} is more than two pages");
    client.press(KeyCode::Up);
    assert_eq!(selected(&client), last - 1);
    client.press(KeyCode::PageUp);
    let page = last - 1 - selected(&client);
    assert!(page > 1);
    client.press(KeyCode::Home);
    client.press(KeyCode::Down);
    client.press(KeyCode::PageDown);
    assert_eq!(selected(&client), 1 + page);
    client.press(KeyCode::End);
    client.press(KeyCode::PageDown);
    assert_eq!(selected(&client), last);
}

#[test]
fn keys_move_in_the_list_of_themes() {
    let mut client = Client::online(&["chat"]);
    client.enter("/theme");
    client.press(KeyCode::End);
    assert_eq!(client.ctrl('l'), [Effect::Redraw]);
    assert_eq!(client.model.theme, Theme::ALL[Theme::ALL.len() - 1].0, "a redraw keeps the choice");
    client.press(KeyCode::Home);
    assert_eq!(client.model.theme, Theme::ALL[0].0);
    client.input(Input::Click(Hit::Choice(1)));
    assert_eq!(client.model.theme, Theme::ALL[1].0);
}

/// A client with the inspector, which has the frames 1 to 30.
fn inspecting() -> Client {
    let mut client = Client::online(&["chat"]);
    assert_eq!(commands(client.enter("/inspect")), [Command::Trace(true)]);
    for number in 1..=30 {
        client.net(Event::Traced(Box::new(Traced::Frame(Frame {
            number,
            age: std::time::Duration::ZERO,
            direction: Direction::In,
            bytes: 2,
            text: "{}".to_owned(),
            totals: Totals::default(),
        }))));
    }
    client
}

/// The number of the selected frame.
fn frame(client: &Client) -> u64 {
    let inspector = client.model.inspector();
    inspector.frames[inspector.chosen_index().expect("frames")].number
}

#[test]
fn keys_and_the_wheel_move_in_the_list_of_frames() {
    let mut client = inspecting();
    for (key, number) in [
        (KeyCode::Up, 29),
        (KeyCode::PageUp, 19),
        (KeyCode::Down, 20),
        (KeyCode::PageUp, 10),
        (KeyCode::PageDown, 20),
        (KeyCode::PageDown, 30),
        (KeyCode::Home, 1),
        (KeyCode::Down, 2),
    ] {
        assert!(client.press(key).is_empty());
        assert_eq!(frame(&client), number, "{key:?}");
    }
    for (up, number) in [(false, 5), (true, 2), (false, 5), (false, 8)] {
        assert!(client.input(Input::Wheel { up }).is_empty());
        assert_eq!(frame(&client), number);
    }
    assert_eq!(client.ctrl('l'), [Effect::Redraw]);
    assert_eq!(frame(&client), 8, "a redraw keeps the inspector");
}

#[test]
fn in_the_other_parts_of_the_inspector_keys_and_the_wheel_scroll() {
    let scrolls = |client: &mut Client| {
        for (key, scroll) in SCROLL_KEYS {
            assert_eq!(client.press(key), [Effect::Scroll(scroll)], "{key:?}");
        }
        for (up, scroll) in [(true, Scroll::WheelUp), (false, Scroll::WheelDown)] {
            assert_eq!(client.input(Input::Wheel { up }), [Effect::Scroll(scroll)]);
        }
    };
    let mut client = inspecting();
    client.press(KeyCode::Home);
    client.press(KeyCode::Enter);
    assert_eq!(client.model.inspector().opened().map(|frame| frame.number), Some(1));
    scrolls(&mut client);
    assert_eq!(client.model.inspector().opened().map(|frame| frame.number), Some(1), "the frame stays");
    client.press(KeyCode::Enter);
    assert!(client.model.inspector().opened().is_none(), "Enter closes the frame");
    client.press(KeyCode::Tab);
    scrolls(&mut client);
    client.press(KeyCode::Enter);
    assert!(client.model.inspector().opened().is_none(), "no frame is on the screen");
    assert_eq!(frame(&client), 1);
}
