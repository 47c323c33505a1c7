//! State of the view between frames: scroll positions, areas for the mouse, the selection.

use std::collections::{HashMap, HashSet};

use super::areas::Areas;
use super::look::Look;
use super::selection::Selection;
use crate::app::timeline::ItemKey;
use crate::app::{Input, Model, Ruler, Scroll, Theme, ViewJump, Viewed};
use crate::markup::Target;
use crate::terminal::{Capabilities, Ground};

/// State of the view between frames.
#[derive(Debug)]
pub struct ViewState {
    pub(super) capabilities: Capabilities,
    /// Look of the model's theme in this frame.
    pub(super) look: Look,
    /// The terminal supports hyperlinks.
    pub(super) has_links: bool,
    /// For each pane that is scrolled back, its last visible row.
    pub(super) anchors: HashMap<u32, Anchor>,
    /// For each pane, its position when a search began; `None`: at the end.
    pub(super) marks: HashMap<u32, Option<Anchor>>,
    /// For each pane, the long messages that the user opened.
    pub(super) unfolded: HashMap<u32, HashSet<ItemKey>>,
    /// For each pane with a ruler, how it was opened.
    pub(super) openings: HashMap<u32, Opening>,
    /// The pane of the last frame.
    pub(super) shown: Option<u32>,
    /// Moves of panes for the next frame, in order.
    pub(super) moves: Vec<(u32, Move)>,
    pub(super) overlay_row: usize,
    /// Scrolls of the overlay for the next frame, in order.
    pub(super) overlay_scrolls: Vec<Scroll>,
    pub(super) areas: Areas,
    pub(super) selection: Option<Selection>,
    /// Link at which the button was pressed, until the pointer moves.
    pub(super) pressed_link: Option<Target>,
    /// Rows of the timeline are above and below the screen.
    pub(super) can_scroll: (bool, bool),
    /// Offset at which a step between rows put the cursor, and the column that it keeps.
    pub(super) row_step: Option<(usize, usize)>,
    /// Visible part of the pane in the last frame.
    pub(super) viewed: Option<Viewed>,
}

/// Last visible row: the item, and the index of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) key: ItemKey,
    pub(super) row: usize,
}

/// The opening of a pane at its ruler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) ruler: Ruler,
    /// The item below the ruler.
    pub(super) first: ItemKey,
    /// The user has moved the view since.
    pub(super) is_over: bool,
}

/// A move of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Scroll(Scroll),
    See(ViewJump),
    /// Opens or folds this long message.
    Fold(ItemKey),
}

impl ViewState {
    /// A view with every pane at its end, for a terminal with these capabilities.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            look: Look::new(Theme::default(), capabilities),
            has_links: false,
            anchors: HashMap::new(),
            marks: HashMap::new(),
            unfolded: HashMap::new(),
            openings: HashMap::new(),
            shown: None,
            moves: Vec::new(),
            overlay_row: 0,
            overlay_scrolls: Vec::new(),
            areas: Areas::default(),
            selection: None,
            pressed_link: None,
            can_scroll: (false, false),
            row_step: None,
            viewed: None,
        }
    }

    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Sets the background that the terminal reported; `None` leaves it as assumed.
    pub fn set_ground(&mut self, ground: Option<Ground>) {
        self.capabilities.ground = ground.or(self.capabilities.ground);
    }

    /// The same view with or without hyperlinks.
    #[must_use]
    pub fn with_links(self, has_links: bool) -> Self {
        Self { has_links, ..self }
    }

    /// Scrolls the overlay, or else the timeline, in the next frame.
    pub fn scroll(&mut self, model: &Model, scroll: Scroll) {
        self.scroll_under_pointer();
        if model.overlay.is_some() {
            self.overlay_scrolls.push(scroll);
        } else {
            self.moves.push((model.pane().id, Move::Scroll(scroll)));
        }
    }

    /// Moves the visible timeline in the next frame.
    pub fn see(&mut self, model: &Model, sight: ViewJump) {
        self.moves.push((model.pane().id, Move::See(sight)));
    }

    /// Visible part of the last frame, from which the app loads missing messages.
    #[must_use]
    pub fn viewed(&self) -> Option<Input> {
        self.viewed.map(Input::Viewed)
    }
}
