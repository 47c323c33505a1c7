//! Markup of a message text: emphasis, code, quotes and links in text that [`sanitize`](crate::sanitize) has cleaned.
//!
//! The syntax is the part of Markdown that people type in a chat:
//!
//! | typed | shown |
//! | --- | --- |
//! | `**bold**`, `*italic*`, `_italic_` | without the marks |
//! | `` `code` ``, also with more backticks | its text, exactly |
//! | a line of three backticks, lines, another one | a block of code, unchanged; text behind the first three is its title |
//! | `> text` | a quote, a line long |
//! | `https://…`, `http://…`, `mailto:…` | a link |
//!
//! Invariants:
//! - Spans borrow from the text. A mark is removed if its counterpart is in the same line; everything else stays.
//!   Unclosed marks stay, and so do `snake_case`, `2*3*4`, `src/*` and a mark after a backslash.
//! - A span begins and ends between two graphemes of the text.
//! - A link shows its address. `[text](address)` is not supported, as it would hide the address.
//!
//! The work is linear in the text. Nothing is cached: each drawing of a message parses it. To add a mark, add a variant of
//! `EmphasisMark` in `inline` and read it there, or a variant of [`Part`] for a mark of whole lines.

mod address;
mod find;
mod inline;
mod mention;
mod parse;
mod span;

pub use address::Target;
pub use find::Pattern;
pub use mention::{MentionPattern, find_unknown_name};
pub use parse::{Markup, write_action};
pub use span::{Part, Span, SpanKind, end, graphemes};

#[cfg(test)]
pub(crate) mod tests;
