//! Application of the session's actions, and of the results of operations.

use std::task::{Context, Poll};
use std::time::Instant;

use realtime_shared::{Ack, LeaveReason, Read as RoomRead, Ref, RoomName, Seq, ServerEvent, ServerFrame};
use tokio::io::{AsyncRead, AsyncWrite};

use super::operation::OperationResult;
use super::{Connection, Phase, operation};
use crate::broker::{NotStored, Receipt, Submission, Unavailable};
use crate::budget::PostPrice;
use crate::framing;
use crate::room::{Completed, CompletedSubmission, Mailbox};
use crate::session::{Action, Error};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Applies an action.
    pub(super) fn apply(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Drop(reason) => self.hub.metrics.dropped.inc(reason),
            Action::Answer(frame) => self.answer(&frame),
            Action::Close(code) => self.close(code),
            Action::Submit { submission, price, reference } => self.submit(submission, price, reference),
            Action::Signal { room, event, skip } => {
                let audience = self.delivery.find(&room).map_or(0, |room| room.audience());
                self.session.spend_deliveries(audience, Instant::now());
                self.hub.registry.signal(&room, &event, skip);
            }
            Action::Broadcast { to, event } => self.hub.registry.broadcast(to, &event),
            Action::Join { room, since, reference } => {
                self.operation = Some(match self.delivery.find(&room).cloned() {
                    Some(room) => operation::rejoin(&self.hub, &self.mailbox, room, since, reference),
                    None => operation::join(&self.hub, &self.mailbox, room, since, reference),
                });
            }
            Action::Leave { room, reference } => {
                self.leave(&[room], LeaveReason::Left, reference);
            }
            Action::Refreshed { answer, leave } => {
                self.answer(&answer);
                self.watch_expiry();
                self.leave(&leave, LeaveReason::Kicked, None);
            }
            Action::History { room, query, reference } => {
                let viewer = &self.session.identity().user;
                self.operation = Some(operation::history(&self.hub, viewer, room, query, reference));
            }
            Action::Search { query, rooms, reference } => {
                let viewer = &self.session.identity().user;
                self.operation = Some(operation::search(&self.hub, viewer, query, rooms, reference));
            }
            Action::Members { room, reference } => {
                self.operation = Some(operation::members(&self.hub, &self.mailbox, room, reference));
            }
            Action::FindMembers { room, prefix, limit, reference } => {
                self.operation = Some(operation::find_members(&self.hub, room, prefix, limit, reference));
            }
            Action::ListRooms { filter, limit, reference } => {
                self.operation = Some(operation::list(&self.hub, &self.mailbox, filter, limit, reference));
            }
            Action::Direct { pair, other, is_exempt, reference } => {
                let (hub, mailbox) = (&self.hub, &self.mailbox);
                self.operation = Some(operation::direct(hub, mailbox, pair, other, is_exempt, reference));
            }
            Action::Read { room, seq, is_member, reference } => self.read(room, seq, is_member, reference),
            Action::Inbox { query, reference } => {
                self.operation = Some(operation::inbox(&self.hub, &self.mailbox, query, reference));
            }
            Action::IfDirect { room, then, refusal } => {
                self.operation = Some(operation::if_direct(&self.hub, &self.mailbox, room, then, refusal));
            }
        }
    }

    /// Begins to leave the rooms among these in which the connection has a seat.
    fn leave(&mut self, rooms: &[RoomName], reason: LeaveReason, reference: Option<Ref>) {
        let seated: Vec<_> = rooms.iter().filter_map(|room| self.delivery.begin_leave(room)).collect();
        if !seated.is_empty() {
            self.operation = Some(operation::leave(&self.hub, &self.mailbox, seated, reason, reference));
        }
    }

    /// Submits an entry. Its completion comes through the mailbox.
    fn submit(&mut self, submission: Submission, price: PostPrice, reference: Option<Ref>) {
        let Submission { room, client_msg_id, .. } = &submission;
        let seated = self.delivery.find(room).map(|seated| &**seated);
        let (charge, audience) = match self.hub.registry.admit_post(room, seated, price) {
            Ok(admitted) => admitted,
            Err(wait) => {
                let error = Error::room_is_busy(wait).in_room(room).of_entry(client_msg_id.as_ref());
                return self.refuse(error.answering(reference));
            }
        };
        self.session.spend_deliveries(audience, price.at);
        self.in_flight += 1;
        let mailbox = self.mailbox.clone();
        let (room, client_msg_id) = (room.clone(), client_msg_id.clone());
        let done = move |result: Result<Receipt, NotStored>| {
            drop(charge);
            count(&mailbox, &result);
            // A client that gives no id gets no ack, but it gets refusals.
            let answered = client_msg_id.is_some() || result.is_err();
            let end = CompletedSubmission { room, client_msg_id, reference, result };
            mailbox.complete(answered.then_some(Completed::Submission(end)));
        };
        self.hub.registry.submit(self.mailbox.worker, submission, Box::new(done));
    }

    /// Moves the read marker of the user. Its completion comes through the mailbox.
    fn read(&mut self, room: RoomName, seq: Seq, is_member: bool, reference: Option<Ref>) {
        self.in_flight += 1;
        let (mailbox, answered) = (self.mailbox.clone(), room.clone());
        let done = move |result| {
            mailbox.complete(Some(Completed::Read { room: answered, reference, result }));
        };
        self.hub.registry.mark_read(&self.mailbox, room, seq, is_member, Box::new(done));
    }

    /// Sends the answer to a submission or a read marker.
    pub(super) fn answer_completed(&mut self, completed: Completed) {
        match completed {
            Completed::Submission(end) => self.answer_submission(end),
            Completed::Read { room, reference, result: Ok(seq) } => {
                let event = ServerEvent::Read(RoomRead { room, seq });
                self.answer(&ServerFrame { event, reference });
            }
            Completed::Read { room, reference, result: Err(Unavailable) } => {
                self.refuse(Error::unavailable().in_room(&room).answering(reference));
            }
        }
    }

    /// Sends the ack of a submission, or its refusal.
    fn answer_submission(&mut self, completed: CompletedSubmission) {
        let CompletedSubmission { room, client_msg_id, reference, result } = completed;
        match result {
            Ok(Receipt { epoch, seq, id, ts, duplicate }) => {
                let Some(client_msg_id) = client_msg_id else { return };
                let ack = Ack { room, client_msg_id, epoch, seq, id, ts, duplicate };
                self.answer(&ServerFrame { event: ServerEvent::Ack(ack), reference });
            }
            Err(cause) => {
                let error = Error::not_stored(cause, &room).of_entry(client_msg_id.as_ref());
                self.refuse(error.answering(reference));
            }
        }
    }

    /// Polls the operation, and applies its result.
    pub(super) fn poll_operation(&mut self, cx: &mut Context<'_>) {
        // A result may begin another operation.
        while self.phase == Phase::Open {
            // Taken out, so that an operation that panicked is not polled again when the connection is dropped.
            let Some(mut operation) = self.operation.take() else { return };
            let Poll::Ready(result) = operation.as_mut().poll(cx) else {
                self.operation = Some(operation);
                return;
            };
            self.apply_result(result);
        }
    }

    fn apply_result(&mut self, result: OperationResult) {
        if let Some(json) = result.json() {
            self.session.spend_answer(json.len(), Instant::now());
        }
        match result {
            OperationResult::Answer(json) => framing::text(self.socket.output(), &json),
            OperationResult::Joined(entrance, seat, json) => {
                framing::text(self.socket.output(), &json);
                self.delivery.enter(entrance, seat);
            }
            OperationResult::Rejoined { entrance, replays: true, json } => {
                framing::text(self.socket.output(), &json);
                self.delivery.reposition(&entrance);
            }
            OperationResult::Rejoined { entrance, replays: false, json } => {
                self.delivery.send_in_order(&entrance, json);
            }
            OperationResult::Direct(room, json) => {
                self.session.admit_direct(room);
                framing::text(self.socket.output(), &json);
            }
            OperationResult::IsDirect(room, then) => {
                self.session.admit_direct(room);
                self.apply(*then);
            }
            OperationResult::Refused(error) => self.refuse(error),
            OperationResult::NotJoined(room, error) => {
                self.session.forget_room(&room);
                self.refuse(error);
            }
            OperationResult::Left(left) => {
                for (room, end) in left {
                    match end {
                        Ok((until, json)) => self.delivery.finish_leave(&room, until, json),
                        Err(error) => {
                            self.delivery.drop_room(&room);
                            self.refuse(error);
                        }
                    }
                }
            }
        }
    }
}

/// Counts a submission that was stored, also after its connection has ended. Refusals are counted when they are sent.
fn count(mailbox: &Mailbox, result: &Result<Receipt, NotStored>) {
    match result {
        Ok(Receipt { duplicate: false, .. }) => mailbox.metrics.accepted.add(mailbox.worker, 1),
        Ok(Receipt { duplicate: true, .. }) => mailbox.metrics.dedup_hits.inc(),
        Err(_) => {}
    }
}
