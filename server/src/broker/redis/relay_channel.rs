//! The relay channel, on which other programs publish messages and notices. The base server uses it between instances.
//!
//! Every instance receives a publication, and one of them passes it on. Each instance numbers the publications of a
//! text, and `claim.lua` gives each number to one instance. Like Pub/Sub, delivery is at most once: a publication that no
//! instance receives is lost.

use std::sync::Arc;
use std::time::Duration;

use ::redis::Pipeline;
use aws_lc_rs::digest::{SHA256, digest};
use realtime_shared::{Notice, Post, RoomName, ServerEvent, SystemEvent, Text, UserId, codec};
use serde::Deserialize;

use super::broadcasts::Broadcasts;
use super::log::Logs;
use super::transport::subscriptions::Subscription;
use super::transport::{Transport, reply, scripts};
use crate::broker::{Recipients, Submission};

/// Longest publication that is read, in bytes. The same as for a client's frame.
const TEXT_BYTES: usize = 64 * 1024;
/// Time for which a publication that was passed on is remembered, in seconds.
const CLAIM_SECONDS: u64 = 60;
/// Time within which all instances receive a publication.
const RECEIPT_TIME: Duration = Duration::from_secs(2);

/// A publication. Other fields are ignored.
#[derive(Deserialize)]
struct Published {
    room: Option<String>,
    from: Option<String>,
    #[serde(alias = "message")]
    text: String,
}

/// The meaning of a publication.
#[derive(Debug, PartialEq, Eq)]
enum Relayed {
    Message(Submission),
    Notice(Notice),
}

/// Parses a publication. The error is the reason why it cannot be passed on.
fn read(payload: &str) -> Result<Relayed, String> {
    if payload.len() > TEXT_BYTES {
        return Err(format!("it has more than {TEXT_BYTES} bytes"));
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

/// Receives publications of other programs.
pub(crate) struct RelayChannel {
    pub(crate) channel: Arc<str>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) broadcasts: Arc<Broadcasts>,
}

impl RelayChannel {
    pub(crate) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// Passes a publication on, unless another instance does.
    pub(crate) fn receive(self: &Arc<Self>, payload: &str, subscription: Subscription) {
        let relayed = match read(payload) {
            Ok(relayed) => relayed,
            Err(fault) => return tracing::warn!(%fault, "a publication on the relay channel is ignored"),
        };
        let relay = self.clone();
        let key = self.transport.keys.claim(&digest_of(payload));
        self.transport.runtime.spawn(async move {
            if relay.claim(key, subscription).await {
                relay.pass_on(relayed);
            }
        });
    }

    /// True if this instance must pass the publication on.
    async fn claim(&self, key: String, subscription: Subscription) -> bool {
        let mut claim = scripts::CLAIM.on(&[key]);
        claim.arg(format!("{}:{}", self.transport.instance.get(), subscription.number));
        claim.arg(millis(subscription.since.elapsed())).arg(CLAIM_SECONDS).arg(millis(RECEIPT_TIME));
        let mut claiming = Pipeline::new();
        claiming.add_command(claim);
        // Sent once: a repetition would count as a second publication.
        let Ok(answers) = self.transport.commands.attempt(&claiming).await else { return false };
        answers.first().and_then(reply::parse::<u64>).is_some_and(|number| number > 0)
    }

    fn pass_on(&self, relayed: Relayed) {
        match relayed {
            Relayed::Message(submission) => {
                let publisher = &self.logs.publisher;
                publisher.submit(
                    submission,
                    Box::new(|stored| {
                        if let Err(error) = stored {
                            tracing::warn!(%error, "a message from the relay channel is possibly not stored");
                        }
                    }),
                );
                publisher.lanes.flush();
            }
            Relayed::Notice(notice) => {
                let event = ServerEvent::System(SystemEvent::Notice(notice));
                self.broadcasts.send(&Recipients::Everyone, &codec::encode(&event));
            }
        }
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
    fn a_publication_with_a_room_is_a_message_and_any_other_a_notice() {
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
        assert!(read(&format!(r#"{{"text":"x","more":"{}"}}"#, "x".repeat(TEXT_BYTES))).is_err());
    }
}
