//! State of the overlays: help, rooms, palette, members, inspector, links, themes.

use realtime_shared::{RoomName, RoomSummary};

use super::picker::Picker;
use super::token_prompt::TokenPrompt;
use crate::app::composing::query::Query;
use crate::app::theme::Theme;
use crate::lookalike;
use crate::markup::Target;
use crate::sanitize::Line;

/// A member in the list of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMember {
    pub nick: Line,
    /// The reason why the name is marked as doubtful.
    pub doubt: Option<Line>,
}

impl ListedMember {
    pub(in crate::app) fn all(names: Vec<Line>, me: Option<&Line>) -> Vec<Self> {
        let doubts = lookalike::reasons(&names, me);
        names.into_iter().zip(doubts).map(|(nick, doubt)| Self { nick, doubt }).collect()
    }
}

/// The overlay that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// Keys, commands and signs that match the query, see `help`.
    Help(Query),
    /// The room switcher, see `switcher`.
    Rooms {
        picker: Picker,
        /// Rooms that the server listed, and true if it has more; `None` until the answer arrives.
        listed: Option<(Vec<RoomSummary>, bool)>,
        /// Prefix of the rooms that were requested from the server.
        prefix: Option<String>,
    },
    /// Commands and actions, see `palette`.
    Palette(Picker),
    /// Members of a room.
    Members {
        room: RoomName,
        /// Name of the room, safe to show.
        title: Line,
        /// Names and the member count; `None` until the answer arrives.
        members: Option<(Vec<ListedMember>, u64)>,
    },
    /// Frames and the connection, see `inspector`.
    Inspector,
    Links {
        /// The newest first; never empty.
        targets: Vec<Target>,
        /// Index of the selected link.
        selected: usize,
    },
    /// The prompt for a new token.
    Token(TokenPrompt),
    /// Themes. The selected one is applied at once.
    Themes {
        /// Theme before the list was opened.
        before: Theme,
    },
}

impl Overlay {
    pub(in crate::app) const fn picker_mut(&mut self) -> Option<&mut Picker> {
        match self {
            Self::Rooms { picker, .. } | Self::Palette(picker) => Some(picker),
            Self::Help(_)
            | Self::Inspector
            | Self::Members { .. }
            | Self::Links { .. }
            | Self::Token(_)
            | Self::Themes { .. } => None,
        }
    }
}
