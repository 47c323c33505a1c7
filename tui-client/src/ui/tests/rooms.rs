//! The list of rooms.

use super::{Client, SIZES, TestScreen};

fn rows(screen: &mut TestScreen) -> Vec<String> {
    let text = screen.text();
    text.lines().map(|line| line.split('│').next().unwrap_or_default().trim_end().to_owned()).collect()
}

#[test]
fn the_name_of_the_default_room_is_never_cut() {
    for (count, shown) in [(1, "@1 1"), (12, "@12"), (100, "@99+")] {
        let mut client = Client::online(&["dev", "chat-general"]);
        for _ in 0..count {
            client.receive("chat-general", "bob", "you");
        }
        let rows = rows(&mut TestScreen::new(client, SIZES[1]));
        assert!(rows[2].starts_with(" chat-general ") && rows[2].ends_with(shown), "{}", rows[2]);
    }
}

#[test]
fn rooms_beyond_the_edges_are_counted() {
    let names: Vec<String> = (0..40).map(|number| format!("r{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut client = Client::online(&names);
    let last = SIZES[1].1 as usize - 3;
    let mut screen = TestScreen::new(client, SIZES[1]);
    let shown = rows(&mut screen);
    assert_eq!((shown[0].as_str(), shown[last].as_str()), (" ROOMS", " ↓ 20 more"), "{shown:?}");
    client = screen.client;
    client.receive("r39", "bob", "hello");
    screen = TestScreen::new(client, SIZES[1]);
    assert_eq!(rows(&mut screen)[last], " ↓ 1 new");
    screen.client.receive("r30", "bob", "you");
    assert_eq!(rows(&mut screen)[last], " ↓ @1");
    screen.client.alt('a');
    assert_eq!(rows(&mut screen)[0], " ROOMS   ↑ 11 more");
    assert_eq!(rows(&mut screen)[last], " ↓ 1 new");
}
