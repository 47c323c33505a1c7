//! Membership: taking and giving up seats, and the leave of users without a seat.
//!
//! A connection that leaves on purpose goes through [`Registry::leave`]. A connection that ends gives its seats up
//! here, without waiting for the broker: its user leaves in a task of the registry, after the leave grace or at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::{LeaveReason, Position, UserId};

use super::mailbox::Mailbox;
use super::members::{Loss, Seat};
use super::recovery::JoinPoint;
use super::{Registry, Room};

impl Registry {
    /// Seats a connection, and cancels a leave grace of its user. Returns the seat, true if the user has to enter the
    /// room at the broker, and the join point. `None`: the ring was discarded meanwhile, which closes the connections that had a
    /// seat.
    pub(super) fn seat(
        &self,
        room: &Room,
        mailbox: &Arc<Mailbox>,
        since: Option<&Position>,
    ) -> Option<(Seat, bool, JoinPoint)> {
        let mut state = room.state.lock();
        let join_point = JoinPoint::of(&state, since)?;
        let (seat, enters, loss) = state.members.seat(mailbox);
        if let Some(loss) = loss {
            self.grace.lock().cancel(&loss);
        }
        Some((seat, enters, join_point))
    }

    /// Unseats a lost connection. Its user leaves after the leave grace, unless a connection joins before.
    pub(crate) fn lose(&self, mailbox: &Mailbox, room: &Arc<Room>, seat: Seat) {
        self.unseat(room, mailbox, seat, self.config.timing.leave_grace, LeaveReason::Disconnected);
    }

    /// Unseats a connection that was closed normally. Its user leaves, unless it has another connection in the room.
    pub(crate) fn leave_at_close(&self, mailbox: &Mailbox, room: &Arc<Room>, seat: Seat) {
        self.unseat(room, mailbox, seat, Duration::ZERO, LeaveReason::Left);
    }

    /// Unseats a connection, and begins the leave grace of a user without another seat.
    pub(super) fn unseat(
        &self,
        room: &Arc<Room>,
        mailbox: &Mailbox,
        seat: Seat,
        grace: Duration,
        reason: LeaveReason,
    ) {
        let mut state = room.state.lock();
        if !state.members.unseat(mailbox, seat) {
            return;
        }
        let loss = self.grace.lock().begin(room.clone(), mailbox.user.clone(), reason, grace);
        state.members.lose(&mailbox.user, loss);
        self.grace_begun.notify_one();
    }

    /// Ends the leave graces that are due.
    pub(super) fn end_graces(self: &Arc<Self>) {
        let now = Instant::now();
        loop {
            let ended = self.grace.lock().take_ended(now);
            let Some((loss, (room, user, reason))) = ended else { return };
            let registry = self.clone();
            // Tasks of their own: each waits for its room's turn and for the broker.
            tokio::spawn(async move { registry.end_grace(&room, &user, loss, reason).await });
        }
    }

    async fn end_grace(&self, room: &Arc<Room>, user: &UserId, loss: Loss, reason: LeaveReason) {
        let _turn = room.turn.lock().await;
        let expired = room.state.lock().members.expire(user, loss);
        if expired && let Err(error) = self.publish_leave(room, user, reason).await {
            tracing::debug!(room = %room.name, %error, "cannot publish the leave of a user");
        }
    }
}
