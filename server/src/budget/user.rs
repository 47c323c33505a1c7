//! Budget of one user: what all connections of the user have spent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use realtime_shared::UserId;

use super::meter::{Meter, Moment, NANOS, Rate};
use super::rates::Rates;
use super::spending::Spending;

/// First wait after a connection was closed for too many requests, in seconds.
const FIRST_BLOCK: u64 = 1;
/// Longest of these waits.
const LONGEST_BLOCK: u64 = 60;
/// Time after the end of a wait in which the next offence doubles it.
const OFFENCE_MEMORY: u64 = 5 * 60 * NANOS;

/// Budget of a user. Its connections share it, and spend from any thread.
pub(crate) struct UserBudget {
    user: UserId,
    rates: Arc<Rates>,
    meters: Meters,
    block: Block,
    /// `None` if this instance is alone.
    unpublished: Option<Box<Unpublished>>,
}

/// One meter for each rate of a user.
#[derive(Default)]
struct Meters {
    messages: Meter,
    changes: Meter,
    typing: Meter,
    /// Copies of entries and typing frames for members.
    deliveries: Meter,
    /// Frames of the user.
    bytes: Meter,
    /// Posted bytes within the share of a room that is kept for users who post little.
    share: Meter,
    /// Answers to the user's requests for data.
    answers: Meter,
    connects: Meter,
}

/// The last wait of a user whose connections were closed for too many requests; 0 for a user without offences.
///
/// The bits of [`Block::SECONDS`] have its length in seconds, the others its end. So the end is exact up to 64 ns.
#[derive(Default)]
struct Block(AtomicU64);

/// Spending that the other instances do not know yet. Counters stop at their maximum.
#[derive(Default)]
struct Unpublished {
    messages: AtomicU32,
    changes: AtomicU32,
    deliveries: AtomicU32,
    bytes: AtomicU32,
    answers: AtomicU32,
    connects: AtomicU32,
    offences: AtomicU32,
    /// The user is in the list of those with unpublished spending.
    listed: AtomicBool,
}

/// Price of a post to its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PostPrice {
    pub(crate) bytes: u64,
    /// Time of the post.
    pub(crate) at: Instant,
    /// The user posts so little that the reserved share of the room is open to it.
    pub(crate) is_modest: bool,
}

impl UserBudget {
    pub(super) fn new(user: UserId, rates: Arc<Rates>) -> Arc<Self> {
        Arc::new(Self {
            user,
            unpublished: rates.outbox.is_some().then(Box::default),
            rates,
            meters: Meters::default(),
            block: Block::default(),
        })
    }

    pub(super) fn user(&self) -> &UserId {
        &self.user
    }

    pub(super) fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Spends the bytes of a frame that is processed, or returns the time until the user may send one.
    pub(crate) fn take_frame(&self, bytes: usize, now: Instant) -> Result<(), Duration> {
        self.take_bytes(self.rates.bytes, bytes, self.rates.moment(now))
    }

    fn take_bytes(&self, rate: Rate, bytes: usize, moment: Moment) -> Result<(), Duration> {
        self.meters.bytes.take(rate, bytes as u64, moment)?;
        self.publish(|unpublished| &unpublished.bytes, bytes, rate);
        Ok(())
    }

    /// Spends the bytes of a frame that cannot be refused for its price.
    pub(crate) fn spend_frame(&self, bytes: usize, now: Instant) {
        let rate = self.rates.bytes;
        self.meters.bytes.spend(rate, bytes as u64, self.rates.moment(now));
        self.publish(|unpublished| &unpublished.bytes, bytes, rate);
    }

    /// Spends a message in a frame of so many bytes, or returns the time until the user may post one. The caller spends
    /// the deliveries.
    pub(crate) fn take_post(&self, bytes: usize, now: Instant) -> Result<PostPrice, Duration> {
        let (rates, moment) = (&self.rates, self.rates.moment(now));
        self.wait_for_deliveries(rates.deliveries, moment)?;
        self.take_bytes(rates.bytes, bytes, moment)?;
        self.meters.messages.take(rates.messages, 1, moment)?;
        self.publish(|unpublished| &unpublished.messages, 1, rates.messages);
        Ok(self.price(bytes, now))
    }

