//! The text of the prompt for a token: typed or pasted unseen, and forgotten when the prompt closes.

use std::fmt;

use crate::sanitize::{self, Line};

/// Bytes of the longest token, as for a server.
const TOKEN_BYTES: usize = 8 * 1024;

/// A token that is being typed. The `Debug` form does not show it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenPrompt {
    text: String,
    /// The reason why the last token was not taken.
    problem: Option<Line>,
}

impl TokenPrompt {
    /// Returns the number of characters.
    #[must_use]
    pub fn chars(&self) -> usize {
        self.text.chars().count()
    }

    /// Returns the reason why the last token was not taken.
    #[must_use]
    pub const fn problem(&self) -> Option<&Line> {
        self.problem.as_ref()
    }

    /// Creates a prompt after a token that was not taken.
    pub(super) fn after(problem: Line) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn pop(&mut self) {
        self.text.pop();
    }

    pub(super) fn write(&mut self, text: &str) {
        self.problem = None;
        let text: String = text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        if self.text.len() + text.len() > TOKEN_BYTES {
            self.problem = Some(sanitize::line(&format!("a token has at most {TOKEN_BYTES} characters")));
        } else {
            self.text.push_str(&text);
        }
    }
}

impl fmt::Debug for TokenPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPrompt").field("problem", &self.problem).finish_non_exhaustive()
    }
}
