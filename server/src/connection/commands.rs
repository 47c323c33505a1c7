//! What the session makes of a frame, carried out; and what the broker answers, taken.

use std::task::{Context, Poll};

use realtime_shared::{Ack, LeaveReason, Ref, RoomName, ServerEvent, ServerFrame};
use tokio::io::{AsyncRead, AsyncWrite};

use super::operation::Outcome;
use super::{Connection, operation};
use crate::broker::{NotStored, Receipt, Submission};
use crate::framing;
use crate::room::{Completed, Mailbox};
use crate::session::{Command, Error};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Does what the session made of a frame.
    pub(super) fn carry_out(&mut self, command: Command) {
        match command {
            Command::Nothing => {}
            Command::Drop(reason) => self.hub.metrics.dropped.inc(reason),
            Command::Answer(frame) => self.answer(&frame),
            Command::Close(code) => self.close(code),
            Command::Submit { submission, reference } => self.submit(submission, reference),
            Command::Signal { room, event, skip } => self.hub.registry.signal(&room, &event, skip),
            Command::Tell { to, event } => self.hub.registry.tell(to, &event),
            Command::Join { room, since, reference } => {
                self.operation = Some(match self.delivery.find(&room).cloned() {
                    Some(room) => operation::rejoin(&self.hub, &self.mailbox, room, since, reference),
                    None => operation::join(&self.hub, &self.mailbox, room, since, reference),
                });
            }
            Command::Leave { room, reference } => {
                self.leave(&[room], LeaveReason::Left, reference);
            }
            Command::Refreshed { answer, leave } => {
                self.answer(&answer);
                self.watch_expiry();
                self.leave(&leave, LeaveReason::Kicked, None);
            }
            Command::History { room, range, limit, reference } => {
                self.operation = Some(operation::history(&self.hub, room, range, limit, reference));
            }
            Command::Members { room, reference } => {
                self.operation = Some(operation::members(&self.hub, room, reference));
            }
            Command::ListRooms { filter, limit, reference } => {
                self.operation = Some(operation::list(&self.hub, filter, limit, reference));
            }
        }
    }

    fn leave(&mut self, rooms: &[RoomName], reason: LeaveReason, reference: Option<Ref>) {
        let seated: Vec<_> = rooms.iter().filter_map(|room| self.delivery.release(room)).collect();
        if !seated.is_empty() {
            self.operation = Some(operation::leave(&self.hub, &self.mailbox, seated, reason, reference));
        }
    }

    fn submit(&mut self, submission: Submission, reference: Option<Ref>) {
        self.in_flight += 1;
        let mailbox = self.mailbox.clone();
        let Submission { room, client_msg_id, .. } = &submission;
        let (room, client_msg_id) = (room.clone(), client_msg_id.clone());
        let done = move |result: Result<Receipt, NotStored>| {
            count(&mailbox, &result);
            // A base client gets no ack, but it gets refusals.
            let answered = client_msg_id.is_some() || result.is_err();
            mailbox.complete(answered.then_some(Completed { room, client_msg_id, reference, result }));
        };
        self.hub.registry.submit(self.mailbox.worker, submission, Box::new(done));
    }

    /// Sends the ack of a submission, or its refusal.
    pub(super) fn answer_submission(&mut self, completed: Completed) {
        let Completed { room, client_msg_id, reference, result } = completed;
        match result {
            Ok(Receipt { epoch, seq, id, ts, duplicate }) => {
                let Some(client_msg_id) = client_msg_id else { return };
                let ack = Ack { room, client_msg_id, epoch, seq, id, ts, duplicate };
                self.answer(&ServerFrame { event: ServerEvent::Ack(ack), reference });
            }
            Err(cause) => {
                let error = Error::not_stored(cause).in_room(&room).of_entry(client_msg_id.as_ref());
                self.refuse(error.answering(reference));
            }
        }
    }

    /// Takes what the broker answered.
    pub(super) fn poll_operation(&mut self, cx: &mut Context<'_>) {
        // Taken out: one that panics is not polled again when the connection is dropped.
        let Some(mut operation) = self.operation.take() else { return };
        let Poll::Ready(outcome) = operation.as_mut().poll(cx) else {
            self.operation = Some(operation);
            return;
        };
        match outcome {
            Outcome::Answer(json) => framing::text(self.socket.output(), &json),
            Outcome::Joined(entrance, seat, json) => {
                framing::text(self.socket.output(), &json);
                self.delivery.enter(entrance, seat);
            }
            Outcome::Rejoined { entrance, replays: true, json } => {
                framing::text(self.socket.output(), &json);
                self.delivery.reposition(&entrance);
            }
            Outcome::Rejoined { entrance, replays: false, json } => self.delivery.interject(&entrance, json),
            Outcome::Refused(error) => self.refuse(error),
            Outcome::NotJoined(room, error) => {
                self.session.not_joined(&room);
                self.refuse(error);
            }
            Outcome::Left(left) => {
                for (room, departure) in left {
                    match departure {
                        Ok((until, json)) => self.delivery.depart(&room, until, json),
                        Err(error) => {
                            self.delivery.forget(&room);
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
