//! The inspector: frames and the state of the connection, for developers of clients and for operators.

mod json;
pub(in crate::app) mod record;

use std::collections::VecDeque;
use std::time::Duration;

use realtime_shared::Timestamp;

use super::next_step::NextStep;
use super::overlay::Overlay;
use crate::app::clock::clock_time;
use crate::app::keys::Action;
use crate::app::message::{Effect, Scroll};
use crate::app::model::Model;
pub use crate::net::Direction;
use crate::net::{self, ConnectionState, TRACED, Traced};
use crate::sanitize;
use json::kind;
pub use json::pretty;
use record::{ConnectionChange, InspectorPart, ShownFrame};

/// Round-trip times that are kept.
const TRIPS: usize = 60;
/// Changes of the connection that are kept.
const CHANGES: usize = 100;
/// Claims that are shown of a token.
const CLAIMS: usize = 32;

pub(in crate::app) fn open(model: &mut Model) -> Vec<Effect> {
    model.overlay = Some(Overlay::Inspector);
    vec![Effect::Net(net::Command::Trace(true))]
}

/// Ends the trace of frames after the inspector was closed.
pub(in crate::app) fn close_unless_open(model: &mut Model) -> Option<Effect> {
    let was_open = std::mem::replace(&mut model.inspects, model.overlay == Some(Overlay::Inspector));
    if model.inspects || !was_open {
        return None;
    }
    model.inspector.close();
    Some(Effect::Net(net::Command::Trace(false)))
}

/// Records a change of the connection's state.
pub(in crate::app) fn on_state(model: &mut Model, state: &ConnectionState) {
    let what = match state {
        ConnectionState::Connecting { attempt: 1 } => "connecting".to_owned(),
        ConnectionState::Connecting { attempt } => format!("connecting, attempt {attempt}"),
        ConnectionState::Connected { user_id, .. } => format!("connected as {user_id}"),
        ConnectionState::Waiting { reason, retry_in, .. } => {
            format!("{reason}; next attempt in {:.1} s", retry_in.as_secs_f64())
        }
        ConnectionState::Stopped { reason, .. } => format!("{reason}; no further attempt"),
    };
    let is_connected = matches!(state, ConnectionState::Connected { .. });
    model.inspector.since = is_connected.then_some(model.now.mono);
    let time = clock_time(model.now.wall, &model.zone, false);
    push(&mut model.inspector.changes, ConnectionChange { time, what: sanitize::line(&what) }, CHANGES);
}

pub(in crate::app) fn on_round_trip(model: &mut Model, time: Duration) {
    push(&mut model.inspector.trips, time, TRIPS);
}

pub(in crate::app) fn on_traced(model: &mut Model, traced: Traced) {
    if model.overlay != Some(Overlay::Inspector) {
        return;
    }
    let inspector = &mut model.inspector;
    match traced {
        Traced::Frame(frame) => {
            let age = u64::try_from(frame.age.as_millis()).unwrap_or(u64::MAX);
            let at = Timestamp::from_millis(model.now.wall.millis().saturating_sub(age));
            inspector.totals = frame.totals;
            let shown = ShownFrame {
                number: frame.number,
                time: clock_time(at, &model.zone, true),
                direction: frame.direction,
                kind: sanitize::line(kind(&frame.text)),
                bytes: frame.bytes,
                text: sanitize::block(&frame.text),
            };
            push(&mut inspector.frames, shown, TRACED);
        }
        Traced::Token(claims) => {
            inspector.is_token_known = true;
            let claims = claims.unwrap_or_default();
            inspector.expires = claims.get("exp").and_then(serde_json::Value::as_u64);
            let line = |text: &str| sanitize::line(text);
            let shown = claims.iter().take(CLAIMS);
            inspector.claims = shown.map(|(name, value)| (line(name), line(&value.to_string()))).collect();
        }
    }
}

