//! The rules for entries: may this user store this entry now, and does it change anything?
//!
//! [`decide`] is the only place that knows them. Every engine calls it in the step that orders a room, after
//! deduplication, with the state that the entry would change. If the entry is stored, the new state is that of the fold
//! ([`fold`](crate::fold), [`RoomSettings::apply`]).

use std::time::Duration;

use crate::content::{Change, Content, Edit, MessageContent, Pin, Reaction, RoomChange};
use crate::error::ErrorCode;
use crate::field::Posting;
use crate::message::Message;
use crate::name::UserId;
use crate::position::Seq;
use crate::settings::RoomSettings;
use crate::timestamp::Timestamp;

/// Most edits of a message.
pub const EDITS: u32 = 100;
/// Most pinned messages of a room.
pub const PINS: usize = 50;
/// Most different emoji of a message.
pub const EMOJI: usize = 20;
/// Most users that react to a message with one emoji.
pub const USERS_PER_EMOJI: u64 = 1_000;

/// Rules that the operator of a server chooses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Age up to which the author may edit a message. `None`: no limit.
    pub edit_window: Option<Duration>,
}

/// The power of a user in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Power {
    #[default]
    Member,
    /// A moderator of the room, or an admin.
    Moderator,
}

/// The entry that a user wants to store.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub from: &'a UserId,
    pub power: Power,
    pub now: Timestamp,
    pub content: &'a Content,
}

/// The state of the room.
#[derive(Debug, Clone, Copy)]
pub struct RoomView<'a> {
    pub settings: &'a RoomSettings,
    /// The newest entry; 0 if the room has none.
    pub head: Seq,
    /// Number of pinned messages. Read for a pin only.
    pub pins: usize,
    /// Time since the user's newest message to the room. Read for a message to a room with slow mode only.
    pub since_last_message: Option<Duration>,
}

/// The state of the message that the entry targets.
#[derive(Debug, Clone, Copy)]
pub struct TargetView<'a> {
    /// The message with all its changes.
    pub message: &'a Message,
    /// Number of edits.
    pub edits: u32,
    /// The user has reacted with the emoji of the entry. Read for a reaction only.
    pub has_reacted: bool,
}

/// An entry that the rules allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The entry is stored.
    Store,
    /// The entry changes nothing and is not stored. It is acknowledged with the entry at the `rev` of its target.
    Unchanged,
}

/// An entry that the rules forbid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    pub code: ErrorCode,
    /// Text for people.
    pub message: String,
    /// Time to wait, if the entry will be allowed then.
    pub retry_after: Option<Duration>,
}

impl RuleError {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// The target of an entry is not a message that the room has.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "that message does not exist, or was deleted")
    }

    fn forbidden(message: &str) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    fn limit_reached(limit: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::LimitReached, format!("{limit}, the maximum"))
    }
}

/// Decides on an entry. `target` is the message of its target; `None` if the room has no such message.
pub fn decide(
    rules: &Rules,
    request: &Request<'_>,
    room: &RoomView<'_>,
    target: Option<&TargetView<'_>>,
) -> Result<Decision, RuleError> {
    let is_changing = match request.content {
        Content::Message(message) => posts(request, message, room)?,
        Content::Change(change) => {
            let found = || {
                let (_, id) = change.target()?;
                target.filter(|TargetView { message, .. }| {
                    message.deleted.is_none() && id.is_none_or(|id| id == message.id)
                })
            };
            let found = || found().ok_or_else(RuleError::not_found);
            match change {
                Change::Edit(edit) => edits(rules, request, edit, found()?)?,
                Change::Delete(_) => deletes(request, found()?)?,
                Change::Reaction(reaction) => reacts(request, reaction, room, found()?)?,
                Change::Pin(pin) => pins(request, pin, room, found()?)?,
                Change::Room(change) => sets(request, change, room)?,
            }
        }
    };
    Ok(if is_changing { Decision::Store } else { Decision::Unchanged })
}

// Each of the following returns true if the entry changes something, or the reason why it is forbidden.

