//! Writes for one user: direct rooms and read markers. The writer collects them for a moment and stores them in a commit of
//! their own.

use realtime_shared::{DirectPair, RoomName, Seq, Timestamp, UserId};
use rusqlite::Result;
use tokio::sync::oneshot;

use super::founding_rule::FoundingRule;
use super::inbox::first_marker;
use crate::broker::read_marker::ReadMarker;
use crate::broker::{Feed, NotStored, ReadCompletion, ReadMark, Unavailable};
use crate::store::{Batch, StoreWriter};

/// A write for one user.
pub(super) enum PersonalWrite {
    Direct {
        pair: DirectPair,
        asker: UserId,
        is_exempt: bool,
        /// Dropped if the store is unavailable.
        done: oneshot::Sender<std::result::Result<(), NotStored>>,
    },
    Joined {
        room: RoomName,
        user: UserId,
        head: Seq,
    },
    Left {
        room: RoomName,
        user: UserId,
    },
    Read {
        mark: ReadMark,
        done: ReadCompletion,
    },
    /// Completes when all writes before it are stored.
    Barrier {
        done: oneshot::Sender<()>,
    },
}

/// The outcome of a write in a batch.
pub(super) enum PersonalOutcome {
    Direct(std::result::Result<(), NotStored>),
    /// The marker, and true if it has moved.
    Read(Seq, bool),
    Silent,
}

impl PersonalWrite {
    /// Returns true if the writer has to store it at once.
    pub(super) fn is_urgent(&self) -> bool {
        matches!(self, Self::Direct { .. } | Self::Barrier { .. })
    }

    /// Returns true if nobody waits for the write.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self, Self::Joined { .. } | Self::Left { .. })
    }

    /// Adds the write to a batch.
    pub(super) fn apply(
        &self,
        batch: &Batch<'_>,
        founding: &mut FoundingRule,
        now: Timestamp,
    ) -> Result<PersonalOutcome> {
        Ok(match self {
            Self::Direct { pair, asker, is_exempt, .. } => {
                PersonalOutcome::Direct(open_direct(batch, founding, pair, asker, *is_exempt, now)?)
            }
            Self::Joined { room, user, head } => {
                if let Some((row, newest)) = batch.view().room(room)? {
                    batch.add_marker(row.id, user, first_marker(room, (*head).min(newest.seq)))?;
                }
                PersonalOutcome::Silent
            }
            Self::Left { room, user } => {
                if let Some((row, _)) = batch.view().room(room)? {
                    batch.leave_marker(row.id, user)?;
                }
                PersonalOutcome::Silent
            }
            Self::Barrier { .. } => PersonalOutcome::Silent,
            Self::Read { mark, .. } => {
                let (seq, has_moved) = mark_read(batch, mark)?;
                PersonalOutcome::Read(seq, has_moved)
            }
        })
    }

    /// Completes the write as unavailable.
    pub(super) fn refuse(self) {
        if let Self::Read { done, .. } = self {
            done(Err(Unavailable));
        }
    }

    /// Completes the write after its commit.
    pub(super) fn complete(self, outcome: PersonalOutcome, feed: Option<&dyn Feed>) {
        match (self, outcome) {
            (Self::Direct { done, .. }, PersonalOutcome::Direct(opened)) => {
                // The caller may have gone.
                let _ = done.send(opened);
            }
            (Self::Read { mark, done }, PersonalOutcome::Read(seq, has_moved)) => {
                if let (true, Some(feed)) = (has_moved, feed) {
                    let (to, json) = mark.announcement(seq);
                    feed.broadcast(&to, &json);
                }
                done(Ok(seq));
            }
            (Self::Barrier { done }, _) => {
                let _ = done.send(());
            }
            _ => {}
        }
    }
}

/// Begins a batch that holds all these writes.
pub(super) fn fill<'a>(
    store: &'a StoreWriter,
    founding: &mut FoundingRule,
    writes: &[PersonalWrite],
    now: Timestamp,
) -> Result<(Batch<'a>, Vec<PersonalOutcome>)> {
    let batch = store.begin()?;
    let outcomes = writes.iter().map(|write| write.apply(&batch, founding, now)).collect::<Result<_>>()?;
    Ok((batch, outcomes))
}

fn open_direct(
    batch: &Batch<'_>,
    founding: &mut FoundingRule,
    pair: &DirectPair,
    asker: &UserId,
    is_exempt: bool,
    now: Timestamp,
) -> Result<std::result::Result<(), NotStored>> {
    if batch.view().direct_pair(&pair.room())?.is_some() {
        return Ok(Ok(()));
    }
    if let Some(refusal) = founding.apply(batch, asker, is_exempt, now)? {
        return Ok(Err(refusal));
    }
    batch.add_direct(pair)?;
    Ok(Ok(()))
}

/// Moves a read marker. Returns it, and true if it has moved.
fn mark_read(batch: &Batch<'_>, mark: &ReadMark) -> Result<(Seq, bool)> {
    let Some((row, head)) = batch.view().room(&mark.room)? else { return Ok((Seq::ZERO, false)) };
    let before = batch.view().marker(row.id, &mark.user)?.map(ReadMarker::from);
    let seq = before.map_or(Seq::ZERO, |before| before.seq);
    let Some(after) = mark.applied_to(before, head.seq) else { return Ok((seq, false)) };
    batch.set_marker(row.id, &mark.user, after.into())?;
    Ok((after.seq, after.seq > seq))
}
