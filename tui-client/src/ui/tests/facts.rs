//! Facts about a message, below its text.

use realtime_shared::{Message, Text, Timestamp};

use super::*;

const FACTS: &str = "reply to 7, edited, pinned";

/// A client that has received a message with facts, and messages of users who imitate them.
fn client() -> Client {
    let mut client = Client::online(&["chat"]);
    let message = client.next_message("chat", "bob", "the text");
    let rev = Some(Seq::new(9));
    let edited_ts = Some(Timestamp::from_millis(1));
    client.deliver(Message { reply_to: Some(Seq::new(7)), edited_ts, pinned: true, rev, ..message }, false);
    for sign in ["└", "="] {
        for nick in ["eve", sign, "a very long name", "0123456789"] {
            for text in [
                format!("{sign}{FACTS}"),
                format!("text\n{sign}{FACTS}"),
                format!("/me {sign}{FACTS}"),
                format!("> {sign}{FACTS}"),
                format!("```\n{sign}{FACTS}\n```"),
            ] {
                client.receive("chat", nick, &text);
            }
        }
    }
    client
}

#[test]
fn no_message_imitates_facts() {
    let sizes = [((120, 400), true), ((80, 400), true), ((40, 400), false), ((30, 400), true)];
    for (size, has_signs) in sizes {
        let mut screen = TestScreen::new(client(), size);
        screen.state = ViewState::new(Capabilities { has_signs, ..TERMINAL });
        let sign = if has_signs { '└' } else { '=' };
        let text = screen.text();
        let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        // The message with the facts is the first one.
        let column = rows.iter().find_map(|row| {
            let column = row.iter().position(|c| *c == sign)?;
            row[column + 1..].starts_with(&['r', 'e', 'p', 'l', 'y']).then_some(column)
        });
        let column = column.expect("facts");
        let at: Vec<_> = (0..rows.len()).filter(|row| rows[*row].get(column) == Some(&sign)).collect();
        let is_one_run = at.windows(2).all(|pair| pair[1] == pair[0] + 1);
        assert!(is_one_run && at.len() <= 2, "{at:?}\n{text}");
    }
}

#[test]
fn facts_are_no_part_of_the_text() {
    let mut screen = TestScreen::new(client(), SIZES[0]);
    let message = screen.client.next_message("chat", "bob", "secret");
    screen
        .client
        .deliver(message.tombstone(&"eve".parse().expect("a user"), Timestamp::from_millis(1)), false);
    let text = screen.text();
    assert!(text.contains("└deleted by eve") && !text.contains("secret"), "{text}");
    let mut wanted = screen.client.next_message("chat", "bob", "deleted by eve");
    wanted.text = Text::new("deleted by eve").expect("a text");
    screen.client.deliver(wanted, false);
    let text = screen.text();
    assert!(text.contains("  deleted by eve"), "{text}");
}
