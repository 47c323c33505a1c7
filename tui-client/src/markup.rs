//! What a text means: emphasis, code, quotes and links, found in what [`sanitize`](crate::sanitize) let through.
//!
//! It is a small markdown, the part of it that people type in a chat:
//!
//! | typed | shown |
//! | --- | --- |
//! | `**bold**`, `*italic*`, `_italic_` | without the marks |
//! | `` `code` ``, also with more backticks | its text, exactly |
//! | a line of three backticks, lines, another one | a block of code, exactly; what follows the first three is its title |
//! | `> text` | a quote, a line long |
//! | `https://…`, `http://…`, `mailto:…` | a link |
//!
//! What comes out holds:
//! - it borrows from the text: a mark is left out where it has its counterpart in the same line, and nothing else is.
//!   What is not closed stays as it was typed, and so do `snake_case`, `2*3*4`, `src/*` and a mark after a backslash;
//! - a span begins and ends between two graphemes of the text;
//! - a link shows where it goes. `[text](address)` is no mark: it would not.
//!
//! The work is linear in the text. Nothing is kept: who draws a message parses it. A new mark: a variant of `Mark` in
//! `inline` and an arm where the line is read, or a variant of [`Part`] for what takes whole lines.

mod address;
mod find;
mod inline;
mod mention;
mod parse;
mod span;

pub use address::Target;
pub use find::Pattern;
pub use mention::mentions;
pub use parse::{Markup, write_action};
pub use span::{Kind, Part, Span, end, graphemes};

#[cfg(test)]
pub(crate) mod tests;