    /// Spends a change in a frame of so many bytes, or returns the time until the user may post one. The caller spends
    /// the deliveries. Changes share the rates of bytes and deliveries with messages, but are refused earlier.
    pub(crate) fn take_change(&self, bytes: usize, now: Instant) -> Result<PostPrice, Duration> {
        let (rates, moment) = (&self.rates, self.rates.moment(now));
        self.wait_for_deliveries(rates.deliveries_for_changes, moment)?;
        // A change that is refused for their number pays no bytes.
        self.meters.changes.take(rates.changes, 1, moment)?;
        self.publish(|unpublished| &unpublished.changes, 1, rates.changes);
        self.take_bytes(rates.bytes_for_changes, bytes, moment)?;
        Ok(self.price(bytes, now))
    }

    /// The price of an admitted entry to its room.
    fn price(&self, bytes: usize, now: Instant) -> PostPrice {
        let bytes = bytes as u64;
        let is_modest = self.meters.share.take(self.rates.share, bytes, self.rates.moment(now)).is_ok();
        PostPrice { bytes, at: now, is_modest }
    }

    /// Spends a typing frame that members will receive, or returns the time until the user may send one. The rate is
    /// that of messages, for each instance alone. The caller spends the deliveries.
    pub(crate) fn take_typing(&self, now: Instant) -> Result<(), Duration> {
        let moment = self.rates.moment(now);
        self.wait_for_deliveries(self.rates.deliveries, moment)?;
        self.meters.typing.take(self.rates.messages, 1, moment)
    }

    /// Spends the deliveries of an entry or typing frame. They are known after it was admitted, so a large room delays
    /// the next ones.
    pub(crate) fn spend_deliveries(&self, count: usize, now: Instant) {
        let rate = self.rates.deliveries;
        if rate.per_second == 0 {
            return;
        }
        self.meters.deliveries.spend(rate, count as u64, self.rates.moment(now));
        self.publish(|unpublished| &unpublished.deliveries, count, rate);
    }

    /// Fails with the time until the user may cause deliveries.
    fn wait_for_deliveries(&self, rate: Rate, moment: Moment) -> Result<(), Duration> {
        self.meters.deliveries.wait(rate, moment).map_or(Ok(()), Err)
    }

    /// Time until the user may request data; `None` if it may now.
    pub(crate) fn wait_for_answers(&self, now: Instant) -> Option<Duration> {
        self.meters.answers.wait(self.rates.answers, self.rates.moment(now))
    }

    /// Spends the bytes of an answer.
    pub(crate) fn spend_answer(&self, bytes: usize, now: Instant) {
        let rate = self.rates.answers;
        self.meters.answers.spend(rate, bytes as u64, self.rates.moment(now));
        self.publish(|unpublished| &unpublished.answers, bytes, rate);
    }

    /// Spends a connect, or returns the time until the user may connect.
    pub(crate) fn take_connect(&self, now: Instant) -> Result<(), Duration> {
        let (rate, moment) = (self.rates.connects, self.rates.moment(now));
        if let Some(wait) = self.block.wait(moment) {
            return Err(wait);
        }
        self.meters.connects.take(rate, 1, moment)?;
        self.publish(|unpublished| &unpublished.connects, 1, rate);
        Ok(())
    }

    /// Records that a connection was closed for too many requests. New connections are refused for a while, which
    /// doubles with each repetition.
    pub(crate) fn offend(&self, now: Instant) {
        if self.block.extend(self.rates.moment(now)) {
            self.publish(|unpublished| &unpublished.offences, 1, Rate::of_units(1, 1));
        }
    }

    /// Takes over what was spent on another instance.
    pub(super) fn spend_elsewhere(&self, spending: &Spending, now: Instant) {
        let (rates, moment) = (&self.rates, self.rates.moment(now));
        self.meters.messages.spend(rates.messages, spending.messages.into(), moment);
        self.meters.changes.spend(rates.changes, spending.changes.into(), moment);
        self.meters.deliveries.spend(rates.deliveries, spending.deliveries.into(), moment);
        self.meters.bytes.spend(rates.bytes, spending.bytes.into(), moment);
        self.meters.answers.spend(rates.answers, spending.answers.into(), moment);
        self.meters.connects.spend(rates.connects, spending.connects.into(), moment);
        if spending.offences > 0 {
            self.block.extend(moment);
        }
    }

    /// True if nothing distinguishes the user from one who was never here.
    pub(super) fn is_clear(&self, now: Instant) -> bool {
        let Meters { messages, changes, typing, deliveries, bytes, share, answers, connects } = &self.meters;
        let moment = self.rates.moment(now);
        [messages, changes, typing, deliveries, bytes, share, answers, connects]
            .into_iter()
            .all(|meter| meter.is_clear(moment))
            && !self
                .unpublished
                .as_ref()
                .is_some_and(|unpublished| unpublished.listed.load(Ordering::Relaxed))
            && self.block.is_forgotten(moment)
    }

