//! Lost connections: their users stay for a grace, and are said to have left when it is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::{LeaveReason, Position, UserId};

use super::mailbox::Mailbox;
use super::members::{Loss, Seat};
use super::recovery::Start;
use super::{Registry, Room};

/// How often old frames are dropped from the rooms' logs.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// Users whose last connection in a room was lost, by when they are said to have left.
#[derive(Default)]
pub(super) struct Grace {
    losses: u64,
    waiting: BTreeMap<Loss, (Arc<Room>, UserId, LeaveReason)>,
}

impl Registry {
    /// Gives a connection a seat in a room; tells whether its user was no member before, and where it starts. A grace of
    /// the user is over. `None`: the room's log is not open any more. A log that begins anew closes those who are seated.
    pub(super) fn seat(
        &self,
        room: &Room,
        mailbox: &Arc<Mailbox>,
        since: Option<&Position>,
    ) -> Option<(Seat, bool, Start)> {
        let mut state = room.state.lock();
        let start = Start::of(&state.log, since)?;
        let (seat, first, loss) = state.members.seat(mailbox);
        if let Some(loss) = loss {
            self.grace.lock().waiting.remove(&loss);
        }
        Some((seat, first, start))
    }

    /// Takes a lost connection out of a room. Its user leaves after the grace, if none comes back.
    pub(crate) fn lose(&self, mailbox: &Mailbox, room: &Arc<Room>, seat: Seat) {
        self.unseat(room, mailbox, seat, self.config.timing.leave_grace, LeaveReason::Disconnected);
    }

    /// Takes a connection that closed in order out of a room. Its user leaves, if none is left.
    pub(crate) fn part(&self, mailbox: &Mailbox, room: &Arc<Room>, seat: Seat) {
        self.unseat(room, mailbox, seat, Duration::ZERO, LeaveReason::Left);
    }

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
        let mut graces = self.grace.lock();
        graces.losses += 1;
        let loss = (Instant::now() + grace, graces.losses);
        state.members.lose(&mailbox.user, loss);
        graces.waiting.insert(loss, (room.clone(), mailbox.user.clone(), reason));
        self.grace_begun.notify_one();
    }

    /// Ends graces when they are over, and drops old frames. Runs for as long as the server.
    pub(crate) async fn keep_house(self: Arc<Self>) {
        let mut trim = tokio::time::interval(TRIM_INTERVAL);
        loop {
            let next = self.grace.lock().waiting.keys().next().map(|(when, _)| *when);
            let over = async {
                match next {
                    Some(when) => tokio::time::sleep_until(when.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => self.end_graces(),
                () = self.grace_begun.notified() => {}
                _ = trim.tick() => self.trim(),
            }
        }
    }

    fn end_graces(self: &Arc<Self>) {
        let now = Instant::now();
        loop {
            let over = {
                let mut grace = self.grace.lock();
                match grace.waiting.first_entry() {
                    Some(first) if first.key().0 <= now => Some(first.remove_entry()),
                    _ => None,
                }
            };
            let Some((loss, (room, user, reason))) = over else { return };
            let registry = self.clone();
            // Each waits for its room's turn and for the broker, and none for another.
            tokio::spawn(async move { registry.end_grace(&room, &user, loss, reason).await });
        }
    }

    async fn end_grace(&self, room: &Arc<Room>, user: &UserId, loss: Loss, reason: LeaveReason) {
        let _turn = room.turn.lock().await;
        let expired = room.state.lock().members.expire(user, loss);
        if expired && let Err(error) = self.tell_left(room, user, reason).await {
            tracing::debug!(room = %room.name, %error, "cannot say now that a user has left");
        }
    }
}
