//! [`view`]: the model on a screen. One file a pane.
//!
//! It reads the model and changes nothing in it; where each pane is scrolled to is the view's own [`ViewState`]. It
//! takes remote text only as `sanitize`'s types, and writes it cell by cell. The work of a frame grows with what is
//! visible, never with the history.
//!
//! ```text
//!  view ─▶ a file for each pane ─▶ state, areas ─▶ marks, layout ─▶ pen ─▶ look ─▶ text
//! ```

mod areas;
mod candidates;
mod composer;
pub mod help;
mod hit;
pub mod hyperlink;
mod inspector;
mod layout;
mod look;
mod marks;
mod members;
mod overlay;
mod pen;
mod picker;
mod prose;
mod rooms;
mod rows;
mod search;
mod state;
mod status;
mod text;
mod themes;
mod timeline;
mod view;

pub use state::ViewState;
pub use view::view;

#[cfg(test)]
mod tests;
