//! Tokens of the client: the one in use, one that the program gave, and those that the server refused.

use std::collections::VecDeque;
use std::fmt;

use realtime_shared::Timestamp;

use super::claims::TokenClaims;

/// Number of refused tokens that are not tried again without a command of the program.
const REFUSED: usize = 4;

/// A token for [`Command::UseToken`](crate::Command::UseToken). The `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Removes white space around the token.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(token.trim().to_owned())
    }

    /// Reads its claims; `None` if it is not a JWT.
    #[must_use]
    pub fn claims(&self) -> Option<TokenClaims> {
        TokenClaims::of(&self.0)
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The answer of the token source.
#[derive(PartialEq, Eq)]
pub(super) enum SourceAnswer {
    /// A token other than the current one, and not a refused one.
    Another(String),
    /// No other token, now or for ever.
    Same { is_fixed: bool },
    /// The source failed; contains the reason.
    Failed(String),
    /// The source was not asked: the token is far from its end.
    NotNeeded,
}

/// The tokens that the task knows.
#[derive(Default)]
pub(super) struct Tokens {
    /// The token that the program gave. It replaces the source until the server refuses it, or accepts another one.
    given: Option<String>,
    /// The token of the connection, or of the last attempt.
    current: Option<String>,
    /// The token of a `refresh` that is not answered.
    offered: Option<String>,
    refused: VecDeque<String>,
}

impl Tokens {
    pub(super) fn give(&mut self, token: &str) {
        self.refused.retain(|refused| refused != token);
        self.given = Some(token.to_owned());
    }

    /// The token for the next attempt; `None`: that of the source.
    pub(super) fn given(&self) -> Option<&String> {
        self.given.as_ref()
    }

    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Handles an attempt with this token, if the source had one.
    pub(super) fn attempted(&mut self, token: Option<String>) {
        (self.current, self.offered) = (token, None);
    }

    /// Returns true if the server may accept the token, and has not done so yet.
    pub(super) fn is_another(&self, token: &str) -> bool {
        self.current.as_deref() != Some(token) && !self.refused.iter().any(|refused| refused == token)
    }

    /// Handles a `refresh` with this token.
    pub(super) fn offer(&mut self, token: &str) {
        self.offered = Some(token.to_owned());
    }

    /// Handles the acceptance of the offered token.
    pub(super) fn accept(&mut self) {
        let Some(offered) = self.offered.take() else { return };
        self.given.take_if(|given| *given != offered);
        self.current = Some(offered);
    }

    /// Handles the refusal of the offered token.
    pub(super) fn refuse_offered(&mut self) {
        if let Some(offered) = self.offered.take() {
            self.refuse(offered);
        }
    }

    /// Handles the refusal of the current token.
    pub(super) fn refuse_current(&mut self) {
        if let Some(current) = self.current.clone() {
            self.refuse(current);
        }
    }

    fn refuse(&mut self, token: String) {
        self.given.take_if(|given| *given == token);
        self.refused.retain(|refused| *refused != token);
        self.refused.truncate(REFUSED - 1);
        self.refused.push_front(token);
    }

    /// The end of the newest token, if it names one.
    pub(super) fn end(&self) -> Option<Timestamp> {
        TokenClaims::of(self.offered.as_ref().or(self.current.as_ref())?)?.expires_at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use(token: &str) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.attempted(Some(token.to_owned()));
        tokens
    }

    #[test]
    fn the_debug_form_of_a_token_does_not_show_it() {
        assert_eq!(format!("{:?}", Token::new(" s3cret\n")), "Token");
        assert_eq!(Token::new(" s3cret\n").into_text(), "s3cret");
    }

    #[test]
    fn an_accepted_token_is_the_current_one() {
        let mut tokens = in_use("a");
        tokens.offer("b");
        assert_eq!(tokens.current(), Some("a"), "it may be invalid");
        assert!(tokens.is_another("b"));
        tokens.accept();
        assert!(!tokens.is_another("b"));
    }

    #[test]
    fn a_refused_token_is_not_another_one_until_it_is_given() {
        let mut tokens = in_use("a");
        tokens.offer("b");
        tokens.refuse_offered();
        tokens.refuse_current();
        assert!(!tokens.is_another("a") && !tokens.is_another("b") && tokens.is_another("c"));
        tokens.give("b");
        assert!(tokens.is_another("b"));
    }

    #[test]
    fn a_given_token_replaces_the_source_until_it_is_refused_or_renewed() {
        let mut tokens = in_use("a");
        tokens.give("b");
        tokens.offer("b");
        tokens.accept();
        assert_eq!(tokens.given().map(String::as_str), Some("b"), "also for the next connection");
        tokens.offer("c");
        tokens.accept();
        assert_eq!(tokens.given(), None);
        tokens.give("d");
        tokens.attempted(Some("d".to_owned()));
        tokens.refuse_current();
        assert_eq!(tokens.given(), None);
    }
}
