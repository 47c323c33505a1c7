//! State of the view between frames: scroll positions, areas for the mouse, the selection.

use std::collections::HashMap;

use super::areas::{Areas, Selection};
use super::look::Look;
use crate::app::timeline::ItemKey;
use crate::app::{Input, Model, Scroll, Theme, ViewJump, Viewed};
use crate::terminal::{Capabilities, Ground};

/// What the view keeps from one frame to the next.
#[derive(Debug)]
pub struct ViewState {
    pub(super) capabilities: Capabilities,
    /// That of the model's theme, in this frame.
    pub(super) look: Look,
    /// Whether the terminal follows links.
    pub(super) has_links: bool,
    /// The last row of each pane that is scrolled back: a row of an item, from the item's first.
    pub(super) anchors: HashMap<u32, Anchor>,
    /// Where each pane was when a search began there; `None`: at the end.
    pub(super) marks: HashMap<u32, Option<Anchor>>,
    /// Where panes go when they are drawn next, in this order.
    pub(super) moves: Vec<(u32, Move)>,
    pub(super) overlay_row: usize,
    /// Where what lies over the screen goes when it is drawn next, in this order.
    pub(super) overlay_scrolls: Vec<Scroll>,
    pub(super) areas: Areas,
    pub(super) selection: Option<Selection>,
    /// The text of the selection, as it was drawn last.
    pub(super) selected: String,
    /// Of the pane that was drawn last.
    pub(super) viewed: Option<Viewed>,
}

/// The last visible row: the item, and which of its rows, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) key: ItemKey,
    pub(super) row: usize,
}

/// Where a timeline goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Scroll(Scroll),
    See(ViewJump),
}

impl ViewState {
    /// A view that is scrolled to the end everywhere, on a terminal with these capabilities.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            look: Look::new(Theme::default(), capabilities),
            has_links: false,
            anchors: HashMap::new(),
            marks: HashMap::new(),
            moves: Vec::new(),
            overlay_row: 0,
            overlay_scrolls: Vec::new(),
            areas: Areas::default(),
            selection: None,
            selected: String::new(),
            viewed: None,
        }
    }

    /// What the terminal can show.
    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// What the terminal says of its background; `None` leaves what was taken for it.
    pub fn set_ground(&mut self, ground: Option<Ground>) {
        self.capabilities.ground = ground.or(self.capabilities.ground);
    }

    /// A view for a terminal that follows links, or that does not.
    #[must_use]
    pub fn with_links(self, has_links: bool) -> Self {
        Self { has_links, ..self }
    }

    /// Moves what lies over the screen, or else the timeline, when it is drawn next.
    pub fn scroll(&mut self, model: &Model, scroll: Scroll) {
        self.selection = None;
        if model.overlay.is_some() {
            self.overlay_scrolls.push(scroll);
        } else {
            self.moves.push((model.pane().id, Move::Scroll(scroll)));
        }
    }

    /// Goes where a search leads, when the timeline that is shown is drawn next.
    pub fn see(&mut self, model: &Model, sight: ViewJump) {
        self.selection = None;
        self.moves.push((model.pane().id, Move::See(sight)));
    }

    /// What the last frame showed, for the app to load what is missing above.
    #[must_use]
    pub fn viewed(&self) -> Option<Input> {
        self.viewed.map(Input::Viewed)
    }
}
