//! Checked arguments of `tail` and `send`. Nothing is checked again after it.

use std::time::Duration;

use realtime_shared::field::NotAnEmoji;
use realtime_shared::{
    Change, Content, Edit, Emoji, EntryId, Epoch, MessageContent, Position, Reaction, RoomName, Seq, Text,
};
use serde::Deserialize;

use crate::cli::{RoomArgs, SendArgs, TailArgs};
use crate::config::{self, ConfigError, Server};
use crate::sanitize::{self, Line};
use crate::settings::Settings;

/// Checked arguments of `tail`.
#[derive(Debug, Clone)]
pub struct TailPlan {
    pub(super) server: Server,
    pub(super) room: RoomName,
    /// JSON instead of text.
    pub(super) json: bool,
    pub(super) begin: Begin,
}

/// The first messages that `tail` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begin {
    /// This many existing messages.
    Last(u32),
    /// Messages after this position.
    Since(Position),
}

/// Checked arguments of `send`.
#[derive(Debug, Clone)]
pub struct SendPlan {
    pub(super) server: Server,
    pub(super) room: RoomName,
    /// The only message. `None`: the lines of standard input.
    pub(super) text: Option<String>,
    /// The meaning of each text.
    pub(super) kind: SendKind,
    /// Longest time without an answer while lines wait.
    pub(super) timeout: Duration,
}

/// The meaning of a text that `send` sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendKind {
    Message,
    /// A message that answers this one.
    Reply(Seq),
    /// The new text of this message.
    Edit(Seq),
    /// An emoji, as the reaction to this message.
    Reaction(Seq),
}

impl SendKind {
    fn of(args: &SendArgs) -> Self {
        match (args.reply_to, args.edit, args.react) {
            (Some(seq), _, _) => Self::Reply(Seq::new(seq)),
            (_, Some(seq), _) => Self::Edit(Seq::new(seq)),
            (_, _, Some(seq)) => Self::Reaction(Seq::new(seq)),
            (None, None, None) => Self::Message,
        }
    }

    /// The content of an entry with this text. The text of a reaction must be an emoji.
    pub(super) fn content(self, text: Text) -> Result<Content, NotAnEmoji> {
        let target_id = None;
        Ok(match self {
            Self::Message => Content::message(text),
            Self::Reply(seq) => MessageContent { reply_to: Some(seq), ..text.into() }.into(),
            Self::Edit(target) => {
                Change::Edit(Edit { target, target_id, text, mentions: None, deleted: false }).into()
            }
            Self::Reaction(target) => {
                let emoji = Emoji::new(text.as_str())?;
                Change::Reaction(Reaction { target, target_id, emoji, removed: false }).into()
            }
        })
    }
}

/// Error of the arguments. Each text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Fault of the server, token or room.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `--since` is not a message.
    #[error("--since is not a line that `realtime-tui tail --json` printed ({0})")]
    Since(serde_json::Error),
    /// `--since` is a message of another room.
    #[error("--since is a message of room `{0}`: set --room to it, or give a line of this room")]
    SinceElsewhere(RoomName),
    #[error("nothing to send: the text is empty. Without a text, `send` sends the lines of standard input")]
    NoText,
    /// The text of `--react` is not an emoji.
    #[error("cannot react with `{0}`: it {1}")]
    NoEmoji(Line, NotAnEmoji),
}

