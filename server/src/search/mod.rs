//! Search of messages by their words: the tokens of a text, and queries on them.
//!
//! A text becomes tokens ([`Words`]), and a [`Query`] asks for some of them. All engines decide by [`Query::matches`].

mod query;
mod script;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use self::query::{Phrase, Query};
pub(crate) use self::words::Words;
