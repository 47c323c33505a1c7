//! What other programs publish for everybody: the channel that the base server's instances relay by.
//!
//! Every instance hears it, and one passes it on: the n-th time that an instance hears a text is the n-th time that it
//! was published, and `claim.lua` gives each number to one of them. Pub/Sub is at most once, and so is this: what is
//! published while nobody listens is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::Pipeline;
use aws_lc_rs::digest::{SHA256, digest};
use realtime_shared::{Notice, Post, RoomName, ServerEvent, SystemEvent, Text, UserId, codec};
use serde::Deserialize;

use super::Shared;
use super::transport::{reply, scripts};
use crate::broker::{Recipients, Submission};

/// Longest text that is looked at, in bytes: that of a client's frame.
const MOST: usize = 64 * 1024;
/// For how long it is known what was passed on, in seconds.
const REMEMBERED: u64 = 60;
/// Within which time all instances hear a publication: as long as this they may be apart.
const APART: Duration = Duration::from_secs(2);

/// One time of listening, told from the next: what was published between them was not heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) number: u64,
    /// Not later than it began.
    pub(crate) since: Instant,
}

/// What is published. Other fields are passed over.
#[derive(Deserialize)]
struct Published {
    room: Option<String>,
    from: Option<String>,
    #[serde(alias = "message")]
    text: String,
}

/// What it is taken for.
#[derive(Debug, PartialEq, Eq)]
enum Relayed {
    /// A message in a room.
    Message(Submission),
    /// Something said to everybody.
    Notice(Notice),
}

/// Reads what was published; why it cannot be passed on.
fn read(payload: &str) -> Result<Relayed, String> {
    if payload.len() > MOST {
        return Err(format!("it has more than {MOST} bytes"));
    }
    let published: Published = serde_json::from_str(payload).map_err(|error| error.to_string())?;
    let from = published.from.as_deref().unwrap_or("system");
    let from = UserId::new(from).map_err(|error| format!("from: {error}"))?;
    let text = Text::new(&published.text).map_err(|error| format!("text: {error}"))?;
    let Some(room) = published.room else {
        return Ok(Relayed::Notice(Notice { message: text, from, room: None }));
    };
    let room = RoomName::new(&room).map_err(|error| format!("room: {error}"))?;
    Ok(Relayed::Message(Submission::message(from, Post { room, text, client_msg_id: None })))
}

impl Shared {
    /// Passes on what was published, unless another instance does.
    pub(crate) fn relay(self: &Arc<Self>, payload: &str, subscription: Subscription) {
        let relayed = match read(payload) {
            Ok(relayed) => relayed,
            Err(fault) => return tracing::warn!(%fault, "what was published for everybody is passed over"),
        };
        let shared = self.clone();
        let key = self.keys.claim(&digest_of(payload));
        self.runtime.spawn(async move {
            let mut claim = scripts::CLAIM.on(&[key]);
            claim.arg(format!("{}:{}", shared.instance(), subscription.number));
            claim.arg(millis(subscription.since.elapsed())).arg(REMEMBERED).arg(millis(APART));
            let mut asking = Pipeline::new();
            asking.add_command(claim);
            // Asked once: a second time would be taken for a second publication.
            let Ok(answers) = shared.asks.attempt(&asking).await else { return };
            if answers.first().and_then(reply::parse::<u64>).is_none_or(|number| number == 0) {
                return;
            }
            match relayed {
                Relayed::Message(submission) => {
                    shared.submit(
                        submission,
                        Box::new(|stored| {
                            if stored.is_err() {
                                tracing::warn!(
                                    "a message that was published for a room is not known to be stored"
                                );
                            }
                        }),
                    );
                    shared.flush();
                }
                Relayed::Notice(notice) => {
                    let event = ServerEvent::System(SystemEvent::Notice(notice));
                    shared.tell(&Recipients::Everyone, &codec::encode(&event));
                }
            }
        });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The first half of the SHA-256 of a text, in hexadecimal digits.
fn digest_of(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let (first, _) = digest.as_ref().split_first_chunk().expect("32 bytes");
    format!("{:032x}", u128::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_room_is_a_message_and_all_else_a_notice() {
        let message = |from: &str, text: &str| {
            let post = Post {
                room: RoomName::new("a").expect("a room's name"),
                text: Text::new(text).expect("a text"),
                client_msg_id: None,
            };
            Ok(Relayed::Message(Submission::message(UserId::new(from).expect("a user id"), post)))
        };
        assert_eq!(
            read(r#"{"type":"message","room":"a","from":"bob","text":"hello"}"#),
            message("bob", "hello")
        );
        assert_eq!(read(r#"{"room":"a","message":"hello","extra":[1]}"#), message("system", "hello"));
        let notice = Notice {
            message: Text::new("back at noon").expect("a text"),
            from: UserId::new("system").expect("a user id"),
            room: None,
        };
        assert_eq!(read(r#"{"text":"back at noon","room":null}"#), Ok(Relayed::Notice(notice)));
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"room":"a"}"#,
            r#"{"room":" a","text":"x"}"#,
            r#"{"text":""}"#,
            r#"{"text":"x","from":""}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&format!(r#"{{"text":"x","more":"{}"}}"#, "x".repeat(MOST))).is_err());
    }
}
