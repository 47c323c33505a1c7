//! Screens of the inspector.

use super::*;
use crate::net::{Direction, Frame, Totals, Traced};

/// A client with a lost and restored connection, and frames in its inspector.
fn inspected() -> Client {
    let mut client = Client::online(&["chat-general"]);
    for millis in [1, 3, 2, 40, 2, 2, 0, 7, 12, 3] {
        client.round_trip(Duration::from_millis(millis));
    }
    client.pass(61_500);
    client.lose_connection(Duration::from_millis(1_900));
    client.pass(1_900);
    client.connect();
    client.pass(125_000);
    client.press(KeyCode::F(12));
    let long = format!(r#"{{"type":"history","room":"chat-general","messages":[{}]}}"#, "1,".repeat(2_000));
    let texts = [
        (Direction::Out, r#"{"type":"join_room","room":"chat-general","ref":"join-1"}"#),
        (
            Direction::In,
            r#"{"type":"room_joined","room":"chat-general","members":["alice","you"],"member_count":2}"#,
        ),
        (
            Direction::In,
            r#"{"type":"message","room":"chat-general","from":"alice","text":"hello \u202e日本 👩","seq":7}"#,
        ),
        (Direction::In, &long),
        (Direction::Out, r#"{"type":"ping","nonce":"ping-4"}"#),
        (Direction::In, r#"{"type":"pong","nonce":"ping-4"}"#),
    ];
    for (number, (direction, text)) in (1..).zip(texts) {
        let totals = Totals { from_server: (number, 4_100 * number), to_server: (2, 90) };
        let age = Duration::from_millis(1_000 - 150 * number);
        let text: String = text.chars().take(4_096).collect();
        let bytes = if number == 4 { long.len() } else { text.len() };
        let frame = Frame { number, age, direction, bytes, text, totals };
        client.net(Event::Traced(Box::new(Traced::Frame(frame))));
    }
    let claims =
        serde_json::json!({"sub": "you", "exp": 1_795_388_680_u64, "role": "user", "rooms": ["chat-*"]});
    client.net(Event::Traced(Box::new(Traced::Token(claims.as_object().cloned()))));
    client
}

#[test]
fn inspector_of_frames() {
    snapshots("inspector", inspected);
}

#[test]
fn inspector_of_a_single_frame() {
    snapshots("inspector_frame", || {
        let mut client = inspected();
        for _ in 0..3 {
            client.press(KeyCode::Up);
        }
        client.press(KeyCode::Enter);
        client
    });
}

#[test]
fn inspector_of_the_connection() {
    snapshots("inspector_connection", || {
        let mut client = inspected();
        client.press(KeyCode::Tab);
        client
    });
}

#[test]
fn inspector_of_the_token() {
    snapshots("inspector_token", || {
        let mut client = inspected();
        client.key(KeyCode::Tab, KeyModifiers::SHIFT);
        client
    });
}

#[test]
fn the_inspector_can_be_drawn_in_every_size() {
    for keys in [&[][..], &[KeyCode::Tab], &[KeyCode::Tab, KeyCode::Tab], &[KeyCode::Up, KeyCode::Enter]] {
        let mut client = inspected();
        for key in keys {
            client.press(*key);
        }
        draw_in_sizes(client, 4);
    }
}

#[test]
fn the_chosen_frame_is_visible() {
    let mut client = inspected();
    for number in 7..=100 {
        let text = format!(r#"{{"type":"n{number}"}}"#);
        let frame = Frame {
            number,
            age: Duration::ZERO,
            direction: Direction::In,
            bytes: 9,
            text,
            totals: Totals::default(),
        };
        client.net(Event::Traced(Box::new(Traced::Frame(frame))));
    }
    let mut screen = TestScreen::new(client, (80, 24));
    assert!(screen.text().contains(" n100 "));
    screen.press(KeyCode::Home);
    let text = screen.text();
    assert!(text.contains(" join_room ") && text.contains("99 newer"), "{text}");
    for _ in 0..50 {
        screen.press(KeyCode::Down);
        screen.draw();
    }
    assert!(screen.text().contains(" n51 "), "{}", screen.text());
}

#[test]
fn the_facts_scroll_after_tab() {
    let mut client = inspected();
    for attempt in 0..60 {
        client.net(Event::State(crate::net::ConnectionState::Connecting { attempt }));
    }
    let mut screen = TestScreen::new(client, SIZES[0]);
    let is_first = |screen: &mut TestScreen| screen.text().contains("TOKEN");
    screen.press(KeyCode::End);
    assert!(is_first(&mut screen));
    screen.press(KeyCode::Tab);
    screen.press(KeyCode::End);
    assert!(!is_first(&mut screen) && screen.text().contains("20:18:00 connected as you"));
    assert!(screen.text().contains("join_room"), "the frames do not scroll");
    screen.press(KeyCode::Home);
    assert!(is_first(&mut screen));
}