/// Handles an action in the inspector.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> NextStep {
    let inspector = &mut model.inspector;
    let at = inspector.chosen_index().unwrap_or(0);
    let is_list = inspector.part == InspectorPart::Frames && !inspector.is_opened;
    match action {
        Action::Redraw | Action::Suspend | Action::Quit | Action::Mouse => return NextStep::Pass,
        Action::Close if inspector.is_opened => inspector.is_opened = false,
        Action::Close | Action::Inspector => model.overlay = None,
        Action::Complete | Action::CompleteBack => {
            inspector.is_opened = false;
            inspector.part = inspector.part.other(if action == Action::Complete { 1 } else { 2 });
            return NextStep::Done(vec![Effect::Scroll(Scroll::Top)]);
        }
        Action::Submit if is_list => {
            inspector.is_opened = !inspector.frames.is_empty();
            // The frame stays selected when others arrive.
            inspector.chosen = inspector.frames.get(at).map(|frame| frame.number);
            return NextStep::Done(vec![Effect::Scroll(Scroll::Top)]);
        }
        Action::Submit => inspector.is_opened = false,
        Action::Up if is_list => inspector.choose(at.saturating_sub(1)),
        Action::Down if is_list => inspector.choose(at + 1),
        Action::PageUp if is_list => inspector.choose(at.saturating_sub(PAGE)),
        Action::PageDown if is_list => inspector.choose(at + PAGE),
        Action::Home if is_list => inspector.choose(0),
        Action::End if is_list => inspector.choose(usize::MAX),
        _ => return NextStep::Done(Scroll::of(action).map(Effect::Scroll).into_iter().collect()),
    }
    NextStep::nothing()
}

/// Handles the mouse wheel: three frames or lines for each notch.
pub(in crate::app) fn on_wheel(model: &mut Model, up: bool) -> Vec<Effect> {
    let inspector = &mut model.inspector;
    if inspector.part == InspectorPart::Frames && !inspector.is_opened {
        let at = inspector.chosen_index().unwrap_or(0);
        inspector.choose(if up { at.saturating_sub(3) } else { at + 3 });
        return Vec::new();
    }
    vec![Effect::Scroll(if up { Scroll::WheelUp } else { Scroll::WheelDown })]
}

/// Frames of a page.
const PAGE: usize = 10;

fn push<T>(items: &mut VecDeque<T>, item: T, most: usize) {
    if items.len() == most {
        items.pop_front();
    }
    items.push_back(item);
}

#[cfg(test)]
mod tests {
    use crate::terminal_input::KeyCode;
    use proptest::prelude::*;

    use super::*;
    use crate::app::testing::Client;
    use crate::net::{Command, Event, Frame, Totals};

    fn frame(number: u64, text: &str) -> Event {
        Event::Traced(Box::new(Traced::Frame(Frame {
            number,
            age: Duration::from_millis(250),
            direction: Direction::In,
            bytes: text.len(),
            text: text.to_owned(),
            totals: Totals { from_server: (number, 100), to_server: (0, 0) },
        })))
    }

