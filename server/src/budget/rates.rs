//! Rates of all budgets, from the configuration.

use std::time::{Duration, Instant};

use super::meter::{Moment, Rate};
use super::spending::Outbox;
use crate::config::Limits;

/// Lists of rooms a second, unless rate limits are off. A list is a long answer, and a filtered one a search.
const LISTS: u32 = 1;
/// Lists of rooms in a burst.
const LISTS_BURST: u64 = 5;
/// Searches of messages a second, unless rate limits are off.
const SEARCHES: u32 = 4;
/// Searches of messages in a burst: a client may search while a user types.
const SEARCHES_BURST: u64 = 12;
/// Read markers a second of one connection, unless rate limits are off.
const READS: u32 = 20;
/// Read markers in a burst: one for each room that a connection may be in by default.
const READS_BURST: u64 = 128;
/// Time for which a user may be ahead of the rate of messages, and of that of changes.
const MESSAGES_AHEAD_S: u64 = 2;
/// Deliveries a second that each user may cause, at any rate of messages.
const DELIVERIES: u64 = 20_000;
/// Deliveries a second for each message a second that a user may post, if that is more. In rooms up to this size the
/// rate of messages is the limit.
const DELIVERIES_PER_MESSAGE: u64 = 100;
/// Time for which a user may be ahead of the rate of deliveries.
const DELIVERIES_AHEAD: Duration = Duration::from_secs(5);
/// Time for which a user may be ahead of the rate of bytes with frames: a pasted log, or many rooms at once.
const BYTES_AHEAD: Duration = Duration::from_secs(16);
/// The same for answers: a client that starts reads the history of all its rooms.
const ANSWERS_AHEAD: Duration = Duration::from_secs(64);
/// Part of the time ahead of a shared rate that changes may use, so that messages are admitted when changes are not.
const CHANGES_PART: u32 = 2;
/// Time for which a room may be ahead of its rate. With the default rate this is less than the ring of a room.
const ROOM_AHEAD: Duration = Duration::from_secs(2);
/// Time for which a room may be ahead through users who post little.
const ROOM_AHEAD_OF_MODEST: Duration = Duration::from_secs(4);
/// Part of a room's rate up to which a user posts little.
const MODEST_PART: u64 = 32;
/// Time for which a user may be ahead of that part.
const MODEST_AHEAD: Duration = Duration::from_secs(10);

/// Rates of all budgets, and what else the budgets of users share.
pub(super) struct Rates {
    /// The moment 0 of all meters.
    pub(super) start: Instant,
    /// Posts of one connection, and the same again for its requests.
    pub(super) posts: Rate,
    /// Lists of rooms for one connection.
    pub(super) lists: Rate,
    /// Read markers of one connection.
    pub(super) reads: Rate,
    /// Searches of messages for one connection.
    pub(super) searches: Rate,
    pub(super) messages: Rate,
    pub(super) changes: Rate,
    pub(super) deliveries: Rate,
    /// The rate of deliveries, for changes.
    pub(super) deliveries_for_changes: Rate,
    pub(super) bytes: Rate,
    /// The rate of bytes, for changes.
    pub(super) bytes_for_changes: Rate,
    pub(super) share: Rate,
    pub(super) answers: Rate,
    pub(super) connects: Rate,
    pub(super) room: Rate,
    pub(super) room_for_modest: Rate,
    /// `None` if this instance is alone.
    pub(super) outbox: Option<Outbox>,
}

impl Rates {
    /// Spending is published within a second if it is at least this part of a second's budget, and later otherwise.
    pub(super) const PUBLISHED_SHARE: u64 = 32;

    pub(super) fn new(limits: &Limits, start: Instant, outbox: Option<Outbox>) -> Self {
        let budgets = &limits.budgets;
        let messages = u64::from(budgets.user_messages_per_second);
        let changes = u64::from(budgets.user_changes_per_second);
        let (bytes, room) = (budgets.user_bytes_per_second as u64, budgets.room_bytes_per_second as u64);
        let connections = limits.max_connections_per_user as u64;
        let deliveries =
            if messages == 0 { 0 } else { messages.saturating_mul(DELIVERIES_PER_MESSAGE).max(DELIVERIES) };
        // A rate of 0 would be no limit.
        let modest = if room == 0 { 0 } else { (room / MODEST_PART).max(1) };
        Self {
            start,
            posts: Rate::of_units(limits.max_messages_per_second.into(), limits.message_burst.into()),
            lists: Rate::of_units(limits.max_messages_per_second.min(LISTS).into(), LISTS_BURST),
            reads: Rate::of_units(limits.max_messages_per_second.min(READS).into(), READS_BURST),
            searches: Rate::of_units(limits.max_messages_per_second.min(SEARCHES).into(), SEARCHES_BURST),
            messages: Rate::of_units(messages, messages.saturating_mul(MESSAGES_AHEAD_S)),
            changes: Rate::of_units(changes, changes.saturating_mul(MESSAGES_AHEAD_S)),
            deliveries: Rate::of_amounts(deliveries, DELIVERIES_AHEAD),
            deliveries_for_changes: Rate::of_amounts(deliveries, DELIVERIES_AHEAD / CHANGES_PART),
            bytes: Rate::of_amounts(bytes, BYTES_AHEAD),
            bytes_for_changes: Rate::of_amounts(bytes, BYTES_AHEAD / CHANGES_PART),
            share: Rate::of_amounts(modest, MODEST_AHEAD),
            answers: Rate::of_amounts(bytes, ANSWERS_AHEAD),
            connects: Rate::of_units(u64::from(connections > 0), connections),
            room: Rate::of_amounts(room, ROOM_AHEAD),
            room_for_modest: Rate::of_amounts(room, ROOM_AHEAD_OF_MODEST),
            outbox,
        }
    }

    /// A time of the monotonic clock, as meters count it.
    pub(super) fn moment(&self, now: Instant) -> Moment {
        u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }
}
