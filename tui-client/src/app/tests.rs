//! Tests of the app as a whole: inputs go in, effects and the shown timeline come out.

mod attention;
mod changes;
mod clearing;
mod completing;
mod editing;
mod entries;
mod finding;
mod kept;
mod membership;
mod network;
mod overlays;
mod reading;
mod token;
mod user;
mod writing;

use realtime_shared::{ErrorCode, ErrorEvent, ServerEvent};

use super::Effect;
use super::testing::{Client, room};
use crate::app::rooms::timeline::{Body, Item};
use crate::net::Command;

/// The timeline with one string for each item: `nick: text`, notes as they are, outgoing messages with their state.
fn shown(client: &Client) -> Vec<String> {
    let timeline = &client.model.pane().timeline;
    let item = |index| match timeline.get(index).expect("an item") {
        Item::Outgoing(item) => format!("{} {:?}", item.text, item.state),
        Item::Row(row) => match &row.body {
            Body::Message(message) => {
                format!("{}: {}{}", message.nick, message.text, if message.ours { " ✓" } else { "" })
            }
            Body::Presence(presence) => presence.text("−", "≈", "…", |_| true),
            Body::Note { text, .. } => text.to_string(),
            Body::Gap => "|".to_owned(),
        },
    };
    (0..timeline.len()).map(item).collect()
}

fn commands(effects: Vec<Effect>) -> Vec<Command> {
    effects
        .into_iter()
        .filter_map(|effect| if let Effect::Net(command) = effect { Some(command) } else { None })
        .collect()
}

fn typing(is_typing: bool) -> Command {
    Command::Typing { room: room("chat"), is_typing }
}

fn error(name: Option<&str>, message: &str) -> ServerEvent {
    ServerEvent::Error(ErrorEvent {
        code: ErrorCode::RateLimited,
        message: message.to_owned(),
        temporary: true,
        room: name.map(room),
        client_msg_id: None,
        retry_after_ms: None,
        scope: None,
    })
}
