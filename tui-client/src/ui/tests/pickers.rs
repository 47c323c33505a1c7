//! Screens of the pickers: rooms, the palette, and completion.

use ratatui::style::Modifier;

use super::*;

#[test]
fn room_switcher() {
    snapshots("rooms", || {
        let mut client = lively();
        client.ctrl('k');
        client.deliver_rooms(&["ops", "random", "日本"], true);
        client.press(KeyCode::Down);
        client
    });
}

#[test]
fn room_switcher_with_a_query() {
    snapshots("rooms_found", || {
        let mut client = lively();
        client.ctrl('k');
        client.deliver_rooms(&["operations-of-the-department-of-redundancy", "random", "日本"], false);
        client.write("op");
        client
    });
}

#[test]
fn the_cursor_is_in_the_query() {
    for (letters, column) in [(0, 3), (10, 13), (100, 29)] {
        let mut client = Client::online(&["chat"]);
        client.ctrl('k');
        client.write(&"x".repeat(letters));
        let mut screen = TestScreen::new(client, SIZES[2]);
        screen.draw();
        let position = screen.terminal.get_cursor_position().expect("a cursor");
        assert_eq!((position.x, position.y), (column, 1), "{letters} letters");
    }
}

#[test]
fn the_chosen_room_is_visible() {
    let names: Vec<String> = (0..50).map(|number| format!("room-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut client = Client::online(&["chat"]);
    client.ctrl('k');
    client.deliver_rooms(&names, false);
    client.press(KeyCode::End);
    let mut screen = TestScreen::new(client, SIZES[2]);
    assert!(screen.text().contains("room-49"));
    screen.press(KeyCode::Home);
    assert!(screen.text().contains("▸ chat"));
}

#[test]
fn palette_of_commands_and_actions() {
    snapshots("palette", || {
        let mut client = lively();
        client.ctrl('p');
        client
    });
}

#[test]
fn palette_with_a_query() {
    snapshots("palette_found", || {
        let mut client = lively();
        client.model.keymap.remap("next_room", &["Ctrl-N"]).expect("an action");
        client.ctrl('p');
        client.write("room");
        client.press(KeyCode::Down);
        client
    });
}

#[test]
fn the_palette_can_be_drawn_in_every_size() {
    let mut client = lively();
    client.ctrl('p');
    client.write("room");
    draw_in_sizes(client, 4);
}

#[test]
fn candidates_of_a_completion() {
    snapshots("completion", || {
        let mut client = lively();
        for _ in 0..2 {
            client.ctrl('u');
        }
        client.write("see :rai");
        for _ in 0..3 {
            client.press(KeyCode::Tab);
        }
        client
    });
}

#[test]
fn candidates_of_a_large_room() {
    let asked = || {
        let mut client = Client::in_hall();
        client.write("ask al");
        client.press(KeyCode::Tab);
        client
    };
    snapshots("completion_asks", asked);
    snapshots("completion_found", || {
        let mut client = asked();
        client.press(KeyCode::Tab);
        let members = ["ALF", "Al Capone", "alba", "albert", "alby", "alexandra", "alfred", "alister"];
        client.found("al", &members, true);
        client
    });
    snapshots("completion_asks_first", || {
        let mut client = Client::in_hall();
        client.write("zo");
        client.press(KeyCode::Tab);
        client
    });
}

#[test]
fn few_candidates_have_no_number() {
    let mut client = Client::online(&["chat"]);
    client.member_joins("chat", "carl");
    client.write("ca");
    client.press(KeyCode::Tab);
    let mut screen = TestScreen::new(client, SIZES[2]);
    let text = screen.text();
    assert!(text.contains("carl  carol\n"), "{text}");
    let chosen = |x: u16| screen.terminal.backend().buffer()[(x, 8)].modifier.contains(Modifier::REVERSED);
    assert_eq!([0, 3, 4, 6].map(chosen), [true, true, false, false]);
}

#[test]
fn candidates_can_be_drawn_in_every_size() {
    let mut client = lively();
    client.ctrl('u');
    client.write(":s");
    client.key(KeyCode::Tab, KeyModifiers::SHIFT);
    draw_in_sizes(client, 4);
}
