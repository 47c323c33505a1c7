//! The relay channel, on which other programs publish messages and notices. The base server uses it between instances.
//!
//! Every instance receives a publication, and one of them passes it on. Each instance numbers the publications of a
//! text, and `claim.lua` gives each number to one instance. Like Pub/Sub, delivery is at most once: a publication that no
//! instance receives is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::Pipeline;
use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use realtime_shared::rules::Power;
use realtime_shared::{Notice, Post, RoomName, ServerEvent, SystemEvent, Text, UserId, codec};
use serde_json::Value;

use super::broadcasts::Broadcasts;
use super::log::Logs;
use super::transport::subscriptions::Subscription;
use super::transport::{Transport, reply, scripts};
use crate::broker::{NotStored, Recipients, Submission};

/// Longest publication that is read, in bytes. The same as for a client's frame.
const TEXT_BYTES: usize = 64 * 1024;
/// Time for which a publication that was passed on is remembered, in seconds.
const CLAIM_SECONDS: u64 = 60;
/// Time after a warning without another.
const WARNING_PAUSE: Duration = Duration::from_mins(1);
/// Time within which all instances receive a publication.
const RECEIPT_TIME: Duration = Duration::from_secs(2);

/// The meaning of a publication.
#[derive(Debug, PartialEq, Eq)]
enum Relayed {
    Message(Submission),
    Notice(Notice),
}

/// Parses a publication: `room`, `from`, and the text in `text` or else in `message`. A field that is null counts as
/// absent, other fields are ignored. The error is the reason why it cannot be passed on; it quotes nothing.
fn read(payload: &str) -> Result<Relayed, String> {
    if payload.len() > TEXT_BYTES {
        return Err(format!("it has more than {TEXT_BYTES} bytes"));
    }
    let Ok(Value::Object(fields)) = serde_json::from_str(payload) else {
        return Err("it is not a JSON object".to_owned());
    };
    let field = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name}: not a string")),
    };
    let text = match field("text")? {
        Some(text) => text,
        None => field("message")?.ok_or("it has neither `text` nor `message`")?,
    };
    let text = Text::new(text).map_err(|error| format!("text: {error}"))?;
    let from = UserId::new(field("from")?.unwrap_or("system")).and_then(|from| from.to_nfc());
    let from = from.map_err(|error| format!("from: {error}"))?;
    let Some(room) = field("room")? else {
        return Ok(Relayed::Notice(Notice { message: text, from, room: None }));
    };
    let room = RoomName::new(room).map_err(|error| format!("room: {error}"))?;
    if room.is_reserved() {
        return Err("room: names that begin with `dm:` or `sys:` are reserved".to_owned());
    }
    let mut submission = Submission::new(from, Post::message(room, text, None));
    (submission.power, submission.is_exempt) = (Power::Moderator, true);
    Ok(Relayed::Message(submission))
}

/// Limit on the warnings about publications: other programs decide how many there are.
#[derive(Default)]
pub(crate) struct WarningLimit(Mutex<Option<LastWarning>>);

struct LastWarning {
    at: Instant,
    /// Warnings that were left out since then.
    left_out: u64,
}

impl WarningLimit {
    /// The number of warnings that were left out before this one; `None` if this one is to be left out.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut last = self.0.lock();
        match &mut *last {
            Some(last) if now.saturating_duration_since(last.at) < WARNING_PAUSE => {
                last.left_out += 1;
                None
            }
            last => {
                let left_out = last.replace(LastWarning { at: now, left_out: 0 });
                Some(left_out.map_or(0, |last| last.left_out))
            }
        }
    }

    /// Warns about a publication, unless there was a warning shortly before.
    fn warn(&self, fault: &str) {
        if let Some(left_out) = self.admit(Instant::now()) {
            tracing::warn!(fault, left_out, "a publication on the relay channel is ignored");
        }
    }
}

/// Receives publications of other programs.
pub(crate) struct RelayChannel {
    pub(crate) channel: Arc<str>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) broadcasts: Arc<Broadcasts>,
    pub(crate) warnings: WarningLimit,
}

impl RelayChannel {
    pub(crate) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// Passes a publication on, unless another instance does.
    pub(crate) fn receive(self: &Arc<Self>, payload: &str, subscription: Subscription) {
        let relayed = match read(payload) {
            Ok(relayed) => relayed,
            Err(fault) => return self.warnings.warn(&fault),
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

    fn pass_on(self: &Arc<Self>, relayed: Relayed) {
        match relayed {
            Relayed::Message(submission) => {
                let publisher = &self.logs.publisher;
                let relay = self.clone();
                publisher.submit(
                    submission,
                    Box::new(move |stored| match stored {
                        Ok(_) => {}
                        Err(NotStored::Unavailable(_)) => {
                            relay.warnings.warn("the store cannot be reached; it is possibly not stored");
                        }
                        Err(refused @ (NotStored::NewRoomNotNfc | NotStored::Refused { .. })) => {
                            relay.warnings.warn(&refused.to_string());
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
            let (room, text) = (RoomName::new("a").expect("a room's name"), Text::new(text).expect("a text"));
            let post = Post::message(room, text, None);
            let message = Submission::new(UserId::new(from).expect("a user id"), post);
            Ok(Relayed::Message(Submission { power: Power::Moderator, is_exempt: true, ..message }))
        };
        assert_eq!(
            read(r#"{"type":"message","room":"a","from":"bob","text":"hello"}"#),
            message("bob", "hello")
        );
        assert_eq!(read(r#"{"room":"a","message":"hello","extra":[1]}"#), message("system", "hello"));
        for text_wins in [
            r#"{"room":"a","text":"hello","message":"other"}"#,
            r#"{"message":"other","room":"a","text":"hello"}"#,
            r#"{"message":{"b":1},"room":"a","text":"hello","from":null}"#,
            r#"{"message":"hello","room":"a","text":null}"#,
            r#"{"room":"b","room":"a","text":"other","text":"hello"}"#,
        ] {
            assert_eq!(read(text_wins), message("system", "hello"), "{text_wins}");
        }
        assert_eq!(
            read("{\"room\":\"a\",\"from\":\"Ame\u{301}lie\",\"text\":\"x\"}"),
            message("Am\u{e9}lie", "x")
        );
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
            r#""secret""#,
            r#"{"room":"a"}"#,
            r#"{"room":" a","text":"x"}"#,
            r#"{"text":""}"#,
            r#"{"text":null,"message":null}"#,
            r#"{"text":"x","from":""}"#,
            r#"{"room":"dm:alice","text":"x"}"#,
            r#"{"room":["secret"],"text":"x"}"#,
            r#"{"text":{"a":"secret"},"message":"secret"}"#,
        ] {
            let fault = read(bad).expect_err(bad);
            assert!(!fault.contains("secret"), "{fault}");
        }
        assert!(read(&format!(r#"{{"text":"x","more":"{}"}}"#, "x".repeat(TEXT_BYTES))).is_err());
    }

    #[test]
    fn a_minute_has_one_warning_that_counts_the_others() {
        let (limit, start) = (WarningLimit::default(), Instant::now());
        assert_eq!(limit.admit(start), Some(0));
        assert_eq!(limit.admit(start + Duration::from_secs(59)), None);
        assert_eq!(limit.admit(start + Duration::from_secs(59)), None);
        assert_eq!(limit.admit(start + WARNING_PAUSE), Some(2));
        assert_eq!(limit.admit(start + WARNING_PAUSE), None);
    }
}
