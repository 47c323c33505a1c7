//! The state of the connection: missing answers, messages that are put off, and the token.

use realtime_shared::CloseCode;

use super::*;
use crate::app::testing::{START, token};
use crate::net::{ConnectionState, Disconnect, Health, TokenClaims};

const AWAY: &str = "The message store cannot be reached; try again later";

/// A client whose message is put off, because the server has no store.
fn put_off() -> (Client, realtime_shared::ClientMsgId) {
    let mut client = Client::online(&["chat-general", "dev"]);
    client.round_trip(Duration::from_millis(23));
    client.receive("chat-general", "bob", "before");
    let id = client.send("now");
    client.state(&id, SendState::Sent);
    client.state(&id, SendState::PutOff(AWAY.to_owned()));
    client.net(Event::Health(Health::PuttingOff(AWAY.to_owned())));
    (client, id)
}

#[test]
fn a_store_that_is_away_is_one_state_on_the_screen() {
    snapshots("put_off", || put_off().0);
    for size in SIZES {
        let (client, id) = put_off();
        let mut screen = TestScreen::new(client, size);
        let waiting = screen.text();
        screen.client.state(&id, SendState::Sent);
        assert_eq!(screen.text(), waiting, "while it is sent again");
        screen.client.state(&id, SendState::PutOff("another reason".to_owned()));
        assert_eq!(screen.text(), waiting);
        screen.client.deliver_copy("chat-general", &id, "now");
        screen.client.net(Event::Health(Health::Answering));
        assert!(!screen.text().contains("waiting"), "{}", screen.text());
    }
}

#[test]
fn a_server_without_an_answer_is_shown() {
    let mut client = Client::online(&["chat-general"]);
    client.net(Event::Health(Health::Silent));
    for size in SIZES {
        let text =
            TestScreen::new(std::mem::replace(&mut client, Client::online(&["chat-general"])), size).text();
        assert!(text.contains('◐') && text.contains("the server does not answer"), "{text}");
        client.net(Event::Health(Health::Silent));
    }
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    let text = TestScreen::new(client, SIZES[1]).text();
    assert!(text.contains('●') && !text.contains("does not answer"), "{text}");
}

#[test]
fn an_expired_token_is_shown_with_the_remedy() {
    snapshots("expired", || {
        let mut client = lively();
        let exp = client.now.wall.millis() / 1_000 - 3 * 3_600;
        let token = TokenClaims::of(&token(&format!(r#"{{"sub":"you","exp":{exp}}}"#))).map(Box::new);
        let reason = Disconnect::Closed { code: CloseCode::TokenExpired };
        client.net(Event::State(ConnectionState::Stopped { reason, token }));
        client
    });
}

#[test]
fn the_prompt_for_a_token_shows_no_token() {
    snapshots("token", || {
        let mut client = Client::online(&["chat-general"]);
        client.enter("/token");
        client.input(Input::Paste("nonsense".to_owned()));
        client.press(KeyCode::Enter);
        client.input(Input::Paste(token(&format!(r#"{{"sub":"you","exp":{START}}}"#))));
        client.input(Input::Paste("x".repeat(9_000)));
        client
    });
}

#[test]
fn a_token_in_the_draft_is_masked() {
    let token = token(r#"{"sub":"you","exp":9}"#);
    for size in SIZES {
        let mut client = Client::online(&["chat-general"]);
        client.input(Input::Paste(format!("/token {token}")));
        let mut screen = TestScreen::new(client, size);
        let text = screen.text();
        assert!(text.contains("/token") && text.contains("****") && !text.contains(&token[..4]), "{text}");
    }
}