impl TailPlan {
    /// Checks the arguments. The command line precedes the environment, which `variable` reads. The environment
    /// precedes the file.
    pub fn check(
        args: &TailArgs,
        settings: &Settings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, PlanError> {
        let (server, room) = server_and_room(&args.target, settings, variable)?;
        let begin = match &args.since {
            Some(line) => Begin::Since(position(line, &room)?),
            None => Begin::Last(args.last),
        };
        Ok(Self { server, room, json: args.json, begin })
    }
}

impl SendPlan {
    /// Checks the arguments. The command line precedes the environment, which `variable` reads. The environment
    /// precedes the file.
    pub fn check(
        args: &SendArgs,
        settings: &Settings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, PlanError> {
        let (server, room) = server_and_room(&args.target, settings, variable)?;
        let text = (!args.text.is_empty()).then(|| args.text.join(" "));
        if text.as_ref().is_some_and(String::is_empty) {
            return Err(PlanError::NoText);
        }
        let kind = SendKind::of(args);
        if let (SendKind::Reaction(_), Some(text)) = (kind, &text) {
            Emoji::new(text).map_err(|error| PlanError::NoEmoji(sanitize::line(text), error))?;
        }
        Ok(Self { server, room, text, kind, timeout: Duration::from_secs(args.timeout.into()) })
    }
}

fn server_and_room(
    target: &RoomArgs,
    settings: &Settings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Server, RoomName), ConfigError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let room = config::room(&target.room)?;
    Ok((Server::check(&target.connection, settings, set)?, room))
}

/// Position of a message that `tail --json` printed.
fn position(line: &str, room: &RoomName) -> Result<Position, PlanError> {
    #[derive(Deserialize)]
    struct Printed {
        room: RoomName,
        epoch: Epoch,
        seq: Seq,
        id: EntryId,
    }
    if line.trim().is_empty() {
        return Ok(Position::Start);
    }
    let printed: Printed = serde_json::from_str(line).map_err(PlanError::Since)?;
    if printed.room != *room {
        return Err(PlanError::SinceElsewhere(printed.room));
    }
    Ok(Position::At { epoch: printed.epoch, seq: printed.seq, id: printed.id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Args, Command};

    fn plan(words: &[&str]) -> Result<(Option<TailPlan>, Option<SendPlan>), PlanError> {
        let (command, words) = words.split_first().expect("a command");
        let all = ["realtime-tui", command, "--token", "a.b.c"].into_iter().chain(words.iter().copied());
        match Args::read(all).expect("arguments").command.expect("a command") {
            Command::Tail(args) => Ok((Some(TailPlan::check(&args, &Settings::default(), |_| None)?), None)),
            Command::Send(args) => Ok((None, Some(SendPlan::check(&args, &Settings::default(), |_| None)?))),
            other => panic!("{other:?}"),
        }
    }

    fn tail(words: &[&str]) -> TailPlan {
        plan(&[&["tail", "--room", "dev"], words].concat()).expect("good").0.expect("tail")
    }

    #[test]
    fn a_printed_line_is_a_position() {
        let line = r#"{"type":"message","room":"dev","from":"bob","text":"hi","seq":7,
            "id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","ts":1,"epoch":"e"}"#;
        let Begin::Since(position) = tail(&["--since", line]).begin else { panic!("no position") };
        assert_eq!((position.seq(), position.epoch().map(Epoch::as_str)), (Seq::new(7), Some("e")));
        assert_eq!(tail(&["--since", ""]).begin, Begin::Since(Position::Start));
        assert_eq!(tail(&[]).begin, Begin::Last(10));
        assert_eq!(tail(&["--last", "0"]).begin, Begin::Last(0));
        let error = plan(&["tail", "--room", "ops", "--since", line]).expect_err("another room");
        assert!(error.to_string().contains("`dev`"), "{error}");
    }

    #[test]
    fn words_are_joined_to_one_text() {
        let text = |words: &[&str]| plan(&[&["send", "--room", "dev"], words].concat()).map(|both| both.1);
        assert_eq!(text(&["a", "b c"]).expect("good").expect("send").text.as_deref(), Some("a b c"));
        assert_eq!(text(&[]).expect("good").expect("send").text, None);
        assert!(matches!(text(&[""]), Err(PlanError::NoText)));
    }

    #[test]
    fn the_text_is_a_message_an_answer_an_edit_or_a_reaction() {
        let content = |words: &[&str], text: &str| {
            let (_, send) = plan(&[&["send"], words, &["--room", "dev", text]].concat()).expect("good");
            let text = Text::new(text).expect("a text");
            let content = send.expect("send").kind.content(text).expect("a content");
            serde_json::to_string(&content).expect("JSON")
        };
        assert_eq!(content(&[], "hi"), r#"{"text":"hi"}"#);
        assert_eq!(content(&["--reply-to", "7"], "hi"), r#"{"text":"hi","reply_to":7}"#);
        assert_eq!(content(&["--edit", "7"], "hi"), r#"{"target":7,"text":"hi"}"#);
        assert_eq!(content(&["--react", "7"], ":ship:"), r#"{"target":7,"emoji":":ship:"}"#);
    }

    #[test]
    fn an_error_is_one_line() {
        for (words, part) in [
            (&["send", "--react", "7", "--room", "dev", "no\u{1b}"][..], "cannot react"),
            (&["tail", "--room", "dm:bob"], "dm:"),
            (&["send", "--room", "a\u{202e}b", "hi"], "U+202E"),
            (&["tail", "--room", "dev", "--since", "7"], "--since"),
            (&["tail", "--room", "dev", "--since", r#"{"room":"dev","seq":7}"#], "epoch"),
        ] {
            let error = plan(words).expect_err("wrong").to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }
}
