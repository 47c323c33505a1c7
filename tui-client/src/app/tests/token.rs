//! The token: renewals, refusals, and `/token`.

use realtime_shared::{CloseCode, ServerEvent, Timestamp};

use super::super::testing::{Client, START, token};
use super::super::{Input, Link, Overlay};
use super::{commands, shown};
use crate::net::{Command, ConnectionState, Disconnect, Event, Token, TokenClaims};
use crate::terminal_input::KeyCode;

fn alice_token() -> String {
    token(&format!(r#"{{"sub":"you","exp":{}}}"#, START / 1_000 + 3_600))
}

fn uses(token: &str) -> Vec<Command> {
    vec![Command::UseToken(Token::new(token))]
}

/// Stops the client because of a token with these claims, or for another reason.
fn stop(client: &mut Client, code: CloseCode, claims: &str) {
    let token = TokenClaims::of(&token(claims)).map(Box::new);
    let reason = Disconnect::Closed { code };
    client.net(Event::State(ConnectionState::Stopped { reason, token }));
}

fn expires(client: &mut Client, reason: &str) {
    let at = Timestamp::from_millis(START + 60_000);
    client.net(Event::TokenExpires { at, reason: reason.to_owned() });
}

fn refreshed(client: &mut Client) {
    client.server(ServerEvent::Refreshed { expires_at: Timestamp::from_millis(START + 3_600_000) });
}

/// No trace of the token is left in the model, except in the claims of the token.
#[track_caller]
fn assert_forgotten(client: &mut Client, token: &str) {
    assert!(!format!("{:?}", client.model).contains(token));
    client.ctrl('z');
    client.press(KeyCode::Up);
    client.ctrl('y');
    assert!(!format!("{:?}", client.model).contains(token), "undo, history, cut text: {}", client.draft());
}

#[test]
fn a_renewal_is_quiet_and_a_failed_one_is_noted() {
    let mut client = Client::online(&["chat"]);
    refreshed(&mut client);
    assert_eq!(shown(&client), Vec::<String>::new());
    expires(&mut client, "nothing renews it");
    let note = "the token expires at 20:19 and is not renewed (nothing renews it); /token takes a new one";
    assert_eq!(shown(&client), [note]);
    refreshed(&mut client);
    refreshed(&mut client);
    assert_eq!(shown(&client), [note, "the token is renewed; it expires at 21:18"]);
}

#[test]
fn the_prompt_takes_a_token_and_keeps_no_trace_of_it() {
    let mut client = Client::online(&["chat"]);
    let token = alice_token();
    client.write("draft");
    client.press(KeyCode::Esc);
    client.ctrl('u');
    client.enter("/token");
    assert!(matches!(client.model.overlay, Some(Overlay::Token(_))));
    client.input(Input::Paste(format!(" {}\n{}\n", &token[..9], &token[9..])));
    assert!(!format!("{:?}", client.model).contains(&token), "while it is open");
    assert_eq!(commands(client.press(KeyCode::Enter)), uses(&token));
    assert_eq!(client.model.overlay, None);
    assert_forgotten(&mut client, &token);
}

#[test]
fn the_prompt_explains_a_token_that_cannot_be_used() {
    let mut client = Client::online(&["chat"]);
    client.enter("/token");
    for (typed, part) in [
        ("hello".to_owned(), "three long words"),
        (token(r#"{"sub":"bob","exp":9999999999}"#), "that token is for bob, and you are you"),
        (token(r#"{"sub":"you","exp":9999999999,"rooms":null}"#), "invalid type: null"),
        ("x".repeat(8_193), "at most 8192"),
    ] {
        client.input(Input::Paste(typed.clone()));
        assert_eq!(commands(client.press(KeyCode::Enter)), [], "{typed}");
        let Some(Overlay::Token(prompt)) = &client.model.overlay else { panic!("it is closed") };
        let problem = prompt.problem().expect("a problem").to_string();
        assert!(problem.contains(part) || part == "at most 8192", "{typed}: {problem}");
        assert_eq!(prompt.chars(), 0, "to be typed again");
    }
    client.write("a");
    client.press(KeyCode::Backspace);
    client.press(KeyCode::Esc);
    assert_eq!(client.model.overlay, None);
}

#[test]
fn a_token_behind_the_command_is_used_and_removed_at_once() {
    let token = alice_token();
    for line in [format!("/token {token}"), format!("  /TOKEN  {token}")] {
        let mut client = Client::online(&["chat"]);
        client.input(Input::Paste(line.clone()));
        assert!(client.model.kept_texts().is_empty(), "{line}");
        assert!(client.model.unsent().is_empty(), "{line}");
        client.ctrl('o');
        assert!(client.hint().contains("editor"), "no file for an editor");
        assert_eq!(commands(client.press(KeyCode::Enter)), uses(&token));
        assert_forgotten(&mut client, &token);
    }
    let mut client = Client::online(&["chat"]);
    assert_eq!(commands(client.enter("/token no.token")), []);
    assert!(client.hint().contains("three long words"));
    assert_eq!(client.draft(), "");
    client.input(Input::Paste(format!("/tokne {token}")));
    client.press(KeyCode::Enter);
    assert!(client.hint().contains("/token?"), "{}", client.hint());
    assert!(client.model.kept_texts().is_empty() && client.model.unsent().is_empty());
    client.ctrl('u');
    assert!(!client.model.cut.contains(&token));
}

#[test]
fn a_given_token_is_acknowledged_or_its_refusal_explained() {
    let mut client = Client::online(&["chat"]);
    client.enter(&format!("/token {}", alice_token()));
    refreshed(&mut client);
    assert_eq!(shown(&client), ["the token is renewed; it expires at 21:18"]);
    client
        .enter(&format!("/token {}", token(&format!(r#"{{"sub":"you","exp":{}}}"#, START / 1_000 - 7_200))));
    client.net(Event::TokenRefused { reason: "the old one stays in force".to_owned() });
    let refusal =
        "the new token is refused: the old one stays in force (the token expired 2 h ago (at 18:18))";
    assert_eq!(shown(&client)[1..], [refusal]);
}

#[test]
fn an_expired_token_is_explained_and_its_source_checked_when_the_user_is_back() {
    let mut client = Client::online(&["chat"]);
    stop(&mut client, CloseCode::TokenExpired, &format!(r#"{{"sub":"you","exp":{}}}"#, START / 1_000 - 60));
    let Link::Stopped { reason, needs_token: true } = &client.model.link else { panic!("not stopped") };
    assert_eq!(reason.as_str(), "the token expired 60 s ago (at 20:17)");
    assert_eq!(commands(client.input(Input::Tick)), []);
    assert_eq!(commands(client.input(Input::Focus(false))), []);
    assert_eq!(commands(client.input(Input::Focus(true))), [Command::CheckToken]);
    assert_eq!(commands(client.write("x")), [Command::CheckToken]);
    stop(&mut client, CloseCode::Kicked, "{}");
    assert!(matches!(client.model.link, Link::Stopped { needs_token: false, .. }));
    assert_eq!(commands(client.write("x")), []);
}