fn posts(request: &Request<'_>, message: &MessageContent, room: &RoomView<'_>) -> Result<bool, RuleError> {
    may_speak(request, room)?;
    if message.reply_to.is_some_and(|seq| seq == Seq::ZERO || seq > room.head) {
        return Err(RuleError::new(ErrorCode::NotFound, "the message that this one answers does not exist"));
    }
    let interval = Duration::from_secs(room.settings.slow_mode.seconds().into());
    let wait = room.since_last_message.map_or(Duration::ZERO, |since| interval.saturating_sub(since));
    if request.power == Power::Member && !wait.is_zero() {
        let seconds = interval.as_secs();
        let message = format!("slow mode: one message every {seconds} s");
        return Err(RuleError { retry_after: Some(wait), ..RuleError::new(ErrorCode::RateLimited, message) });
    }
    Ok(true)
}

fn may_speak(request: &Request<'_>, room: &RoomView<'_>) -> Result<(), RuleError> {
    match room.settings.posting {
        Posting::Moderators if request.power < Power::Moderator => {
            Err(RuleError::forbidden("only the moderators of that room may post there"))
        }
        Posting::Moderators | Posting::Everyone => Ok(()),
    }
}

fn must_moderate(request: &Request<'_>, action: &str) -> Result<(), RuleError> {
    match request.power {
        Power::Moderator => Ok(()),
        Power::Member => Err(RuleError::forbidden(&format!("only moderators may {action}"))),
    }
}

fn edits(
    rules: &Rules,
    request: &Request<'_>,
    edit: &Edit,
    target: &TargetView<'_>,
) -> Result<bool, RuleError> {
    let message = target.message;
    if message.from != *request.from {
        return Err(RuleError::forbidden("only its author may edit a message"));
    }
    let age = Duration::from_millis(request.now.millis().saturating_sub(message.ts.millis()));
    if rules.edit_window.is_some_and(|window| age > window) {
        return Err(RuleError::forbidden("that message is too old to be edited"));
    }
    if (&edit.text, &edit.mentions) == (&message.text, &message.mentions) {
        return Ok(false);
    }
    if target.edits >= EDITS {
        return Err(RuleError::limit_reached(format_args!("that message was edited {EDITS} times")));
    }
    Ok(true)
}

fn deletes(request: &Request<'_>, target: &TargetView<'_>) -> Result<bool, RuleError> {
    if target.message.from != *request.from {
        must_moderate(request, "delete messages of others")?;
    }
    Ok(true)
}

fn reacts(
    request: &Request<'_>,
    reaction: &Reaction,
    room: &RoomView<'_>,
    target: &TargetView<'_>,
) -> Result<bool, RuleError> {
    may_speak(request, room)?;
    let Reaction { emoji, removed, .. } = reaction;
    if target.has_reacted != *removed {
        return Ok(false);
    }
    let reactions = &target.message.reactions;
    match reactions.iter().find(|known| known.emoji == *emoji) {
        _ if *removed => Ok(true),
        Some(known) if known.count >= USERS_PER_EMOJI => {
            Err(RuleError::limit_reached(format_args!("{USERS_PER_EMOJI} users have reacted so")))
        }
        None if reactions.len() >= EMOJI => {
            Err(RuleError::limit_reached(format_args!("that message has {EMOJI} different reactions")))
        }
        Some(_) | None => Ok(true),
    }
}

fn pins(
    request: &Request<'_>,
    pin: &Pin,
    room: &RoomView<'_>,
    target: &TargetView<'_>,
) -> Result<bool, RuleError> {
    must_moderate(request, "pin messages")?;
    if target.message.pinned != pin.removed {
        return Ok(false);
    }
    if !pin.removed && room.pins >= PINS {
        return Err(RuleError::limit_reached(format_args!("that room has {PINS} pinned messages")));
    }
    Ok(true)
}

fn sets(request: &Request<'_>, change: &RoomChange, room: &RoomView<'_>) -> Result<bool, RuleError> {
    must_moderate(request, "change the settings of a room")?;
    // The first change is stored in any case: a repetition is acknowledged with its entry.
    Ok(room.settings.rev == Seq::ZERO || !room.settings.have(change))
}
