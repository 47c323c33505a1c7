//! Commands of the program, and frames to the server.

use std::time::{Duration, Instant};

use realtime_shared::{
    ClientEvent, ClientFrame, ClientMsgId, Content, ErrorCode, ErrorEvent, Feature, Nonce, Ping, Ref,
    RoomName,
};

use super::{Output, Phase, Session, TYPING};
use crate::command::Command;
use crate::event::SendState;
use crate::outbox::Pushed;
use crate::requests::{Failed, UNSUPPORTED};
use crate::submission::Submission;

impl Session {
    /// Handles a command of the program.
    pub(crate) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Join { room, since } => self.rooms.add(room, since),
            Command::Leave(room) => {
                self.markers.left(&room);
                if self.rooms.remove(&room) {
                    self.send(ClientEvent::LeaveRoom { room });
                }
            }
            Command::Send { room, text, client_msg_id } => {
                self.submit(Submission { room, client_msg_id, content: Content::message(text) });
            }
            Command::Submit { room, content, client_msg_id } => {
                self.submit(Submission { room, client_msg_id, content });
            }
            Command::Resend(client_msg_id) => {
                let pushed = self.outbox.resend(&client_msg_id);
                self.pushed(client_msg_id, pushed);
            }
            Command::TakeBack(client_msg_id) => {
                if let Some(was_sent) = self.outbox.take_back(&client_msg_id) {
                    self.emit_sent(client_msg_id, SendState::TakenBack { was_sent });
                }
            }
            Command::Typing { room, is_typing } => self.typing(room, is_typing),
            request @ Command::History(_) => self.request(request, "history", now),
            request @ Command::Members(_) => self.request(request, "members", now),
            request @ Command::FindMembers { .. } => self.request(request, "find", now),
            request @ Command::ListRooms { .. } => self.request(request, "rooms", now),
            request @ Command::Direct(_) => self.request(request, "direct", now),
            request @ Command::Search(_) => self.request(request, "search", now),
            request @ Command::Inbox { keep, .. } => {
                self.kept_inbox = keep.then(|| request.clone());
                self.request(request, "inbox", now);
            }
            Command::Read { room, seq } => {
                if let Some(moved) = self.markers.read(&room, self.rooms.epoch(&room), seq) {
                    self.emit_moved(moved);
                }
            }
            Command::Ping => self.ping(now),
            // The task handles it, because the task has the frames.
            Command::Trace(_) => {}
            Command::RetryNow => self.retry_now(now),
            Command::UseToken(token) => self.use_token(token.into_text(), now),
            Command::CheckToken => self.check_token(now),
            Command::Close => {
                self.phase = Phase::Ended;
                self.outputs.push_back(Output::End);
            }
        }
        self.send_due(now);
        self.report_health(now);
    }

    /// Sends the due joins, requests, markers and messages. Joins go first, so that the client receives its own copies.
    /// Requests are few, and do not wait for a long queue of messages. Markers and messages take turns.
    pub(super) fn send_due(&mut self, now: Instant) {
        loop {
            let Phase::Connected(live) = &mut self.phase else { return };
            if let Some(failed) = self.requests.refuse_unsupported(&live.features) {
                self.failed(failed);
                continue;
            }
            if !live.pacer.is_ready(now) {
                return;
            }
            if self.rooms.has_due(now) {
                live.pacer.take(now);
                let reference = self.generate_ref("join");
                if let Some((room, since)) = self.rooms.next_join(now, reference.clone()) {
                    let event = ClientEvent::JoinRoom { room, since };
                    self.outputs.push_back(Output::Write(ClientFrame { event, reference: Some(reference) }));
                }
                continue;
            }
            if let Some((event, reference)) =
                self.requests.send_next(now, |command| self.markers.is_open(command))
            {
                live.pacer.take(now);
                self.outputs.push_back(Output::Write(ClientFrame { event, reference: Some(reference) }));
                continue;
            }
            let may_post = |room: &RoomName| self.rooms.may_post(room);
            let is_turn_of_message = live.has_read && self.outbox.has_next(now, may_post);
            if !is_turn_of_message && self.send_marker(now) {
                continue;
            }
            let Phase::Connected(live) = &mut self.phase else { return };
            live.has_read = false;
            if let Some(submission) = self.outbox.send_next(now, |room| self.rooms.may_post(room)) {
                if submission.feature().is_some_and(|feature| !live.features.contains(&feature)) {
                    self.outbox.refused(&submission.client_msg_id);
                    let state = SendState::Refused(UNSUPPORTED.to_owned());
                    self.emit_sent(submission.client_msg_id, state);
                    continue;
                }
                live.pacer.take(now);
                self.emit_sent(submission.client_msg_id.clone(), SendState::Sent);
                self.send(submission.into_event());
            } else {
                return;
            }
        }
    }

    /// Sends a due marker. Returns false if there is none.
    fn send_marker(&mut self, now: Instant) -> bool {
        let Self { phase: Phase::Connected(live), rooms, markers, generated, .. } = self else {
            return false;
        };
        let next = markers.send_next(now, |room| rooms.may_read(room), || next_ref(generated, "read"));
        let Some((room, seq, reference)) = next else { return false };
        if !live.features.contains(&Feature::Read) {
            self.marker_refused(&reference, UNSUPPORTED.to_owned());
            return true;
        }
        live.pacer.take(now);
        live.has_read = true;
        let event = ClientEvent::Read { room, seq };
        self.outputs.push_back(Output::Write(ClientFrame { event, reference: Some(reference) }));
        true
    }

    /// Gives up a marker that the server refuses.
    pub(super) fn marker_refused(&mut self, reference: &Ref, reason: String) {
        if let Some((seq, moved)) = self.markers.refused(reference) {
            let request = Command::Read { room: moved.room.clone(), seq };
            self.emit_moved(moved);
            self.failed(Failed { request, reason });
        }
    }

    /// Postpones the message in flight by `retry_after`, or by a backoff of its own.
    pub(super) fn postpone(
        &mut self,
        id: ClientMsgId,
        error: &ErrorEvent,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        let Self { outbox, rng, timing, .. } = self;
        let wait = |step| retry_after.unwrap_or_else(|| timing.backoff.delay(step, rng));
        let is_in_doubt = error.code == ErrorCode::Unavailable;
        if outbox.postpone(&id, &error.message, is_in_doubt, now, wait) {
            self.emit_sent(id, SendState::PutOff(error.message.clone()));
        }
    }

    pub(super) fn ping(&mut self, now: Instant) {
        let nonce = Nonce::new(self.generate_ref("ping").as_str()).ok();
        let Phase::Connected(live) = &mut self.phase else { return };
        live.ping = nonce.clone().map(|nonce| (nonce, now));
        live.next_ping = now + self.timing.ping_interval;
        self.send(ClientEvent::Ping(Ping { nonce }));
    }

    /// Adds a request. Drops it without a connection.
    pub(super) fn request(&mut self, request: Command, kind: &str, now: Instant) {
        if let Phase::Connected(_) = self.phase {
            let reference = self.generate_ref(kind);
            let after_read = self.markers.last_command();
            if let Some(failed) = self.requests.add(request, reference, after_read, now) {
                self.failed(failed);
            }
        }
    }

    fn submit(&mut self, submission: Submission) {
        let id = submission.client_msg_id.clone();
        let pushed = self.outbox.push(submission);
        self.pushed(id, Some(pushed));
    }

    fn pushed(&mut self, id: ClientMsgId, pushed: Option<Pushed>) {
        match pushed {
            Some(Pushed::Queued) => self.emit_sent(id, SendState::Queued),
            Some(Pushed::Known) => {}
            Some(Pushed::Full) => self.emit_sent(id, SendState::Refused("queue is full".to_owned())),
            None => self.emit_sent(id, SendState::Refused("no longer kept: write it again".to_owned())),
        }
    }

    /// Generates a ref that no other frame of this client has.
    pub(super) fn generate_ref(&mut self, kind: &str) -> Ref {
        next_ref(&mut self.generated, kind)
    }

    /// Sends `typing`, unless the server refuses it in the room.
    fn typing(&mut self, room: RoomName, is_typing: bool) {
        let Phase::Connected(live) = &self.phase else { return };
        if !live.typing_refused.contains(&room) {
            let event = ClientEvent::Typing { room, is_typing };
            self.outputs.push_back(Output::Write(ClientFrame { event, reference: Some(TYPING.clone()) }));
        }
    }

    /// Sends a frame. Drops it without a connection.
    pub(super) fn send(&mut self, event: ClientEvent) {
        if let Phase::Connected(_) = self.phase {
            self.outputs.push_back(Output::Write(event.into()));
        }
    }
}

/// Generates a ref from the number of those before it.
pub(super) fn next_ref(generated: &mut u64, kind: &str) -> Ref {
    *generated += 1;
    Ref::new(&format!("{kind}-{generated}")).expect("a short text is a ref")
}