    /// Takes what the other instances do not know. With `all`, also amounts that hardly matter.
    pub(super) fn take_unpublished(&self, all: bool) -> Option<Spending> {
        let unpublished = self.unpublished.as_deref()?;
        let Unpublished { messages, changes, deliveries, bytes, answers, connects, offences, listed } =
            unpublished;
        let rates = &self.rates;
        let matters = |counter: &AtomicU32, rate: Rate| {
            u64::from(counter.load(Ordering::Relaxed)) * Rates::PUBLISHED_SHARE >= rate.per_second.max(1)
        };
        let due = matters(messages, rates.messages)
            || matters(changes, rates.changes)
            || matters(deliveries, rates.deliveries)
            || matters(bytes, rates.bytes)
            || matters(answers, rates.answers)
            || connects.load(Ordering::Relaxed) + offences.load(Ordering::Relaxed) > 0;
        if !due && !all {
            return None;
        }
        // Spending after this line lists the user again.
        listed.store(false, Ordering::Release);
        Some(unpublished.take())
    }

    /// Takes what the other instances do not know. The user stays in the list of those with unpublished spending.
    pub(super) fn take_due(&self) -> Option<Spending> {
        self.unpublished.as_deref().map(Unpublished::take)
    }

    /// Records spending for the other instances, if there are any.
    fn publish(&self, counter: fn(&Unpublished) -> &AtomicU32, amount: usize, rate: Rate) {
        let (Some(outbox), Some(unpublished)) = (&self.rates.outbox, &self.unpublished) else { return };
        if rate.per_second == 0 {
            return;
        }
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        let added = |sum: u32| Some(sum.saturating_add(amount));
        let counter = counter(unpublished);
        let before = counter.fetch_update(Ordering::AcqRel, Ordering::Relaxed, added).unwrap_or(u32::MAX);
        if !unpublished.listed.swap(true, Ordering::AcqRel) {
            outbox.list(self.user.clone());
        }
        // What is worth a second is published soon: the excess of a user is at most a second for each instance.
        if u64::from(before) < rate.per_second && u64::from(before) + u64::from(amount) >= rate.per_second {
            outbox.is_due(self.user.clone());
        }
    }
}

impl Unpublished {
    fn take(&self) -> Spending {
        let Self { messages, changes, deliveries, bytes, answers, connects, offences, listed: _ } = self;
        let take = |counter: &AtomicU32| counter.swap(0, Ordering::AcqRel);
        Spending {
            messages: take(messages),
            changes: take(changes),
            deliveries: take(deliveries),
            bytes: take(bytes),
            answers: take(answers),
            connects: take(connects),
            offences: take(offences),
        }
    }
}

#[cfg(test)]
impl UserBudget {
    /// Messages that the other instances do not know.
    pub(super) fn unpublished_messages(&self) -> u32 {
        self.unpublished.as_ref().map_or(0, |unpublished| unpublished.messages.load(Ordering::Relaxed))
    }
}

impl Block {
    const SECONDS: u64 = 63;

    /// Time until the end of a wait that runs.
    fn wait(&self, now: Moment) -> Option<Duration> {
        let end = self.0.load(Ordering::Relaxed) & !Self::SECONDS;
        (end > now).then(|| Duration::from_nanos(end - now))
    }

    /// Begins a wait, unless one runs. A wait that begins soon after another is twice as long.
    fn extend(&self, now: Moment) -> bool {
        let extended = |last: u64| {
            let twice = if is_forgotten(last, now) { 0 } else { (last & Self::SECONDS) * 2 };
            let seconds = twice.clamp(FIRST_BLOCK, LONGEST_BLOCK);
            let end = now.saturating_add(seconds * NANOS);
            ((last & !Self::SECONDS) <= now).then_some((end & !Self::SECONDS) | seconds)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, extended).is_ok()
    }

    fn is_forgotten(&self, now: Moment) -> bool {
        is_forgotten(self.0.load(Ordering::Relaxed), now)
    }
}

/// True if the wait of a [`Block`] ended so long ago that the next one is short.
fn is_forgotten(last: u64, now: Moment) -> bool {
    last == 0 || now.saturating_sub(last & !Block::SECONDS) > OFFENCE_MEMORY
}
