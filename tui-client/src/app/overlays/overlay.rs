//! What lies over the screen: help, rooms, the palette, members, links, themes.

use realtime_shared::{RoomName, RoomSummary};

use super::picker::Picker;
use crate::app::theme::Theme;
use crate::markup::Target;
use crate::sanitize::Line;

/// What lies over the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// Keys and commands.
    Help,
    /// Rooms to go to; `switcher` has what it does.
    Rooms {
        /// What is looked for among them.
        picker: Picker,
        /// Those that the server told, and whether there are more; `None` until it does.
        listed: Option<(Vec<RoomSummary>, bool)>,
        /// What the server was asked for.
        prefix: Option<String>,
    },
    /// Commands and actions; `palette` has what it does.
    Palette(Picker),
    /// Who is in a room.
    Members {
        /// Which.
        room: RoomName,
        /// What it is called.
        title: Line,
        /// Who is there, and how many; `None` until the server tells.
        members: Option<(Vec<Line>, u64)>,
    },
    /// What goes over the wire; `inspector` has what it does.
    Inspector,
    /// Links to follow.
    Links {
        /// Where they lead, the newest first; never none.
        targets: Vec<Target>,
        /// The chosen one, from 0.
        selected: usize,
    },
    /// How the screen may look; the chosen one is what it looks like already.
    Themes {
        /// What it looked like before.
        before: Theme,
    },
}

impl Overlay {
    pub(in crate::app) const fn picker_mut(&mut self) -> Option<&mut Picker> {
        match self {
            Self::Rooms { picker, .. } | Self::Palette(picker) => Some(picker),
            Self::Help
            | Self::Inspector
            | Self::Members { .. }
            | Self::Links { .. }
            | Self::Themes { .. } => None,
        }
    }
}