    fn opened() -> Client {
        let mut client = Client::online(&["chat"]);
        let effects = client.press(KeyCode::F(12));
        assert_eq!(effects, [Effect::Net(Command::Trace(true))]);
        for number in 1..=30 {
            client.net(frame(number, &format!(r#"{{"type":"pong","n":{number}}}"#)));
        }
        client
    }

    #[test]
    fn frames_are_recorded_only_while_it_is_open() {
        let mut client = opened();
        assert_eq!(client.model.inspector().frames.len(), 30);
        let effects = client.press(KeyCode::Esc);
        assert_eq!(effects, [Effect::Net(Command::Trace(false))]);
        client.net(frame(31, "late"));
        assert!(client.model.inspector().frames.is_empty());
        assert!(client.press(KeyCode::Esc).is_empty(), "once");
    }

    #[test]
    fn an_input_that_closes_the_inspector_ends_the_trace() {
        let mut client = opened();
        let effects = client.input(crate::app::Input::Paste("text".to_owned()));
        assert!(effects.contains(&Effect::Net(Command::Trace(false))), "{effects:?}");
    }

    #[test]
    fn the_list_follows_until_a_frame_is_selected() {
        let mut client = opened();
        let chosen = |client: &Client| {
            let inspector = client.model.inspector();
            inspector.frames[inspector.chosen_index().expect("frames")].number
        };
        client.net(frame(31, "{}"));
        assert_eq!(chosen(&client), 31);
        client.press(KeyCode::Up);
        client.net(frame(32, "{}"));
        assert_eq!(chosen(&client), 30, "the selection stays");
        client.press(KeyCode::Enter);
        assert_eq!(client.model.inspector().opened().map(|frame| frame.number), Some(30));
        for number in 33..=TRACED as u64 + 40 {
            client.net(frame(number, "{}"));
        }
        assert_eq!(chosen(&client), 41, "the oldest that is left");
        client.press(KeyCode::Esc);
        assert!(client.model.inspector().opened().is_none() && client.model.overlay.is_some());
        client.press(KeyCode::End);
        assert_eq!(chosen(&client), TRACED as u64 + 40);
        client.press(KeyCode::Home);
        assert_eq!(chosen(&client), 41);
        assert_eq!(client.model.inspector().frames.len(), TRACED);
    }

    #[test]
    fn frames_show_their_time_and_type() {
        let client = opened();
        let shown = &client.model.inspector().frames[0];
        assert_eq!((shown.time.as_str(), shown.kind.as_str()), ("20:17:59.750", "pong"));
        assert_eq!([kind("{}"), kind(r#"{"a":1, "type": "x"}"#), kind(r#"{"type":7}"#)], ["", "x", ""]);
    }

    #[test]
    fn the_expiry_of_the_token_is_shown() {
        let mut client = opened();
        let expiry = |client: &Client| client.model.inspector().expiry(client.model.now.wall);
        assert_eq!(expiry(&client).0, "no token yet");
        let now = client.model.now.wall.millis() / 1_000;
        let claims = |exp: Option<u64>, client: &mut Client| {
            let claims = exp.map(|exp| {
                let claims = serde_json::json!({"sub": "you\u{202e}", "exp": exp});
                claims.as_object().expect("an object").clone()
            });
            client.net(Event::Traced(Box::new(Traced::Token(claims))));
        };
        claims(Some(now + 3 * 3_600), &mut client);
        assert_eq!(expiry(&client), ("expires in 3 h".to_owned(), false));
        assert_eq!(client.model.inspector().claims[1].1.as_str(), "\"you\"");
        claims(Some(now - 130), &mut client);
        assert_eq!(expiry(&client), ("expired 2 min ago".to_owned(), true));
        claims(Some(now), &mut client);
        assert!(expiry(&client).1, "expired at that second");
        client.net(Event::Traced(Box::new(Traced::Token(
            serde_json::json!({"sub": "you"}).as_object().cloned(),
        ))));
        assert_eq!(expiry(&client), ("does not expire".to_owned(), false));
        claims(None, &mut client);
        assert_eq!(expiry(&client).0, "the token is not a JWT");
    }

    #[test]
    fn changes_of_the_connection_are_recorded() {
        let mut client = Client::online(&["chat"]);
        client.lose_connection(Duration::from_millis(1_900));
        client.connect();
        let changes = &client.model.inspector().changes;
        let what: Vec<&str> = changes.iter().map(|change| change.what.as_str()).collect();
        assert_eq!(what[0], "connected as you");
        assert!(what[1].ends_with("next attempt in 1.9 s"), "{what:?}");
        client.pass(61_000);
        assert_eq!(client.model.inspector().connected_for(client.mono()), Some(Duration::from_secs(61)));
        for _ in 0..2 * CHANGES {
            client.lose_connection(Duration::ZERO);
        }
        assert_eq!(client.model.inspector().changes.len(), CHANGES);
    }

    #[test]
    fn json_is_formatted_line_by_line() {
        let text = r#"{"type":"a","b":[1,{"c":"x, {\""}],"d":{},"e":[]}"#;
        let shown = "{\n  \"type\": \"a\",\n  \"b\": [\n    1,\n    {\n      \"c\": \"x, {\\\"\"\n    }\n  ],\n  \"d\": {},\n  \"e\": []\n}";
        assert_eq!(pretty(text), shown);
    }

    proptest! {
        #[test]
        fn formatting_changes_only_white_space(text in r#"[{}\[\],:"\\a-z0-9 é]{0,80}"#) {
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(bare(&pretty(&text)), bare(&text));
        }
    }
}
