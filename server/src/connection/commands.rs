//! What the session makes of a frame, carried out; and what the broker answers, taken.

use std::task::{Context, Poll};

use realtime_shared::{Ack, ErrorCode, LeaveReason, Ref, RoomName, ServerEvent, ServerFrame, codec};
use tokio::io::{AsyncRead, AsyncWrite};

use super::operation::Outcome;
use super::{Connection, operation};
use crate::broker::{Receipt, Submission, Unavailable};
use crate::framing;
use crate::room::Mailbox;
use crate::session::{Command, Error};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Does what the session made of a frame.
    pub(super) fn carry_out(&mut self, command: Command) {
        match command {
            Command::Nothing => {}
            Command::Drop(reason) => self.hub.metrics.dropped.inc(reason),
            Command::Answer(frame) => self.answer(&frame),
            Command::Close(code) => self.close(code),
            Command::Post { submission, reference } => self.submit(submission, reference),
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
        let (room, client_msg_id) = (submission.post.room.clone(), submission.post.client_msg_id.clone());
        let done = move |result: Result<Receipt, Unavailable>| {
            count(&mailbox, &result);
            let answer = match (result, client_msg_id) {
                (Ok(_), None) => None,
                (Ok(receipt), Some(client_msg_id)) => {
                    let Receipt { epoch, seq, id, ts, duplicate } = receipt;
                    let ack = Ack { room, client_msg_id, epoch, seq, id, ts, duplicate };
                    Some(ServerFrame { event: ServerEvent::Ack(ack), reference })
                }
                (Err(Unavailable), client_msg_id) => {
                    let error = Error::unavailable().in_room(&room).of_message(client_msg_id.as_ref());
                    Some(error.answering(reference).into_frame())
                }
            };
            mailbox.complete(answer.map(|frame| codec::encode_frame(&frame)).as_deref());
        };
        self.hub.registry.submit(self.mailbox.worker, submission, Box::new(done));
    }

    /// Takes what the broker answered.
    pub(super) fn poll_operation(&mut self, cx: &mut Context<'_>) {
        let Some(operation) = &mut self.operation else { return };
        let Poll::Ready(outcome) = operation.as_mut().poll(cx) else { return };
        self.operation = None;
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
            Outcome::NotJoined(room, json) => {
                self.session.not_joined(&room);
                framing::text(self.socket.output(), &json);
            }
            Outcome::Left(left) => {
                for (room, departure) in left {
                    match departure {
                        Ok((until, json)) => self.delivery.depart(&room, until, json),
                        Err(json) => {
                            self.delivery.forget(&room);
                            framing::text(self.socket.output(), &json);
                        }
                    }
                }
            }
        }
    }
}

/// Counts what became of a submission.
fn count(mailbox: &Mailbox, result: &Result<Receipt, Unavailable>) {
    let metrics = &mailbox.metrics;
    match result {
        Ok(Receipt { duplicate: false, .. }) => metrics.accepted.add(mailbox.worker, 1),
        Ok(Receipt { duplicate: true, .. }) => metrics.dedup_hits.inc(),
        Err(Unavailable) => metrics.refusals.inc(ErrorCode::Unavailable),
    }
}
