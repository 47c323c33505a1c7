//! Rules for messages: the settings of rooms that this instance knows, and the arguments of `append.lua` that follow from them.
//!
//! A message is sent with the decision on it and the settings that the decision saw. If the room has others by now, the
//! script appends nothing and returns them, and the message is decided again. A room without settings costs nothing here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::redis::{Cmd, Value};
use parking_lot::Mutex;
use realtime_shared::rules::{self, Power, Request, RoomView, RuleError, Rules};
use realtime_shared::{Content, MessageContent, RoomName, RoomSettings, Seq, Text, Timestamp, UserId};

use super::stored_entry::SettingsRecord;
use crate::broker::redis::transport::reply;

/// Most rooms whose settings are known. Those of another room are read again.
const ROOMS: usize = 10_000;

/// Facts about a message that its rules need.
pub(crate) struct MessageRequest {
    pub(crate) room: RoomName,
    pub(crate) from: UserId,
    pub(crate) power: Power,
    pub(crate) reply_to: Option<Seq>,
    pub(crate) now: Timestamp,
    /// The rules allow the message whenever the sender's newest one was.
    pub(crate) is_in_time: bool,
}

/// The view of a room that the script returns for a message.
struct MessageView {
    head: Seq,
    settings: Option<SettingsRecord>,
    since_last_message: Option<Duration>,
}

impl MessageView {
    fn parse(answer: &Value) -> Option<Self> {
        let [_, _, head, settings, since] = reply::items(answer) else { return None };
        Some(Self {
            head: Seq::new(reply::parse(head)?),
            settings: SettingsRecord::parse_optional(settings).ok()?,
            // Without a time, the answer is negative.
            since_last_message: reply::parse(since).map(Duration::from_millis),
        })
    }
}

/// The rules, and the settings of rooms that have some.
#[derive(Default)]
pub(crate) struct MessageRules {
    rules: Rules,
    known: Mutex<HashMap<RoomName, Arc<SettingsRecord>>>,
    /// Number of known rooms: without one, nothing is looked up.
    count: AtomicUsize,
}

impl MessageRules {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes the settings of a room from an answer of Redis.
    pub(crate) fn learn(&self, room: &RoomName, settings: Option<SettingsRecord>) {
        let mut known = self.known.lock();
        match settings {
            None => drop(known.remove(room)),
            Some(settings) => {
                if known.len() >= ROOMS && !known.contains_key(room) {
                    known.clear();
                }
                known.insert(room.clone(), Arc::new(settings));
            }
        }
        self.count.store(known.len(), Ordering::Relaxed);
    }

    fn settings_of(&self, room: &RoomName) -> Option<Arc<SettingsRecord>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.known.lock().get(room).cloned()
    }

    /// Adds the arguments that depend on the settings. Returns their number.
    pub(crate) fn complete(&self, append: &mut Cmd, request: &MessageRequest) -> usize {
        let Some(known) = self.settings_of(&request.room) else {
            append.arg("");
            return 1;
        };
        let interval = u64::from(known.settings.slow_mode.seconds()) * 1_000;
        let is_refused = self.decide(request, &known.settings, Seq::new(u64::MAX), None).is_err();
        append.arg(known.id.to_string()).arg(interval).arg(request.from.as_str());
        append.arg(if request.is_in_time { 0 } else { interval }).arg(u8::from(is_refused));
        5
    }

    /// The refusal of a message that was sent as refused.
    pub(crate) fn refusal(&self, request: &MessageRequest) -> Option<RuleError> {
        let known = self.settings_of(&request.room)?;
        self.decide(request, &known.settings, Seq::new(u64::MAX), None).err()
    }

    /// Decides again on a message, by the view that the script returned. Without an error the message is sent again. `None`
    /// if the view cannot be read.
    pub(crate) fn review(
        &self,
        request: &mut MessageRequest,
        answer: &Value,
    ) -> Option<Result<(), RuleError>> {
        let MessageView { head, settings, since_last_message } = MessageView::parse(answer)?;
        let default = RoomSettings::default();
        let seen = settings.as_ref().map_or(&default, |known| &known.settings);
        let decision = self.decide(request, seen, head, since_last_message);
        request.is_in_time = since_last_message.is_some();
        self.learn(&request.room, settings);
        Some(decision)
    }

    fn decide(
        &self,
        request: &MessageRequest,
        settings: &RoomSettings,
        head: Seq,
        since_last_message: Option<Duration>,
    ) -> Result<(), RuleError> {
        let MessageRequest { from, power, reply_to, now, .. } = request;
        // The rules do not read the text of a message.
        let content = MessageContent { text: Text::deleted(), reply_to: *reply_to, mentions: None };
        let content = Content::Message(content);
        let request = Request { from, power: *power, now: *now, content: &content };
        let room = RoomView { settings, head, pins: 0, since_last_message };
        rules::decide(&self.rules, &request, &room, None).map(drop)
    }
}
