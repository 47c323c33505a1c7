//! What lies over the screen: help, rooms, members, links.

use realtime_shared::{RoomName, RoomSummary};

use super::Model;
use crate::markup::Target;
use crate::sanitize::{self, Line};

/// What lies over the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// Keys and commands.
    Help,
    /// Rooms to go to.
    Rooms {
        /// The chosen one, from 0.
        selected: usize,
        /// Those that the server told, and whether there are more; `None` until it does.
        listed: Option<(Vec<RoomSummary>, bool)>,
        /// What the server was asked for.
        prefix: Option<String>,
    },
    /// Who is in a room.
    Members {
        /// Which.
        room: RoomName,
        /// What it is called.
        title: Line,
        /// Who is there, and how many; `None` until the server tells.
        members: Option<(Vec<Line>, u64)>,
    },
    /// Links to follow.
    Links {
        /// Where they lead, the newest first; never none.
        targets: Vec<Target>,
        /// The chosen one, from 0.
        selected: usize,
    },
}

/// A room that can be gone to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What it is called.
    pub title: Line,
    /// How many are there.
    pub member_count: u64,
    /// Whether the user has it already.
    pub is_ours: bool,
    pub(super) name: RoomName,
}

impl Model {
    /// The rooms of [`Overlay::Rooms`]: the user's own, then those that the server told.
    #[must_use]
    pub fn choices(&self) -> Vec<Choice> {
        let Some(Overlay::Rooms { listed, prefix, .. }) = &self.overlay else { return Vec::new() };
        let prefix = prefix.as_deref().unwrap_or("");
        let ours =
            self.rooms.iter().filter(|room| room.name.as_str().starts_with(prefix)).map(|room| Choice {
                title: room.pane.title.clone(),
                member_count: room.member_count,
                is_ours: true,
                name: room.name.clone(),
            });
        let told = listed
            .iter()
            .flat_map(|(rooms, _)| rooms)
            .filter(|summary| self.index_of(&summary.room).is_none())
            .map(|summary| Choice {
                title: sanitize::line(summary.room.as_str()),
                member_count: summary.member_count,
                is_ours: false,
                name: summary.room.clone(),
            });
        ours.chain(told).collect()
    }
}
