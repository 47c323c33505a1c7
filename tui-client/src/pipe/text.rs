//! Entries as lines of text, and notes about the connection.

use std::time::Duration;

use jiff::tz::TimeZone;
use realtime_shared::{
    Change, Delete, Edit, EntryEvent, EntryHead, Message, Pin, Posting, Reaction, Recovery, RoomChange,
    RoomName,
};

use crate::app::{Stamp, human};
use crate::sanitize;

/// `HH:MM nick text`. White space in the nick becomes `_`, so that a name cannot imitate a text.
///
/// A message in brackets is an entry that is not a message, a deleted one, or a fact about the message after it. A text
/// that begins with a bracket looks like it; scripts use `--json`.
pub(super) fn line(entry: &EntryEvent, zone: &TimeZone) -> String {
    let EntryHead { from, ts, .. } = entry.head();
    let nick = sanitize::line(from.as_str()).to_string().replace(char::is_whitespace, "_");
    let content = match entry {
        EntryEvent::Message(message) => message_text(message),
        EntryEvent::Change(entry) => change(&entry.change),
    };
    format!("{} {nick} {content}", Stamp::of(ts, zone).time())
}

fn message_text(message: &Message) -> String {
    if let Some(deleted) = &message.deleted {
        let by = sanitize::line(deleted.by.as_str());
        return format!("[message {} deleted by {by}]", message.seq);
    }
    let text = flat(message.text.as_str());
    match message.reply_to {
        Some(seq) => format!("[reply to {seq}] {text}"),
        None => text,
    }
}

/// The text of a change, with the seq of its message.
fn change(change: &Change) -> String {
    let un = |removed: bool| if removed { "un" } else { "" };
    match change {
        Change::Edit(Edit { target, deleted: true, .. }) => format!("[edit of {target}, deleted later]"),
        Change::Edit(Edit { target, text, .. }) => format!("[edit of {target}] {}", flat(text.as_str())),
        Change::Delete(Delete { target, reason, .. }) => {
            let reason = reason.as_ref().map(|reason| format!(": {}", flat(reason.as_str())));
            format!("[delete {target}{}]", reason.unwrap_or_default())
        }
        Change::Reaction(Reaction { target, emoji, removed, .. }) => {
            let sign = if *removed { "-" } else { "+" };
            format!("[reaction to {target}] {sign}{}", sanitize::line(emoji.as_str()))
        }
        Change::Pin(Pin { target, removed, .. }) => format!("[{}pin {target}]", un(*removed)),
        Change::Room(RoomChange { topic, slow_mode, posting }) => {
            let topic = topic.as_ref().map(|topic| format!(" topic: {}", flat(topic.as_str())));
            let slow_mode = slow_mode.map(|slow_mode| format!(" slow mode: {} s", slow_mode.seconds()));
            let posting = posting.map(|posting| match posting {
                Posting::Everyone => " posting: everyone".to_owned(),
                Posting::Moderators => " posting: moderators".to_owned(),
            });
            let parts = [slow_mode, posting, topic].into_iter().flatten().collect::<Vec<_>>();
            format!("[room]{}", parts.join(","))
        }
    }
}

/// The whole text in one line.
pub(super) fn flat(text: &str) -> String {
    sanitize::block(text).as_str().replace('\n', " ")
}

/// Note of a join, after `offline` if it is a rejoin, with the recovery.
pub(super) fn joined(room: &RoomName, offline: Option<Duration>, recovery: Option<Recovery>) -> String {
    let away = offline.map(|offline| format!(" again after {} offline", human(offline))).unwrap_or_default();
    let recovery = recovery.map(|recovery| format!("; {}", recovered(recovery))).unwrap_or_default();
    sanitize::line(&format!("joined {room}{away}{recovery}")).to_string()
}

/// Note of a recovery.
pub(super) fn recovered(recovery: Recovery) -> String {
    match recovery {
        Recovery::Complete { replayed: 0 } => "nothing missed".to_owned(),
        Recovery::Complete { replayed } => format!("{replayed} recovered"),
        Recovery::Truncated { replayed } => {
            format!("{replayed} recovered, older messages were missed and are not replayed")
        }
        Recovery::Reset { replayed } => {
            format!("history was reset, {replayed} messages of the new log follow")
        }
    }
}

#[cfg(test)]
mod tests {
    use realtime_shared::codec;

    use super::*;
    use crate::pipe::feed::testing::message;

    #[test]
    fn a_message_is_one_line_of_three_parts() {
        for (from, text, line) in [
            ("bob", "hi there", "00:00 bob hi there"),
            ("alice hi", "a\nb\tc", "00:00 alice_hi a b    c"),
            ("a\u{3000}b", "\u{202e}x\u{200b}y", "00:00 a_b xy"),
        ] {
            let message = Message { from: from.parse().expect("a name"), ..message(1, text) };
            assert_eq!(super::line(&EntryEvent::Message(message), &TimeZone::UTC), line);
        }
        assert_eq!(flat("\u{1b}[2Ja\u{9b}31m\nb"), "\u{fffd}a\u{fffd} b");
    }

    #[test]
    fn a_change_is_one_line_with_the_seq_of_its_message() {
        let fields = |name: &str, more: &str| {
            format!(
                r#"{{"type":"{name}","room":"dev","from":"bob","seq":9,"id":"{}","ts":0{more}}}"#,
                "0".repeat(26)
            )
        };
        for (name, more, line) in [
            ("edit", r#","target":7,"text":"a\nb""#, "[edit of 7] a b"),
            ("edit", r#","target":7,"deleted":true"#, "[edit of 7, deleted later]"),
            ("delete", r#","target":7"#, "[delete 7]"),
            ("delete", r#","target":7,"reason":"spam""#, "[delete 7: spam]"),
            ("reaction", r#","target":7,"emoji":"👍""#, "[reaction to 7] +👍"),
            ("reaction", r#","target":7,"emoji":"👍","removed":true"#, "[reaction to 7] -👍"),
            ("pin", r#","target":7"#, "[pin 7]"),
            ("pin", r#","target":7,"removed":true"#, "[unpin 7]"),
            (
                "room",
                r#","topic":"t","slow_mode":5,"posting":"moderators""#,
                "[room] slow mode: 5 s, posting: moderators, topic: t",
            ),
            ("message", r#","text":"x","reply_to":7"#, "[reply to 7] x"),
            ("message", r#","text":"","deleted":{"by":"eve","ts":1}"#, "[message 9 deleted by eve]"),
        ] {
            let entry = codec::decode_entry(&fields(name, more)).expect("an entry");
            assert_eq!(super::line(&entry, &TimeZone::UTC), format!("00:00 bob {line}"));
        }
    }

    #[test]
    fn a_long_text_is_not_cut() {
        let text = "x".repeat(4_000);
        let message = EntryEvent::Message(message(1, &text));
        assert!(line(&message, &TimeZone::UTC).ends_with(&text));
    }

    #[test]
    fn the_join_note_has_the_recovery() {
        let room = "dev".parse().expect("a room");
        let away = Some(Duration::from_secs(12));
        for (offline, recovery, said) in [
            (None, None, "joined dev"),
            (None, Some(Recovery::Complete { replayed: 3 }), "joined dev; 3 recovered"),
            (
                away,
                Some(Recovery::Complete { replayed: 0 }),
                "joined dev again after 12 s offline; nothing missed",
            ),
        ] {
            assert_eq!(joined(&room, offline, recovery), said);
        }
        assert!(recovered(Recovery::Truncated { replayed: 9 }).contains("older"));
        assert!(recovered(Recovery::Reset { replayed: 9 }).contains("reset"));
    }
}
