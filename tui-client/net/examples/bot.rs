//! Bot that answers `!ping` in a room.
//!
//! ```sh
//! REALTIME_TOKEN=… cargo run --package realtime-client --example bot -- chat-general [ws://127.0.0.1:8000/api/v1/ws]
//! ```
//!
//! The library reconnects, continues at its position in the room, and sends each answer once. The bot ignores its own
//! messages. It makes the id of an answer from the id of the question, so that a replayed question gets no second
//! answer.

use std::error::Error;

use realtime_client::shared::{ClientMsgId, Message, RoomName, Text, UserId};
use realtime_client::{Command, Config, ConnectionState, Entry, Event, SendState};

const URL: &str = "ws://127.0.0.1:8000/api/v1/ws";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let room: RoomName = arguments.next().ok_or("usage: bot ROOM [URL]")?.parse()?;
    let url = arguments.next().unwrap_or_else(|| URL.to_owned());
    let token = std::env::var("REALTIME_TOKEN").map_err(|_| "REALTIME_TOKEN is not set")?;

    let (handle, mut events) = realtime_client::connect(Config::new(&url, token)?);
    handle.send(Command::Join { room, since: None }).await?;
    let mut me = None;
    while let Some(event) = events.recv().await {
        match event {
            Event::State(ConnectionState::Connected { user_id, .. }) => me = Some(user_id),
            Event::State(ConnectionState::Stopped { reason, .. }) => return Err(reason.into()),
            Event::State(ConnectionState::Waiting { reason, retry_in, .. }) => {
                eprintln!("{reason}: again in {} s", retry_in.as_secs());
            }
            Event::Entry { entry: Entry::Message(message), .. } => {
                if let Some(answer) = answer(&message, me.as_ref()) {
                    handle.try_send(answer)?;
                }
            }
            Event::Sent { state: SendState::Refused(why), .. } => eprintln!("not sent: {why}"),
            _ => {}
        }
    }
    Ok(())
}

/// The answer to a message, if there is one. Its id depends on the message only.
fn answer(message: &Message, me: Option<&UserId>) -> Option<Command> {
    if message.text.as_str() != "!ping" || Some(&message.from) == me {
        return None;
    }
    Some(Command::Send {
        room: message.room.clone(),
        text: Text::new(&format!("{}: pong", message.from)).ok()?,
        client_msg_id: ClientMsgId::new(&format!("pong-{}", message.id)).ok()?,
    })
}
