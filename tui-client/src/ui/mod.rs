//! The view: [`view`] draws the model on a screen, one file per pane.
//!
//! It reads the model and does not change it; scroll positions are in the view's own [`ViewState`]. Remote text arrives
//! as `sanitize`'s types only. The work of a frame grows with the visible rows, never with the history.
//!
//! ```text
//!  view ─▶ a file for each pane ─▶ state, areas ─▶ marks, layout ─▶ pen ─▶ look ─▶ text
//! ```

mod areas;
mod candidates;
mod composer;
mod drag;
mod frame;
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
mod row_position;
mod rows;
mod screen_row;
mod search;
mod selection;
mod state;
mod status;
mod text;
mod themes;
mod timeline;
mod token;
mod view;

pub use frame::Frame;
pub use state::ViewState;
pub use view::view;

#[cfg(test)]
mod tests;
