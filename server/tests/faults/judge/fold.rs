//! The state of a message, folded from the log without the project's own code.

use super::Case;
use crate::history::{Entry, Folded, Kind, Name, ReactionCount};

/// State of a message after some of its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    text: Name,
    edited_ts: Option<u64>,
    deleted: bool,
    /// In the order of the first users.
    reactions: Vec<ReactionCount>,
}

impl State {
    /// The state that a page has.
    pub(super) fn of(folded: &Folded) -> Self {
        let Folded { message, edited_ts, reactions, .. } = folded;
        Self {
            text: message.text.clone(),
            edited_ts: *edited_ts,
            deleted: message.deleted,
            reactions: reactions.clone(),
        }
    }

    /// The state of a message of the log after its changes up to `rev`, with the texts that were deleted later.
    pub(super) fn at(case: &Case<'_>, message: &Entry, rev: u64) -> Self {
        let mut state =
            Self { text: case.text(message).clone(), edited_ts: None, deleted: false, reactions: Vec::new() };
        for change in case.changes_of(message).iter().take_while(|change| change.seq <= rev) {
            state.apply(case, change);
        }
        state
    }

    fn apply(&mut self, case: &Case<'_>, change: &Entry) {
        match (change.kind, &change.emoji) {
            (Kind::Edit, _) => {
                self.text = case.text(change).clone();
                self.edited_ts = Some(change.ts);
            }
            (Kind::Delete, _) => {
                *self = Self { text: "".into(), edited_ts: None, deleted: true, reactions: Vec::new() };
            }
            (Kind::Reaction, Some(emoji)) => {
                let known = self.reactions.iter_mut().find(|reaction| reaction.emoji == *emoji);
                match (known, change.removed) {
                    (Some(known), false) => known.count += 1,
                    (Some(known), true) => known.count = known.count.saturating_sub(1),
                    (None, false) => self.reactions.push(ReactionCount { emoji: emoji.clone(), count: 1 }),
                    (None, true) => {}
                }
                self.reactions.retain(|reaction| reaction.count > 0);
            }
            _ => {}
        }
    }
}
